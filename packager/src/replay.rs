//! Decodes stored fragments again, as a player would, and compares what comes out with the raw source.

mod pictures;
mod sound;

use vidstream_media::{Track, cmaf};

use crate::{
    child::ChildIo,
    encode::fault,
    protocol::{Failure, Input, Pass, ReplayJob, Replayed},
};

/// Bytes that one read asks for.
const READ_BYTES: u32 = 4 << 20;
/// Objects of one pass; the films of the contract suite have far fewer chunks.
const OBJECTS_MAX: usize = 1000;
/// What is as good as identical, in hundredths of a decibel.
const QUALITY_CDB_MAX: i32 = 10_000;

/// One coded sample of a track.
struct Coded {
    frame: u64,
    data: Vec<u8>,
    sync: bool,
}

/// Decodes every pass.
///
/// # Errors
/// `decode_error` when stored bytes are no fragments, `element_unavailable` without a decoder, `stalled` when it hangs.
pub(crate) fn run(io: &ChildIo, job: &ReplayJob) -> Result<Vec<Replayed>, Failure> {
    job.passes.iter().map(|pass| replay(io, job, pass)).collect()
}

fn replay(io: &ChildIo, job: &ReplayJob, pass: &Pass) -> Result<Replayed, Failure> {
    let mut fragments = Vec::new();
    for &object in pass.objects.iter().take(OBJECTS_MAX) {
        fragments.extend(read(io, job, object)?);
    }
    let mut replayed = Replayed::default();
    let all: Vec<Vec<Coded>> = if pass.alone { fragments } else { vec![fragments.into_iter().flatten().collect()] };
    for part in all {
        if job.track == Track::Audio {
            sound::decode(io, job, part, &mut replayed)?;
        } else {
            pictures::decode(io, job, part, &mut replayed)?;
        }
    }
    Ok(replayed)
}

/// The samples of each fragment of an object.
fn read(io: &ChildIo, job: &ReplayJob, object: Input) -> Result<Vec<Vec<Coded>>, Failure> {
    let mut bytes = Vec::new();
    loop {
        let piece = io.read(object, bytes.len() as u64, READ_BYTES)?;
        bytes.extend_from_slice(&piece);
        if piece.len() < usize::try_from(READ_BYTES).unwrap_or(usize::MAX) {
            break;
        }
    }
    let unit = match job.plan.audio_grid() {
        Some(grid) if job.track == Track::Audio => u64::from(grid.frame_samples),
        _ => u64::from(job.plan.timeline.frame_ticks),
    };
    let fragments = cmaf::read_fragments(&bytes).map_err(fault::decode)?;
    let samples = |fragment: cmaf::ReadFragment| {
        let mut decode_time = fragment.base_decode_time;
        let mut coded = Vec::with_capacity(fragment.samples.len());
        for sample in fragment.samples {
            let shown = decode_time.saturating_add_signed(sample.composition_offset.into());
            let data = bytes.get(sample.data).unwrap_or_default().to_vec();
            coded.push(Coded { frame: shown / unit.max(1), data, sync: sample.sync });
            decode_time += u64::from(sample.duration);
        }
        coded
    };
    Ok(fragments.into_iter().map(samples).collect())
}

/// Signal over noise, in hundredths of a decibel; both are sums of squares.
#[expect(clippy::cast_possible_truncation, reason = "clamped to a few ten thousand")]
fn quality_cdb(signal: f64, noise: f64) -> i32 {
    let limit = f64::from(QUALITY_CDB_MAX);
    let ratio = 1000.0 * (signal / noise).log10();
    if ratio.is_nan() { QUALITY_CDB_MAX } else { ratio.clamp(-limit, limit) as i32 }
}
