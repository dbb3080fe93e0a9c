//! What a plugin leaves behind: memory from chunk to chunk, threads and processes when it is stopped.

use vidstream_plugins::verdict::Finding;

use super::{Judged, whole_trial};
use crate::check::evidence::{CYCLES, Evidence};

/// A chunk may leave this many bytes. The longest job is a film of five hours with a single key frame,
/// 4500 segments for six encoders: what leaks 64 KiB a segment then has leaked 1.7 GiB, which is what a
/// child may use beyond the 2 GiB that a large ladder takes.
const GROWTH_BYTES_MAX: u64 = 64 << 10;
/// What is stopped has this long to be gone, in milliseconds.
const STOP_MS_MAX: u64 = 5000;

/// Memory after the same chunks, one cycle later.
pub(super) fn bounded_memory(evidence: &Evidence) -> Judged {
    whole_trial(evidence)?;
    let chunks = evidence.rounds.len() / CYCLES;
    let cycles: Vec<u64> = evidence
        .rounds
        .chunks(chunks.max(1))
        .map(|cycle| {
            let sizes = cycle.iter().filter_map(|round| round.resident_bytes);
            let (count, sum) = sizes.fold((0, 0), |(count, sum), bytes| (count + 1, sum + bytes));
            sum / u64::max(count, 1)
        })
        .collect();
    // The first cycle warms up: code is loaded, pools are filled.
    let (Some(&before), Some(&after)) = (cycles.get(1), cycles.last()) else {
        return Err(Finding::unjudged("too few chunks were made"));
    };
    let between = chunks * (cycles.len() - 2);
    let growth = after.saturating_sub(before) / u64::try_from(between.max(1)).unwrap_or(1);
    let text = format!(
        "{} KiB a chunk over {} chunks in one process, which then holds {} MiB",
        growth >> 10,
        evidence.rounds.len(),
        after >> 20
    );
    if growth > GROWTH_BYTES_MAX {
        return Err(Finding::broken(format!("memory grows by {text}"), format!("trial {}", evidence.rounds.len())));
    }
    Ok(format!("memory grows by {text}"))
}

/// Threads after a run that its source broke off, and processes after a kill.
pub(super) fn clean_abort(evidence: &Evidence) -> Judged {
    let place = "in the middle of a chunk";
    let left = evidence.broken_off.as_ref().map_err(|failure| Finding::broken(failure.to_string(), place))?;
    if left.threads_after > left.threads_before {
        let more = left.threads_after - left.threads_before;
        let text = format!("{more} threads are still there {} ms after its pipeline was stopped", left.stop_ms);
        return Err(Finding::broken(text, place));
    }
    let killed = evidence.killed;
    let Some(end_ms) = killed.end_ms else {
        return Err(Finding::broken("its child ended before it could be killed", place));
    };
    if killed.left_behind > 0 {
        let text = format!("{} processes outlive the child that was killed", killed.left_behind);
        return Err(Finding::broken(text, place));
    }
    if end_ms > STOP_MS_MAX {
        return Err(Finding::broken(format!("its child was gone {end_ms} ms after it was killed"), place));
    }
    Ok(format!("its threads end {} ms after a stop, its child {end_ms} ms after a kill", left.stop_ms))
}
