//! Who watches, in the memory of this process: who was seen when, and what of it was handed on. Pure but for its lock.
//!
//! A session is handed on in an *epoch*, the time of one connection to the server that gathers viewers. What was handed
//! on in an epoch that is over may have been lost with it and is handed on again; that a view is counted once is kept by
//! the catalog, which knows the sessions that it counted.

use std::{
    collections::HashMap,
    sync::{Mutex, MutexGuard, PoisonError},
};

use vidstream_media::VideoId;

use crate::{
    Error, Result, Session, Viewer,
    limits::{PRESENT_MS, VIEWERS_MAX},
};

/// Everybody who was seen by this process.
#[derive(Default)]
pub(crate) struct Audience {
    seen: Mutex<Seen>,
    /// One at a time hands on what was seen.
    pub(crate) turn: tokio::sync::Mutex<()>,
}

#[derive(Default)]
struct Seen {
    videos: HashMap<VideoId, HashMap<Session, Sight>>,
    sessions: usize,
}

/// What is known of one session.
struct Sight {
    at_ms: i64,
    /// The epoch in which this was told; none if it was not.
    told: Option<u64>,
    view: View,
}

/// Where the view of a session is.
#[derive(Clone, Copy, PartialEq, Eq)]
enum View {
    /// Here alone.
    Waiting,
    /// With the server, since this epoch.
    Gathered(u64),
    /// In the catalog.
    Counted,
}

// === impl Audience ===

impl Audience {
    /// Somebody watches.
    pub(crate) fn note(&self, viewer: Viewer, now_ms: i64) -> Result<()> {
        let mut seen = self.lock();
        if let Some(sight) = seen.sight(&viewer) {
            sight.renew(now_ms);
            return Ok(());
        }
        if seen.sessions >= VIEWERS_MAX {
            return Err(Error::Busy);
        }
        seen.sessions += 1;
        let sight = Sight { at_ms: now_ms, told: None, view: View::Waiting };
        seen.videos.entry(viewer.video).or_default().insert(viewer.session, sight);
        Ok(())
    }

    /// How many watch a video, as far as this process knows.
    pub(crate) fn present(&self, video: VideoId, now_ms: i64) -> u64 {
        let seen = self.lock();
        let sights = seen.videos.get(&video).into_iter().flat_map(HashMap::values);
        sights.filter(|sight| sight.is_present(now_ms)).count() as u64
    }

    /// Who was seen, and when, that was not told in this epoch.
    pub(crate) fn untold(&self, epoch: u64) -> Vec<(Viewer, i64)> {
        self.lock().pick(|sight| (sight.told != Some(epoch)).then_some(sight.at_ms))
    }

    /// These were told, as they were then: one who was seen again meanwhile is told again.
    pub(crate) fn told(&self, told: &[(Viewer, i64)], epoch: u64) {
        let mut seen = self.lock();
        for (viewer, at_ms) in told {
            if let Some(sight) = seen.sight(viewer).filter(|sight| sight.at_ms == *at_ms) {
                sight.told = Some(epoch);
            }
        }
    }

    /// Whose views are neither in the catalog nor with the server, if it is there in this epoch.
    pub(crate) fn uncounted(&self, epoch: Option<u64>) -> Vec<Viewer> {
        let picked = self.lock().pick(|sight| (!sight.view.is_safe(epoch)).then_some(()));
        picked.into_iter().map(|(viewer, ())| viewer).collect()
    }

    /// The server has these views.
    pub(crate) fn gathered(&self, viewers: &[Viewer], epoch: u64) {
        self.lock().set(viewers, View::Gathered(epoch));
    }

    /// The catalog has these views.
    pub(crate) fn counted(&self, viewers: &[Viewer]) {
        self.lock().set(viewers, View::Counted);
    }

    /// Forgets who is gone and whose view is safe.
    pub(crate) fn forget(&self, epoch: Option<u64>, now_ms: i64) {
        let mut seen = self.lock();
        seen.videos.retain(|_, sights| {
            sights.retain(|_, sight| sight.is_present(now_ms) || !sight.view.is_safe(epoch));
            !sights.is_empty()
        });
        seen.sessions = seen.videos.values().map(HashMap::len).sum();
    }

    /// How many sessions are known.
    pub(crate) fn sessions(&self) -> usize {
        self.lock().sessions
    }

    fn lock(&self) -> MutexGuard<'_, Seen> {
        self.seen.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

// === impl Seen ===

impl Seen {
    fn sight(&mut self, viewer: &Viewer) -> Option<&mut Sight> {
        self.videos.get_mut(&viewer.video)?.get_mut(&viewer.session)
    }

    fn pick<T>(&self, wanted: impl Fn(&Sight) -> Option<T>) -> Vec<(Viewer, T)> {
        let mut picked = Vec::new();
        for (&video, sights) in &self.videos {
            let found = sights.iter().filter_map(|(session, sight)| Some((session, wanted(sight)?)));
            picked.extend(found.map(|(session, value)| (Viewer { video, session: session.clone() }, value)));
        }
        picked
    }

    fn set(&mut self, viewers: &[Viewer], view: View) {
        for viewer in viewers {
            if let Some(sight) = self.sight(viewer) {
                sight.view = view;
            }
        }
    }
}

// === impl Sight ===

impl Sight {
    fn renew(&mut self, now_ms: i64) {
        if !self.is_present(now_ms) {
            // Whether one who was away is a new view is for the catalog to know.
            self.view = View::Waiting;
        }
        if self.at_ms < now_ms {
            self.at_ms = now_ms;
            self.told = None;
        }
    }

    fn is_present(&self, now_ms: i64) -> bool {
        self.at_ms > now_ms.saturating_sub(PRESENT_MS)
    }
}

// === impl View ===

impl View {
    fn is_safe(self, epoch: Option<u64>) -> bool {
        match self {
            Self::Waiting => false,
            Self::Gathered(since) => epoch == Some(since),
            Self::Counted => true,
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
        // A clock that goes back makes nobody older.
        audience.note(viewer(1, "a"), 5_000).unwrap();
        audience.note(viewer(1, "b"), 0).unwrap();
        audience.note(viewer(2, "a"), 0).unwrap();
        let present = |now_ms| [1, 2, 3].map(|video| audience.present(VideoId::from_bits(video), now_ms));
        assert_eq!(present(PRESENT_MS - 1), [2, 1, 0]);
        assert_eq!(present(PRESENT_MS), [1, 0, 0]);
        assert_eq!(present(10_000 + PRESENT_MS), [0, 0, 0]);
    }

    #[test]
    fn what_was_handed_on_in_an_epoch_is_handed_on_again_after_it() {
        let audience = Audience::default();
        let (a, b) = (viewer(1, "a"), viewer(1, "b"));
        audience.note(a.clone(), 1).unwrap();
        audience.note(b.clone(), 1).unwrap();
        let told = audience.untold(1);
        assert_eq!(told.len(), 2);
        // Seen again while it was on its way.
        audience.note(b.clone(), 2).unwrap();
        audience.told(&told, 1);
        assert_eq!(audience.untold(1), [(b.clone(), 2)]);
        assert_eq!(audience.untold(2).len(), 2);
        audience.gathered(std::slice::from_ref(&a), 1);
        audience.counted(&[b]);
        assert_eq!(audience.uncounted(Some(1)), []);
        for epoch in [None, Some(2)] {
            assert_eq!(audience.uncounted(epoch), std::slice::from_ref(&a), "{epoch:?}");
        }
    }

    #[test]
    fn who_is_gone_is_forgotten_once_the_view_is_safe() {
        let audience = Audience::default();
        let all = ["waiting", "gathered", "counted"].map(|session| viewer(1, session));
        for viewer in &all {
            audience.note(viewer.clone(), 0).unwrap();
        }
        audience.gathered(&all[1..2], 1);
        audience.counted(&all[2..]);
        let left = |epoch, now_ms| {
            audience.forget(epoch, now_ms);
            audience.sessions()
        };
        assert_eq!(left(Some(1), PRESENT_MS - 1), 3);
        assert_eq!(left(None, PRESENT_MS), 2);
        assert_eq!(left(Some(1), PRESENT_MS), 1);
        audience.counted(&all[..1]);
        assert_eq!(left(None, PRESENT_MS), 0);
    }

    #[test]
    fn one_who_comes_back_later_is_handed_on_again() {
        let audience = Audience::default();
        audience.note(viewer(1, "a"), 0).unwrap();
        audience.counted(&[viewer(1, "a")]);
        audience.note(viewer(1, "a"), PRESENT_MS - 1).unwrap();
        assert_eq!(audience.uncounted(None), []);
        audience.note(viewer(1, "a"), 2 * PRESENT_MS).unwrap();
        assert_eq!(audience.uncounted(None), [viewer(1, "a")]);
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
        audience.counted(&[nth(1)]);
        audience.forget(None, PRESENT_MS);
        audience.note(nth(VIEWERS_MAX), PRESENT_MS).unwrap();
        assert!(matches!(audience.note(nth(VIEWERS_MAX + 1), PRESENT_MS), Err(Error::Busy)));
    }
}
