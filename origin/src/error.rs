//! Why an origin does not start.

use std::{io, net::SocketAddr, path::PathBuf};

/// An origin could not be bound.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// Something else listens on the address.
    #[error("{addr} is in use")]
    AddrInUse {
        /// The address that was wanted.
        addr: SocketAddr,
    },
    /// The address cannot be listened on for another reason.
    #[error("cannot listen on {addr}")]
    Bind {
        /// The address that was wanted.
        addr: SocketAddr,
        /// The cause.
        #[source]
        source: io::Error,
    },
    /// Without a token writes are for this machine only, so the address must be loopback.
    #[error("{addr} is not loopback: set auth.token_file, or origin.read_only to refuse every write")]
    Unprotected {
        /// The address that was wanted.
        addr: SocketAddr,
    },
    /// A file with certificate or key cannot be read.
    #[error("cannot read {}", path.display())]
    TlsFile {
        /// The file.
        path: PathBuf,
        /// The cause.
        #[source]
        source: io::Error,
    },
    /// What certificate and key files hold cannot be served.
    #[error("{} cannot be used for TLS: {reason}", path.display())]
    Tls {
        /// The file.
        path: PathBuf,
        /// What is wrong with it.
        reason: String,
    },
    /// The threads that serve connections cannot be started.
    #[error("no threads to serve connections")]
    Threads(#[source] io::Error),
    /// The token file cannot be used.
    #[error("token file {}: {reason}", path.display())]
    Token {
        /// The file.
        path: PathBuf,
        /// What is wrong with it.
        reason: String,
    },
}

impl Error {
    /// Sorts an operating-system error of a listen call.
    pub(crate) fn of_listen(addr: SocketAddr, source: io::Error) -> Self {
        match source.kind() {
            io::ErrorKind::AddrInUse => Self::AddrInUse { addr },
            _ => Self::Bind { addr, source },
        }
    }
}
