//! Whether a process is gone, whoever killed it and whoever reaps it.

use std::{
    path::PathBuf,
    time::{Duration, Instant},
};

/// How often it is looked for. Whoever kills a child may leave it to the kernel, and then nobody is told of its end.
const LOOK_EVERY: Duration = Duration::from_millis(20);

/// Whether there is no process of this number within this time. One that has ended is there until it is reaped.
pub(super) async fn is_gone(pid: u32, wait: Duration) -> bool {
    let (entry, since) = (PathBuf::from(format!("/proc/{pid}")), Instant::now());
    while entry.exists() {
        if since.elapsed() >= wait {
            return false;
        }
        tokio::time::sleep(LOOK_EVERY).await;
    }
    true
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn a_process_that_runs_is_there_and_one_that_was_killed_is_gone() {
        let mut child = tokio::process::Command::new("sleep").arg("600").kill_on_drop(true).spawn().unwrap();
        let pid = child.id().unwrap();
        assert!(!is_gone(pid, Duration::ZERO).await, "it runs");
        child.kill().await.unwrap();
        assert!(is_gone(pid, Duration::ZERO).await, "it was killed and reaped");
    }
}
