//! Secrets in files of their own, as Docker and Kubernetes mount them.

use std::{
    fs,
    io::{Error, ErrorKind, Read, Result},
    path::Path,
};

/// Bytes of a secret: a key, a token, or a URL with a password. A longer file is the wrong one.
const SECRET_BYTES_MAX: u64 = 16 << 10;

/// The secret that a file holds, without the end of its line. Failures say nothing of it.
///
/// # Errors
/// `InvalidData` when it is empty, longer than a secret or no UTF-8; else why it cannot be read.
pub fn read_secret(path: &Path) -> Result<String> {
    let mut bytes = Vec::new();
    fs::File::open(path)?.take(SECRET_BYTES_MAX + 1).read_to_end(&mut bytes)?;
    let wrong = |reason: String| Error::new(ErrorKind::InvalidData, reason);
    if bytes.len() as u64 > SECRET_BYTES_MAX {
        return Err(wrong(format!("it holds more than {SECRET_BYTES_MAX} bytes")));
    }
    let text = String::from_utf8(bytes).map_err(|_| wrong("it is not UTF-8".to_owned()))?;
    let secret = text.trim_end_matches(['\r', '\n']);
    if secret.trim().is_empty() {
        return Err(wrong("it is empty".to_owned()));
    }
    Ok(secret.to_owned())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_secret_ends_with_its_line_and_has_a_bound() {
        let file = tempfile::NamedTempFile::new().unwrap();
        let most = usize::try_from(SECRET_BYTES_MAX).unwrap();
        let read = |bytes: &[u8]| {
            fs::write(file.path(), bytes).unwrap();
            read_secret(file.path()).map_err(|error| (error.kind(), error.to_string()))
        };
        for (bytes, secret) in [("s", "s"), ("s\n", "s"), ("s\r\n", "s"), (" s t \n\n", " s t ")] {
            assert_eq!(read(bytes.as_bytes()).as_deref(), Ok(secret));
        }
        assert_eq!(read(&vec![b'x'; most]).unwrap().len(), most);
        for (bytes, reason) in [
            (vec![b'x'; most + 1], "more than 16384 bytes"),
            (b"\n".to_vec(), "empty"),
            (Vec::new(), "empty"),
            (b"hunter2\xff".to_vec(), "UTF-8"),
        ] {
            let (kind, text) = read(&bytes).unwrap_err();
            assert!(kind == ErrorKind::InvalidData && text.contains(reason) && !text.contains("hunter2"), "{text}");
        }
        assert_eq!(read_secret(Path::new("/nonexistent")).unwrap_err().kind(), ErrorKind::NotFound);
    }

    #[test]
    fn what_never_ends_is_not_read_to_its_end() {
        assert_eq!(read_secret(Path::new("/dev/zero")).unwrap_err().kind(), ErrorKind::InvalidData);
    }
}
