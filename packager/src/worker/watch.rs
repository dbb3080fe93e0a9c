//! Limits that the worker watches while a child works; breaking one ends the child.

use std::{path::PathBuf, sync::Arc, time::Duration};

use tokio::time::{MissedTickBehavior, interval};

use super::pulse::Pulse;
use crate::protocol::Failure;

/// How often a child is looked at.
const LOOK_EVERY: Duration = Duration::from_millis(250);

/// What a child may use.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Watch {
    /// Time for the whole job, without the time in which it waits for an answer: an upload may take hours.
    pub busy: Duration,
    /// Time between two messages, without the time in which it waits for an answer.
    pub silence: Duration,
    /// Resident memory in bytes.
    pub resident_bytes: u64,
}

// === impl Watch ===

impl Default for Watch {
    /// A film with one key frame is one job of hours; a 4K ladder takes 2 GiB.
    fn default() -> Self {
        Self { busy: Duration::from_hours(12), silence: Duration::from_mins(1), resident_bytes: 4 << 30 }
    }
}

/// Comes back with the reason when the child has broken a limit; never otherwise.
pub(super) async fn limits(watch: Watch, pid: Option<u32>, pulse: Arc<Pulse>) -> Failure {
    let status = pid.map(|pid| PathBuf::from(format!("/proc/{pid}/status")));
    let mut ticks = interval(LOOK_EVERY);
    ticks.set_missed_tick_behavior(MissedTickBehavior::Delay);
    loop {
        ticks.tick().await;
        if pulse.silence() > watch.silence {
            let detail = format!("nothing was heard of it for {} s", watch.silence.as_secs());
            return Failure::retryable("worker_silent", "the child process hung", detail);
        }
        if pulse.busy() > watch.busy {
            let detail = format!("it was busy for {} s", watch.busy.as_secs());
            return Failure::retryable("worker_slow", "the child process took too long", detail);
        }
        let resident = match &status {
            // A child that is gone has no status; its end is seen elsewhere.
            Some(path) => tokio::fs::read_to_string(path).await.ok().and_then(|text| resident_bytes(&text)),
            None => None,
        };
        if resident.is_some_and(|bytes| bytes > watch.resident_bytes) {
            let detail = format!("it used more than {} MiB", watch.resident_bytes >> 20);
            return Failure::retryable("worker_oom", "the child process used too much memory", detail);
        }
    }
}

/// `VmRSS` of a `/proc/PID/status`, in bytes.
fn resident_bytes(status: &str) -> Option<u64> {
    let line = status.lines().find_map(|line| line.strip_prefix("VmRSS:"))?;
    let kibibytes: u64 = line.trim().strip_suffix("kB")?.trim().parse().ok()?;
    Some(kibibytes * 1024)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn reads_the_resident_size_of_a_real_process() {
        let status = std::fs::read_to_string("/proc/self/status").unwrap();
        let bytes = resident_bytes(&status).unwrap();
        assert!(bytes > 100_000, "{bytes}");
        assert_eq!(resident_bytes("Name: x\n"), None);
        assert_eq!(resident_bytes("VmRSS:\t  12 kB\n"), Some(12_288));
    }
}
