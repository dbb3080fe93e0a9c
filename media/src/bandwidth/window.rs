//! The windows over which RFC 8216bis §4.1 takes the peak segment bit rate.

use std::ops::Range;

use super::{Rates, Span, rate_bps};

/// Rates of the known entries; windows do not span an unknown one.
pub(super) fn rates(spans: &[Span], target_duration_s: u64) -> Option<Rates> {
    let mut total = Total::default();
    let mut peak_bps = None;
    for run in spans.split(|span| span.bytes.is_none()) {
        let sums = prefix_bytes(run);
        let bytes_at = |place: usize| sums.get(place).copied().unwrap_or(0);
        let durations: Vec<u64> = run.iter().map(|span| span.duration_us).collect();
        each(&durations, target_duration_s, |window, duration_us| {
            let bytes = bytes_at(window.end) - bytes_at(window.start);
            peak_bps = peak_bps.max(Some(rate_bps(bytes, duration_us)));
        });
        total.bytes += bytes_at(run.len());
        total.duration_us += durations.iter().sum::<u64>();
    }
    if total.duration_us == 0 {
        return None;
    }
    let average_bps = rate_bps(total.bytes, total.duration_us);
    Some(Rates { peak_bps: peak_bps.unwrap_or(average_bps), average_bps })
}

/// The shortest time over which a peak is taken: the shortest window, else the whole playlist.
pub(super) fn shortest_us(durations_us: &[u64], target_duration_s: u64) -> u64 {
    let mut shortest = None;
    each(durations_us, target_duration_s, |_, duration_us| {
        shortest = Some(shortest.map_or(duration_us, |least: u64| least.min(duration_us)));
    });
    shortest.unwrap_or_else(|| durations_us.iter().sum())
}

/// Calls `visit` with every contiguous run that lasts from half a target duration to one and a half
/// and half a second, and how long it lasts. A start has few of them, since a segment is about a
/// target duration long, so this is linear.
fn each(durations_us: &[u64], target_duration_s: u64, mut visit: impl FnMut(Range<usize>, u64)) {
    let least_us = target_duration_s.saturating_mul(500_000);
    let most_us = target_duration_s.saturating_mul(1_500_000).saturating_add(500_000);
    for start in 0..durations_us.len() {
        let mut window_us: u64 = 0;
        for (offset, next_us) in durations_us.iter().skip(start).enumerate() {
            window_us = window_us.saturating_add(*next_us);
            if window_us > most_us {
                break;
            }
            if window_us >= least_us {
                visit(start..start + offset + 1, window_us);
            }
        }
    }
}

#[derive(Default)]
struct Total {
    bytes: u64,
    duration_us: u64,
}

/// Bytes before each entry, and at last of all of them.
fn prefix_bytes(run: &[Span]) -> Vec<u64> {
    let mut sum = 0;
    let mut sums = vec![0];
    for span in run {
        sum += span.bytes.unwrap_or(0);
        sums.push(sum);
    }
    sums
}
