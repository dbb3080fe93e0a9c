//! Video ids: `vid_` and 26 lower-case Crockford base-32 characters of a 128-bit, time-ordered value.

use std::{fmt, str::FromStr};

use serde::{Deserialize, Serialize};

const PREFIX: &str = "vid_";
const DIGITS: usize = 26;
const ALPHABET: &[u8; 32] = b"0123456789abcdefghjkmnpqrstvwxyz";

/// The id of a video. Sorts as its creation time does, since its first 48 bits are that time.
///
/// Parsing is the only way in from outside, so a value of this type is always safe in a path.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct VideoId(u128);

/// A text is not a video id.
#[derive(Debug, thiserror::Error)]
#[error("a video id is vid_ and 26 characters of 0-9 a-z without i, l, o, u")]
pub struct ParseError;

// === impl VideoId ===

impl VideoId {
    /// Makes an id from the bits of a UUID version 7.
    pub fn from_bits(bits: u128) -> Self {
        Self(bits)
    }
}

impl fmt::Display for VideoId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(PREFIX)?;
        for digit in (0..DIGITS).rev() {
            let value = (self.0 >> (digit * 5)) & 31;
            let symbol = usize::try_from(value).ok().and_then(|v| ALPHABET.get(v));
            fmt::Write::write_char(f, char::from(*symbol.unwrap_or(&b'0')))?;
        }
        Ok(())
    }
}

impl fmt::Debug for VideoId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}

impl FromStr for VideoId {
    type Err = ParseError;

    fn from_str(text: &str) -> Result<Self, ParseError> {
        let digits = text.strip_prefix(PREFIX).ok_or(ParseError)?;
        if digits.len() != DIGITS {
            return Err(ParseError);
        }
        let mut bits: u128 = 0;
        for byte in digits.bytes() {
            let value = ALPHABET.iter().position(|&a| a == byte).ok_or(ParseError)?;
            // 26 digits hold 130 bits: the first may not exceed 7.
            bits = bits.checked_mul(32).ok_or(ParseError)? | value as u128;
        }
        Ok(Self(bits))
    }
}

impl TryFrom<String> for VideoId {
    type Error = ParseError;

    fn try_from(text: String) -> Result<Self, ParseError> {
        text.parse()
    }
}

impl From<VideoId> for String {
    fn from(id: VideoId) -> Self {
        id.to_string()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn round_trips_and_refuses_what_is_not_an_id() {
        for bits in [0, 1, u128::MAX, 0x0192_aaaa_bbbb_7ccc_8ddd_eeee_ffff_0001] {
            let id = VideoId::from_bits(bits);
            assert_eq!(id.to_string().len(), 30);
            assert_eq!(id.to_string().parse::<VideoId>().unwrap(), id);
        }
        for bad in [
            "",
            "vid_",
            "vid_0",
            "vid_zzzzzzzzzzzzzzzzzzzzzzzzzz",
            "vid_0000000000000000000000000I",
            "../0000000000000000000000000000",
        ] {
            assert!(bad.parse::<VideoId>().is_err(), "{bad}");
        }
    }
}
