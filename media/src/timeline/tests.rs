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
fn half_a_gop_is_a_segment_of_its_own_and_a_frame_less_is_not() {
    // GOPs of 60 and of 27 frames: half of an odd one is rounded up.
    for (fps, gop_s, gop) in [(30, 2.0, 60), (27, 1.0, 27)] {
        let grid = |frames| Timeline::new(Rational::new(fps, 1), frames, Config { gop_s, segment_s: 2.0 * gop_s });
        assert_eq!(u64::from(grid(1000).gop_frames), gop);
        for (start, before) in [(gop, 1), (2 * gop, 2), (4 * gop, 3)] {
            let half = start + gop.div_ceil(2);
            assert_eq!([half - 1, half].map(|frames| grid(frames).segments()), [before, before + 1], "{gop} {start}");
        }
    }
}

#[test]
fn a_grid_has_from_one_frame_to_the_most_that_can_be_planned() {
    let frames = [0, 1, FRAMES_MAX, FRAMES_MAX + 1].map(|frames| film(30, 1, frames).frames);
    assert_eq!(frames, [1, 1, FRAMES_MAX, FRAMES_MAX]);
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

/// Every length of GOPs and segments that the configuration lets pass.
fn configs() -> impl Strategy<Value = Config> {
    (0.5..=20.0, 0.5..=20.0).prop_map(|(gop_s, segment_s)| Config { gop_s, segment_s })
}

proptest! {
    #[test]
    fn every_setting_keeps_what_a_grid_promises(
        (num, den) in rates(), frames in 1u64..50_000, config in configs(), rate in prop::sample::select(vec![44_100u32, 48_000]),
    ) {
        let grid = Timeline::new(Rational::new(num, den), frames, config);
        let audio = AudioGrid { sample_rate: rate, frame_samples: 1024 };
        let (gop, scale) = (u64::from(grid.gop_frames), u64::from(grid.timescale));
        let samples = |frame: u64| frame * 1024 * scale;
        prop_assert_eq!(grid.gop_frames % grid.trick_frames, 0);
        let target_s = grid.target_duration_s(Some(audio));
        for n in 1..=grid.segments() {
            let (span, sound) = (grid.segment_frames(n), grid.audio_frames(audio, n));
            prop_assert!(!span.is_empty() && !sound.is_empty() && !grid.tricks_of_segments(n, n).is_empty(), "segment {}", n);
            for (span, unit, scale) in [(&span, u64::from(grid.frame_ticks), grid.timescale), (&sound, 1024, rate)] {
                // RFC 8216 section 4.3.3.1, on durations as they are printed.
                let printed_us = micros(span.end * unit, scale) - micros(span.start * unit, scale);
                prop_assert!((printed_us + 500_000) / 1_000_000 <= target_s, "segment {} lasts {} us", n, printed_us);
            }
            // Sound is cut at the nearest of its frames.
            let apart = samples(sound.start).abs_diff(grid.ticks(span.start) * u64::from(rate));
            prop_assert!(apart * 2 <= samples(1), "segment {}", n);
            let last = n == grid.segments();
            for part in grid.segment_gops(n) {
                let length = part.end - part.start;
                let is_tail = last && part.end == span.end;
                prop_assert!(length == gop || is_tail && length * 2 < gop * 3 + 1, "{} frames in segment {}", length, n);
                prop_assert!(length * 2 >= gop || frames * 2 < gop, "{} frames in segment {}", length, n);
            }
        }
        let past_end = samples(grid.audio_total(audio)).checked_sub(grid.duration_ticks() * u64::from(rate));
        prop_assert!(past_end.is_some_and(|past_end| past_end < samples(1)), "sound ends before pictures, or a frame late");
        let mut tricks = (1..=grid.tricks()).map(|n| grid.trick_frames(n));
        let at_grid = tricks.clone().zip(0..).all(|(span, n)| span.start == n * u64::from(grid.trick_frames));
        prop_assert!(at_grid && tricks.next_back().map(|span| span.end) == Some(frames));
    }

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
