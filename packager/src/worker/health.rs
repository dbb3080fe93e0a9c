//! Whether a worker could do a job now: for those who watch its process.

use std::sync::{Arc, Mutex, PoisonError};

use futures_util::future::BoxFuture;
use tokio::sync::Semaphore;

use crate::jobs::Context;

/// Looks at the store at once. One at a file system that hangs keeps a thread, also when who asked has given up.
const LOOKS_MAX: usize = 1;

/// Why something does not work, as far as its last try tells.
#[derive(Debug, Default)]
pub(crate) struct Trouble(Mutex<Option<String>>);

/// Tells of a worker, beside its work, whether it could do a job. Whether the catalog answers is for others to ask.
#[derive(Clone)]
pub struct Health {
    context: Arc<Context>,
    looks: Looks,
}

/// Looks at the store that are on their way.
#[derive(Clone)]
struct Looks(Arc<Semaphore>);

// === impl Health ===

impl Health {
    pub(super) fn new(context: Arc<Context>) -> Self {
        Self { context, looks: Looks::new() }
    }

    /// Asks the store with one small request, and remembers how the last children started and the last claim ended. Who asks
    /// says how long that may take: a store that hangs is asked once, and whoever comes meanwhile waits for that.
    ///
    /// # Errors
    /// A sentence that says why no job can be done.
    pub fn check(&self) -> BoxFuture<'static, Result<(), String>> {
        let Self { context, looks } = self.clone();
        Box::pin(async move {
            if let Some(reason) = context.spares.trouble().await {
                return Err(format!("children do not start: {reason}"));
            }
            // A database that only reads answers, and has no job for anybody.
            if let Some(reason) = context.claiming.reason() {
                return Err(format!("no job can be claimed: {reason}"));
            }
            let store = context.store.clone();
            let is_reachable = looks.take(async move { store.is_reachable().await }).await;
            if is_reachable { Ok(()) } else { Err("the store does not answer".to_owned()) }
        })
    }
}

// === impl Trouble ===

impl Trouble {
    /// How the last try ended.
    pub(crate) fn note(&self, reason: Option<String>) {
        *self.0.lock().unwrap_or_else(PoisonError::into_inner) = reason;
    }

    /// Why it failed, if it did.
    pub(crate) fn reason(&self) -> Option<String> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }
}

// === impl Looks ===

impl Looks {
    fn new() -> Self {
        Self(Arc::new(Semaphore::new(LOOKS_MAX)))
    }

    /// Looks when its turn comes, and goes on to the end of it, whoever waits.
    async fn take(&self, look: impl Future<Output = bool> + Send + 'static) -> bool {
        let Ok(turn) = Arc::clone(&self.0).acquire_owned().await else { return false };
        let looking = tokio::spawn(async move {
            let is_well = look.await;
            drop(turn);
            is_well
        });
        looking.await.unwrap_or(false)
    }
}

#[cfg(test)]
mod tests {
    use std::{
        sync::atomic::{AtomicUsize, Ordering},
        time::Duration,
    };

    use tokio::{sync::watch, time::timeout};

    use super::*;

    #[tokio::test(start_paused = true)]
    async fn so_many_looks_are_on_their_way_however_many_ask_and_give_up() {
        let (looks, begun) = (Looks::new(), Arc::new(AtomicUsize::new(0)));
        let (end, ended) = watch::channel(false);
        let look = || {
            let (begun, mut ended) = (Arc::clone(&begun), ended.clone());
            looks.take(async move {
                begun.fetch_add(1, Ordering::SeqCst);
                ended.wait_for(|is_over| *is_over).await.is_ok()
            })
        };
        for _ in 0..=LOOKS_MAX {
            assert!(timeout(Duration::from_secs(2), look()).await.is_err());
        }
        assert_eq!(begun.load(Ordering::SeqCst), LOOKS_MAX);
        // Who asks once it answers again is told of then.
        end.send_replace(true);
        assert!(look().await);
        assert_eq!(begun.load(Ordering::SeqCst), LOOKS_MAX + 1);
    }
}
