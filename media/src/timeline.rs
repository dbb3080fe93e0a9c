//! The grid: every segment of every track, in exact integer ticks, before a frame is encoded.
//!
//! Frames are counted from 0, segments and trick pictures from 1, as their URLs are.

use std::ops::Range;

use serde::{Deserialize, Serialize};

use crate::rational::{Rational, micros, mul_div_ceil, mul_div_round};

/// Segments at the head that are one GOP long, so that the first of them is encoded soonest.
const RAMP_SEGMENTS: u64 = 2;
/// Video timescales are at least this, since some players round times to the timescale.
const TIMESCALE_MIN: u32 = 10_000;
/// More frames than this (46 days at 30 fps) are refused by the planner.
pub const FRAMES_MAX: u64 = 120_000_000;

/// The one grid of a presentation.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Timeline {
    /// Frames per second.
    pub fps: Rational,
    /// Frames in the presentation, at least 1.
    pub frames: u64,
    /// Frames between two IDR pictures.
    pub gop_frames: u32,
    /// GOPs of a segment past the ramp.
    pub segment_gops: u32,
    /// Frames between two trick pictures; divides `gop_frames`.
    pub trick_frames: u32,
    /// Ticks per second of the video tracks.
    pub timescale: u32,
    /// Ticks of one frame.
    pub frame_ticks: u32,
}

/// What the grid is made from.
#[derive(Clone, Copy, Debug)]
pub struct Config {
    /// Wanted seconds between IDR pictures.
    pub gop_s: f64,
    /// Wanted seconds of a segment.
    pub segment_s: f64,
}

/// The sample timeline of an audio track: frames of a constant number of samples.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct AudioGrid {
    /// Samples per second, the timescale of the track.
    pub sample_rate: u32,
    /// Samples of one coded frame: 1024 for AAC.
    pub frame_samples: u32,
}

// === impl Config ===

impl Default for Config {
    fn default() -> Self {
        Self { gop_s: 2.0, segment_s: 4.0 }
    }
}

// === impl Timeline ===

impl Timeline {
    /// The grid of `frames` frames at `fps`. GOPs and segments are whole frames near the wanted times.
    pub fn new(fps: Rational, frames: u64, config: Config) -> Self {
        let gop_wanted = (config.gop_s * fps.as_f64()).round().clamp(1.0, 10_000.0);
        // One trick picture a second: as many a GOP as it has seconds, and no more than frames.
        let tricks = config.gop_s.round().clamp(1.0, gop_wanted);
        let trick_frames = (gop_wanted / tricks).round().max(1.0);
        let gop_frames = trick_frames * tricks;
        let gop_s = gop_frames / fps.as_f64();
        let segment_gops = (config.segment_s / gop_s).round().clamp(1.0, 1000.0);
        let mut scale = 1;
        while fps.num.saturating_mul(scale) < TIMESCALE_MIN {
            scale *= 10;
        }
        Self {
            fps,
            frames: frames.clamp(1, FRAMES_MAX),
            gop_frames: whole(gop_frames),
            segment_gops: whole(segment_gops),
            trick_frames: whole(trick_frames),
            timescale: fps.num.saturating_mul(scale),
            frame_ticks: fps.den.saturating_mul(scale),
        }
    }

    /// Ticks of the whole presentation.
    pub fn duration_ticks(&self) -> u64 {
        self.ticks(self.frames)
    }

    /// Seconds of the whole presentation, for printing.
    pub fn duration_s(&self) -> f64 {
        self.seconds(self.duration_ticks())
    }

    /// The tick at which a frame starts.
    pub fn ticks(&self, frame: u64) -> u64 {
        frame.saturating_mul(u64::from(self.frame_ticks))
    }

    /// Ticks as seconds, for printing.
    #[expect(clippy::cast_precision_loss, reason = "printed with six decimals; ticks stay below 2^53")]
    pub fn seconds(&self, ticks: u64) -> f64 {
        ticks as f64 / f64::from(self.timescale)
    }

    /// How many segments every audio and video track has, at least 1.
    pub fn segments(&self) -> u64 {
        let gop = u64::from(self.gop_frames);
        // A tail shorter than half a GOP joins the segment before it.
        let last_start_max = self.frames.saturating_sub(gop.div_ceil(2));
        let ramp = RAMP_SEGMENTS * gop;
        if last_start_max < ramp {
            last_start_max / gop + 1
        } else {
            RAMP_SEGMENTS + (last_start_max - ramp) / (gop * u64::from(self.segment_gops)) + 1
        }
    }

    /// The frames of segment `n`; empty when there is no such segment.
    pub fn segment_frames(&self, n: u64) -> Range<u64> {
        let count = self.segments();
        if n == 0 || n > count {
            return 0..0;
        }
        let end = if n == count { self.frames } else { self.boundary(n) };
        self.boundary(n - 1)..end
    }

    /// The GOPs of segment `n`, each a range of frames; the last takes a tail shorter than half a GOP.
    pub fn segment_gops(&self, n: u64) -> Vec<Range<u64>> {
        let frames = self.segment_frames(n);
        let gop = u64::from(self.gop_frames);
        let mut gops = Vec::new();
        let mut start = frames.start;
        while start < frames.end {
            let left = frames.end - start;
            let take = if left < gop + gop.div_ceil(2) { left } else { gop };
            gops.push(start..start + take);
            start += take;
        }
        gops
    }

    /// The segment that shows `frame`; the last one for frames past the end.
    pub fn segment_of_frame(&self, frame: u64) -> u64 {
        let gop = u64::from(self.gop_frames);
        let ramp = RAMP_SEGMENTS * gop;
        let n = if frame < ramp {
            frame / gop
        } else {
            RAMP_SEGMENTS + (frame - ramp) / (gop * u64::from(self.segment_gops))
        };
        (n + 1).min(self.segments())
    }

    /// How many trick pictures there are, at least 1; a tail shorter than half an interval has none of its own.
    pub fn tricks(&self) -> u64 {
        mul_div_round(self.frames, 1, u64::from(self.trick_frames)).max(1)
    }

    /// The frames that trick picture `n` stands for; the picture shows the first of them.
    pub fn trick_frames(&self, n: u64) -> Range<u64> {
        let count = self.tricks();
        if n == 0 || n > count {
            return 0..0;
        }
        let step = u64::from(self.trick_frames);
        let end = if n == count { self.frames } else { n * step };
        (n - 1) * step..end
    }

    /// The trick pictures whose frame lies in the segments `first..=last`, as a half-open range of numbers.
    pub fn tricks_of_segments(&self, first: u64, last: u64) -> Range<u64> {
        let step = u64::from(self.trick_frames);
        let start = self.segment_frames(first).start.div_ceil(step) + 1;
        let end = if last >= self.segments() { self.tricks() } else { self.segment_frames(last).end.div_ceil(step) };
        start..(end + 1).max(start)
    }

    /// The segment that is encoded together with trick picture `n`.
    pub fn segment_of_trick(&self, n: u64) -> u64 {
        self.segment_of_frame(self.trick_frames(n).start)
    }

    /// The audio frames of segment `n`: inner cuts at the nearest audio frame, the last one rounded
    /// up so that audio never ends before video.
    pub fn audio_frames(&self, audio: AudioGrid, n: u64) -> Range<u64> {
        let count = self.segments();
        if n == 0 || n > count {
            return 0..0;
        }
        let start = self.audio_cut(audio, self.boundary(n - 1));
        let end = if n == count { self.audio_total(audio) } else { self.audio_cut(audio, self.boundary(n)) };
        start..end
    }

    /// Audio frames of the whole presentation.
    pub fn audio_total(&self, audio: AudioGrid) -> u64 {
        let (rate, unit) = self.audio_ratio(audio);
        mul_div_ceil(self.frames, rate, unit).max(1)
    }

    /// EXT-X-TARGETDURATION: the largest rounded EXTINF of all audio and video tracks, in seconds.
    pub fn target_duration_s(&self, audio: Option<AudioGrid>) -> u64 {
        let frame_ticks = u64::from(self.frame_ticks);
        let mut longest_us = 0;
        for n in 1..=self.segments() {
            let frames = self.segment_frames(n);
            longest_us = longest_us.max(printed_us(&frames, frame_ticks, self.timescale));
            if let Some(grid) = audio {
                let span = self.audio_frames(grid, n);
                let samples = u64::from(grid.frame_samples);
                longest_us = longest_us.max(printed_us(&span, samples, grid.sample_rate));
            }
        }
        mul_div_round(longest_us, 1, 1_000_000).max(1)
    }

    /// The frame at which segment `n + 1` would start, were the presentation endless.
    fn boundary(&self, n: u64) -> u64 {
        let gop = u64::from(self.gop_frames);
        n.min(RAMP_SEGMENTS) * gop + n.saturating_sub(RAMP_SEGMENTS) * gop * u64::from(self.segment_gops)
    }

    fn audio_cut(&self, audio: AudioGrid, frame: u64) -> u64 {
        let (rate, unit) = self.audio_ratio(audio);
        mul_div_round(frame, rate, unit)
    }

    /// Audio frames per video frame, as a fraction.
    fn audio_ratio(&self, audio: AudioGrid) -> (u64, u64) {
        let rate = u64::from(self.fps.den) * u64::from(audio.sample_rate);
        let unit = u64::from(self.fps.num) * u64::from(audio.frame_samples);
        (rate, unit)
    }
}

/// The EXTINF of a span of frames: the difference of its printed ends, so that a duration just below
/// a half second is rounded as its printed form is.
fn printed_us(span: &Range<u64>, unit: u64, timescale: u32) -> u64 {
    let at = |frame: u64| micros(frame.saturating_mul(unit), timescale);
    at(span.end).saturating_sub(at(span.start))
}

#[expect(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "callers clamp to 1..=10,000,000")]
fn whole(value: f64) -> u32 {
    value as u32
}

#[cfg(test)]
mod tests;
