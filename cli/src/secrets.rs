//! What must not be shown: who may use the bucket, from variables or from files that they name.

use std::{ffi::OsString, io::ErrorKind, path::PathBuf};

use vidstream_config::read_secret;

use crate::exit::{Code, Failure};

/// Variables with the keys of a bucket. With `_FILE` behind it each names a file that holds the same.
const KEYS: [&str; 3] = ["AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY", "AWS_SESSION_TOKEN"];

/// The variables of this process, with what lies in files.
pub(crate) fn variables() -> Result<Vec<(String, String)>, Failure> {
    // What is no text is no setting of a bucket.
    let text = |(name, value): (OsString, OsString)| Some((name.into_string().ok()?, value.into_string().ok()?));
    with_files(std::env::vars_os().filter_map(text).collect())
}

fn with_files(mut variables: Vec<(String, String)>) -> Result<Vec<(String, String)>, Failure> {
    let find = |variables: &[(String, String)], name: &str| {
        let found = variables.iter().find(|variable| variable.0 == name && !variable.1.is_empty());
        found.map(|variable| variable.1.clone())
    };
    for key in KEYS {
        let file_key = format!("{key}_FILE");
        let Some(path) = find(&variables, &file_key).map(PathBuf::from) else { continue };
        if find(&variables, key).is_some() {
            return Err(Failure::new(Code::Usage, format!("{key} and {file_key} are both set; leave one of them out")));
        }
        let secret = read_secret(&path).map_err(|error| {
            let sentence = format!("{file_key} names {}, which cannot be used: {error}", path.display());
            Failure::new(code(error.kind()), sentence)
        })?;
        variables.push((key.to_owned(), secret));
    }
    Ok(variables)
}

/// A file that cannot be read is an input that is not there; one without a secret is a mistake.
pub(crate) fn code(kind: ErrorKind) -> Code {
    if kind == ErrorKind::InvalidData { Code::Usage } else { Code::NoInput }
}
