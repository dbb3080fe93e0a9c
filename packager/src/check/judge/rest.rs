//! What a plugin leaves behind: memory from chunk to chunk, threads when it is stopped.

use vidstream_plugins::verdict::Finding;

use super::{Judged, whole_trial};
use crate::check::evidence::{CYCLES, Evidence, GONE_WAIT, Killed};

/// A chunk may leave this many bytes. The longest job is a film of five hours with a single key frame,
/// 4500 segments for six encoders: what leaks 64 KiB a segment then has leaked 1.7 GiB, which is what a
/// child may use beyond the 2 GiB that a large ladder takes.
const GROWTH_BYTES_MAX: u64 = 64 << 10;
/// Where what is stopped and what is killed are.
const MIDDLE: &str = "in the middle of a chunk";

/// Memory after the same chunks, cycle after cycle. The first cycle warms up: code is loaded, pools are filled.
///
/// A cycle counts with its least: memory of a thread that is about to end may still be there after any chunk.
/// A leak lifts it in every cycle, and what is only kept for later, such as another arena of malloc, in one.
pub(super) fn bounded_memory(evidence: &Evidence) -> Judged {
    whole_trial(evidence)?;
    if evidence.cycles == 1 {
        return Err(Finding::unjudged(format!("that takes {CYCLES} times as many chunks, made where it is promised")));
    }
    let resident = evidence.trial.as_ref().map_or(&[][..], |report| &report.resident_bytes);
    let chunks = (resident.len() / evidence.cycles).max(1);
    let least: Vec<u64> =
        resident.chunks_exact(chunks).skip(1).filter_map(|cycle| cycle.iter().copied().min()).collect();
    let Some(growth) =
        least.iter().zip(least.iter().skip(1)).map(|(before, after)| after.saturating_sub(*before)).min()
    else {
        return Err(Finding::unjudged("too few chunks were made"));
    };
    let growth = growth / u64::try_from(chunks).unwrap_or(1);
    let held_mib = resident.last().copied().unwrap_or(0) >> 20;
    let text = format!(
        "memory grows by {} KiB a chunk over {} chunks in one process, which then holds {held_mib} MiB",
        growth >> 10,
        resident.len()
    );
    if growth > GROWTH_BYTES_MAX {
        return Err(Finding::broken(text, format!("trial {}", resident.len())));
    }
    Ok(text)
}

/// Threads after a run that its source broke off, and the end of a process that is killed.
pub(super) fn clean_abort(evidence: &Evidence) -> Judged {
    let left = evidence.broken_off.as_ref().map_err(|failure| Finding::broken(failure.to_string(), MIDDLE))?;
    if left.threads_after > left.threads_before {
        let more = left.threads_after - left.threads_before;
        let text = format!("{more} threads are still there {} ms after its pipeline was stopped", left.stop_ms);
        return Err(Finding::broken(text, MIDDLE));
    }
    let end_ms = end_ms(&evidence.killed)?;
    Ok(format!("its threads end {} ms after a stop, its child {end_ms} ms after a kill", left.stop_ms))
}

/// How long the end of a killed process took.
fn end_ms(killed: &Killed) -> Result<u64, Finding> {
    let ended_before =
        |failure| Finding::broken(format!("its child ended before it could be killed: {failure}"), MIDDLE);
    killed.end_ms.as_ref().map_err(ended_before)?.ok_or_else(|| {
        let text = format!("its child is still there {} s after it was killed", GONE_WAIT.as_secs());
        Finding::broken(text, MIDDLE)
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::protocol::Failure;

    /// No encoder can tell this lie: nothing that it does outlives SIGKILL, and it cannot start processes.
    #[test]
    fn a_killed_child_must_have_been_there_and_be_gone_in_time() {
        let of = |end_ms| super::end_ms(&Killed { end_ms }).map_err(|finding| finding.reason);
        assert_eq!(of(Ok(Some(7))), Ok(7));
        assert_eq!(of(Ok(None)), Err("its child is still there 5 s after it was killed".to_owned()));
        let crash = Failure::retryable("worker_crash", "the child process died", "signal 11");
        let reason = of(Err(crash)).unwrap_err();
        assert!(reason.starts_with("its child ended before it could be killed: "), "{reason}");
    }
}
