//! Known ladders, and what holds for every source.

use proptest::prelude::*;

use super::*;

fn ladder(width: u32, height: u32) -> Vec<(u16, u32, u32)> {
    let rungs = plan_rungs(width, height, Rational::new(25, 1), &Config::default());
    rungs.iter().map(|rung| (rung.label, rung.width, rung.height)).collect()
}

#[test]
fn widescreen_sources_get_the_usual_sizes() {
    let full = [(1080, 1920, 1080), (720, 1280, 720), (480, 854, 480), (360, 640, 360), (240, 426, 240)];
    assert_eq!(ladder(1920, 1080), full);
    assert_eq!(ladder(3840, 2160), full);
    assert_eq!(ladder(1280, 720), full[1..]);
    assert_eq!(ladder(426, 240), full[4..]);
}

#[test]
fn other_shapes_are_fitted_into_the_box() {
    assert_eq!(ladder(1920, 804)[..2], [(1080, 1920, 804), (720, 1280, 536)]);
    assert_eq!(ladder(1440, 1080)[..2], [(1080, 1440, 1080), (720, 960, 720)]);
    assert_eq!(ladder(1080, 1920)[..3], [(1080, 1080, 1920), (720, 720, 1280), (480, 480, 854)]);
    assert_eq!(ladder(600, 600), [(600, 600, 600), (480, 480, 480), (360, 360, 360), (240, 240, 240)]);
}

#[test]
fn a_size_between_two_rungs_is_a_rung_if_it_is_well_above_the_lower_one() {
    assert_eq!(ladder(1600, 900)[..2], [(900, 1600, 900), (720, 1280, 720)]);
    // 768 lines are 7 % more than 720.
    assert_eq!(ladder(1366, 768)[0], (720, 1280, 720));
    // Nearly 1080p: named so, at its own size.
    assert_eq!(ladder(1918, 1078)[0], (1080, 1918, 1078));
    // Larger than the largest rung: no rung of its own.
    assert_eq!(ladder(2560, 1440)[0], (1080, 1920, 1080));
}

#[test]
fn tiny_and_impossible_sources() {
    assert_eq!(ladder(160, 120), [(120, 160, 120)]);
    assert_eq!(ladder(161, 121), [(121, 160, 120)]);
    assert_eq!(ladder(1, 1), [(1, 2, 2)]);
    assert_eq!(ladder(0, 1080), []);
    assert_eq!(ladder(1920, 0), []);
    let thin = ladder(65_535, 1);
    assert_eq!(thin[0], (1080, 1920, 2));
    assert_eq!(trick(0, 5), None);
}

#[test]
fn caps_follow_the_pixels_and_the_rate() {
    let caps = |fps| {
        plan_rungs(1920, 1080, fps, &Config::default()).iter().map(|rung| rung.cap_bps / 1000).collect::<Vec<_>>()
    };
    assert_eq!(caps(Rational::new(30, 1)), [5140, 2800, 1530, 990, 540]);
    assert_eq!(caps(Rational::new(3005, 100)), caps(Rational::new(30, 1)));
    assert_eq!(caps(Rational::new(60_000, 1001)), [7720, 4200, 2290, 1480, 810]);
    let top = plan_rungs(1280, 720, Rational::new(25, 1), &Config::default())[0];
    assert_eq!((top.target_bps, top.buffer_ms), (1_680_000, 500));
}

#[test]
fn the_trick_rendition_is_small() {
    let sizes = |width, height| trick(width, height).map(|rung| (rung.width, rung.height, rung.cap_bps));
    assert_eq!(sizes(1920, 1080), Some((320, 180, 300_000)));
    assert_eq!(sizes(1080, 1920), Some((180, 320, 300_000)));
    assert_eq!(sizes(1920, 804), Some((320, 134, 240_000)));
    assert_eq!(sizes(160, 90), Some((160, 90, 110_000)));
}

#[test]
fn odd_configurations_are_tamed() {
    let config = Config { heights: vec![0, 5, 240, 720, 240, 60_000] };
    let rungs = plan_rungs(1920, 1080, Rational::new(25, 1), &config);
    assert_eq!(rungs.iter().map(|rung| rung.label).collect::<Vec<_>>(), [720, 240]);
    let none = plan_rungs(640, 360, Rational::new(25, 1), &Config { heights: Vec::new() });
    assert_eq!(none.iter().map(|rung| (rung.label, rung.width, rung.height)).collect::<Vec<_>>(), [(360, 640, 360)]);
}

#[test]
fn a_ladder_has_ten_rungs_of_heights_that_h264_knows() {
    let labels = |heights: Vec<u16>| {
        let rungs = plan_rungs(8192, 4608, Rational::new(25, 1), &Config { heights });
        rungs.iter().map(|rung| rung.label).collect::<Vec<_>>()
    };
    assert_eq!(labels(vec![15, 16, 4320, 4321]), [4320, 16]);
    let eleven: Vec<u16> = (1..=11).map(|n| n * 100).collect();
    assert_eq!(labels(eleven[1..].to_vec()).len(), RUNGS_MAX);
    assert_eq!(labels(eleven.clone()), labels(eleven[1..].to_vec()), "the smallest is one too many");
}

fn dimension() -> impl Strategy<Value = u32> {
    prop_oneof![1u32..64, 64u32..5000, 1u32..=u32::MAX]
}

proptest! {
    #[test]
    fn every_ladder_is_sound(
        width in dimension(), height in dimension(), num in 1u32.., den in 1u32..,
        heights in proptest::collection::vec(any::<u16>(), 0..20),
    ) {
        let fps = Rational::new(num, den);
        for config in [Config::default(), Config { heights }] {
            let rungs = plan_rungs(width, height, fps, &config);
            prop_assert!(!rungs.is_empty());
            for pair in rungs.windows(2) {
                prop_assert!(pair[0].label > pair[1].label);
                prop_assert!(pair[0].width >= pair[1].width && pair[0].height >= pair[1].height);
                prop_assert!(pair[0].cap_bps >= pair[1].cap_bps);
            }
            let all = rungs.iter().copied().chain(trick(width, height));
            for rung in all {
                prop_assert!(rung.width >= 2 && rung.height >= 2);
                prop_assert_eq!((rung.width % 2, rung.height % 2), (0, 0));
                prop_assert!(rung.width <= width.max(2) && rung.height <= height.max(2));
                prop_assert!(rung.target_bps < rung.cap_bps && rung.target_bps > 0);
                let (long, short) = (rung.width.max(rung.height), rung.width.min(rung.height));
                let own = rung.width == (width & !1).max(2) && rung.height == (height & !1).max(2);
                if !own {
                    let nominal = u64::from(rung.label);
                    prop_assert!(u64::from(short) <= nominal + 1 && u64::from(long) * 9 <= nominal * 16 + 18);
                }
                if width.min(height) < 2 {
                    // The smallest even side is larger than the source's own: there is no ratio to keep.
                    continue;
                }
                // Each side is within rounding of the source scaled by the other side.
                let (w, h) = (f64::from(rung.width), f64::from(rung.height));
                let scale = if rung.width > rung.height { w / f64::from(width) } else { h / f64::from(height) };
                let rounding = 2.0 + 2.0 * f64::from(width.min(height)) / f64::from(width.max(height));
                prop_assert!((w - f64::from(width) * scale).abs() <= rounding && (h - f64::from(height) * scale).abs() <= rounding,
                    "{}x{} of {}x{}", rung.width, rung.height, width, height);
            }
        }
    }
}
