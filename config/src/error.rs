//! What can be wrong with a configuration, each in one sentence.

use std::path::PathBuf;

/// A configuration that cannot be used.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// The file cannot be read.
    #[error("cannot read the configuration file {path}: {source}")]
    Read {
        /// The file.
        path: PathBuf,
        /// The cause.
        source: std::io::Error,
    },
    /// The file is not TOML.
    #[error("{path} is not valid TOML: {reason}")]
    Syntax {
        /// The file.
        path: PathBuf,
        /// What the parser said.
        reason: String,
    },
    /// Nobody reads this key.
    #[error("{origin} sets {key}, which is not a setting; did you mean {nearest}?")]
    Unknown {
        /// File or environment.
        origin: String,
        /// The key as given.
        key: String,
        /// The known key that looks most like it.
        nearest: &'static str,
    },
    /// A setting is given, and so is a file that holds it.
    #[error("{key} and {file_key} are both set; leave one of them out")]
    Both {
        /// The setting.
        key: &'static str,
        /// The setting that names its file.
        file_key: &'static str,
    },
    /// The file that holds a setting gives none. `InvalidData` says that there is no such thing in it.
    #[error("{key} names {path}, which cannot be used: {source}")]
    Secret {
        /// The setting that names the file.
        key: &'static str,
        /// The file.
        path: PathBuf,
        /// The cause.
        source: std::io::Error,
    },
    /// The value does not fit the key.
    #[error("{key} = {value:?}: {reason}")]
    Value {
        /// The key.
        key: &'static str,
        /// The value as given.
        value: String,
        /// What would fit.
        reason: String,
    },
}
