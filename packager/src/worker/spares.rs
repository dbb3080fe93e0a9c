//! One warm child in reserve, so that a job does not wait for a process to start.

use std::{
    sync::{Mutex as Lock, PoisonError},
    time::Duration,
};

use tokio::{
    sync::{Mutex, Notify},
    time::sleep,
};
use tokio_util::sync::CancellationToken;

use super::process::{Launcher, Spare, Start};
use crate::protocol::Failure;

/// After a failed start the next try waits this long.
const RETRY_WAIT: Duration = Duration::from_secs(1);

/// The reserve.
#[derive(Debug)]
pub(crate) struct Spares {
    launcher: Launcher,
    warm: Mutex<Option<Spare>>,
    taken: Notify,
    /// Why the last child that was to start did not.
    refused: Lock<Option<String>>,
}

// === impl Spares ===

impl Spares {
    pub(crate) fn new(launcher: Launcher) -> Self {
        Self { launcher, warm: Mutex::new(None), taken: Notify::new(), refused: Lock::default() }
    }

    /// The warm child, or one that is started now.
    pub(crate) async fn take(&self) -> Result<Spare, Failure> {
        let warm = self.warm.lock().await.take();
        self.taken.notify_one();
        if let Some(mut spare) = warm {
            if spare.is_alive() {
                return Ok(spare);
            }
            tracing::warn!("the spare child died while it waited");
            spare.discard().await;
        }
        self.launch(Start::Cold).await
    }

    /// Why children do not start, if the last one did not.
    pub(crate) fn trouble(&self) -> Option<String> {
        self.refused.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }

    /// Keeps one child warm until `stop`.
    pub(crate) async fn keep_warm(&self, stop: &CancellationToken) {
        while !stop.is_cancelled() {
            if self.warm.lock().await.is_none() {
                match stop.run_until_cancelled(self.launch(Start::Warm)).await {
                    None => break,
                    Some(Ok(spare)) => *self.warm.lock().await = Some(spare),
                    Some(Err(failure)) => {
                        tracing::warn!(%failure, "no spare child");
                        stop.run_until_cancelled(sleep(RETRY_WAIT)).await;
                        continue;
                    }
                }
            }
            stop.run_until_cancelled(self.taken.notified()).await;
        }
        if let Some(spare) = self.warm.lock().await.take() {
            spare.discard().await;
        }
    }

    async fn launch(&self, start: Start) -> Result<Spare, Failure> {
        let launched = self.launcher.launch(start).await;
        let refused = launched.as_ref().err().map(ToString::to_string);
        *self.refused.lock().unwrap_or_else(PoisonError::into_inner) = refused;
        launched
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::worker::process::ChildConfig;

    #[tokio::test]
    async fn it_is_known_why_the_last_child_did_not_start() {
        let folder = tempfile::tempdir().unwrap();
        let config = ChildConfig::new("/nonexistent".into(), Vec::new());
        let launcher = Launcher::new(config, folder.path(), &folder.path().join("registry.bin")).unwrap();
        let spares = Spares::new(launcher);
        assert_eq!(spares.trouble(), None);
        let failure = spares.take().await.unwrap_err();
        assert_eq!(spares.trouble(), Some(failure.to_string()));
    }
}
