//! The proof that nothing is stuck: what every state must have, checked against the rows.

use vidstream_media::{VideoId, chunks::Segments};

use super::{
    Db, chunks, jobs, next,
    rows::{self, Row, params},
};
use crate::{Audit, JobKind, Result, State, coverage, limits};

/// A video whose state should lead to another.
#[derive(Clone, Copy, Debug)]
pub(super) struct Unfinished {
    pub(super) id: VideoId,
    pub(super) state: State,
    pub(super) generation: u32,
    has_lease: bool,
}

const WITHOUT_JOB: &str = "SELECT id, state, generation, upload_until_ms FROM videos
     WHERE state IN ('uploading', 'queued', 'probing', 'processing', 'deleting')
     AND NOT EXISTS (SELECT 1 FROM jobs INDEXED BY jobs_open WHERE jobs.video = videos.id AND jobs.state IN ('pending', 'running')
         AND (jobs.kind = 'delete') = (videos.state = 'deleting') AND (jobs.generation = videos.generation OR jobs.kind = 'delete'))";

/// What is wrong with all unfinished videos.
pub(crate) fn audit(db: &Db<'_>) -> Result<Vec<Audit>> {
    let mut found = Vec::new();
    for video in unfinished(db, u32::MAX)? {
        if let Some(problem) = problem(db, &video)? {
            found.push(Audit { video: video.id, problem });
        }
    }
    Ok(found)
}

/// Videos in states that are not final and that lack an open job or a lease: the candidates of the
/// sweeper. Cheap, since whatever has an open job is passed over by the index.
pub(super) fn without_job(db: &Db<'_>) -> Result<Vec<Unfinished>> {
    let sql = format!("{WITHOUT_JOB} ORDER BY created_at_ms, id LIMIT ?1");
    db.all(&sql, params![limits::SWEEP_ROWS_MAX], read)
}

/// The video, if it still is such a candidate.
pub(super) fn still_without_job(db: &Db<'_>, id: VideoId) -> Result<Option<Unfinished>> {
    db.first(&format!("{WITHOUT_JOB} AND id = ?1"), params![id.to_string()], read)
}

fn unfinished(db: &Db<'_>, limit: u32) -> Result<Vec<Unfinished>> {
    let sql = "SELECT id, state, generation, upload_until_ms FROM videos
         WHERE state IN ('uploading', 'queued', 'probing', 'processing', 'deleting') ORDER BY created_at_ms, id LIMIT ?1";
    db.all(sql, params![limit], read)
}

fn read(row: &Row) -> Result<Unfinished> {
    Ok(Unfinished {
        id: rows::video_id(row, "id")?,
        state: rows::parsed(row, "state")?,
        generation: row.get("generation")?,
        has_lease: row.get::<Option<i64>>("upload_until_ms")?.is_some(),
    })
}

/// Why an unfinished video would never move on; `None` when it will.
///
/// Pending jobs move on because any worker claims them, running ones because their lease ends.
fn problem(db: &Db<'_>, video: &Unfinished) -> Result<Option<String>> {
    let open = |kind| next::has_open(db, video.id, video.generation, kind);
    let problem = match video.state {
        State::Uploading if !video.has_lease => Some("an upload without a lease"),
        State::Uploading | State::Queued | State::Probing => (!open(JobKind::Probe)?).then_some("no probe job"),
        State::Deleting => (!open(JobKind::Delete)?).then_some("no delete job"),
        State::Processing => return processing(db, video),
        State::Ready | State::Failed => None,
    };
    if problem.is_none() && leaseless(db, video.id)? {
        return Ok(Some("a running job without a lease".to_owned()));
    }
    Ok(problem.map(str::to_owned))
}

fn processing(db: &Db<'_>, video: &Unfinished) -> Result<Option<String>> {
    let Some(plan) = chunks::plan(db, video.id, video.generation)? else { return Ok(Some("no plan".to_owned())) };
    let runs = all_runs(db, video.id, video.generation)?;
    if !coverage::is_partition(&runs, plan.timeline.segments()) {
        return Ok(Some(format!("chunks and jobs do not cover the segments exactly once: {runs:?}")));
    }
    if leaseless(db, video.id)? {
        return Ok(Some("a running job without a lease".to_owned()));
    }
    let working = [JobKind::Encode, JobKind::Sheet, JobKind::Finalize];
    for kind in working {
        if next::has_open(db, video.id, video.generation, kind)? {
            return Ok(None);
        }
    }
    Ok(Some("everything is made and no job ends it".to_owned()))
}

/// Committed runs and open encode jobs together, ascending.
pub(super) fn all_runs(db: &Db<'_>, id: VideoId, generation: u32) -> Result<Vec<Segments>> {
    let mut runs = chunks::stored_runs(db, id, generation)?;
    runs.extend(jobs::open_runs(db, id, generation)?);
    runs.sort_unstable();
    Ok(runs)
}

fn leaseless(db: &Db<'_>, id: VideoId) -> Result<bool> {
    let sql = "SELECT 1 FROM jobs WHERE video = ?1 AND state = 'running' AND (lease_until_ms IS NULL OR token IS NULL OR worker IS NULL)";
    db.exists(sql, params![id.to_string()])
}
