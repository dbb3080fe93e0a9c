//! The HTTP client of the commands that talk to a server: how long it waits for one, and whom it trusts.

use std::{path::Path, time::Duration};

use reqwest::{Certificate, ClientBuilder};

use crate::exit::{Code, Failure};

/// A server that does not answer within this is called unreachable.
const CONNECT_WAIT_MAX: Duration = Duration::from_secs(5);

/// What makes a client for this server. HTTPS is trusted by the system's certificates, or by those in `ca_file` alone.
pub(crate) fn builder(server: &str, ca_file: Option<&Path>) -> Result<ClientBuilder, Failure> {
    // Fails when another one was installed before, which then serves as well.
    let _ = rustls::crypto::ring::default_provider().install_default();
    let builder = reqwest::Client::builder().connect_timeout(CONNECT_WAIT_MAX);
    Ok(match ca_file {
        Some(path) => builder.tls_certs_only(trusted(path)?),
        None if server.starts_with("https://") => builder,
        // Plaintext needs no certificates, and works where the system has none.
        None => builder.tls_certs_only([]),
    })
}

fn trusted(path: &Path) -> Result<Vec<Certificate>, Failure> {
    let refused = |code, reason: String| Failure::new(code, format!("cannot trust {}: {reason}", path.display()));
    let pem = std::fs::read(path).map_err(|error| refused(Code::NoInput, error.to_string()))?;
    let certificates = Certificate::from_pem_bundle(&pem).unwrap_or_default();
    if certificates.is_empty() {
        return Err(refused(Code::Usage, "it holds no certificate in PEM form".to_owned()));
    }
    Ok(certificates)
}
