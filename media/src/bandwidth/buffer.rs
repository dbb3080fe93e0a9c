//! DASH's reading of a bit rate: what suffices when a client buffers `minBufferTime` first
//! (ISO 23009-1 §5.3.5.2).

use super::declared;
use crate::{
    presentation::Presentation,
    rational::{micros, mul_div_ceil, mul_div_round},
    timeline::Timeline,
    track::Track,
};

/// Steps of the search for the least rate; each halves the interval of at most 2^64 bits per second.
const SEARCH_STEPS: u32 = 64;

/// One fragment as it drains the buffer: its first sample is needed when it starts, the rest by its end.
#[derive(Clone, Copy)]
struct Drain {
    duration_us: u64,
    first_bits: u64,
    bits: u64,
}

/// `MPD@minBufferTime` in microseconds: three quarters of a GOP. A player that waits for this much
/// starts with the first segment alone, although its audio may end up to half an audio frame earlier.
pub fn min_buffer_us(timeline: &Timeline) -> u64 {
    let frames = u64::from(timeline.gop_frames).min(timeline.frames);
    mul_div_round(micros(timeline.ticks(frames), timeline.timescale), 3, 4).max(1)
}

/// `Representation@bandwidth`: the declared peak, raised where a client that receives at that rate
/// and has buffered [`min_buffer_us`] would still run dry. `None` when there is no such track.
///
/// Before everything is made, two of the encoder's buffers over the cap must fit in what is buffered.
pub fn under_buffer(presentation: &Presentation, track: Track) -> Option<u64> {
    let peak_bps = declared(presentation, track)?.peak_bps;
    let buffer_us = min_buffer_us(&presentation.plan.timeline);
    if !presentation.ready {
        let burst_bps = presentation
            .plan
            .video(track)
            .map_or(0, |video| mul_div_ceil(u64::from(video.cap_bps), u64::from(video.buffer_ms) * 2000, buffer_us));
        return Some(peak_bps.max(burst_bps));
    }
    let drains = drains(presentation, track);
    if holds(&drains, peak_bps, buffer_us) {
        return Some(peak_bps);
    }
    // Enough for every fragment alone is enough for all of them.
    let enough = |drain: &Drain| {
        let steady = mul_div_ceil(drain.bits, 1_000_000, drain.duration_us);
        steady.max(mul_div_ceil(drain.first_bits, 1_000_000, buffer_us))
    };
    let mut high = drains.iter().map(enough).max().unwrap_or(peak_bps).max(peak_bps);
    let mut low = peak_bps;
    for _ in 0..SEARCH_STEPS {
        if high - low <= 1 {
            break;
        }
        let middle = low + (high - low) / 2;
        if holds(&drains, middle, buffer_us) {
            high = middle;
        } else {
            low = middle;
        }
    }
    Some(high)
}

/// Whether playback from any fragment never waits: the backlog that the rate leaves stays within
/// what was buffered.
fn holds(drains: &[Drain], rate_bps: u64, buffer_us: u64) -> bool {
    let rate = u128::from(rate_bps);
    let allowed = rate * u128::from(buffer_us);
    let mut backlog: u128 = 0;
    for drain in drains {
        // In bits times a million, so that microseconds stay whole.
        let first = backlog + u128::from(drain.first_bits) * 1_000_000;
        let whole = backlog + u128::from(drain.bits) * 1_000_000;
        backlog = whole.saturating_sub(rate * u128::from(drain.duration_us));
        if first > allowed || backlog > allowed {
            return false;
        }
    }
    true
}

fn drains(presentation: &Presentation, track: Track) -> Vec<Drain> {
    let plan = &presentation.plan;
    let mut drains = Vec::new();
    for n in 1..=plan.segments(track) {
        let Some((_, segment)) = presentation.stored(track, n) else { continue };
        let durations_us = fragment_durations_us(presentation, track, n);
        for (fragment, duration_us) in segment.fragments.iter().zip(durations_us) {
            drains.push(Drain {
                duration_us,
                first_bits: u64::from(fragment.first_sample_end) * 8,
                bits: u64::from(fragment.bytes) * 8,
            });
        }
    }
    drains
}

fn fragment_durations_us(presentation: &Presentation, track: Track, n: u64) -> Vec<u64> {
    let plan = &presentation.plan;
    if let Track::Rung(_) = track {
        let timeline = &plan.timeline;
        let at = |frame: u64| micros(timeline.ticks(frame), timeline.timescale);
        let gops = timeline.segment_gops(n);
        return gops.iter().map(|gop| at(gop.end) - at(gop.start)).collect();
    }
    plan.segment_us(track, n).map(|span| span.end - span.start).into_iter().collect()
}
