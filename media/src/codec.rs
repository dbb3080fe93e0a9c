//! Decoder configurations and the RFC 6381 codec strings read from them.

use serde::{Deserialize, Serialize};

/// What a decoder needs before the first sample; identical for every chunk of a track.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum DecoderConfig {
    /// H.264: the `AVCDecoderConfigurationRecord` (ISO 14496-15 §5.3.3), the payload of `avcC`.
    Avc(Vec<u8>),
    /// AAC: the `AudioSpecificConfig` (ISO 14496-3 §1.6.2.1), carried in `esds`.
    Aac(Vec<u8>),
}

impl DecoderConfig {
    /// The codec string of RFC 6381: `avc1.64001f`, `mp4a.40.2`. Bytes that are not there count as 0,
    /// which no decoder supports, so that a truncated configuration is never mistaken for a good one.
    pub fn codec_string(&self) -> String {
        match self {
            Self::Avc(record) => {
                let byte = |at: usize| record.get(at).copied().unwrap_or(0);
                format!("avc1.{:02x}{:02x}{:02x}", byte(1), byte(2), byte(3))
            }
            Self::Aac(config) => {
                let first = u16::from(config.first().copied().unwrap_or(0));
                let second = u16::from(config.get(1).copied().unwrap_or(0));
                // Five bits of audio object type; 31 escapes to 32 plus six more bits.
                let object_type = match first >> 3 {
                    31 => 32 + (((first & 7) << 3) | (second >> 5)),
                    plain => plain,
                };
                format!("mp4a.40.{object_type}")
            }
        }
    }
}

#[cfg(test)]
mod tests;
