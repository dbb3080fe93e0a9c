//! Fragments of every grid follow on each other without a gap, in time and in number.

use proptest::prelude::*;

use super::*;

/// Where the next fragment must start, and the last sequence number.
#[derive(Default)]
struct Expected {
    time: u64,
    sequence: u32,
    frame: u64,
}

proptest! {
    #[test]
    fn slots_cover_the_grid(
        rate in prop_oneof![
            Just((24_000, 1001)), Just((25, 1)), Just((30_000, 1001)), Just((50, 1)), Just((60, 1)),
            (1000u32..60_000, 1000u32..=1001),
        ],
        frames in 1u64..20_000,
        gop_s in 0.5f64..20.0, segment_s in 0.5f64..20.0,
    ) {
        let fps = Rational::new(rate.0, rate.1);
        let mut plan = plan(1);
        plan.timeline = Timeline::new(fps, frames, Config { gop_s, segment_s });
        for track in plan.tracks() {
            let mut next = Expected::default();
            for n in 1..=plan.segments(track) {
                let slots = slots(&plan, track, n).unwrap();
                let (start, duration) = plan.segment_ticks(track, n).unwrap();
                prop_assert_eq!(slots[0].fragment.base_decode_time, start);
                for slot in slots {
                    prop_assert_eq!(slot.fragment.base_decode_time, next.time);
                    prop_assert_eq!(slot.frames.start, next.frame);
                    prop_assert!(slot.fragment.sequence > next.sequence && slot.samples > 0 && slot.sample_duration > 0);
                    next = Expected {
                        time: next.time + slot.samples * u64::from(slot.sample_duration),
                        sequence: slot.fragment.sequence,
                        frame: slot.frames.end,
                    };
                }
                prop_assert_eq!(next.time, start + duration);
            }
            if track.is_video() {
                prop_assert_eq!((next.frame, next.time), (frames, plan.timeline.duration_ticks()));
            }
        }
    }
}
