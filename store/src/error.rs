//! What can go wrong with bytes, as far as a caller can act on it.

use std::io;

/// A failed store operation.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// There is no object under this key.
    #[error("no object {path}")]
    NotFound {
        /// The path of the key.
        path: String,
    },
    /// The object is shorter than the range that was asked for: it is not the object that was indexed.
    #[error("object {path} has no bytes {start}..{end}")]
    Range {
        /// The path of the key.
        path: String,
        /// First byte wanted.
        start: u64,
        /// One past the last byte wanted.
        end: u64,
    },
    /// The disk or quota is full; nothing was left behind.
    #[error("no space left for {path}")]
    Full {
        /// The path of the key.
        path: String,
    },
    /// The store URL is not one that this build can open.
    #[error("store.url must be file:///DIRECTORY, not {url}")]
    Url {
        /// The URL as given.
        url: String,
    },
    /// Any other failure of the underlying storage.
    #[error("storage failed at {path}")]
    Io {
        /// The path of the key.
        path: String,
        /// The cause.
        #[source]
        source: io::Error,
    },
}

impl Error {
    /// Sorts an operating-system error by what can be done about it.
    pub(crate) fn from_io(path: impl Into<String>, source: io::Error) -> Self {
        let path = path.into();
        match source.kind() {
            io::ErrorKind::NotFound => Self::NotFound { path },
            io::ErrorKind::StorageFull | io::ErrorKind::QuotaExceeded => Self::Full { path },
            _ => Self::Io { path, source },
        }
    }
}
