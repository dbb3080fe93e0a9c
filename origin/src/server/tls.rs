//! TLS: a certificate chain and its key, replaced by newer files while connections go on.
//!
//! A pair is served only after the key was found to belong to the certificate. Whatever lies in the
//! files later, the last good pair stays until there is a better one.

use std::{
    io,
    os::unix::fs::MetadataExt,
    path::{Path, PathBuf},
    sync::{Arc, PoisonError, RwLock},
    time::Duration,
};

use rustls::{
    ServerConfig,
    crypto::{CryptoProvider, ring},
    pki_types::{CertificateDer, PrivateKeyDer, pem::PemObject},
    server::{ClientHello, ResolvesServerCert},
    sign::CertifiedKey,
};
use tokio::{
    fs::{self, File},
    io::AsyncReadExt,
    time::{MissedTickBehavior, interval},
};
use tokio_rustls::TlsAcceptor;

use crate::{Error, config::TlsFiles, limits::TLS_FILE_BYTES_MAX};

/// What a client may choose from, the better one first.
const PROTOCOLS: [&[u8]; 2] = [HTTP2, b"http/1.1"];
/// The name of HTTP/2 in a handshake.
pub(super) const HTTP2: &[u8] = b"h2";

/// The pair that handshakes use.
pub(super) struct Tls {
    files: TlsFiles,
    served: Arc<Served>,
    seen: Stamp,
    acceptor: TlsAcceptor,
}

#[derive(Debug)]
struct Served {
    pair: RwLock<Arc<CertifiedKey>>,
}

/// What tells two states of the files apart without reading them; links are followed.
#[derive(Clone, Debug, PartialEq, Eq)]
struct Stamp([Option<(i64, i64, u64, u64)>; 2]);

// === impl Tls ===

impl Tls {
    /// Reads the pair that is served first.
    pub(super) async fn open(files: TlsFiles) -> Result<Self, Error> {
        let provider = Arc::new(ring::default_provider());
        // Taken before the reading: what is written after it is seen as a change.
        let seen = Stamp::of(&files).await;
        let pair = RwLock::new(Arc::new(load(&files, &provider).await?));
        let served = Arc::new(Served { pair });
        let refused = |error: rustls::Error| Error::Tls { path: files.cert.clone(), reason: error.to_string() };
        let mut config = ServerConfig::builder_with_provider(provider)
            .with_safe_default_protocol_versions()
            .map_err(refused)?
            .with_no_client_auth()
            .with_cert_resolver(Arc::clone(&served) as Arc<dyn ResolvesServerCert>);
        config.alpn_protocols = PROTOCOLS.map(<[u8]>::to_vec).into();
        // Returning clients skip the costly half of a handshake, and nothing is kept for them here.
        config.ticketer = ring::Ticketer::new().map_err(refused)?;
        Ok(Self { files, served, seen, acceptor: Arc::new(config).into() })
    }

    /// What makes TLS connections of plain ones.
    pub(super) fn acceptor(&self) -> TlsAcceptor {
        self.acceptor.clone()
    }

    /// Follows the files for as long as it is polled. Each state of them is tried once.
    pub(super) async fn follow(mut self, poll: Duration) {
        let provider = Arc::new(ring::default_provider());
        let mut tick = interval(poll);
        tick.set_missed_tick_behavior(MissedTickBehavior::Delay);
        loop {
            tick.tick().await;
            let stamp = Stamp::of(&self.files).await;
            if stamp == self.seen {
                continue;
            }
            self.seen = stamp;
            match load(&self.files, &provider).await {
                Ok(pair) => {
                    *self.served.pair.write().unwrap_or_else(PoisonError::into_inner) = Arc::new(pair);
                    metrics::counter!("vidstream_tls_reloads_total", "outcome" => "served").increment(1);
                    tracing::info!(certificate = %self.files.cert.display(), "a new certificate is served");
                }
                Err(error) => {
                    metrics::counter!("vidstream_tls_reloads_total", "outcome" => "refused").increment(1);
                    tracing::error!(
                        error = &error as &dyn std::error::Error,
                        "the certificate cannot be replaced; the last one is still served"
                    );
                }
            }
        }
    }
}

impl ResolvesServerCert for Served {
    fn resolve(&self, _: ClientHello<'_>) -> Option<Arc<CertifiedKey>> {
        Some(Arc::clone(&self.pair.read().unwrap_or_else(PoisonError::into_inner)))
    }
}

// === impl Stamp ===

impl Stamp {
    async fn of(files: &TlsFiles) -> Self {
        let stamp = async |path: &Path| {
            let found = fs::metadata(path).await.ok();
            found.map(|found| (found.mtime(), found.mtime_nsec(), found.size(), found.ino()))
        };
        Self([stamp(&files.cert).await, stamp(&files.key).await])
    }
}

/// Reads both files; gives them as a pair only if they are one.
async fn load(files: &TlsFiles, provider: &CryptoProvider) -> Result<CertifiedKey, Error> {
    let refused = |path: &PathBuf, reason: String| Error::Tls { path: path.clone(), reason };
    let text = read(&files.cert).await?;
    let chain: Result<Vec<_>, _> = CertificateDer::pem_slice_iter(&text).collect();
    let chain = chain.map_err(|error| refused(&files.cert, error.to_string()))?;
    if chain.is_empty() {
        return Err(refused(&files.cert, "it holds no certificate in PEM form".to_owned()));
    }
    let text = read(&files.key).await?;
    let key = PrivateKeyDer::from_pem_slice(&text)
        .map_err(|_| refused(&files.key, "it holds no private key in PEM form".to_owned()))?;
    CertifiedKey::from_der(chain, key, provider).map_err(|error| match error {
        rustls::Error::InconsistentKeys(_) => {
            let reason = format!("it is not the key of the certificate in {}", files.cert.display());
            refused(&files.key, reason)
        }
        error => refused(&files.cert, error.to_string()),
    })
}

async fn read(path: &Path) -> Result<Vec<u8>, Error> {
    let unreadable = |source: io::Error| Error::TlsFile { path: path.to_owned(), source };
    let mut bytes = Vec::new();
    let file = File::open(path).await.map_err(unreadable)?;
    // One byte more than there may be: of a longer file no part is served as if it were the whole.
    file.take(TLS_FILE_BYTES_MAX + 1).read_to_end(&mut bytes).await.map_err(unreadable)?;
    if bytes.len() as u64 > TLS_FILE_BYTES_MAX {
        let reason = format!("it has more than {TLS_FILE_BYTES_MAX} bytes");
        return Err(Error::Tls { path: path.to_owned(), reason });
    }
    Ok(bytes)
}
