//! When a client of which nothing is heard is given up.

use std::time::Duration;

use tokio::time::{Interval, interval};

use crate::limits::{HEARTBEAT_S, HEARTBEATS_MISSED_MAX};

/// Beats, and how many of them nobody answered.
pub(super) struct Heartbeat {
    beats: Interval,
    silent: u32,
}

// === impl Heartbeat ===

impl Heartbeat {
    /// The first beat comes a period from now.
    pub(super) fn start() -> Self {
        let mut beats = interval(Duration::from_secs(HEARTBEAT_S));
        beats.reset();
        Self { beats, silent: 0 }
    }

    /// Something came from the client.
    pub(super) fn heard(&mut self) {
        self.silent = 0;
    }

    /// Waits for the next beat; gives whether the client may still be there. It may be dropped at any time.
    pub(super) async fn beat(&mut self) -> bool {
        self.beats.tick().await;
        self.silent += 1;
        self.silent <= HEARTBEATS_MISSED_MAX
    }
}

#[cfg(test)]
mod tests {
    use tokio::time::Instant;

    use super::*;

    #[tokio::test(start_paused = true)]
    async fn a_client_may_be_silent_for_two_heartbeats_and_is_gone_at_the_third() {
        let mut heartbeat = Heartbeat::start();
        let began = Instant::now();
        let mut beats = Vec::new();
        for n in 1..=5 {
            let is_there = heartbeat.beat().await;
            beats.push((began.elapsed().as_secs(), is_there));
            if n == 2 {
                heartbeat.heard();
            }
        }
        assert_eq!(beats, [(20, true), (40, true), (60, true), (80, true), (100, false)]);
    }
}
