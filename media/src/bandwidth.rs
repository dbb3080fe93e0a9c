//! Peak and average segment bit rates by the window rule of RFC 8216bis §4.1, and what is declared
//! of them before everything is encoded.
//!
//! Every rate is of one track's playlist and includes its container; a document adds the rates of
//! the tracks that play together (§4.4.6.2).

mod buffer;
mod expected;
mod window;

use std::ops::Add;

use serde::{Deserialize, Serialize};

pub use buffer::{min_buffer_us, under_buffer};

use crate::{plan::Plan, presentation::Presentation, track::Track};

/// Measured or declared rates of one track, container overhead included.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Rates {
    /// Peak segment bit rate, bits per second.
    pub peak_bps: u64,
    /// Average segment bit rate, bits per second.
    pub average_bps: u64,
}

/// One entry of a playlist: how long it lasts, and its bytes once they are known.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Span {
    pub(crate) duration_us: u64,
    pub(crate) bytes: Option<u64>,
}

// === impl Rates ===

impl Add for Rates {
    type Output = Self;

    /// The rates of two tracks that play together.
    fn add(self, other: Self) -> Self {
        Self {
            peak_bps: self.peak_bps.saturating_add(other.peak_bps),
            average_bps: self.average_bps.saturating_add(other.average_bps),
        }
    }
}

/// The rates of a whole track, from the bytes of its segments in order.
///
/// The peak is the greatest rate of any contiguous run of segments that lasts between half a target
/// duration and one and a half plus half a second. If no run does, it is that of the whole
/// playlist. The average never exceeds the peak. Segments without a size count as not yet made.
pub fn measure(plan: &Plan, track: Track, sizes: &[u64]) -> Rates {
    let sizes: Vec<Option<u64>> = sizes.iter().copied().map(Some).collect();
    let spans = spans(plan, track, &sizes);
    of(&spans, plan.track_target_duration_s(track)).unwrap_or_default()
}

/// What documents say of a track: the measured rates once the presentation is ready, before that
/// the rule for unfinished content. `None` when there is no such track.
///
/// Before the end the peak is what the encoder's cap and buffer allow in the shortest window, and
/// never below a peak already measured; the average is that of the segments made so far.
pub fn declared(presentation: &Presentation, track: Track) -> Option<Rates> {
    let plan = &presentation.plan;
    let measured = presentation.measured.get(&track).filter(|_| presentation.ready);
    if let Some(&rates) = measured {
        return Some(ordered(rates));
    }
    let expected = expected::rates(plan, track)?;
    let spans = spans(plan, track, &stored_sizes(presentation, track));
    let so_far = of(&spans, plan.track_target_duration_s(track));
    Some(ordered(Rates {
        peak_bps: so_far.map_or(0, |rates| rates.peak_bps).max(expected.peak_bps),
        average_bps: so_far.unwrap_or(expected).average_bps,
    }))
}

/// The rates of a playlist's known entries; `None` while no entry is known.
pub(crate) fn of(spans: &[Span], target_duration_s: u64) -> Option<Rates> {
    window::rates(spans, target_duration_s).map(ordered)
}

/// Bits per second of so many bytes in so many microseconds, rounded up.
pub(crate) fn rate_bps(bytes: u64, duration_us: u64) -> u64 {
    crate::rational::mul_div_ceil(bytes, 8_000_000, duration_us)
}

/// A short tail is in the average but in no window of its own, so the average could exceed the peak.
fn ordered(rates: Rates) -> Rates {
    Rates { peak_bps: rates.peak_bps.max(rates.average_bps), ..rates }
}

fn spans(plan: &Plan, track: Track, sizes: &[Option<u64>]) -> Vec<Span> {
    let of_segment = |n: u64| {
        let times = plan.segment_us(track, n)?;
        let place = usize::try_from(n - 1).ok()?;
        Some(Span { duration_us: times.end.saturating_sub(times.start), bytes: sizes.get(place).copied().flatten() })
    };
    (1..=plan.segments(track)).filter_map(of_segment).collect()
}

fn stored_sizes(presentation: &Presentation, track: Track) -> Vec<Option<u64>> {
    let count = usize::try_from(presentation.plan.segments(track)).unwrap_or(0);
    let mut sizes = vec![None; count];
    for part in presentation.chunks.values().filter_map(|chunk| chunk.track(track)) {
        let first = usize::try_from(part.first.saturating_sub(1)).unwrap_or(usize::MAX);
        let slots = sizes.iter_mut().skip(first);
        for (slot, segment) in slots.zip(&part.segments) {
            *slot = Some(segment.bytes());
        }
    }
    sizes
}

#[cfg(test)]
mod tests;
