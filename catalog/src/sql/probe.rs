//! What a probe found: facts, plan and the first chunk jobs, in one transaction.

use std::collections::BTreeSet;

use vidstream_media::Plan;

use super::{
    Held, Tx, events, jobs,
    rows::{self, Row, params},
    videos,
};
use crate::{Error, JobKind, Probed, Result, State, check};

/// Stores what a probe found, and queues the chunks.
pub(crate) fn finish(tx: &mut Tx<'_>, held: Held, probed: &Probed) -> Result<()> {
    let Some(job) = jobs::held(tx, held)? else { return Ok(()) };
    if job.kind != JobKind::Probe {
        return Err(Error::Invalid("the claim is not on a probe".to_owned()));
    }
    check::plan(&probed.plan)?;
    let video = videos::existing(tx, job.video)?;
    if video.state == State::Uploading {
        return Err(Error::Conflict("the upload is not finished".to_owned()));
    }
    // A probe that was claimed during the upload may end before its next renewal.
    if video.state == State::Queued {
        videos::set_state(tx, &video, State::Probing)?;
    }
    videos::set_state(tx, &videos::existing(tx, job.video)?, State::Processing)?;
    jobs::end(tx, job.id, "done")?;
    store(tx, &job, probed)?;
    queue_chunks(tx, &job, &probed.plan)?;
    let warned = videos::warn(tx, job.video, &probed.warnings)?;
    let kinds: &[&str] = if warned { &["video.updated", "video.warning"] } else { &["video.updated"] };
    events::of_state(tx, job.video, kinds, job.failures + 1)?;
    Ok(())
}

fn store(tx: &mut Tx<'_>, job: &jobs::Job, probed: &Probed) -> Result<()> {
    let plan = &probed.plan;
    let id = job.video.to_string();
    tx.execute(
        "INSERT INTO generations (video, generation, plan) VALUES (?1, ?2, ?3)",
        params![id, job.generation, rows::to_json(plan)?],
    )?;
    let sheets = plan.storyboard.map_or(0, |layout| layout.sheets(&plan.timeline));
    let chunks = i64::try_from(plan.chunks.len()).unwrap_or(i64::MAX);
    let sql =
        "UPDATE videos SET facts = ?2, tracks = ?3, frames = ?4, chunks = ?5, sheets = ?6, since_ms = ?7 WHERE id = ?1";
    tx.execute(
        sql,
        params![
            id,
            rows::to_json(&probed.facts)?,
            rows::to_json(&plan.tracks())?,
            rows::int(plan.timeline.frames),
            chunks,
            rows::int(sheets),
            tx.now_ms,
        ],
    )?;
    Ok(())
}

fn queue_chunks(tx: &mut Tx<'_>, job: &jobs::Job, plan: &Plan) -> Result<()> {
    let encoders = encoder_set(tx, plan)?;
    let once = jobs::New { encoders: Some(encoders), ..jobs::New::once(job.video, job.generation, JobKind::Encode) };
    for &run in &plan.chunks {
        jobs::insert(tx, &jobs::New::of_run(run, once))?;
    }
    Ok(())
}

/// The number of what a worker must have to make the chunks of the plan.
pub(super) fn encoder_set(tx: &mut Tx<'_>, plan: &Plan) -> Result<i64> {
    let videos = plan.rungs.iter().chain(&plan.trick).map(|track| &track.encoder);
    let pinned = videos.chain(plan.audio.as_ref().map(|track| &track.encoder));
    let set: BTreeSet<(&str, &str)> =
        pinned.map(|encoder| (encoder.plugin.as_str(), encoder.version.as_str())).collect();
    let text = rows::to_json(&set)?;
    tx.execute("INSERT INTO encoder_sets (encoders) VALUES (?1) ON CONFLICT DO NOTHING", params![text])?;
    tx.one("SELECT id FROM encoder_sets WHERE encoders = ?1", params![text], Row::scalar)
}
