//! The stored side of a generation: its plan, and the runs of segments that are committed.

use std::sync::Arc;

use vidstream_media::{Plan, VideoId, chunks::Segments};

use super::{
    Db, Tx, jobs,
    rows::{self, Row, params},
};
use crate::{Error, Result};

/// The plan of a generation, if it is stored. Only for generations stored by an earlier transaction.
pub(super) fn plan(db: &Db<'_>, video: VideoId, generation: u32) -> Result<Option<Arc<Plan>>> {
    if let Some(plan) = db.cache.plan(video, generation) {
        return Ok(Some(plan));
    }
    let sql = "SELECT plan FROM generations WHERE video = ?1 AND generation = ?2";
    let read = |row: &Row| rows::json::<Plan>(row, "plan");
    let found = db.first(sql, params![video.to_string(), generation], read)?;
    let plan = found.map(Arc::new);
    if let Some(plan) = &plan {
        db.cache.keep_plan(video, generation, plan);
    }
    Ok(plan)
}

/// The plan of a generation that has jobs which need one.
pub(super) fn plan_of_job(db: &Db<'_>, job: &jobs::Job) -> Result<Arc<Plan>> {
    plan(db, job.video, job.generation)?.ok_or_else(|| Error::Corrupt(format!("job {} has no plan", job.id)))
}

/// Committed runs of segments, ascending.
pub(super) fn stored_runs(db: &Db<'_>, video: VideoId, generation: u32) -> Result<Vec<Segments>> {
    let sql = "SELECT first, last FROM chunks WHERE video = ?1 AND generation = ?2 ORDER BY first";
    db.all(sql, params![video.to_string(), generation], jobs::run)
}

/// The committed run that holds a segment.
pub(super) fn stored_run(db: &Db<'_>, video: VideoId, generation: u32, segment: u64) -> Result<Option<Segments>> {
    let sql = "SELECT first, last FROM chunks WHERE video = ?1 AND generation = ?2 AND first <= ?3 ORDER BY first DESC LIMIT 1";
    let found = db.first(sql, params![video.to_string(), generation, rows::int(segment)], jobs::run)?;
    Ok(found.filter(|run| run.contains(segment)))
}

/// Frames of a run of segments.
pub(super) fn frames(plan: &Plan, run: Segments) -> u64 {
    let start = plan.timeline.segment_frames(run.first).start;
    plan.timeline.segment_frames(run.last).end.saturating_sub(start)
}

/// Frames that are filler, or will be when their chunks are made.
pub(super) fn filler_frames(db: &Db<'_>, plan: &Plan, video: VideoId, generation: u32) -> Result<u64> {
    let sql = "SELECT CAST(coalesce(sum(frames), 0) AS BIGINT) AS frames FROM chunks WHERE video = ?1 AND generation = ?2 AND filler = 1";
    let key = params![video.to_string(), generation];
    let made = db.one(sql, key, |row| row.get::<u64>("frames"))?;
    let sql = "SELECT first, last FROM jobs WHERE video = ?1 AND generation = ?2 AND kind = 'encode'
         AND state IN ('pending', 'running') AND filler = 1";
    let open: Vec<Segments> = db.all(sql, key, jobs::run)?;
    Ok(open.into_iter().map(|run| frames(plan, run)).sum::<u64>().saturating_add(made))
}

/// Brings the counts of a video's row up to date with its chunks, sheets and jobs.
pub(super) fn recount(tx: &mut Tx<'_>, video: VideoId, generation: u32) -> Result<()> {
    let sql = "UPDATE videos SET
         chunks_done = stored.runs,
         chunks = stored.runs + (SELECT count(*) FROM jobs WHERE video = ?1 AND generation = ?2 AND kind = 'encode' AND state IN ('pending', 'running')),
         frames_best = CASE WHEN frames_best > stored.frames THEN frames_best ELSE stored.frames END,
         sheets_done = (SELECT count(*) FROM sheets WHERE video = ?1 AND generation = ?2),
         sheets_failed = (SELECT count(*) FROM jobs WHERE video = ?1 AND generation = ?2 AND kind = 'sheet' AND state = 'failed')
         FROM (SELECT count(*) AS runs, CAST(coalesce(sum(frames), 0) AS BIGINT) AS frames FROM chunks
             WHERE video = ?1 AND generation = ?2) AS stored
         WHERE id = ?1 AND generation = ?2";
    tx.execute(sql, params![video.to_string(), generation])?;
    Ok(())
}
