//! Which source picture an output frame shows. Pure: a function of presentation times only.
//!
//! Output frame `n` shows the picture with the greatest time at or before `t0 + (n + 1/2) / fps`, else
//! the first. This holds whatever the chunking, since nothing but times goes in.

use vidstream_media::{Rational, rational::mul_div_round};

const SECOND_NS: u64 = 1_000_000_000;

/// The latest moment, on the clock of the packets, that frame `n` may show.
pub(crate) fn target_ns(t0_ns: i64, fps: Rational, n: u64) -> i64 {
    let half_frames = n.saturating_mul(2).saturating_add(1);
    let offset = mul_div_round(half_frames, u64::from(fps.den) * SECOND_NS, 2 * u64::from(fps.num));
    t0_ns.saturating_add(i64::try_from(offset).unwrap_or(i64::MAX))
}

/// Walks through decoded pictures in the order of their times, at most one ahead of the shown one.
#[derive(Debug)]
pub(crate) struct Picker<P> {
    shown: Option<Timed<P>>,
    ahead: Option<Timed<P>>,
    ended: bool,
}

/// A picture and its presentation time in nanoseconds.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Timed<P> {
    pub(crate) pts_ns: i64,
    pub(crate) picture: P,
}

// === impl Picker ===

impl<P> Picker<P> {
    pub(crate) fn new() -> Self {
        Self { shown: None, ahead: None, ended: false }
    }

    /// The picture to show at `target_ns`, which must not fall from call to call; `None` when there
    /// is no picture at all. Pulls decoded pictures as far as needed.
    pub(crate) fn pick<E>(
        &mut self,
        target_ns: i64,
        mut pull: impl FnMut() -> Result<Option<Timed<P>>, E>,
    ) -> Result<Option<&Timed<P>>, E> {
        loop {
            if self.ahead.is_none() && !self.ended {
                self.ahead = pull()?;
                self.ended = self.ahead.is_none();
            }
            match self.ahead.take_if(|ahead| ahead.pts_ns <= target_ns) {
                // A picture that comes late, after one with a greater time, was never to be shown.
                Some(due) if self.shown.as_ref().is_none_or(|shown| shown.pts_ns <= due.pts_ns) => {
                    self.shown = Some(due);
                }
                Some(_) => {}
                None => break,
            }
        }
        Ok(self.shown.as_ref().or(self.ahead.as_ref()))
    }
}

#[cfg(test)]
mod tests {
    use std::convert::Infallible;

    use super::*;

    /// The times shown for frames `frames` at 10 fps from 0, given decoded pictures at `pts_ms`.
    fn shown(pts_ms: &[i64], frames: std::ops::Range<u64>) -> Vec<i64> {
        let mut pictures = pts_ms.iter().map(|&ms| Timed { pts_ns: ms * 1_000_000, picture: ms });
        let mut picker = Picker::new();
        let mut pull = || Ok::<_, Infallible>(pictures.next());
        frames
            .map(|n| picker.pick(target_ns(0, Rational::new(10, 1), n), &mut pull).unwrap().unwrap().picture)
            .collect()
    }

    #[test]
    fn a_constant_rate_shows_each_picture_once() {
        assert_eq!(shown(&[0, 100, 200, 300], 0..4), [0, 100, 200, 300]);
        assert_eq!(shown(&[4, 96, 203, 299], 0..4), [4, 96, 203, 299]);
    }

    #[test]
    fn holes_repeat_and_crowds_drop() {
        assert_eq!(shown(&[0, 500], 0..6), [0, 0, 0, 0, 0, 500]);
        assert_eq!(shown(&[0, 20, 40, 60, 120, 140], 0..2), [40, 140]);
    }

    #[test]
    fn before_the_first_picture_the_first_is_shown_and_after_the_last_the_last() {
        assert_eq!(shown(&[270, 300], 0..5), [270, 270, 270, 300, 300]);
        assert!(Picker::<()>::new().pick(0, || Ok::<_, Infallible>(None)).unwrap().is_none());
    }

    #[test]
    fn a_late_picture_is_passed_over() {
        assert_eq!(shown(&[0, 200, 100, 300], 2..4), [200, 300]);
    }

    #[test]
    fn every_start_gives_the_same_choice() {
        let times: Vec<i64> = (0..200).map(|n| n * 37 + (n * n) % 23).collect();
        let whole = shown(&times, 0..70);
        for start in 0..70 {
            let rest = shown(&times, start..70);
            assert_eq!(rest, whole[usize::try_from(start).unwrap()..]);
        }
    }

    #[test]
    fn targets_are_exact_on_long_ntsc_films() {
        let fps = Rational::new(24_000, 1001);
        // Five hours: frame 431,568 starts at 18,000 s less 0.018 s.
        let target = target_ns(0, fps, 431_568);
        assert_eq!(target, 18_000_002_854_167);
    }
}
