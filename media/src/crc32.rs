//! The checksum of stored bytes: CRC-32 as in Ethernet, gzip and PNG.

use serde::{Deserialize, Serialize};

/// A checksum. It tells bytes that were damaged by accident, not those that somebody forged.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(transparent)]
pub struct Crc32(u32);

// === impl Crc32 ===

impl Crc32 {
    /// Of no bytes at all.
    pub const EMPTY: Self = Self(0);

    /// Of these bytes.
    pub fn of(bytes: &[u8]) -> Self {
        Self::EMPTY.and(bytes)
    }

    /// Of the bytes so far and of these behind them.
    #[must_use]
    pub fn and(self, bytes: &[u8]) -> Self {
        let mut hasher = crc32fast::Hasher::new_with_initial(self.0);
        hasher.update(bytes);
        Self(hasher.finalize())
    }
}

impl From<u32> for Crc32 {
    fn from(value: u32) -> Self {
        Self(value)
    }
}

impl From<Crc32> for u32 {
    fn from(sum: Crc32) -> Self {
        sum.0
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn it_is_the_one_that_others_compute_and_can_be_gone_on_with() {
        let digits = b"123456789";
        assert_eq!(Crc32::of(digits), Crc32::from(0xcbf4_3926));
        for at in 0..=digits.len() {
            let (head, tail) = digits.split_at(at);
            assert_eq!(Crc32::of(head).and(tail), Crc32::of(digits), "{at}");
        }
        assert_eq!(Crc32::of(&[]), Crc32::EMPTY);
    }

    #[test]
    fn every_bit_counts() {
        let bytes = [0x5a; 100];
        for bit in 0..bytes.len() * 8 {
            let mut other = bytes;
            other[bit / 8] ^= 1 << (bit % 8);
            assert_ne!(Crc32::of(&other), Crc32::of(&bytes), "{bit}");
        }
    }
}
