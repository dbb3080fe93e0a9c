//! What the scan of a source leaves: facts for people, and packets for chunk jobs.
//!
//! The packet index makes every container alike: a job reads packets by offset and never trusts a
//! demuxer's seek. Offsets point into the source itself where its container has a sample table, else
//! into a stream copy that the scan wrote.

use serde::{Deserialize, Serialize};

use crate::rational::Rational;

pub mod packets;

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
    /// Audio streams found.
    #[serde(default)]
    pub audio: Vec<AudioFacts>,
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

/// The median packet interval snapped to a common rate, else the fraction itself, at most 60.
///
/// `intervals_ns` are the differences of consecutive presentation times; empty gives 25.
pub fn nominal_rate(intervals_ns: &mut [u64]) -> Rational {
    const FPS_MAX: f64 = 60.0;
    let middle = intervals_ns.len() / 2;
    if intervals_ns.is_empty() {
        return Rational::new(25, 1);
    }
    let (_, median, _) = intervals_ns.select_nth_unstable(middle);
    let median = (*median).max(1);
    #[expect(clippy::cast_precision_loss, reason = "intervals are below 2^53 ns")]
    let fps = 1e9 / median as f64;
    for n in [24, 25, 30, 50, 60] {
        for candidate in [Rational::new(n, 1), Rational::new(n * 1000, 1001)] {
            let near = (fps / candidate.as_f64() - 1.0).abs() <= 0.001;
            if near {
                return candidate;
            }
        }
    }
    if fps >= FPS_MAX {
        return Rational::new(60, 1);
    }
    let thousandths = u32::try_from(1_000_000_000_000_u64 / median).unwrap_or(60_000).clamp(100, 60_000);
    Rational::new(thousandths, 1000)
}
