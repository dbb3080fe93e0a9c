//! When a child was last heard of: what the watch judges it by.

use std::{
    sync::{Mutex, MutexGuard, PoisonError},
    time::{Duration, Instant},
};

/// When a child was last heard of, and how long it has worked without waiting for the worker.
#[derive(Debug)]
pub struct Pulse {
    state: Mutex<Beat>,
}

#[derive(Debug)]
struct Beat {
    heard: Instant,
    /// Requests without an answer yet.
    open: usize,
    /// Since when there is none, or is one.
    since: Instant,
    /// Time without an open request, before `since`.
    busy: Duration,
}

// === impl Pulse ===

impl Default for Pulse {
    fn default() -> Self {
        let now = Instant::now();
        Self { state: Mutex::new(Beat { heard: now, open: 0, since: now, busy: Duration::ZERO }) }
    }
}

impl Pulse {
    /// How long the child has owed a message. Zero while it waits for an answer.
    pub fn silence(&self) -> Duration {
        let beat = self.beat();
        if beat.open > 0 { Duration::ZERO } else { beat.heard.elapsed() }
    }

    /// How long the child has worked, without the time in which it waited for an answer.
    pub fn busy(&self) -> Duration {
        let beat = self.beat();
        if beat.open > 0 { beat.busy } else { beat.busy + beat.since.elapsed() }
    }

    pub(super) fn heard(&self) {
        self.beat().heard = Instant::now();
    }

    /// A request was made; gives how many were open before.
    pub(super) fn asked(&self) -> usize {
        let mut beat = self.beat();
        if beat.open == 0 {
            let worked = beat.since.elapsed();
            beat.busy += worked;
            beat.since = Instant::now();
        }
        beat.open += 1;
        beat.open - 1
    }

    /// A request was answered. The clock of silence starts again.
    pub(super) fn answered(&self) {
        let mut beat = self.beat();
        beat.open = beat.open.saturating_sub(1);
        beat.heard = Instant::now();
        if beat.open == 0 {
            beat.since = beat.heard;
        }
    }

    fn beat(&self) -> MutexGuard<'_, Beat> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
