//! From media ticks to presentation nanoseconds, through the edit list (§8.6.6).

use mp4_atom::{Elst, ElstEntry};

const NS_PER_S: i128 = 1_000_000_000;

/// The presentation timeline of a track.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Clock {
    /// Media ticks per second, at least 1.
    pub(super) timescale: u32,
    /// The media tick that is presented at `start_ns`.
    pub(super) media_start: i64,
    /// Where the presented interval begins.
    pub(super) start_ns: i64,
    /// Where it ends, unless the packets say.
    pub(super) end_ns: Option<i64>,
    /// Whether the edit list says more than this can hold.
    pub(super) simplified: bool,
}

// === impl Clock ===

impl Clock {
    /// The clock of a track without edits.
    pub(super) fn plain(timescale: u32) -> Self {
        let timescale = timescale.max(1);
        Self { timescale, media_start: 0, start_ns: 0, end_ns: None, simplified: false }
    }

    /// The clock under an edit list whose durations are in `movie_timescale`. In a fragmented file
    /// durations are not to be trusted: writers put there what they knew when they wrote `moov`.
    pub(super) fn edited(timescale: u32, movie_timescale: u32, edits: &Elst, fragmented: bool) -> Self {
        let mut clock = Self::plain(timescale);
        let empty = edits.entries.iter().take_while(|edit| edit.media_time.is_none());
        let delay = empty.fold(0_u64, |sum, edit| sum.saturating_add(edit.segment_duration));
        let media: Vec<&ElstEntry> = edits.entries.iter().filter(|edit| edit.media_time.is_some()).collect();
        let [first, rest @ ..] = media.as_slice() else {
            return clock;
        };
        clock.media_start = media_time(first);
        clock.start_ns = nanoseconds(i128::from(delay), movie_timescale);
        clock.simplified =
            edits.entries.iter().skip_while(|edit| edit.media_time.is_none()).any(|edit| edit.media_time.is_none())
                || media.iter().any(|edit| edit.media_rate.integer() != 1);
        // Later edits that go on where the one before ends are one edit; a jump forward is presented
        // with what it skips, a jump back is left out.
        let mut media_end = end_tick(first, timescale, movie_timescale);
        let slack = i64::from(timescale / movie_timescale.max(1)) + 1;
        for edit in rest {
            clock.simplified |= media_time(edit).abs_diff(media_end) > slack.unsigned_abs();
            media_end = media_end.max(end_tick(edit, timescale, movie_timescale));
        }
        let known = !fragmented && media.iter().all(|edit| edit.segment_duration > 0);
        if known {
            let span = i128::from(media_end) - i128::from(clock.media_start);
            clock.end_ns = Some(clock.start_ns.saturating_add(nanoseconds(span, timescale)));
        }
        clock
    }

    /// When a media tick is presented.
    pub(super) fn presented_ns(&self, tick: i64) -> i64 {
        let span = i128::from(tick) - i128::from(self.media_start);
        self.start_ns.saturating_add(nanoseconds(span, self.timescale))
    }

    /// How long some ticks last.
    pub(super) fn duration_ns(&self, ticks: u64) -> u64 {
        u64::try_from(nanoseconds(i128::from(ticks), self.timescale)).unwrap_or(0)
    }
}

fn media_time(edit: &ElstEntry) -> i64 {
    edit.media_time.and_then(|time| i64::try_from(time).ok()).unwrap_or(0)
}

/// The media tick at which an edit ends; its duration is in movie ticks.
fn end_tick(edit: &ElstEntry, timescale: u32, movie_timescale: u32) -> i64 {
    let ticks = i128::from(edit.segment_duration) * i128::from(timescale) / i128::from(movie_timescale.max(1));
    media_time(edit).saturating_add(i64::try_from(ticks).unwrap_or(i64::MAX))
}

fn nanoseconds(ticks: i128, timescale: u32) -> i64 {
    let scale = i128::from(timescale.max(1));
    // Most values fit 64 bits, where division is ten times faster.
    if let Ok(narrow) = i64::try_from(ticks * NS_PER_S) {
        return narrow.div_euclid(i64::from(timescale.max(1)));
    }
    let wide = (ticks * NS_PER_S).div_euclid(scale);
    i64::try_from(wide).unwrap_or(if ticks < 0 { i64::MIN } else { i64::MAX })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn edit(segment_duration: u64, media_time: Option<u64>) -> ElstEntry {
        ElstEntry { segment_duration, media_time, media_rate: 1.into() }
    }

    fn clock(entries: Vec<ElstEntry>) -> Clock {
        Clock::edited(90_000, 1000, &Elst { entries }, false)
    }

    #[test]
    fn an_empty_edit_delays_and_a_media_time_skips() {
        let delayed = clock(vec![edit(500, None), edit(2000, Some(9000))]);
        assert_eq!((delayed.start_ns, delayed.end_ns), (500_000_000, Some(2_500_000_000)));
        assert_eq!(delayed.presented_ns(9000), 500_000_000);
        assert_eq!(delayed.presented_ns(0), 400_000_000);
        assert!(!delayed.simplified);
    }

    #[test]
    fn edits_that_follow_each_other_are_one() {
        let joined = clock(vec![edit(1000, Some(0)), edit(1000, Some(90_000))]);
        assert_eq!((joined.end_ns, joined.simplified), (Some(2_000_000_000), false));
        let cut = clock(vec![edit(1000, Some(0)), edit(1000, Some(180_000))]);
        assert_eq!((cut.end_ns, cut.simplified), (Some(3_000_000_000), true));
    }

    #[test]
    fn only_empty_edits_and_unknown_durations_are_harmless() {
        assert_eq!(clock(vec![edit(500, None)]), Clock::plain(90_000));
        assert_eq!(clock(vec![edit(0, Some(90))]).end_ns, None);
        let fragmented = Clock::edited(90_000, 1000, &Elst { entries: vec![edit(2000, Some(0))] }, true);
        assert_eq!(fragmented.end_ns, None);
    }

    #[test]
    fn extreme_values_saturate() {
        let wild = Clock::edited(
            u32::MAX,
            0,
            &Elst { entries: vec![edit(u64::MAX, Some(u64::MAX >> 1)), edit(u64::MAX, Some(3))] },
            false,
        );
        assert!(wild.simplified);
        assert!(wild.presented_ns(i64::MIN) < 0);
        assert_eq!(Clock::plain(1).presented_ns(i64::MAX), i64::MAX);
    }
}
