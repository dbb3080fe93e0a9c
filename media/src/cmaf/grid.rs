//! Which fragments the grid wants: their sequence numbers, times and samples, before any byte exists.

use std::ops::Range;

use super::Fragment;
use crate::{plan::Plan, track::Track};

/// A planned fragment of a segment.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Slot {
    /// Its sequence number and `tfdt`.
    pub fragment: Fragment,
    /// What it shows: frames of the grid for a rung and the trick track, audio frames for audio.
    pub frames: Range<u64>,
    /// How many samples it has: one a frame, and for the trick track a single one.
    pub samples: u64,
    /// Ticks that each sample lasts.
    pub sample_duration: u32,
}

/// The `mfhd` sequence number of the first fragment of segment `n`; the fragments after it count on.
///
/// It follows from the grid alone, so that chunks are written independently and in any order, and
/// still the numbers increase over the track: a rung counts its GOPs from 1, the trick and audio
/// tracks have one fragment a segment and count those. `None` when there is no such segment.
pub fn sequence(plan: &Plan, track: Track, n: u64) -> Option<u32> {
    if n == 0 || n > plan.segments(track) {
        return None;
    }
    let number = match track {
        Track::Rung(_) => plan.timeline.segment_frames(n).start / u64::from(plan.timeline.gop_frames.max(1)) + 1,
        Track::Audio | Track::Trick => n,
    };
    u32::try_from(number).ok()
}

/// The fragments of segment (or trick picture) `n` of a track, in order; `None` when the plan has no
/// such track or segment.
pub fn slots(plan: &Plan, track: Track, n: u64) -> Option<Vec<Slot>> {
    let mut sequence = sequence(plan, track, n)?;
    let ticks = plan.timeline.frame_ticks;
    let mut slots = Vec::new();
    let mut push = |frames: Range<u64>, unit: u32, samples: u64, sample_duration: u32| -> Option<()> {
        let base_decode_time = frames.start.checked_mul(u64::from(unit))?;
        let fragment = Fragment { sequence, base_decode_time };
        slots.push(Slot { fragment, frames, samples, sample_duration });
        sequence = sequence.checked_add(1)?;
        Some(())
    };
    match track {
        Track::Rung(_) => {
            plan.video(track)?;
            for gop in plan.timeline.segment_gops(n) {
                let samples = gop.end - gop.start;
                push(gop, ticks, samples, ticks)?;
            }
        }
        Track::Trick => {
            plan.video(track)?;
            let span = plan.timeline.trick_frames(n);
            let duration = u32::try_from((span.end - span.start).checked_mul(u64::from(ticks))?).ok()?;
            push(span, ticks, 1, duration)?;
        }
        Track::Audio => {
            let grid = plan.audio_grid()?;
            let span = plan.timeline.audio_frames(grid, n);
            let samples = span.end - span.start;
            push(span, grid.frame_samples, samples, grid.frame_samples)?;
        }
    }
    Some(slots)
}
