//! Who watches, in the memory of this process: who was seen when, whom the server that gathers viewers has not been told
//! of, and whose views the catalog has not got. Pure but for its lock, which those who serve players take: nothing
//! below it goes through everybody, but for the first time that a connection to that server is told.

use std::{
    collections::{BTreeSet, HashMap, HashSet},
    sync::{Mutex, MutexGuard, PoisonError},
};

use vidstream_media::VideoId;

use crate::{
    Error, Result, Viewer,
    limits::{PRESENT_MS, VIEWERS_MAX},
};

/// Everybody who was seen by this process. Times are of one clock that nobody sets.
#[derive(Default)]
pub(crate) struct Audience {
    seen: Mutex<Seen>,
}

#[derive(Default)]
struct Seen {
    /// When each session that is present was seen last.
    sights: HashMap<Viewer, i64>,
    /// The same, the longest ago first.
    by_age: BTreeSet<(i64, Viewer)>,
    /// How many sessions of each video are present.
    present: HashMap<VideoId, u64>,
    /// Who was seen since the server was told.
    untold: HashSet<Viewer>,
    /// The connection over which it was told, by number.
    connection: u64,
    /// The views that the catalog has not got, whether or not their sessions are still present.
    uncounted: HashMap<Viewer, Waiting>,
}

/// A view on its way.
struct Waiting {
    since_ms: i64,
    /// The connection over which the server was given a copy. What it was given over an earlier one may be gone.
    copied: Option<u64>,
}

// === impl Audience ===

impl Audience {
    /// Somebody watches. Who was not present is a new view, or one that the catalog knows to be none.
    pub(crate) fn note(&self, viewer: Viewer, now_ms: i64) -> Result<()> {
        let mut seen = self.lock();
        seen.forget(now_ms);
        match seen.sights.get(&viewer).copied() {
            Some(before_ms) if before_ms >= now_ms => return Ok(()),
            Some(before_ms) => {
                seen.by_age.remove(&(before_ms, viewer.clone()));
            }
            None if seen.sights.len() >= VIEWERS_MAX || seen.uncounted.len() >= VIEWERS_MAX => return Err(Error::Busy),
            None => {
                *seen.present.entry(viewer.video).or_default() += 1;
                seen.uncounted.entry(viewer.clone()).or_insert(Waiting { since_ms: now_ms, copied: None });
            }
        }
        seen.sights.insert(viewer.clone(), now_ms);
        seen.untold.insert(viewer.clone());
        seen.by_age.insert((now_ms, viewer));
        Ok(())
    }

    /// Whether a session is present, so that noting it is nothing new.
    pub(crate) fn knows(&self, viewer: &Viewer, now_ms: i64) -> bool {
        self.up_to(now_ms).sights.contains_key(viewer)
    }

    /// How many sessions watch a video, as far as this process knows.
    pub(crate) fn present(&self, video: VideoId, now_ms: i64) -> u64 {
        self.up_to(now_ms).present.get(&video).copied().unwrap_or(0)
    }

    /// How many sessions watch anything.
    pub(crate) fn sessions(&self, now_ms: i64) -> usize {
        self.up_to(now_ms).sights.len()
    }

    /// Who was seen, and when, that was not told over this connection.
    pub(crate) fn untold(&self, connection: u64, now_ms: i64) -> Vec<(Viewer, i64)> {
        let mut seen = self.up_to(now_ms);
        if seen.connection != connection {
            seen.connection = connection;
            seen.untold = seen.sights.keys().cloned().collect();
        }
        seen.untold.iter().filter_map(|viewer| Some((viewer.clone(), *seen.sights.get(viewer)?))).collect()
    }

    /// These were told, as they were then: one who was seen again meanwhile is told again.
    pub(crate) fn told(&self, told: &[(Viewer, i64)]) {
        let mut seen = self.lock();
        for (viewer, at_ms) in told {
            if seen.sights.get(viewer).is_none_or(|last_ms| last_ms == at_ms) {
                seen.untold.remove(viewer);
            }
        }
    }

    /// Whose views the catalog has not got.
    pub(crate) fn uncounted(&self) -> Vec<Viewer> {
        self.lock().uncounted.keys().cloned().collect()
    }

    /// How many those are.
    pub(crate) fn waiting(&self) -> usize {
        self.lock().uncounted.len()
    }

    /// Whose views wait since a moment or before, and were not copied over this connection.
    pub(crate) fn late(&self, connection: u64, since_ms: i64) -> Vec<Viewer> {
        let is_late = |waiting: &Waiting| waiting.since_ms <= since_ms && waiting.copied != Some(connection);
        let seen = self.lock();
        seen.uncounted.iter().filter(|(_, waiting)| is_late(waiting)).map(|(viewer, _)| viewer.clone()).collect()
    }

    /// The server has copies of these views.
    pub(crate) fn copied(&self, viewers: &[Viewer], connection: u64) {
        let mut seen = self.lock();
        for viewer in viewers {
            if let Some(waiting) = seen.uncounted.get_mut(viewer) {
                waiting.copied = Some(connection);
            }
        }
    }

    /// The catalog has these views, but for those of some videos.
    pub(crate) fn counted(&self, viewers: &[Viewer], busy: &BTreeSet<VideoId>) {
        let mut seen = self.lock();
        for viewer in viewers.iter().filter(|viewer| !busy.contains(&viewer.video)) {
            seen.uncounted.remove(viewer);
        }
    }

    fn lock(&self) -> MutexGuard<'_, Seen> {
        self.seen.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Without those who are gone by now.
    fn up_to(&self, now_ms: i64) -> MutexGuard<'_, Seen> {
        let mut seen = self.lock();
        seen.forget(now_ms);
        seen
    }
}

// === impl Seen ===

impl Seen {
    /// Forgets who was not seen for [`PRESENT_MS`].
    fn forget(&mut self, now_ms: i64) {
        let gone_ms = now_ms.saturating_sub(PRESENT_MS);
        while self.by_age.first().is_some_and(|(at_ms, _)| *at_ms <= gone_ms)
            && let Some((_, viewer)) = self.by_age.pop_first()
        {
            self.sights.remove(&viewer);
            self.untold.remove(&viewer);
            match self.present.get_mut(&viewer.video) {
                Some(count) if *count > 1 => *count -= 1,
                _ => {
                    self.present.remove(&viewer.video);
                }
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn viewer(video: u128, session: &str) -> Viewer {
        Viewer { video: VideoId::from_bits(video), session: session.parse().unwrap() }
    }

    #[test]
    fn one_who_is_seen_again_is_one_viewer_until_half_a_minute_after() {
        let audience = Audience::default();
        audience.note(viewer(1, "a"), 0).unwrap();
        audience.note(viewer(1, "a"), 10_000).unwrap();
        audience.note(viewer(1, "b"), 10_000).unwrap();
        audience.note(viewer(2, "a"), 10_000).unwrap();
        audience.note(viewer(1, "a"), 20_000).unwrap();
        let present = |now_ms| [1, 2, 3].map(|video| audience.present(VideoId::from_bits(video), now_ms));
        assert_eq!(present(10_000 + PRESENT_MS - 1), [2, 1, 0]);
        assert!(audience.knows(&viewer(1, "b"), 10_000 + PRESENT_MS - 1));
        assert_eq!(present(10_000 + PRESENT_MS), [1, 0, 0]);
        assert!(!audience.knows(&viewer(1, "b"), 10_000 + PRESENT_MS));
        assert_eq!((present(20_000 + PRESENT_MS), audience.sessions(20_000 + PRESENT_MS)), ([0, 0, 0], 0));
        let seen = audience.lock();
        assert!(seen.by_age.is_empty() && seen.present.is_empty() && seen.untold.is_empty());
    }

    #[test]
    fn each_connection_is_told_of_everybody_who_is_present_and_once() {
        let audience = Audience::default();
        let (a, b) = (viewer(1, "a"), viewer(1, "b"));
        audience.note(a.clone(), 1).unwrap();
        audience.note(b.clone(), 1).unwrap();
        let told = audience.untold(1, 1);
        assert_eq!(told.len(), 2);
        // Seen again while it was on its way.
        audience.note(b.clone(), 2).unwrap();
        audience.told(&told);
        assert_eq!(audience.untold(1, 2), [(b.clone(), 2)]);
        audience.told(&[(b, 2)]);
        assert_eq!(audience.untold(1, 2), []);
        assert_eq!(audience.untold(2, 2).len(), 2);
        assert_eq!(audience.untold(2, 1 + PRESENT_MS).len(), 1);
    }

    #[test]
    fn a_view_waits_until_it_is_counted_although_its_session_is_gone() {
        let audience = Audience::default();
        let (a, b, busy) = (viewer(1, "a"), viewer(1, "b"), viewer(2, "a"));
        for viewer in [&a, &b, &busy] {
            audience.note(viewer.clone(), 0).unwrap();
        }
        audience.counted(&[a.clone(), busy.clone()], &[busy.video].into());
        assert_eq!((audience.sessions(PRESENT_MS), audience.waiting()), (0, 2));
        audience.counted(&[b.clone(), busy.clone()], &BTreeSet::new());
        assert_eq!(audience.uncounted(), []);
        // Whether one who comes back is a new view is for the catalog to know; one who stays is none.
        audience.note(a.clone(), PRESENT_MS).unwrap();
        assert_eq!(audience.uncounted(), std::slice::from_ref(&a));
        audience.counted(std::slice::from_ref(&a), &BTreeSet::new());
        audience.note(a, 2 * PRESENT_MS - 1).unwrap();
        assert_eq!(audience.uncounted(), []);
    }

    #[test]
    fn what_waits_for_long_is_copied_once_over_each_connection() {
        let audience = Audience::default();
        let (a, b) = (viewer(1, "a"), viewer(1, "b"));
        audience.note(a.clone(), 10).unwrap();
        audience.note(b.clone(), 20).unwrap();
        assert_eq!(audience.late(1, 9), []);
        assert_eq!(audience.late(1, 10), std::slice::from_ref(&a));
        audience.copied(std::slice::from_ref(&a), 1);
        assert_eq!((audience.late(1, 10), audience.late(1, 20)), (vec![], vec![b.clone()]));
        assert_eq!(audience.late(2, 10), std::slice::from_ref(&a));
        // A copy is no count.
        assert_eq!(audience.waiting(), 2);
        audience.counted(&[a, b], &BTreeSet::new());
        assert_eq!(audience.late(2, 20), []);
    }

    #[test]
    fn so_many_sessions_are_known_and_not_one_more() {
        let audience = Audience::default();
        let nth = |n: usize| viewer(n as u128 % 7, &format!("s{n}"));
        for n in 0..VIEWERS_MAX {
            audience.note(nth(n), 0).unwrap();
        }
        assert!(matches!(audience.note(nth(VIEWERS_MAX), 0), Err(Error::Busy)));
        // Those who are known already go on.
        audience.note(nth(0), 1).unwrap();
        // When they are gone, there is a place for as many views as were counted.
        assert!(matches!(audience.note(nth(VIEWERS_MAX), PRESENT_MS), Err(Error::Busy)));
        audience.counted(&[nth(1)], &BTreeSet::new());
        audience.note(nth(VIEWERS_MAX), PRESENT_MS).unwrap();
        assert!(matches!(audience.note(nth(VIEWERS_MAX + 1), PRESENT_MS), Err(Error::Busy)));
    }
}
