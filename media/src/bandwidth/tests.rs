//! Windows, unfinished content and the leaky bucket, on entries small enough to check by hand.

use proptest::prelude::*;

use super::{window, *};

fn spans(entries: &[(u64, u64)]) -> Vec<Span> {
    let span = |&(duration_ms, bytes): &(u64, u64)| Span { duration_us: duration_ms * 1000, bytes: Some(bytes) };
    entries.iter().map(span).collect()
}

fn rates(entries: &[(u64, u64)], target_duration_s: u64) -> Rates {
    of(&spans(entries), target_duration_s).unwrap()
}

#[test]
fn a_short_dense_tail_counts_with_its_neighbours_only() {
    // 20 ms at 6.4 Mb/s would be the peak if it were a window of its own.
    let measured = rates(&[(4000, 500_000), (4000, 600_000), (20, 16_000)], 4);
    assert_eq!(measured.peak_bps, (616_000_u64 * 8_000_000).div_ceil(4_020_000));
    assert_eq!(measured.average_bps, (1_116_000_u64 * 8_000_000).div_ceil(8_020_000));
}

#[test]
fn windows_of_several_short_segments_are_measured() {
    // No single segment of 1 s is half a target duration of 4 s; two neighbours are.
    let measured = rates(&[(1000, 1000), (1000, 9000), (1000, 9000), (1000, 1000), (4000, 4000)], 4);
    assert_eq!(measured.peak_bps, 72_000);
}

#[test]
fn the_upper_end_is_one_and_a_half_targets_and_half_a_second() {
    // 6.5 s is a window at a target of 4 s; one millisecond more is none, so the whole playlist is.
    let quiet = (2000, 0);
    assert_eq!(window::shortest_us(&[6_500_000], 4), 6_500_000);
    let inside = rates(&[(6500, 6500), quiet], 4);
    assert_eq!(inside.peak_bps, 8000);
    let outside = rates(&[(6501, 6501), quiet], 4);
    assert_eq!(outside.peak_bps, outside.average_bps);
}

#[test]
fn a_playlist_without_a_window_is_its_own() {
    let measured = rates(&[(900, 90_000)], 4);
    assert_eq!(measured, Rates { peak_bps: 800_000, average_bps: 800_000 });
}

#[test]
fn an_average_above_every_window_raises_the_peak() {
    // The tail is in no window but in the average.
    let measured = rates(&[(6400, 1000), (1000, 1_000_000)], 4);
    assert!(measured.peak_bps >= measured.average_bps);
}

#[test]
fn windows_do_not_span_segments_that_are_not_made() {
    let mut entries = spans(&[(1000, 1_000_000), (1000, 0), (1000, 1_000_000), (4000, 4000)]);
    entries[1].bytes = None;
    let measured = of(&entries, 4).unwrap();
    // Across the gap two megabytes in three seconds would be 5.3 Mb/s. The only windows, the third and
    // fourth and the fourth alone, are below the average of the known entries.
    assert_eq!(measured.average_bps, (2_004_000_u64 * 8).div_ceil(6));
    assert_eq!(measured.peak_bps, measured.average_bps);
    for entry in &mut entries {
        entry.bytes = None;
    }
    assert!(of(&entries, 4).is_none());
}

proptest! {
    #[test]
    fn the_peak_is_the_greatest_of_all_windows(
        entries in prop::collection::vec((1u64..7000, 0u64..1_000_000), 1..40), target in 1u64..8,
    ) {
        let measured = rates(&entries, target);
        let mut peak = None;
        for start in 0..entries.len() {
            for end in start + 1..=entries.len() {
                let window = &entries[start..end];
                let duration_ms: u64 = window.iter().map(|entry| entry.0).sum();
                let bytes: u64 = window.iter().map(|entry| entry.1).sum();
                if duration_ms * 2 >= target * 1000 && duration_ms <= target * 1500 + 500 {
                    peak = peak.max(Some((bytes * 8000).div_ceil(duration_ms)));
                }
            }
        }
        let average = (entries.iter().map(|entry| entry.1).sum::<u64>() * 8000)
            .div_ceil(entries.iter().map(|entry| entry.0).sum());
        prop_assert_eq!(measured.average_bps, average);
        prop_assert_eq!(measured.peak_bps, peak.unwrap_or(average).max(average));
    }
}
