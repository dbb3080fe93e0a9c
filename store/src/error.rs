//! What can go wrong with bytes, as far as a caller can act on it.

use std::io;

use crate::bucket;

/// A failed store operation.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// There is no object under this key.
    #[error("no object {path}")]
    NotFound {
        /// The path of the key.
        path: String,
    },
    /// There is an object under this key already, and it is not replaced.
    #[error("there is an object {path} already")]
    Exists {
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
    #[error("store.url must be file:///DIRECTORY, s3://BUCKET/PREFIX or memory://, not {url}")]
    Url {
        /// The URL as given, without a user.
        url: String,
    },
    /// The bucket cannot be used with the settings as they are; another setting helps.
    #[error("the bucket {bucket} cannot be used: {reason}")]
    Settings {
        /// The bucket, as a URL.
        bucket: String,
        /// What is wrong with which setting.
        reason: String,
    },
    /// The server of the bucket cannot be used: it does not answer, or not as a store must.
    #[error("the bucket {bucket} cannot be used: {reason}")]
    Unavailable {
        /// The bucket, as a URL.
        bucket: String,
        /// What the server does not do.
        reason: String,
    },
    /// Any other failure of the underlying storage; of the kind [`io::ErrorKind::NotConnected`] if its server was away
    /// or failed for longer than it is asked again.
    #[error("storage failed at {path}")]
    Io {
        /// The path of the key.
        path: String,
        /// The cause.
        #[source]
        source: io::Error,
    },
}

/// A URL without the user and the password that it may name, for messages.
pub(crate) fn without_user(url: &str) -> String {
    // Keys of buckets may have slashes: whatever comes before the last @ may be one.
    match (url.split_once("://"), url.rsplit_once('@')) {
        (Some((scheme, _)), Some((_, host))) => format!("{scheme}://…@{host}"),
        _ => url.to_owned(),
    }
}

impl Error {
    /// Sorts an operating-system error by what can be done about it.
    pub(crate) fn from_io(path: impl Into<String>, source: io::Error) -> Self {
        let path = path.into();
        match source.kind() {
            io::ErrorKind::NotFound => Self::NotFound { path },
            io::ErrorKind::AlreadyExists => Self::Exists { path },
            io::ErrorKind::StorageFull | io::ErrorKind::QuotaExceeded => Self::Full { path },
            _ => Self::Io { path, source },
        }
    }

    /// Sorts the error of a bucket in the same way.
    pub(crate) fn from_bucket(path: impl Into<String>, source: object_store::Error) -> Self {
        use object_store::Error as E;

        let path = path.into();
        match source {
            E::NotFound { .. } => Self::NotFound { path },
            E::AlreadyExists { .. } | E::Precondition { .. } => Self::Exists { path },
            full if bucket::is_full(&full) => Self::Full { path },
            other => {
                // One sentence of bounded length: the library repeats whole answers, which may be anything.
                let kind = if bucket::is_passing(&other) { io::ErrorKind::NotConnected } else { io::ErrorKind::Other };
                Self::Io { path, source: io::Error::new(kind, bucket::sentence(&other)) }
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_answer_of_a_server_is_told_once_and_in_one_line() {
        let page = format!("502: <html>\n{}</html>", "x".repeat(100_000));
        for said in [page, "<Error><Code>SlowDown</Code><Message>No\nway</Message></Error>".to_owned()] {
            let cause = object_store::Error::Generic { store: "S3", source: said.into() };
            let error = Error::from_bucket("a", cause);
            let Error::Io { source, .. } = &error else { panic!("{error:?}") };
            assert_eq!(source.kind(), io::ErrorKind::NotConnected);
            let told = [error.to_string(), source.to_string(), format!("{error:?}")].concat();
            assert!(told.len() < 1_000 && !told.contains('\n'), "{told}");
            assert!(std::error::Error::source(source).is_none());
        }
    }

    #[test]
    fn a_url_is_told_without_its_user() {
        for (url, told) in [
            ("ftp://host/dir", "ftp://host/dir"),
            ("https://key:hunter2@host/bucket", "https://…@host/bucket"),
            ("https://key:hunt/er2@host", "https://…@host"),
            ("s3://a:b@c@host", "s3://…@host"),
            ("nothing", "nothing"),
        ] {
            assert_eq!(without_user(url), told);
        }
    }
}
