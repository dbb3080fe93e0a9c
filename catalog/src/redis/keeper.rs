//! Keeps a connection: serves it until it is lost, and makes another one.

use std::{
    hash::{BuildHasher as _, RandomState},
    sync::Arc,
    time::Duration,
};

use tokio::{
    sync::{broadcast, mpsc, watch},
    time::sleep,
};

use super::{State, connection::Connection, link::Link, target::Target};
use crate::{Hint, hints, limits::RECONNECT_MS};

/// Who keeps the connection.
pub(super) struct Keeper {
    pub(super) target: Arc<Target>,
    /// This process, which has its own hints already.
    pub(super) instance: String,
    pub(super) hints: broadcast::Sender<Hint>,
    pub(super) queue: mpsc::Receiver<Hint>,
    pub(super) state: watch::Sender<State>,
}

// === impl Keeper ===

impl Keeper {
    /// Serves for ever, beginning with the first connection.
    pub(super) async fn run(mut self, mut connection: Connection) {
        for epoch in 2.. {
            let error = connection.serve(&self.instance, &self.hints, &mut self.queue).await;
            drop(connection);
            let place = self.target.place();
            tracing::warn!(%error, "{place} went away: hints are lost and views go to the catalog until it is back");
            let reason = format!("{place}: {error}");
            metrics::counter!("vidstream_redis_lost_total").increment(1);
            self.state.send_replace(State::Away(reason));
            connection = self.reconnect().await;
            tracing::info!("{} is back", self.target.place());
            self.state.send_replace(State::There(Link::new(&connection, &self.target, epoch)));
            // Whatever happened meanwhile was not heard of.
            for hint in hints::anything() {
                drop(self.hints.send(hint));
            }
        }
    }

    async fn reconnect(&self) -> Connection {
        let mut tries = 0;
        loop {
            // The keys of each are drawn anew.
            let random = RandomState::new().hash_one(tries);
            sleep(pause(tries, random)).await;
            match Connection::open(&self.target).await {
                Ok(connection) => return connection,
                Err(error) => {
                    tracing::debug!(%error, tries, "no connection yet");
                    self.state.send_replace(State::Away(error.to_string()));
                }
            }
            tries = tries.saturating_add(1);
        }
    }
}

/// The pause before the next try: twice as long after each, and somewhere between half of it and all.
fn pause(tries: u32, random: u64) -> Duration {
    let longest_ms = RECONNECT_MS.start().saturating_mul(1 << tries.min(16)).min(*RECONNECT_MS.end());
    let half_ms = longest_ms / 2;
    Duration::from_millis(longest_ms - random % (half_ms + 1))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn pauses_grow_to_a_bound_and_differ() {
        for (tries, range_ms) in
            [(0, 50..=100), (1, 100..=200), (5, 1_600..=3_200), (6, 2_500..=5_000), (u32::MAX, 2_500..=5_000)]
        {
            let longest = pause(tries, 0);
            let shortest = pause(tries, range_ms.end() / 2);
            assert_eq!([shortest, longest], [*range_ms.start(), *range_ms.end()].map(Duration::from_millis));
            for random in [1, 77, u64::MAX] {
                assert!((shortest..=longest).contains(&pause(tries, random)), "{tries} {random}");
            }
        }
        assert_ne!(RandomState::new().hash_one(0), RandomState::new().hash_one(0));
    }
}
