//! How the processes on one catalog tell each other what happened and who watches: `local:` or `redis://`.
//!
//! Nothing here is needed for correctness. A hint wakes those who would have looked anyway; the catalog alone counts views.

use std::{fmt, sync::Arc};

use futures_util::future::BoxFuture;
use tokio::sync::broadcast;

use crate::{Error, Hint, Result, limits, redis::Redis};

/// The URL of hints that stay in this process, and between those on one Postgres.
const LOCAL: &str = "local:";

/// Hints and viewers. Cheap to clone; every clone is the same connection.
#[derive(Clone)]
pub struct Events {
    hints: broadcast::Sender<Hint>,
    redis: Option<Arc<Redis>>,
}

// === impl Events ===

impl Events {
    /// Hints within this process, and by way of the database if it can; each process knows its own viewers.
    pub fn local() -> Self {
        let (hints, _) = broadcast::channel(limits::HINTS_QUEUED_MAX);
        Self { hints, redis: None }
    }

    /// Opens what a URL names: `local:`, or `redis://user:password@host:6379/0`, with `rediss://` over TLS.
    ///
    /// # Errors
    /// `Invalid` for any other URL, `Events` when the server refuses the user or is none of this kind. One that is away,
    /// now or later, is connected to again and again for as long as anybody holds this.
    pub fn open(url: &str) -> BoxFuture<'_, Result<Self>> {
        Box::pin(async move {
            let events = Self::local();
            if url == LOCAL {
                return Ok(events);
            }
            if !url.starts_with("redis://") && !url.starts_with("rediss://") {
                // A URL may hold a password: what was given is not repeated.
                let forms = "events go over local:, redis://host:6379/0 or rediss://host:6379/0";
                return Err(Error::Invalid(forms.to_owned()));
            }
            let redis = Redis::open(url, events.hints.clone()).await?;
            Ok(Self { redis: Some(Arc::new(redis)), ..events })
        })
    }

    /// Hears hints from now on.
    pub(crate) fn hear(&self) -> broadcast::Receiver<Hint> {
        self.hints.subscribe()
    }

    /// Tells everybody of hints. Any may be lost.
    pub(crate) fn tell(&self, hints: &[Hint]) {
        for &hint in hints {
            // Nobody listens here.
            drop(self.hints.send(hint));
        }
        if let Some(redis) = &self.redis {
            redis.publish(hints);
        }
    }

    /// Whom a database that can hint between processes should tell of what others commit, if that is not done here.
    pub(crate) fn between_databases(&self) -> Option<broadcast::Sender<Hint>> {
        self.redis.is_none().then(|| self.hints.clone())
    }

    /// The server that gathers viewers, if there is one.
    pub(crate) fn redis(&self) -> Option<&Redis> {
        self.redis.as_deref()
    }
}

impl fmt::Debug for Events {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Events").finish_non_exhaustive()
    }
}

#[cfg(test)]
mod tests {
    use tokio::sync::broadcast::error::TryRecvError;

    use super::*;
    use crate::HintKind;

    #[test]
    fn a_receiver_of_hints_may_fall_so_far_behind_and_is_told_when_it_falls_further() {
        let events = Events::local();
        for (count, lagged) in [(limits::HINTS_QUEUED_MAX, None), (limits::HINTS_QUEUED_MAX + 1, Some(1))] {
            let mut hints = events.hear();
            events.tell(&vec![Hint { video: None, kind: HintKind::Event }; count]);
            let told = match hints.try_recv() {
                Ok(_) => None,
                Err(TryRecvError::Lagged(missed)) => Some(missed),
                Err(error) => panic!("{error}"),
            };
            assert_eq!(told, lagged, "{count}");
        }
    }
}
