//! Joins: chunks that were made apart, decoded behind one another, against the same film made in one go.

use std::collections::BTreeMap;

use vidstream_media::Track;
use vidstream_plugins::verdict::Finding;

use super::{Judged, grid, name};
use crate::{
    check::evidence::{Evidence, Replay},
    protocol::Unit,
};

/// Frames on which a join is judged: a third of a second, which is what a viewer sees of it.
const JOIN_FRAMES: u64 = 8;
/// A join may be worse than the same frames made in one go by this much on average, in hundredths of a
/// decibel: rate control starts anew, with less known of the film.
const LOSS_CDB_MAX: i32 = 300;
/// Nobody sees or hears a loss above this.
const FINE_CDB: i32 = 4000;
/// Audio frames on each side of a join, and how much worse than in one go any of them may be. The pre-roll and
/// post-roll of chunks leave 2 dB of loss; without one of them it is 6.5 dB at the least and up to 38 dB. Percentiles
/// of frames away from joins, by which the tests of the packager judge, would let more through: of the 15 frames at the
/// five joins of this film two may lie beyond the 99th by chance, and in those two joins may be broken.
const SOUND_FRAMES: u64 = 3;
const SOUND_LOSS_CDB_MAX: i32 = 400;
/// Sound whose chords come closer to the source than this is where it belongs; a frame off it is noise.
const IN_PLACE_CDB: i32 = 600;

/// Chunk jobs succeed, their chunks decode to exactly the planned frames, and joins look as the rest.
pub(super) fn clean(evidence: &Evidence) -> Judged {
    if let Some((segments, failure)) = &evidence.refused {
        return Err(Finding::broken(failure.to_string(), format!("chunk job, segment {}", segments.first)));
    }
    if let Err(failure) = &evidence.through {
        return Err(Finding::broken(failure.to_string(), "one job for the whole film"));
    }
    let mut worst = (0, String::new());
    for (track, replay) in &evidence.replays {
        let replay = replay.as_ref().map_err(Finding::unjudged)?;
        whole(evidence, *track, replay)?;
        for segment in 2..=evidence.plan.timeline.segments() {
            let Some(loss_cdb) = loss_cdb(evidence, *track, replay, segment) else { continue };
            if loss_cdb >= worst.0 {
                worst = (loss_cdb, format!("{}, start of segment {segment}", name(*track)));
            }
        }
    }
    let limit = if evidence.plan.audio.is_some() { SOUND_LOSS_CDB_MAX } else { LOSS_CDB_MAX };
    let text = format!("the worst join is {:.1} dB below the same frames made in one go", decibels(worst.0));
    if worst.0 > limit {
        return Err(Finding::broken(text, worst.1));
    }
    Ok(format!("{} chunks decode alone and behind one another; {text}", evidence.chunks.len()))
}

/// For sound, which is counted and not timed: what is heard is what the source has at that place.
pub(super) fn sound_in_place(evidence: &Evidence) -> Judged {
    let Some((_, replay)) = evidence.replays.iter().find(|(track, _)| *track == Track::Audio) else {
        return Err(Finding::unjudged("there is no sound"));
    };
    let replay = replay.as_ref().map_err(Finding::unjudged)?;
    let mut all: Vec<i32> = replay.chunked.units.iter().map(|unit| unit.quality_cdb).collect();
    all.sort_unstable();
    let median = all.get(all.len() / 2).copied().unwrap_or(0);
    if median < IN_PLACE_CDB {
        let text = format!("half of its frames are {:.1} dB or less like the source at their time", decibels(median));
        return Err(Finding::broken(text, "audio"));
    }
    Ok(format!("half of its frames are {:.1} dB or more like the source at their time", decibels(median)))
}

/// No error, and every planned frame once, in its order.
fn whole(evidence: &Evidence, track: Track, replay: &Replay) -> Result<(), Finding> {
    let all = vidstream_media::chunks::Segments { first: 1, last: evidence.plan.timeline.segments() };
    let wanted = grid::wanted(&evidence.plan, track, all);
    let passes = [(&replay.chunked, "all chunks"), (&replay.alone, "every GOP alone"), (&replay.through, "one go")];
    for (pass, what) in passes.into_iter().filter(|(_, what)| track != Track::Audio || *what != "every GOP alone") {
        let place = format!("{}, {what}", name(track));
        if let Some(error) = pass.errors.first() {
            return Err(Finding::broken(format!("it cannot be decoded: {error}"), place));
        }
        let shown: Vec<u64> = pass.units.iter().map(|unit| unit.frame).collect();
        if shown != wanted {
            let text = format!("{} frames are decoded, {} are planned", shown.len(), wanted.len());
            return Err(Finding::broken(text, place));
        }
    }
    Ok(())
}

/// How much worse a join is than the same frames made in one go.
fn loss_cdb(evidence: &Evidence, track: Track, replay: &Replay, segment: u64) -> Option<i32> {
    let timeline = &evidence.plan.timeline;
    match (track, evidence.plan.audio_grid()) {
        (Track::Trick, _) => None,
        (Track::Audio, Some(grid)) => {
            let start = timeline.audio_frames(grid, segment).start;
            let (made, meant) = (by_frame(&replay.chunked.units), by_frame(&replay.through.units));
            let frames = start.saturating_sub(SOUND_FRAMES)..start + SOUND_FRAMES;
            tracing::debug!(segment, made = ?made.range(frames.clone()), meant = ?meant.range(frames.clone()), "join");
            let losses = frames.filter_map(|frame| Some(loss(*made.get(&frame)?, *meant.get(&frame)?)));
            losses.max()
        }
        _ => {
            let start = timeline.segment_frames(segment).start;
            let (made, meant) = (by_frame(&replay.chunked.units), by_frame(&replay.through.units));
            let mean = |units: &BTreeMap<u64, i32>| {
                let found: Vec<i32> = units.range(start..start + JOIN_FRAMES).map(|(_, quality)| *quality).collect();
                let count = i32::try_from(found.len()).ok().filter(|&count| count > 0)?;
                Some(found.iter().sum::<i32>() / count)
            };
            let (made, meant) = (mean(&made)?, mean(&meant)?);
            Some(loss(made, meant))
        }
    }
}

/// How much worse `made` is than `meant`, as far as it matters.
fn loss(made: i32, meant: i32) -> i32 {
    meant.min(FINE_CDB) - made.min(FINE_CDB)
}

fn by_frame(units: &[Unit]) -> BTreeMap<u64, i32> {
    units.iter().map(|unit| (unit.frame, unit.quality_cdb)).collect()
}

fn decibels(cdb: i32) -> f64 {
    f64::from(cdb) / 100.0
}
