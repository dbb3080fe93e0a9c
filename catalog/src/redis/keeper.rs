//! Keeps a connection: serves it until it is lost, and makes another one.

use std::{sync::Arc, time::Duration};

use tokio::{
    sync::{broadcast, mpsc, watch},
    time::{Instant, sleep},
};

use super::{State, connection::Connection, link::Link, target::Target};
use crate::{Hint, hints, pauses::Pauses};

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
    /// Serves for ever, beginning with the first connection, if there is one.
    pub(super) async fn run(mut self, mut connection: Option<Connection>) {
        let mut pauses = Pauses::default();
        for number in 2.. {
            let mut lasted = Duration::ZERO;
            if let Some(mut connection) = connection {
                let began = Instant::now();
                let error = connection.serve(&self.instance, &self.hints, &mut self.queue).await;
                lasted = began.elapsed();
                let place = self.target.place();
                tracing::warn!(%error, "{place} went away: hints are lost and viewers not told until it is back");
                metrics::counter!("vidstream_redis_lost_total").increment(1);
                self.state.send_replace(State::Away(format!("{place}: {error}")));
            }
            let made = self.connect(&mut pauses, lasted).await;
            tracing::info!("{} is there", self.target.place());
            self.state.send_replace(State::There(Link::new(&made, &self.target, number)));
            // Whatever happened meanwhile was not heard of.
            for hint in hints::anything() {
                drop(self.hints.send(hint));
            }
            connection = Some(made);
        }
    }

    async fn connect(&self, pauses: &mut Pauses, mut lasted: Duration) -> Connection {
        loop {
            sleep(pauses.after(lasted)).await;
            match Connection::open(&self.target).await {
                Ok(connection) => return connection,
                Err(refusal) => {
                    tracing::debug!(reason = refusal.reason, "no connection yet");
                    self.state.send_replace(State::Away(refusal.reason));
                }
            }
            lasted = Duration::ZERO;
        }
    }
}
