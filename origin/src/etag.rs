//! Strong entity tags: FNV-1a over 128 bits, the same on every node and in every release.

use std::fmt;

use http::HeaderValue;

const OFFSET_BASIS: u128 = 0x6c62_272e_07bb_0142_62b8_2175_6295_c58d;
const PRIME: u128 = 0x0000_0000_0100_0000_0000_0000_0000_013b;

/// The entity tag of these bytes, quotes included.
pub(crate) fn of(bytes: &[u8]) -> HeaderValue {
    quoted(format_args!("{:032x}", digest(bytes)))
}

/// The entity tag of bytes that show a version of something, and beside it what changes without a new version.
pub(crate) fn of_version(version: u64, bytes: &[u8]) -> HeaderValue {
    quoted(format_args!("{version}-{:032x}", digest(bytes)))
}

/// Whether an entity tag, quotes included, is of this version, whatever was shown beside it.
pub(crate) fn is_of_version(tag: &[u8], version: u64) -> bool {
    tag.starts_with(format!("\"{version}-").as_bytes())
}

fn digest(bytes: &[u8]) -> u128 {
    bytes.iter().fold(OFFSET_BASIS, |hash, &byte| (hash ^ u128::from(byte)).wrapping_mul(PRIME))
}

fn quoted(text: fmt::Arguments<'_>) -> HeaderValue {
    HeaderValue::try_from(format!("\"{text}\"")).unwrap_or(HeaderValue::from_static("\"\""))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn is_the_published_function() {
        // Vectors of draft-eastlake-fnv.
        assert_eq!(of(b""), "\"6c62272e07bb014262b821756295c58d\"");
        assert_eq!(of(b"a"), "\"d228cb696f1a8caf78912b704e4a8964\"");
        assert_ne!(of(b"ab"), of(b"ba"));
    }

    #[test]
    fn a_version_is_told_from_what_is_shown_beside_it() {
        let (one, other) = (of_version(7, b"views: 1"), of_version(7, b"views: 2"));
        assert_ne!(one, other);
        for (tag, version, expected) in [
            (one.as_bytes(), 7, true),
            (other.as_bytes(), 7, true),
            (one.as_bytes(), 8, false),
            (of_version(70, b"").as_bytes(), 7, false),
            (of(b"").as_bytes(), 7, false),
            (b"\"\"".as_slice(), 0, false),
        ] {
            assert_eq!(is_of_version(tag, version), expected, "{tag:?} {version}");
        }
    }
}
