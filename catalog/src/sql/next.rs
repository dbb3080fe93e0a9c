//! What comes next for a generation: sheets when their pictures are there, finalizing when everything
//! is. Derived from what is stored, so that it can be asked at any time and any number of times.

use vidstream_media::{Plan, VideoId, chunks::Segments, plan::Storyboard};

use super::{Db, Tx, chunks, jobs, rows::params};
use crate::{JobKind, Result, coverage};

/// Queues what can be made now and is not queued.
pub(super) fn queue(tx: &mut Tx<'_>, video: VideoId, generation: u32, plan: &Plan) -> Result<()> {
    let stored = chunks::stored_runs(tx, video, generation)?;
    let complete = coverage::is_partition(&stored, plan.timeline.segments());
    let sheets_left = match &plan.storyboard {
        Some(layout) => queue_sheets(tx, (video, generation), (plan, layout), &stored)?,
        None => 0,
    };
    if complete
        && sheets_left == 0
        && !is_finalized(tx, video, generation)?
        && !has_open(tx, video, generation, JobKind::Finalize)?
    {
        jobs::insert(tx, &jobs::New::once(video, generation, JobKind::Finalize))?;
    }
    Ok(())
}

/// Queues the sheets whose pictures are all stored. Gives how many sheets are not made or given up yet.
fn queue_sheets(
    tx: &mut Tx<'_>,
    (video, generation): (VideoId, u32),
    (plan, layout): (&Plan, &Storyboard),
    stored: &[Segments],
) -> Result<u64> {
    let ended = sheets(tx, video, generation, "state IN ('done', 'failed')")?;
    let open = sheets(tx, video, generation, "state IN ('pending', 'running')")?;
    let mut left = 0;
    for n in 1..=layout.sheets(&plan.timeline) {
        if ended.binary_search(&n).is_ok() {
            continue;
        }
        left += 1;
        if open.binary_search(&n).is_err() && has_pictures(plan, layout, n, stored) {
            let once = jobs::New::once(video, generation, JobKind::Sheet);
            jobs::insert(tx, &jobs::New::of_run(Segments { first: n, last: n }, once))?;
        }
    }
    Ok(left)
}

fn has_pictures(plan: &Plan, layout: &Storyboard, n: u64, stored: &[Segments]) -> bool {
    let tricks = layout.sheet_tricks(&plan.timeline, n);
    let (Some(&first), Some(&last)) = (tricks.first(), tricks.last()) else { return true };
    let run = Segments { first: plan.timeline.segment_of_trick(first), last: plan.timeline.segment_of_trick(last) };
    coverage::covers(stored, run)
}

/// The numbers of the generation's sheets whose jobs fulfil a condition, ascending.
fn sheets(db: &Db<'_>, video: VideoId, generation: u32, condition: &'static str) -> Result<Vec<u64>> {
    let sql = format!(
        "SELECT DISTINCT first, last FROM jobs WHERE video = ?1 AND generation = ?2 AND kind = 'sheet' AND {condition} ORDER BY first"
    );
    let runs: Vec<Segments> = db.all(&sql, params![video.to_string(), generation], jobs::run)?;
    Ok(runs.into_iter().map(|run| run.first).collect())
}

/// Whether a job of the kind is pending or running.
pub(super) fn has_open(db: &Db<'_>, video: VideoId, generation: u32, kind: JobKind) -> Result<bool> {
    let sql = "SELECT 1 FROM jobs INDEXED BY jobs_open WHERE video = ?1 AND generation = ?2 AND kind = ?3 AND state IN ('pending', 'running')";
    db.exists(sql, params![video.to_string(), generation, kind.as_str()])
}

fn is_finalized(db: &Db<'_>, video: VideoId, generation: u32) -> Result<bool> {
    let sql = "SELECT 1 FROM generations WHERE video = ?1 AND generation = ?2 AND finalized = 1";
    db.exists(sql, params![video.to_string(), generation])
}
