//! The ladder: which renditions a source gets, from its size and rate alone.
//!
//! A rung is a 16:9 box named by its height; the picture is fitted into the box, turned for portrait.
//! Nothing is ever scaled up. Everything here is a closed form, so that equal sources get equal ladders.

use serde::{Deserialize, Serialize};

use crate::rational::{Rational, mul_div_round};

/// Rungs of one ladder; more are ignored.
pub const RUNGS_MAX: usize = 10;
/// Heights of rungs lie in this range (H.264 level 6.2 ends at 8192x4320); others are ignored.
pub const RUNG_HEIGHTS: std::ops::RangeInclusive<u16> = 16..=4320;
/// Height of the box that trick pictures are fitted into.
pub const TRICK_HEIGHT: u16 = 180;
/// The VBV buffer of every rendition, in milliseconds of its cap.
pub const BUFFER_MS: u32 = 500;

/// The source's own size becomes the top rung if it is this much larger than the next rung, in percent.
const OWN_SIZE_GAIN_PERCENT: u64 = 15;
/// The source's own size takes the name of a configured rung that it nearly fills, in percent of it.
const SAME_NAME_PERCENT: u64 = 95;
/// Pictures of 720p and the cap that they get; other sizes follow with the power below.
const REFERENCE_PIXELS: f64 = 1280.0 * 720.0;
const REFERENCE_CAP_BPS: f64 = 2_800_000.0;
/// Bits grow more slowly than pixels, since larger pictures are smoother.
const CAP_POWER: f64 = 0.75;
/// Above 30 frames a second the cap grows by this; half the frames look much like the ones before.
const HIGH_RATE_FACTOR: f64 = 1.5;
/// Where that begins: cameras that mean 30 are off by some hundredths.
const HIGH_RATE_FPS: u64 = 31;
/// A 320x180 trick picture a second: 18 KB each at most, since the buffer holds half a second.
const TRICK_CAP_BPS: f64 = 300_000.0;
const TRICK_PIXELS: f64 = 320.0 * 180.0;
/// The expected average of a trick track, in percent of its cap: few pictures need what the hardest does.
const TRICK_TARGET_PERCENT: u64 = 40;
/// The expected average of a rung, in percent of its cap: what capped constant quality leaves of ordinary film.
const TARGET_PERCENT: u64 = 60;
/// Caps are whole multiples of this, for people's eyes.
const CAP_STEP_BPS: f64 = 10_000.0;
/// Tiny pictures still pay for headers.
const CAP_BPS_MIN: f64 = 60_000.0;

/// What ladders are made from.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct Config {
    /// Heights of the rungs in any order, in pixels.
    pub heights: Vec<u16>,
}

/// A planned size with its rates.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Rung {
    /// The nominal height, unique in a ladder: `720` for all that fits a 1280x720 box.
    pub label: u16,
    /// Width in square pixels, even.
    pub width: u32,
    /// Height in square pixels, even.
    pub height: u32,
    /// The peak that the encoder may not exceed over its buffer, in bits per second.
    pub cap_bps: u32,
    /// The expected average, in bits per second.
    pub target_bps: u32,
    /// The VBV buffer, in milliseconds of the cap.
    pub buffer_ms: u32,
}

/// The size of a source as shown: rotated, with square pixels.
#[derive(Clone, Copy, Debug)]
struct Shown {
    width: u32,
    height: u32,
}

/// The rungs of a source, largest first: all that are no larger than it, and its own size where it
/// lies well between two rungs or below them all.
///
/// Empty only if a dimension is 0, that is, if there is no picture.
pub fn plan_rungs(display_width: u32, display_height: u32, fps: Rational, config: &Config) -> Vec<Rung> {
    if display_width == 0 || display_height == 0 {
        return Vec::new();
    }
    let shown = Shown { width: display_width, height: display_height };
    let heights = config.heights();
    let mut sizes: Vec<(u16, u32, u32)> = Vec::new();
    for &label in &heights {
        let fits = shown.fills(label, 100);
        if let Some((width, height)) = fits.then(|| shown.fitted(label)) {
            sizes.push((label, width, height));
        }
    }
    let next_above = heights.iter().rev().copied().find(|&label| !shown.fills(label, 100));
    let well_above_next = heights
        .iter()
        .find(|&&label| shown.fills(label, 100))
        .is_none_or(|&label| shown.fills(label, 100 + OWN_SIZE_GAIN_PERCENT));
    if let Some(above) = next_above
        && well_above_next
    {
        let label = if shown.fills(above, SAME_NAME_PERCENT) { above } else { shown.nominal_height() };
        let (width, height) = shown.own();
        sizes.insert(0, (label, width, height));
    }
    if sizes.is_empty() {
        let (width, height) = shown.own();
        sizes.push((shown.nominal_height(), width, height));
    }
    // Very long, thin pictures round to one size in two boxes.
    sizes.dedup_by_key(|&mut (_, width, height)| (width, height));
    sizes.into_iter().map(|(label, width, height)| rung(label, width, height, fps)).collect()
}

/// The trick-play rendition of a source: fitted into a 320x180 box, never scaled up; `None` if a dimension is 0.
///
/// Its rates are meant for about one picture a second.
pub fn trick(display_width: u32, display_height: u32) -> Option<Rung> {
    if display_width == 0 || display_height == 0 {
        return None;
    }
    let shown = Shown { width: display_width, height: display_height };
    let (width, height) = if shown.fills(TRICK_HEIGHT, 100) { shown.fitted(TRICK_HEIGHT) } else { shown.own() };
    let cap_bps = cap(TRICK_CAP_BPS * (pixels(width, height) / TRICK_PIXELS).powf(CAP_POWER));
    Some(Rung {
        label: TRICK_HEIGHT,
        width,
        height,
        cap_bps,
        target_bps: percent(cap_bps, TRICK_TARGET_PERCENT),
        buffer_ms: BUFFER_MS,
    })
}

// === impl Config ===

impl Default for Config {
    fn default() -> Self {
        Self { heights: vec![1080, 720, 480, 360, 240] }
    }
}

impl Config {
    /// The usable heights, largest first, each once.
    fn heights(&self) -> Vec<u16> {
        let mut heights: Vec<u16> =
            self.heights.iter().copied().filter(|height| RUNG_HEIGHTS.contains(height)).collect();
        heights.sort_unstable_by(|a, b| b.cmp(a));
        heights.dedup();
        heights.truncate(RUNGS_MAX);
        heights
    }
}

// === impl Shown ===

impl Shown {
    fn long(self) -> u64 {
        u64::from(self.width.max(self.height))
    }

    fn short(self) -> u64 {
        u64::from(self.width.min(self.height))
    }

    /// Whether the picture reaches `percent` of the rung's 16:9 box in at least one direction, so
    /// that fitting it into that box scales it down or not at all.
    fn fills(self, label: u16, percent: u64) -> bool {
        let height = u64::from(label) * percent;
        self.short() * 100 >= height || self.long() * 900 >= height * 16
    }

    /// The picture scaled down into the rung's 16:9 box, turned if it is taller than wide.
    fn fitted(self, label: u16) -> (u32, u32) {
        let (box_short, box_long) = (u64::from(label), mul_div_round(u64::from(label), 16, 9));
        // Whichever side of the box is hit first scales both.
        let by_short = self.long() * u64::from(label) * 9 <= self.short() * u64::from(label) * 16;
        let (long, short) = if by_short {
            (even(self.long() * box_short, self.short()), even(box_short, 1))
        } else {
            (even(box_long, 1), even(self.short() * u64::from(label) * 16, self.long() * 9))
        };
        let (long, short) = (long.min(floor_even(self.long())), short.min(floor_even(self.short())));
        self.oriented(long, short)
    }

    /// The picture's own size, down to even numbers.
    fn own(self) -> (u32, u32) {
        self.oriented(floor_even(self.long()), floor_even(self.short()))
    }

    /// The height of the smallest 16:9 box around the picture.
    fn nominal_height(self) -> u16 {
        let height = self.short().max(mul_div_round(self.long(), 9, 16)).max(1);
        u16::try_from(height).unwrap_or(u16::MAX)
    }

    fn oriented(self, long: u64, short: u64) -> (u32, u32) {
        let side = |value: u64| u32::try_from(value).unwrap_or(u32::MAX);
        if self.width >= self.height { (side(long), side(short)) } else { (side(short), side(long)) }
    }
}

fn rung(label: u16, width: u32, height: u32, fps: Rational) -> Rung {
    let high_rate = u64::from(fps.num) >= HIGH_RATE_FPS * u64::from(fps.den);
    let factor = if high_rate { HIGH_RATE_FACTOR } else { 1.0 };
    let cap_bps = cap(factor * REFERENCE_CAP_BPS * (pixels(width, height) / REFERENCE_PIXELS).powf(CAP_POWER));
    Rung { label, width, height, cap_bps, target_bps: percent(cap_bps, TARGET_PERCENT), buffer_ms: BUFFER_MS }
}

fn pixels(width: u32, height: u32) -> f64 {
    f64::from(width) * f64::from(height)
}

#[expect(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "clamped to the range of u32")]
fn cap(bps: f64) -> u32 {
    let steps = (bps / CAP_STEP_BPS).round() * CAP_STEP_BPS;
    steps.clamp(CAP_BPS_MIN, f64::from(u32::MAX)) as u32
}

fn percent(value: u32, percent: u64) -> u32 {
    u32::try_from(mul_div_round(u64::from(value), percent, 100)).unwrap_or(value)
}

/// `numerator / denominator` to the nearest even number, at least 2.
fn even(numerator: u64, denominator: u64) -> u64 {
    (mul_div_round(numerator, 1, denominator.saturating_mul(2)) * 2).max(2)
}

fn floor_even(value: u64) -> u64 {
    (value & !1).max(2)
}

#[cfg(test)]
mod tests;
