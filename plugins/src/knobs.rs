//! What vidstream asks of an encoder, and how manifests refer to it.

use std::collections::BTreeMap;

/// The wishes for one track. Manifests name them in braces: `{cap_kbps}`.
///
/// `{threads}` is not among them: it stays in the settings until a job starts, since it depends on
/// what else the machine does and must not change the stream.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Knobs {
    /// The peak over the VBV buffer, bits per second: `{cap_bps}`, `{cap_kbps}`.
    pub cap_bps: u32,
    /// The expected average, bits per second: `{target_bps}`, `{target_kbps}`.
    pub target_bps: u32,
    /// The VBV buffer in milliseconds of the cap: `{buffer_ms}`.
    pub buffer_ms: u32,
    /// Frames of a GOP: `{gop_frames}`; `{key_frames_max}` is twice that, so that only forced key
    /// frames start a GOP, the longer last one of a film included.
    pub gop_frames: u32,
    /// B-frames between two references: `{bframes}`.
    pub bframes: u32,
    /// Constant quality on x264's scale, lower is better: `{quality}`.
    pub quality: u32,
    /// Whether every picture is an intra picture; adds the manifest's `[intra]` settings.
    pub intra: bool,
}

// === impl Knobs ===

impl Knobs {
    /// The names that a manifest may put in braces, with their values; `threads` stands for itself.
    pub(crate) fn values(&self) -> BTreeMap<&'static str, String> {
        BTreeMap::from([
            ("cap_bps", self.cap_bps.to_string()),
            ("cap_kbps", (self.cap_bps / 1000).max(1).to_string()),
            ("target_bps", self.target_bps.to_string()),
            ("target_kbps", (self.target_bps / 1000).max(1).to_string()),
            ("buffer_ms", self.buffer_ms.to_string()),
            ("gop_frames", self.gop_frames.to_string()),
            ("key_frames_max", self.gop_frames.saturating_mul(2).to_string()),
            ("bframes", self.bframes.to_string()),
            ("quality", self.quality.to_string()),
            ("threads", "{threads}".to_owned()),
        ])
    }
}

impl Default for Knobs {
    fn default() -> Self {
        Self {
            cap_bps: 2_800_000,
            target_bps: 1_700_000,
            buffer_ms: 500,
            gop_frames: 60,
            bframes: 2,
            quality: 23,
            intra: false,
        }
    }
}
