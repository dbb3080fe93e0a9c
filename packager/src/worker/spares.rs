//! One warm child in reserve, so that a job does not wait for a process to start.

use std::time::Duration;

use tokio::{
    sync::{Mutex, Notify},
    time::sleep,
};
use tokio_util::sync::CancellationToken;

use super::{
    health::Trouble,
    process::{Launcher, Spare, Start},
};
use crate::protocol::Failure;

/// After a failed start the next try waits this long.
const RETRY_WAIT: Duration = Duration::from_secs(1);

/// The reserve.
#[derive(Debug)]
pub(crate) struct Spares {
    launcher: Launcher,
    warm: Mutex<Option<Spare>>,
    taken: Notify,
    /// Why the last child that a job waited for did not start.
    cold: Trouble,
    /// Why the last one that was to be kept warm did not: it does more before it is ready, and fails by itself.
    warming: Trouble,
}

// === impl Spares ===

impl Spares {
    pub(crate) fn new(launcher: Launcher) -> Self {
        Self {
            launcher,
            warm: Mutex::new(None),
            taken: Notify::new(),
            cold: Trouble::default(),
            warming: Trouble::default(),
        }
    }

    /// The warm child, or one that is started now.
    pub(crate) async fn take(&self) -> Result<Spare, Failure> {
        let warm = self.warm.lock().await.take();
        self.taken.notify_one();
        if let Some(mut spare) = warm {
            if spare.is_alive() {
                self.note(Start::Warm, None);
                return Ok(spare);
            }
            tracing::warn!("the spare child died while it waited");
            spare.discard().await;
        }
        self.launch(Start::Cold).await
    }

    /// Why children do not start, if the last one of a kind did not and none is there for the next job.
    pub(crate) async fn trouble(&self) -> Option<String> {
        if self.warm.lock().await.as_mut().is_some_and(Spare::is_alive) {
            return None;
        }
        self.cold.reason().or_else(|| self.warming.reason())
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
        self.note(start, launched.as_ref().err().map(ToString::to_string));
        launched
    }

    fn note(&self, start: Start, refused: Option<String>) {
        match start {
            Start::Refresh | Start::Cold => self.cold.note(refused),
            Start::Warm => {
                if refused.is_none() {
                    // Who can be kept warm can be started.
                    self.cold.note(None);
                }
                self.warming.note(refused);
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use std::path::Path;

    use super::*;
    use crate::worker::process::ChildConfig;

    fn spares(folder: &Path) -> Spares {
        let config = ChildConfig::new("/nonexistent".into(), Vec::new());
        Spares::new(Launcher::new(config, folder, &folder.join("registry.bin")).unwrap())
    }

    #[tokio::test]
    async fn it_is_known_why_the_last_child_did_not_start() {
        let folder = tempfile::tempdir().unwrap();
        let spares = spares(folder.path());
        assert_eq!(spares.trouble().await, None);
        let failure = spares.take().await.unwrap_err();
        assert_eq!(spares.trouble().await, Some(failure.to_string()));
    }

    #[tokio::test]
    async fn each_kind_of_start_has_its_own_trouble_and_a_warm_child_ends_both() {
        let folder = tempfile::tempdir().unwrap();
        let spares = spares(folder.path());
        for (start, refused, trouble) in [
            (Start::Cold, Some("no room"), Some("no room")),
            (Start::Warm, None, None),
            (Start::Warm, Some("no codec"), Some("no codec")),
            (Start::Cold, None, Some("no codec")),
            (Start::Cold, Some("no room"), Some("no room")),
            (Start::Cold, None, Some("no codec")),
            (Start::Warm, None, None),
        ] {
            spares.note(start, refused.map(ToOwned::to_owned));
            assert_eq!(spares.trouble().await.as_deref(), trouble, "{start:?} {refused:?}");
        }
    }
}
