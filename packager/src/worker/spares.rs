//! One warm child in reserve, so that a job does not wait for a process to start.

use std::time::Duration;

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
}

// === impl Spares ===

impl Spares {
    pub(crate) fn new(launcher: Launcher) -> Self {
        Self { launcher, warm: Mutex::new(None), taken: Notify::new() }
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
        self.launcher.launch(Start::Cold).await
    }

    /// Keeps one child warm until `stop`.
    pub(crate) async fn keep_warm(&self, stop: &CancellationToken) {
        while !stop.is_cancelled() {
            if self.warm.lock().await.is_none() {
                match stop.run_until_cancelled(self.launcher.launch(Start::Warm)).await {
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
}
