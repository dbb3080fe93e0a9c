//! Counts the frames that show another picture than the source's packets promise.

use vidstream_media::{Rational, source::Packet};

use crate::protocol::Warning;

/// A shown picture at least this many frames older than the moment it is shown in was repeated…
const AGE_FRAMES: f64 = 1.2;
/// …and with interlaced sources this many, where two packets may make one picture.
const AGE_FIELDS_FRAMES: f64 = 2.2;

/// Counts repeated frames of a run.
pub(super) struct Repeats {
    /// Presentation times of the packets, ascending.
    promised_ns: Vec<i64>,
    age_max_ns: i64,
    count: u64,
    first: u64,
    last: u64,
}

// === impl Repeats ===

impl Repeats {
    pub(super) fn new(packets: &[Packet], fps: Rational, interlaced: bool) -> Self {
        let mut promised_ns: Vec<i64> = packets.iter().map(|packet| packet.pts_ns).collect();
        promised_ns.sort_unstable();
        let frames = if interlaced { AGE_FIELDS_FRAMES } else { AGE_FRAMES };
        #[expect(clippy::cast_possible_truncation, reason = "a frame lasts at most some seconds")]
        let age_max_ns = (frames * 1e9 / fps.as_f64()) as i64;
        Self { promised_ns, age_max_ns, count: 0, first: 0, last: 0 }
    }

    /// The time of the picture that should be shown at `target_ns`; `None` before the first.
    pub(super) fn promised_ns(&self, target_ns: i64) -> Option<i64> {
        let after = self.promised_ns.partition_point(|&pts_ns| pts_ns <= target_ns);
        self.promised_ns.get(after.checked_sub(1)?).copied()
    }

    /// Takes note of what frame `n` shows.
    pub(super) fn note(&mut self, n: u64, target_ns: i64, shown_ns: Option<i64>) {
        let Some(promised) = self.promised_ns(target_ns) else { return };
        let right = shown_ns.is_some_and(|shown| {
            let age = target_ns.saturating_sub(shown);
            shown == promised || (0..=self.age_max_ns).contains(&age)
        });
        if !right {
            if self.count == 0 {
                self.first = n;
            }
            self.last = n;
            self.count += 1;
        }
    }

    /// The warning of the run so far, if it needs one; counts from zero afterwards.
    pub(super) fn take_warning(&mut self, fps: Rational) -> Option<Warning> {
        let count = std::mem::take(&mut self.count);
        #[expect(clippy::cast_precision_loss, reason = "frame numbers are below 2^53")]
        let seconds = |frame: u64| frame as f64 / fps.as_f64();
        (count > 0).then(|| Warning {
            code: "repeated_frames".to_owned(),
            detail: format!("{count} frames show a neighbouring picture, since their own could not be decoded"),
            from_s: Some(seconds(self.first)),
            to_s: Some(seconds(self.last + 1)),
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn packets(pts_ms: &[i64]) -> Vec<Packet> {
        pts_ms
            .iter()
            .map(|&ms| Packet { offset: 0, bytes: 1, sync: true, pts_ns: ms * 1_000_000, duration_ns: 0 })
            .collect()
    }

    #[test]
    fn holes_of_the_source_are_not_repeats_and_lost_pictures_are() {
        let fps = Rational::new(10, 1);
        let mut repeats = Repeats::new(&packets(&[0, 200, 100, 300, 900]), fps, false);
        let ms = |ms: i64| ms * 1_000_000;
        repeats.note(3, ms(350), Some(ms(300)));
        repeats.note(7, ms(750), Some(ms(300)));
        assert_eq!(repeats.take_warning(fps), None);
        repeats.note(2, ms(250), Some(ms(100)));
        repeats.note(3, ms(350), None);
        let warning = repeats.take_warning(fps).unwrap();
        assert_eq!((warning.from_s, warning.to_s), (Some(0.2), Some(0.4)));
        assert!(warning.detail.starts_with("2 frames"));
        assert_eq!(repeats.take_warning(fps), None);
    }
}
