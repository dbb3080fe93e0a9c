//! What a plugin leaves behind: memory from chunk to chunk, threads when it is stopped.

use vidstream_plugins::verdict::Finding;

use super::{Judged, whole_trial};
use crate::check::evidence::{CYCLES, Evidence};

/// A chunk may leave this many bytes. The longest job is a film of five hours with a single key frame,
/// 4500 segments for six encoders: what leaks 64 KiB a segment then has leaked 1.7 GiB, which is what a
/// child may use beyond the 2 GiB that a large ladder takes.
const GROWTH_BYTES_MAX: u64 = 64 << 10;
/// What is stopped has this long to be gone, in milliseconds.
const STOP_MS_MAX: u64 = 5000;

/// Memory after the same chunks, one cycle later. The first cycle warms up: code is loaded, pools are filled.
pub(super) fn bounded_memory(evidence: &Evidence) -> Judged {
    whole_trial(evidence)?;
    let resident = evidence.trial.as_ref().map_or(&[][..], |report| &report.resident_bytes);
    let chunks = resident.len() / CYCLES;
    let later = resident.get(2 * chunks..).unwrap_or_default();
    let mut growths: Vec<u64> =
        resident.iter().skip(chunks).zip(later).map(|(before, after)| after.saturating_sub(*before)).collect();
    growths.sort_unstable();
    // The median: memory of a thread that is about to end may still be there, now and then.
    let Some(growth) = growths.get(growths.len() / 2) else {
        return Err(Finding::unjudged("too few chunks were made"));
    };
    let growth = growth / u64::try_from(chunks.max(1)).unwrap_or(1);
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
    let place = "in the middle of a chunk";
    let left = evidence.broken_off.as_ref().map_err(|failure| Finding::broken(failure.to_string(), place))?;
    if left.threads_after > left.threads_before {
        let more = left.threads_after - left.threads_before;
        let text = format!("{more} threads are still there {} ms after its pipeline was stopped", left.stop_ms);
        return Err(Finding::broken(text, place));
    }
    let killed = &evidence.killed;
    let ended_before =
        |failure| Finding::broken(format!("its child ended before it could be killed: {failure}"), place);
    let end_ms = *killed.end_ms.as_ref().map_err(ended_before)?;
    if end_ms > STOP_MS_MAX {
        return Err(Finding::broken(format!("its child was gone {end_ms} ms after it was killed"), place));
    }
    Ok(format!("its threads end {} ms after a stop, its child {end_ms} ms after a kill", left.stop_ms))
}
