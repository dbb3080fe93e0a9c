//! Sound lands where its times say, whatever the container did to them.

use super::*;

/// One byte a sample, 1000 samples a second: a sample is a millisecond.
fn layout(wanted: Range<i64>, content: Range<i64>) -> Layout {
    Layout { rate: 1000, sample_bytes: 1, t0_ns: 5_000_000, wanted, content }
}

fn ms(ms: i64) -> i64 {
    ms * 1_000_000
}

/// Lays blocks of (time in ms, samples) on the clock.
fn aligned(layout: Layout, blocks: &[(i64, Vec<u8>)]) -> Vec<u8> {
    let mut aligner = Aligner::new(layout);
    let mut out = Vec::new();
    for (time, data) in blocks {
        out.extend(aligner.push(ms(*time), data.clone()));
    }
    out.extend(aligner.finish());
    assert!(aligner.is_full());
    out
}

#[test]
fn silence_fills_head_gaps_and_tail() {
    let out = aligned(layout(-2..110, 0..200), &[(7, vec![1; 3]), (10, vec![2; 2]), (100, vec![3; 4])]);
    let mut expected = vec![0; 112];
    expected[4..7].fill(1);
    expected[7..9].fill(2);
    expected[97..101].fill(3);
    assert_eq!(out, expected);
}

#[test]
fn what_lies_outside_the_presentation_is_silent() {
    let out = aligned(layout(-4..12, 0..8), &[(0, vec![9; 20])]);
    assert_eq!(out, [0, 0, 0, 0, 9, 9, 9, 9, 9, 9, 9, 9, 0, 0, 0, 0]);
}

#[test]
fn rounded_times_do_not_move_samples() {
    // Blocks of 7 samples whose times are off by up to two milliseconds.
    let jitter = [0, 2, 0, 1, 2, 0, 1, 1, 2, 0];
    let blocks: Vec<(i64, Vec<u8>)> =
        (0..10).map(|n| (5 + n * 7 + jitter[usize::try_from(n).unwrap()], vec![u8::try_from(n).unwrap(); 7])).collect();
    let out = aligned(layout(0..60, 0..100), &blocks);
    let first_change = out.iter().position(|&sample| sample == 1).unwrap();
    assert_eq!(first_change, 8);
    for n in 1..7 {
        assert_eq!(out[first_change + (n - 1) * 7..first_change + n * 7], vec![u8::try_from(n).unwrap(); 7]);
    }
}

#[test]
fn a_jump_back_is_not_played_twice() {
    let out = aligned(layout(0..40, 0..100), &[(5, vec![1; 30]), (-60, vec![2; 10]), (35, vec![3; 10])]);
    assert_eq!(out[..30], [1; 30]);
    assert_eq!(out[30..], [3; 10]);
}

#[test]
fn any_start_gives_the_same_samples() {
    let blocks: Vec<(i64, Vec<u8>)> = (0..400_i64)
        .map(|n| (5 + (n * 10 + n % 3), (0..10).map(|s| u8::try_from((n * 10 + s) % 251).unwrap()).collect()))
        .collect();
    let whole = aligned(layout(0..4000, 0..4000), &blocks);
    for start in [30, 101, 202] {
        let from = start * 10 + 50;
        let rest = aligned(layout(from..4000, 0..4000), &blocks[usize::try_from(start).unwrap()..]);
        assert_eq!(rest, whole[usize::try_from(from).unwrap()..]);
    }
}
