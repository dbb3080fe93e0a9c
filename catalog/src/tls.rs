//! TLS towards servers: whatever is encrypted is verified.

use std::{path::Path, sync::Arc};

use rustls::{
    ClientConfig, RootCertStore,
    pki_types::{CertificateDer, pem::PemObject as _},
};

/// The parameter of a URL with the authorities of the server's certificate, as with libpq.
pub(crate) const ROOTS: &str = "sslrootcert";

/// Whom to trust.
#[derive(Clone, Copy, Debug)]
pub(crate) enum Roots<'a> {
    /// Nobody: nothing will be encrypted.
    None,
    /// What the system trusts; what of it cannot be read is not trusted.
    System,
    /// The authorities in a file (PEM).
    File(&'a str),
}

/// A configuration that trusts these, or what is wrong with their file.
pub(crate) fn client(roots: Roots<'_>) -> Result<ClientConfig, String> {
    let mut store = RootCertStore::empty();
    match roots {
        Roots::None => {}
        Roots::System => {
            store.add_parsable_certificates(rustls_native_certs::load_native_certs().certs);
        }
        Roots::File(file) => {
            let unreadable = |error: &dyn std::fmt::Display| format!("{ROOTS}={file}: {error}");
            for certificate in CertificateDer::pem_file_iter(Path::new(file)).map_err(|error| unreadable(&error))? {
                let certificate = certificate.map_err(|error| unreadable(&error))?;
                store.add(certificate).map_err(|error| unreadable(&error))?;
            }
            if store.is_empty() {
                return Err(unreadable(&"it holds no certificate"));
            }
        }
    }
    let provider = Arc::new(rustls::crypto::ring::default_provider());
    let builder = ClientConfig::builder_with_provider(provider).with_safe_default_protocol_versions();
    Ok(builder.map_err(|error| error.to_string())?.with_root_certificates(store).with_no_client_auth())
}
