//! The grid holds for every rate and length.

use proptest::prelude::*;

use super::*;

const AAC: AudioGrid = AudioGrid { sample_rate: 48_000, frame_samples: 1024 };

fn film(num: u32, den: u32, frames: u64) -> Timeline {
    Timeline::new(Rational::new(num, den), frames, Config::default())
}

#[test]
fn a_film_ramps_and_then_has_four_second_segments() {
    let grid = film(24_000, 1001, 48 * 10);
    assert_eq!((grid.gop_frames, grid.trick_frames, grid.segment_gops), (48, 24, 2));
    let starts: Vec<u64> = (1..=grid.segments()).map(|n| grid.segment_frames(n).start).collect();
    assert_eq!(starts, [0, 48, 96, 192, 288, 384]);
    assert_eq!(grid.tricks(), 20);
}

#[test]
fn a_tail_shorter_than_half_a_gop_joins_the_segment_before() {
    assert_eq!(film(30, 1, 120 + 29).segments(), 2);
    assert_eq!(film(30, 1, 120 + 30).segments(), 3);
    let gops = film(30, 1, 120 + 29).segment_gops(2);
    assert_eq!((gops.len(), gops.first()), (1, Some(&(60..149))));
}

#[test]
fn the_target_duration_rounds_what_is_printed() {
    // 4.4999999 s at this rate; printed with six decimals it is 4.500000, which rounds to 5.
    let grid = Timeline {
        fps: Rational::new(10_000_000, 1),
        frames: 44_999_999,
        gop_frames: 44_999_999,
        segment_gops: 1,
        trick_frames: 44_999_999,
        timescale: 10_000_000,
        frame_ticks: 1,
    };
    assert_eq!(grid.target_duration_s(None), 5);
}

#[test]
fn half_rate_and_slow_grids_are_whole_frames() {
    let odd = film(25, 2, 1000);
    assert_eq!((odd.gop_frames, odd.trick_frames), (26, 13));
    let slow = film(1, 10, 100);
    assert_eq!((slow.gop_frames, slow.trick_frames), (1, 1));
}

/// Every rate from 0.1 to 120 frames a second, slow ones as often as fast ones of the same denominator.
fn rates() -> impl Strategy<Value = (u32, u32)> {
    (1u32..=1001).prop_flat_map(|den| (den.div_ceil(10)..=120 * den, Just(den)))
}

proptest! {
    #[test]
    fn no_extinf_is_longer_than_the_target_and_no_tail_shorter_than_half_a_gop(
        (num, den) in rates(), frames in 1u64..200_000, rate in prop::sample::select(vec![8000u32, 44_100, 48_000]),
    ) {
        let grid = film(num, den, frames);
        let audio = AudioGrid { sample_rate: rate, frame_samples: 1024 };
        let target_s = grid.target_duration_s(Some(audio));
        let seconds = |units: u64, scale: u32| u128::from(units) * 1_000_000 / u128::from(scale);
        let mut longest_us = 0;
        for n in 1..=grid.segments() {
            let span = grid.segment_frames(n);
            let sound = grid.audio_frames(audio, n);
            longest_us = longest_us.max(seconds(grid.ticks(span.end) - grid.ticks(span.start), grid.timescale));
            longest_us = longest_us.max(seconds((sound.end - sound.start) * 1024, rate));
        }
        // RFC 8216 section 4.3.3.1: rounded to the nearest second. Printing moves a duration by a microsecond.
        let rounded = |us: u128| (us + 500_000) / 1_000_000;
        let (low, high) = (rounded(longest_us.saturating_sub(2)).max(1), rounded(longest_us + 2).max(1));
        prop_assert!((low..=high).contains(&u128::from(target_s)), "{} not in {}..={}", target_s, low, high);
        let tail = grid.segment_frames(grid.segments());
        prop_assert!(grid.segments() == 1 || (tail.end - tail.start) * 2 >= u64::from(grid.gop_frames));
    }

    #[test]
    fn every_grid_covers_the_film_without_an_empty_segment((num, den) in rates(), frames in 1u64..200_000) {
        let grid = film(num, den, frames);
        let (mut next, mut next_audio, mut next_trick) = (0, 0, 1);
        for n in 1..=grid.segments() {
            let span = grid.segment_frames(n);
            prop_assert_eq!(span.start, next);
            prop_assert!(span.end > span.start);
            next = span.end;
            prop_assert_eq!(grid.segment_of_frame(span.start), n);
            prop_assert_eq!(grid.segment_of_frame(span.end - 1), n);
            let gops = grid.segment_gops(n);
            prop_assert_eq!(gops.first().map(|g| g.start), Some(span.start));
            prop_assert_eq!(gops.last().map(|g| g.end), Some(span.end));
            let audio = grid.audio_frames(AAC, n);
            prop_assert_eq!(audio.start, next_audio);
            prop_assert!(audio.end > audio.start);
            next_audio = audio.end;
            let tricks = grid.tricks_of_segments(n, n);
            prop_assert_eq!(tricks.start, next_trick);
            next_trick = tricks.end;
        }
        prop_assert_eq!(next, frames);
        prop_assert_eq!(next_trick, grid.tricks() + 1);
        let audio_ticks = next_audio * 1024 * u64::from(grid.timescale);
        prop_assert!(audio_ticks >= grid.duration_ticks() * 48_000);
        let mut covered = 0;
        for n in 1..=grid.tricks() {
            let span = grid.trick_frames(n);
            prop_assert_eq!(span.start, covered);
            prop_assert!(span.end > span.start);
            covered = span.end;
        }
        prop_assert_eq!(covered, frames);
    }
}
