//! Peak and average segment bit rate as RFC 8216bis §4.1 defines them, computed from served bytes.

/// Segments of one run; none of a sane stream has as many, and who chooses the target duration chooses the length.
const RUN_SEGMENTS_MAX: usize = 1024;

/// Rates in bits per second.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) struct Rates {
    pub(super) peak_bps: u64,
    pub(super) average_bps: u64,
}

// === impl Rates ===

impl Rates {
    pub(super) fn plus(self, other: Self) -> Self {
        Self {
            peak_bps: self.peak_bps.saturating_add(other.peak_bps),
            average_bps: self.average_bps.saturating_add(other.average_bps),
        }
    }

    pub(super) fn max(self, other: Self) -> Self {
        Self { peak_bps: self.peak_bps.max(other.peak_bps), average_bps: self.average_bps.max(other.average_bps) }
    }
}

/// The rates of segments, given as microseconds and bytes in order.
///
/// The peak is over every contiguous run that lasts from half a target duration to one and a half and
/// half a second. If there is no such run it is that of all.
pub(super) fn of(segments: &[(u64, u64)], target_s: u64) -> Option<Rates> {
    let least_us = u128::from(target_s) * 500_000;
    let most_us = u128::from(target_s) * 1_500_000 + 500_000;
    let total = segments
        .iter()
        .fold((0_u128, 0_u128), |(us, bytes), segment| (us + u128::from(segment.0), bytes + u128::from(segment.1)));
    let average_bps = bps(total)?;
    let mut peak_bps = None;
    for start in 0..segments.len() {
        let mut run = (0_u128, 0_u128);
        for segment in segments.iter().skip(start).take(RUN_SEGMENTS_MAX) {
            run = (run.0 + u128::from(segment.0), run.1 + u128::from(segment.1));
            if run.0 > most_us {
                break;
            }
            // A segment without a duration would make this quadratic; it breaks other rules.
            if segment.0 == 0 {
                break;
            }
            if run.0 >= least_us {
                peak_bps = peak_bps.max(bps(run));
            }
        }
    }
    // A short tail alone is in the average and in no run.
    Some(Rates { peak_bps: peak_bps.unwrap_or(average_bps).max(average_bps), average_bps })
}

fn bps((us, bytes): (u128, u128)) -> Option<u64> {
    if us == 0 {
        return None;
    }
    u64::try_from((bytes * 8_000_000).div_ceil(us)).ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_run_has_so_many_segments_and_not_one_more() {
        // The first half has all the bytes, and half a target duration is a second.
        let peaks = |in_a_second: usize| {
            let us = 1_000_000_u64.div_ceil(in_a_second as u64);
            let half = |bytes: u64| vec![(us, bytes); in_a_second];
            let rates = of(&[half(100), half(0)].concat(), 2).unwrap();
            rates.peak_bps > rates.average_bps
        };
        assert_eq!([RUN_SEGMENTS_MAX, RUN_SEGMENTS_MAX + 1].map(peaks), [true, false]);
    }

    #[test]
    fn the_peak_is_over_windows_of_about_a_target_duration() {
        type Case<'a> = (&'a [(u64, u64)], u64, (u64, u64));
        let s = 1_000_000;
        let cases: [Case<'_>; 5] = [
            (&[(4 * s, 4000), (4 * s, 8000)], 4, (16_000, 12_000)),
            // Two of two seconds make a window of four; each alone is one too.
            (&[(2 * s, 1000), (2 * s, 3000), (4 * s, 4000)], 4, (12_000, 8000)),
            // One second alone is below half a target; with its neighbour it counts.
            (&[(s, 4000), (4 * s, 4000)], 4, (12_800, 12_800)),
            // No window: all of it.
            (&[(s, 1000)], 4, (8000, 8000)),
            (&[(4 * s, 4000), (20_000, 400)], 4, (8757, 8757)),
        ];
        for (segments, target_s, expected) in cases {
            let rates = of(segments, target_s).unwrap();
            assert_eq!((rates.peak_bps, rates.average_bps), expected, "{segments:?}");
        }
        assert_eq!(of(&[], 4), None);
    }
}
