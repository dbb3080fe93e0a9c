//! Encodes as an encode job does, over and over in one process, and keeps what the encoders give.

use std::{
    fs, io, thread,
    time::{Duration, Instant},
};

use crate::{
    child::ChildIo,
    encode,
    protocol::{EncodeJob, Failure, TrialJob, TrialReport},
};

/// Threads of a run that was broken off have this long to end.
const STOP_WAIT: Duration = Duration::from_secs(5);
/// Threads of a finished run have this long to end before those that stay are counted.
const SETTLE_WAIT: Duration = Duration::from_secs(5);
/// How often threads are counted; their end is no event.
const COUNT_EVERY: Duration = Duration::from_millis(20);
/// Memory is looked at when the count was the same for so long.
const QUIET: Duration = Duration::from_millis(100);
/// Threads are counted when it was the same for so long: some linger for half a second, and their end
/// would make up for one that is left behind.
const LONG_QUIET: Duration = Duration::from_secs(1);

/// Makes the rounds of a trial; each publishes a record of every track.
///
/// # Errors
/// Why the first round that failed did.
pub(crate) fn run(io: &ChildIo, job: &TrialJob) -> Result<TrialReport, Failure> {
    let round = |segments| EncodeJob { segments, ..job.encode.clone() };
    let mut report = TrialReport::default();
    for &segments in &job.rounds {
        encode::record(io, &round(segments))?;
        settled(QUIET)?;
        report.resident_bytes.push(resident_bytes()?);
    }
    let Some(segments) = job.broken_off else { return Ok(report) };
    report.threads_before = settled(LONG_QUIET)?;
    let broken_off = encode::record(io, &round(segments));
    let started = Instant::now();
    if broken_off.is_ok() {
        let detail = "the source was to end in the middle and did not";
        return Err(Failure::permanent("worker_protocol", "a run was not broken off", detail));
    }
    report.threads_after = threads()?;
    while report.threads_after > report.threads_before && started.elapsed() < STOP_WAIT {
        thread::sleep(COUNT_EVERY);
        report.threads_after = threads()?;
    }
    report.stop_ms = u64::try_from(started.elapsed().as_millis()).unwrap_or(u64::MAX);
    Ok(report)
}

/// The count of threads once it has not changed for so long.
fn settled(quiet: Duration) -> io::Result<usize> {
    let started = Instant::now();
    let (mut last, mut since) = (threads()?, Instant::now());
    while since.elapsed() < quiet && started.elapsed() < SETTLE_WAIT {
        thread::sleep(COUNT_EVERY);
        let now = threads()?;
        if now != last {
            (last, since) = (now, Instant::now());
        }
    }
    Ok(last)
}

fn threads() -> io::Result<usize> {
    Ok(fs::read_dir("/proc/self/task")?.count())
}

/// Anonymous resident memory of this process: what it has allocated, without mapped files.
fn resident_bytes() -> io::Result<u64> {
    let status = fs::read_to_string("/proc/self/status")?;
    let line = status.lines().find_map(|line| line.strip_prefix("RssAnon:"));
    let kibibytes = line.and_then(|line| line.trim().strip_suffix("kB")?.trim().parse::<u64>().ok());
    let missing = || io::Error::new(io::ErrorKind::InvalidData, "/proc/self/status tells no RssAnon");
    Ok(kibibytes.ok_or_else(missing)? * 1024)
}
