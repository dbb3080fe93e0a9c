//! Whether gzip bytes are of a known text, without inflating them: the trailer has its checksum and length (RFC 1952 §2.3.1).

const MAGIC: &[u8] = &[0x1f, 0x8b, 8];
/// Header and trailer, with nothing between.
const BYTES_MIN: usize = 18;
/// The reversed polynomial of CRC-32.
const POLYNOMIAL: u32 = 0xedb8_8320;

/// Whether one gzip member holds exactly `plain`.
pub(super) fn is_of(encoded: &[u8], plain: &[u8]) -> bool {
    let Some((_, trailer)) = encoded.split_last_chunk::<8>().filter(|_| encoded.len() >= BYTES_MIN) else {
        return false;
    };
    let [c0, c1, c2, c3, l0, l1, l2, l3] = *trailer;
    let length = u32::try_from(plain.len()).ok();
    encoded.starts_with(MAGIC)
        && u32::from_le_bytes([c0, c1, c2, c3]) == crc32(plain)
        && Some(u32::from_le_bytes([l0, l1, l2, l3])) == length
}

fn crc32(bytes: &[u8]) -> u32 {
    !bytes.iter().fold(u32::MAX, |crc, byte| {
        (0..8).fold(crc ^ u32::from(*byte), |crc, _| if crc & 1 == 1 { crc >> 1 ^ POLYNOMIAL } else { crc >> 1 })
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_checksum_is_that_of_the_standard() {
        assert_eq!(crc32(b"123456789"), 0xcbf4_3926);
    }

    #[test]
    fn a_member_is_told_from_another() {
        // gzip -n of "hello\n".
        let encoded = [
            0x1f, 0x8b, 8, 0, 0, 0, 0, 0, 0, 3, 0xcb, 0x48, 0xcd, 0xc9, 0xc9, 0xe7, 2, 0, 0x20, 0x30, 0x3a, 0x36, 6, 0,
            0, 0,
        ];
        assert!(is_of(&encoded, b"hello\n"));
        assert!(!is_of(&encoded, b"hallo\n"));
        assert!(!is_of(b"hello\n", b"hello\n"));
    }
}
