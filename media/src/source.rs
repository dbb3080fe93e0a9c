//! What the scan of a source leaves: facts for people, and packets for chunk jobs.
//!
//! The packet index makes every container alike: a job reads packets by offset and never trusts a
//! demuxer's seek. Offsets point into the source itself where its container has a sample table, else
//! into a stream copy that the scan wrote.

use serde::{Deserialize, Serialize};

pub mod clock;
pub mod language;
pub mod mp4;
pub mod packets;
mod rate;
pub mod spans;

pub use rate::{Pace, nominal_rate, pace};

/// Facts about the source, shown by the API.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct Facts {
    /// Bytes of the file.
    pub bytes: u64,
    /// Container: `mp4`, `matroska`, `mpegts`, …
    pub container: String,
    /// Duration of the presentation in seconds.
    pub duration_s: f64,
    /// Video codec, `h264` say.
    #[serde(skip_serializing_if = "Option::is_none", default)]
    pub video_codec: Option<String>,
    /// Width as shown, after rotation and pixel aspect.
    #[serde(skip_serializing_if = "Option::is_none", default)]
    pub width: Option<u32>,
    /// Height as shown.
    #[serde(skip_serializing_if = "Option::is_none", default)]
    pub height: Option<u32>,
    /// Clockwise rotation that was baked in: 0, 90, 180 or 270 degrees.
    #[serde(default)]
    pub rotation: u16,
    /// Nominal frames per second.
    #[serde(skip_serializing_if = "Option::is_none", default)]
    pub fps: Option<f64>,
    /// Whether packets are unevenly spaced.
    #[serde(default)]
    pub vfr: bool,
    /// The high dynamic range of the pictures; absent for standard range.
    #[serde(skip_serializing_if = "Option::is_none", default)]
    pub hdr: Option<Hdr>,
    /// Audio streams found.
    #[serde(default)]
    pub audio: Vec<AudioFacts>,
}

/// A transfer function of high dynamic range.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Hdr {
    /// Perceptual quantisation (SMPTE ST 2084).
    Pq,
    /// Hybrid log-gamma (ARIB STD-B67).
    Hlg,
}

/// Facts about an audio stream.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct AudioFacts {
    /// Codec, `aac` say.
    pub codec: String,
    /// Channels.
    pub channels: u32,
    /// Samples per second.
    pub sample_rate: u32,
    /// Language, BCP 47 or ISO 639-2, if the file tells.
    #[serde(skip_serializing_if = "Option::is_none", default)]
    pub language: Option<String>,
}

/// One coded picture or audio frame of the source.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Packet {
    /// Offset of its bytes.
    pub offset: u64,
    /// How many bytes.
    pub bytes: u32,
    /// Whether decoding can start here.
    pub sync: bool,
    /// Presentation time on the source's presentation timeline (edit lists applied), in nanoseconds; may be negative.
    pub pts_ns: i64,
    /// How long it lasts, in nanoseconds; 0 if unknown.
    pub duration_ns: u64,
}

// === impl Hdr ===

impl Hdr {
    /// That of transfer characteristics (ISO/IEC 23091-2 §8.2), if they are of high dynamic range.
    pub fn of_transfer(characteristics: u16) -> Option<Self> {
        match characteristics {
            16 => Some(Self::Pq),
            18 => Some(Self::Hlg),
            _ => None,
        }
    }
}
