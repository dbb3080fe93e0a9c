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
        let resident = match &status {
            // A child that is gone has no status; its end is seen elsewhere.
            Some(path) => tokio::fs::read_to_string(path).await.ok().and_then(|text| resident_bytes(&text)),
            None => None,
        };
        let used = Watch { busy: pulse.busy(), silence: pulse.silence(), resident_bytes: resident.unwrap_or_default() };
        if let Some(failure) = broken(watch, used) {
            return failure;
        }
    }
}

/// What a child that `used` so much has broken of its limits.
fn broken(watch: Watch, used: Watch) -> Option<Failure> {
    if used.silence > watch.silence {
        let detail = format!("nothing was heard of it for {} s", watch.silence.as_secs());
        return Some(Failure::retryable("worker_silent", "the child process hung", detail));
    }
    if used.busy > watch.busy {
        let detail = format!("it was busy for {} s", watch.busy.as_secs());
        return Some(Failure::retryable("worker_slow", "the child process took too long", detail));
    }
    if used.resident_bytes > watch.resident_bytes {
        let detail = format!("it used more than {} MiB", watch.resident_bytes >> 20);
        return Some(Failure::retryable("worker_oom", "the child process used too much memory", detail));
    }
    None
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
    fn a_limit_is_broken_by_the_least_beyond_it() {
        let (limits, more) = (Watch::default(), Duration::from_nanos(1));
        let code = |used| broken(limits, used).map(|failure| failure.code);
        assert_eq!(code(limits), None);
        assert_eq!(code(Watch { silence: limits.silence + more, ..limits }).as_deref(), Some("worker_silent"));
        assert_eq!(code(Watch { busy: limits.busy + more, ..limits }).as_deref(), Some("worker_slow"));
        let resident_bytes = limits.resident_bytes + 1;
        assert_eq!(code(Watch { resident_bytes, ..limits }).as_deref(), Some("worker_oom"));
    }

    #[test]
    fn reads_the_resident_size_of_a_real_process() {
        let status = std::fs::read_to_string("/proc/self/status").unwrap();
        let bytes = resident_bytes(&status).unwrap();
        assert!(bytes > 100_000, "{bytes}");
        assert_eq!(resident_bytes("Name: x\n"), None);
        assert_eq!(resident_bytes("VmRSS:\t  12 kB\n"), Some(12_288));
    }
}
