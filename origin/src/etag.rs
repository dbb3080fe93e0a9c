//! Strong entity tags: FNV-1a over 128 bits, the same on every node and in every release.

use http::HeaderValue;

const OFFSET_BASIS: u128 = 0x6c62_272e_07bb_0142_62b8_2175_6295_c58d;
const PRIME: u128 = 0x0000_0000_0100_0000_0000_0000_0000_013b;

/// The entity tag of these bytes, quotes included.
pub(crate) fn of(bytes: &[u8]) -> HeaderValue {
    let digest = bytes.iter().fold(OFFSET_BASIS, |hash, &byte| (hash ^ u128::from(byte)).wrapping_mul(PRIME));
    HeaderValue::try_from(format!("\"{digest:032x}\"")).unwrap_or(HeaderValue::from_static("\"\""))
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
}
