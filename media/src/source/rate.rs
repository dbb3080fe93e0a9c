//! The nominal frame rate of a source, from the times at which its pictures are shown.

use crate::rational::{Rational, mul_div_round};

/// Rates that sources are made with; each also as n * 1000 / 1001.
const COMMON: [u32; 5] = [24, 25, 30, 50, 60];
/// How near to a common rate counts as that rate, as a fraction.
const SNAP: f64 = 0.001;
/// Output is never faster than this, in frames per second.
const FPS_MAX: f64 = 60.0;
/// Nor slower, so that a segment holds pictures, in thousandths of a frame per second.
const FPS_MILLI_MIN: u64 = 1000;
/// The rate of a single picture.
const FPS_ALONE: u32 = 25;
/// Containers that round times to milliseconds shift an interval by this much.
const ROUNDING_NS: u64 = 1_200_000;
const MILLISECOND_NS: i64 = 1_000_000;

/// How fast pictures follow each other.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Pace {
    /// Nominal frames per second, at most 60.
    pub fps: Rational,
    /// Whether pictures are unevenly spaced.
    pub uneven: bool,
}

/// The pace of pictures shown at these times, ascending, in nanoseconds.
///
/// The median interval decides what is usual; the mean of the usual intervals undoes the rounding of
/// containers that know only milliseconds (33, 33, 34, …). In a short film even the mean may fit two
/// rates: then the one that the stream has `told` is right.
pub fn pace(times_ns: &[i64], told: Option<Rational>) -> Pace {
    let mut intervals: Vec<u64> = times_ns
        .windows(2)
        .filter_map(|pair| Some(pair.last()?.abs_diff(*pair.first()?)))
        .filter(|&gap| gap > 0)
        .collect();
    let middle = intervals.len() / 2;
    if intervals.is_empty() {
        return Pace { fps: Rational::new(FPS_ALONE, 1), uneven: false };
    }
    let median = *intervals.select_nth_unstable(middle).1;
    let tolerance = (median / 20).max(ROUNDING_NS);
    let total: u128 = intervals.iter().map(|&gap| u128::from(gap)).sum();
    let (mut usual_sum, mut usual) = (0_u128, 0_u64);
    for &gap in intervals.iter().filter(|gap| gap.abs_diff(median) <= tolerance) {
        usual_sum += u128::from(gap);
        usual += 1;
    }
    let all = intervals.len() as u64;
    // More than two in a hundred, or a twentieth of the time.
    let uneven = (all - usual) * 50 > all || (total - usual_sum) * 20 > total;
    let mostly_usual = usual * 10 >= all * 9;
    let mean = u64::try_from(usual_sum / u128::from(usual.max(1))).unwrap_or(median);
    // Each run of usual intervals is rounded at its ends.
    let slack_ns = (all - usual + 1) * ROUNDING_NS / usual.max(1);
    let near = |rate: &Rational, interval: u64, slack_ns: u64| interval_ns(*rate).abs_diff(interval) <= slack_ns;
    let told = told.filter(|rate| mostly_usual && is_fit(*rate) && near(rate, mean, slack_ns));
    let is_rounded = times_ns.iter().all(|time| time % MILLISECOND_NS == 0);
    let rounded = || nearest_common(mean).filter(|rate| is_rounded && near(rate, mean, slack_ns));
    let fps = told
        .or_else(|| common(mean).filter(|rate| mostly_usual || near(rate, median, ROUNDING_NS)))
        .or_else(|| common(median))
        .or_else(rounded)
        .unwrap_or_else(|| exact(if mostly_usual { mean } else { median }));
    Pace { fps, uneven }
}

/// Whether output may have this rate.
fn is_fit(rate: Rational) -> bool {
    rate.as_f64() <= FPS_MAX && u64::from(rate.num) * 1000 >= FPS_MILLI_MIN * u64::from(rate.den)
}

/// Nanoseconds from one picture to the next.
fn interval_ns(rate: Rational) -> u64 {
    mul_div_round(u64::from(rate.den), 1_000_000_000, u64::from(rate.num))
}

/// The median packet interval snapped to a common rate, else the fraction itself, at most 60.
///
/// `intervals_ns` are the differences of consecutive presentation times; empty gives 25.
pub fn nominal_rate(intervals_ns: &mut [u64]) -> Rational {
    let middle = intervals_ns.len() / 2;
    if intervals_ns.is_empty() {
        return Rational::new(FPS_ALONE, 1);
    }
    let median = *intervals_ns.select_nth_unstable(middle).1;
    common(median).unwrap_or_else(|| exact(median))
}

/// The nearest common rate, if one is near. Twice a common rate gives that rate: every second picture.
fn common(interval_ns: u64) -> Option<Rational> {
    let fps = fps(interval_ns);
    snap(fps).or_else(|| if fps > FPS_MAX { snap(fps / 2.0) } else { None })
}

fn snap(fps: f64) -> Option<Rational> {
    nearest(fps).filter(|rate| off(fps, *rate) <= SNAP)
}

fn nearest_common(interval_ns: u64) -> Option<Rational> {
    nearest(fps(interval_ns))
}

fn nearest(fps: f64) -> Option<Rational> {
    let rates = COMMON.iter().flat_map(|&n| [Rational::new(n, 1), Rational::new(n * 1000, 1001)]);
    rates.min_by(|a, b| off(fps, *a).total_cmp(&off(fps, *b)))
}

/// How far a rate is from another, as a fraction.
fn off(fps: f64, rate: Rational) -> f64 {
    (fps / rate.as_f64() - 1.0).abs()
}

/// The rate in thousandths.
fn exact(interval_ns: u64) -> Rational {
    let interval = interval_ns.max(1);
    let milli = (1_000_000_000_000 + interval / 2) / interval;
    let bounded = milli.clamp(FPS_MILLI_MIN, 60_000);
    Rational::new(u32::try_from(bounded).unwrap_or(60_000), 1000)
}

#[expect(clippy::cast_precision_loss, reason = "intervals are below 2^53 ns, 104 days")]
fn fps(interval_ns: u64) -> f64 {
    1e9 / interval_ns.max(1) as f64
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    /// Times of `count` pictures at num/den frames per second, rounded to `unit_ns`.
    fn film(num: i128, den: i128, count: i128, unit_ns: i128) -> Vec<i64> {
        (0..count)
            .map(|n| i64::try_from((n * den * 1_000_000_000 / num + unit_ns / 2) / unit_ns * unit_ns).unwrap())
            .collect()
    }

    #[test]
    fn common_rates_survive_millisecond_rounding() {
        for (num, den) in [(24, 1), (24_000, 1001), (25, 1), (30_000, 1001), (30, 1), (50, 1), (60_000, 1001), (60, 1)]
        {
            for unit in [1, 11_111, 1_000_000] {
                let found = pace(&film(num, den, 3000, unit), None);
                let wanted = Rational::new(u32::try_from(num).unwrap(), u32::try_from(den).unwrap());
                assert_eq!(found, Pace { fps: wanted, uneven: false }, "{num}/{den} in units of {unit} ns");
            }
        }
    }

    #[test]
    fn odd_rates_keep_their_fraction_and_high_ones_halve() {
        assert_eq!(pace(&film(15, 1, 500, 1), None).fps, Rational::new(15, 1));
        assert_eq!(pace(&film(25, 2, 500, 1_000_000), None).fps, Rational::new(25, 2));
        assert_eq!(pace(&film(120, 1, 500, 1), None).fps, Rational::new(60, 1));
        assert_eq!(pace(&film(120_000, 1001, 500, 1), None).fps, Rational::new(60_000, 1001));
        assert_eq!(pace(&film(1000, 1, 500, 1), None).fps, Rational::new(60, 1));
        assert_eq!(pace(&[0, 60_000_000_000], None).fps, Rational::new(1, 1));
        assert_eq!(pace(&[7], None).fps, Rational::new(25, 1));
    }

    #[test]
    fn holes_make_it_uneven_and_leave_the_rate() {
        let mut times = film(30, 1, 1000, 1_000_000);
        for time in times.iter_mut().skip(500) {
            *time += 12_000_000_000;
        }
        assert_eq!(pace(&times, None), Pace { fps: Rational::new(30, 1), uneven: true });
    }

    #[test]
    fn what_the_stream_tells_decides_between_rates_that_fit_a_short_film() {
        const MS: i128 = 1_000_000;
        let (thirty, ntsc) = (Rational::new(30, 1), Rational::new(30_000, 1001));
        // Fifteen pictures in whole milliseconds: 467 ms fit both.
        let short = film(30, 1, 15, MS);
        assert_eq!([Some(thirty), Some(ntsc)].map(|told| pace(&short, told).fps), [thirty, ntsc]);
        assert_eq!(pace(&film(15, 1, 8, MS), Some(Rational::new(15, 1))).fps, Rational::new(15, 1));
        // What does not fit is not believed: fields instead of frames, a wrong header, a rate too high.
        for told in [Rational::new(60_000, 1001), Rational::new(25, 1), ntsc] {
            assert_eq!(pace(&film(30, 1, 3000, MS), Some(told)).fps, thirty, "{told:?}");
        }
        assert_eq!(pace(&film(120, 1, 500, 1), Some(Rational::new(120, 1))).fps, Rational::new(60, 1));
    }

    #[test]
    fn uneven_pictures_in_whole_milliseconds_have_the_rate_that_their_median_is_rounded_from() {
        let mut times = film(30, 1, 90, 1);
        for time in times.iter_mut().skip(1).step_by(3) {
            *time += 8_000_000;
        }
        for time in &mut times {
            *time = (*time + 500_000) / 1_000_000 * 1_000_000;
        }
        assert_eq!(pace(&times, None), Pace { fps: Rational::new(30, 1), uneven: true });
        // So few of them that the mean is no better than what they are rounded to.
        assert_eq!(pace(&times[..14], None).fps, Rational::new(30, 1));
    }

    #[test]
    #[expect(clippy::cast_possible_truncation, reason = "nanoseconds of some seconds")]
    fn a_thousandth_is_the_same_rate_and_more_is_not() {
        let at = |fps: f64| pace(&[0, (1e9 / fps) as i64, (2e9 / fps) as i64], None).fps;
        assert_eq!(
            [24.0239, 50.0499, 59.8802].map(at),
            [Rational::new(24, 1), Rational::new(50, 1), Rational::new(60_000, 1001)]
        );
        assert_eq!(
            [24.0245, 50.051, 59.88].map(at),
            [Rational::new(4805, 200), Rational::new(50_051, 1000), Rational::new(59_880, 1000)]
        );
        // Sixty is the most, and what is less than that stays as it is.
        assert_eq!([59.99, 60.05, 60.5].map(at), [Rational::new(60, 1); 3]);
        assert_eq!(
            [59.5, 1.5, 0.5].map(at),
            [(59_500, 1000), (1500, 1000), (1, 1)].map(|(num, den)| Rational::new(num, den))
        );
    }

    proptest! {
        #[test]
        fn any_times_give_a_rate_in_bounds(
            mut times in proptest::collection::vec(any::<i64>(), 0..50), told in any::<Option<(u32, u32)>>(),
        ) {
            times.sort_unstable();
            let told = told.map(|(num, den)| Rational::new(num, den));
            let fps = pace(&times, told).fps.as_f64();
            prop_assert!((1.0..=60.0).contains(&fps));
        }
    }
}
