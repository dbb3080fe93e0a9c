//! Whether a connection has something to do, and the end of those that have had nothing for too long.
//!
//! hyper's own timeout for headers makes and cancels a timer for each request, which costs as much as an
//! answer from memory. Here a connection has one timer, which looks from time to time.

use std::{
    sync::{
        Arc,
        atomic::{AtomicBool, AtomicU64, Ordering},
    },
    time::Duration,
};

use tokio::time::sleep;

/// Looks until an idle connection is closed: it is closed at most one part in this many later than it may be.
const LOOKS: u32 = 4;

/// What a connection does, told by its socket and its handler.
#[derive(Debug, Default)]
pub(super) struct Activity {
    /// Grows with each request and each write. Reads do not count: a head that drips in is no activity.
    steps: AtomicU64,
    answering: AtomicBool,
    blocked: AtomicBool,
}

/// A request is being answered as long as this lives.
pub(super) struct Answering(Arc<Activity>);

// === impl Activity ===

impl Activity {
    /// A request has arrived.
    pub(super) fn answer(self: &Arc<Self>) -> Answering {
        self.step();
        self.answering.store(true, Ordering::Relaxed);
        Answering(Arc::clone(self))
    }

    /// Bytes were written; `all` of those that were offered, or the rest waits for the reader.
    pub(super) fn wrote(&self, all: bool) {
        self.step();
        self.blocked.store(!all, Ordering::Relaxed);
    }

    /// Comes back once no request was begun, answered or written for `limit`.
    pub(super) async fn idle(&self, limit: Duration) {
        let mut seen = self.steps.load(Ordering::Relaxed);
        let mut looks = 0;
        while looks < LOOKS {
            sleep(limit / LOOKS).await;
            let steps = self.steps.load(Ordering::Relaxed);
            let busy = self.answering.load(Ordering::Relaxed) || self.blocked.load(Ordering::Relaxed);
            looks = if busy || steps != seen { 0 } else { looks + 1 };
            seen = steps;
        }
    }

    fn step(&self) {
        // A count that is off by one because two threads took turns does no harm: it has changed.
        self.steps.store(self.steps.load(Ordering::Relaxed).wrapping_add(1), Ordering::Relaxed);
    }
}

impl Drop for Answering {
    fn drop(&mut self) {
        self.0.answering.store(false, Ordering::Relaxed);
    }
}

#[cfg(test)]
mod tests {
    use tokio::time::{Instant, timeout};

    use super::*;

    const LIMIT: Duration = Duration::from_secs(20);

    #[tokio::test(start_paused = true)]
    async fn only_a_connection_without_anything_to_do_is_idle() {
        let activity = Arc::new(Activity::default());
        let began = Instant::now();
        activity.idle(LIMIT).await;
        assert_eq!(began.elapsed().as_secs(), LIMIT.as_secs());

        let answering = activity.answer();
        assert!(timeout(LIMIT * 10, activity.idle(LIMIT)).await.is_err(), "a request is being answered");
        drop(answering);
        activity.wrote(false);
        assert!(timeout(LIMIT * 10, activity.idle(LIMIT)).await.is_err(), "a reader is slow");
        activity.wrote(true);
        let ended = timeout(LIMIT * 2, activity.idle(LIMIT)).await;
        assert!(ended.is_ok(), "nothing is left to do");
    }
}
