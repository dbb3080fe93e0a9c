//! Claiming: the next job, split where somebody waits, with a new token and a lease.

use serde_json::json;
use vidstream_media::{
    Plan, VideoId,
    chunks::{self as partition, Segments},
};

use super::{
    Db, Tx, chunks, events, jobs, leases,
    order::{self, Pending},
    raise,
    rows::{self, Row, params},
    videos, workers,
};
use crate::{Claim, Error, JobKind, Result, Wanted, Work, Worker, check, limits};

/// What a worker that asks for a job finds.
struct Due {
    /// Leases have run out, or the worker is not noted as present.
    upkeep: bool,
    /// The parts of the queue that hold jobs.
    pending: Pending,
    /// The numbers of the encoder sets of which the worker has all, as JSON.
    encoders: String,
}

/// What an earlier try of the same claim led to.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct Earlier {
    /// The upkeep is done.
    pub(crate) upkeep: bool,
    /// The video that was waited for.
    pub(crate) busy: Option<VideoId>,
}

/// How a claim went.
pub(crate) enum Given {
    /// There is no job for the worker.
    Nothing,
    /// A job.
    Claim(Box<Claim>),
    /// A job whose video somebody else is changing: wait for this video, then ask again.
    Busy(VideoId),
    /// The upkeep is due: do it, then ask again.
    Upkeep,
}

/// Whether there is anything to do for a worker.
pub(crate) fn any(db: &Db<'_>, worker: &Worker) -> Result<bool> {
    due(db, worker).map(|due| due.upkeep || due.pending.any())
}

fn due(db: &Db<'_>, worker: &Worker) -> Result<Due> {
    check::name("a worker's id", &worker.id)?;
    let sql = format!(
        "SELECT EXISTS (SELECT 1 FROM jobs INDEXED BY jobs_running WHERE state = 'running' AND lease_until_ms <= ?1) AS expired,
         EXISTS (SELECT 1 FROM workers WHERE id = ?2 AND encoders = ?3 AND seen_at_ms > ?4) AS noted,
         {} AS sets, {}",
        workers::SETS,
        Pending::columns()
    );
    let stale_ms = db.now_ms.saturating_sub(limits::WORKER_NOTED_MS);
    let key = params![db.now_ms, worker.id, rows::to_json(&worker.encoders)?, stale_ms];
    let read = |row: &Row| {
        let (expired, noted): (bool, bool) = (row.get("expired")?, row.get("noted")?);
        let sets: Option<String> = row.get("sets")?;
        let encoders = rows::to_json(&workers::fulfilled(sets.as_deref().unwrap_or_default(), &worker.encoders)?)?;
        Ok(Due { upkeep: expired || !noted, pending: Pending::read(row)?, encoders })
    };
    db.one(&sql, key, read)
}

/// Ends claims that nobody holds any more, and notes that the worker is there.
pub(crate) fn upkeep(tx: &mut Tx<'_>, worker: &Worker) -> Result<()> {
    workers::note(tx, worker)?;
    if tx.try_upkeep()? {
        leases::expire(tx)?;
    }
    Ok(())
}

/// Gives a worker its next job.
pub(crate) fn claim(tx: &mut Tx<'_>, worker: &Worker, wanted: Wanted, earlier: Earlier) -> Result<Given> {
    if let Some(video) = earlier.busy {
        tx.lock(video)?;
    }
    let Due { upkeep, pending, encoders } = due(tx, worker)?;
    if upkeep && !earlier.upkeep {
        return Ok(Given::Upkeep);
    }
    if !pending.any() {
        return Ok(Given::Nothing);
    }
    let Some(job) = order::next(tx, wanted, &pending, &encoders)? else { return Ok(Given::Nothing) };
    // The job is locked before its video, all others lock in the opposite order: so this one must not wait.
    if changes_video(tx, &job) && earlier.busy != Some(job.video) && !tx.try_lock(job.video)? {
        return Ok(Given::Busy(job.video));
    }
    give(tx, worker, job).map(|claim| Given::Claim(Box::new(claim)))
}

/// Whether the claim is more than a mark on the job.
fn changes_video(tx: &Tx<'_>, job: &jobs::Job) -> bool {
    job.kind == JobKind::Probe || wanted_piece(tx, job).is_some()
}

fn give(tx: &mut Tx<'_>, worker: &Worker, job: jobs::Job) -> Result<Claim> {
    let job = split_where_wanted(tx, job)?;
    let lease_until_ms = tx.now_ms.saturating_add(limits::LEASE_MS);
    let token = jobs::begin(tx, job.id, &worker.id, lease_until_ms)?;
    if job.kind == JobKind::Probe {
        leases::begin_probing(tx, &job)?;
    }
    let attempt = job.failures.saturating_add(1);
    let data = json!({
        "job": job.id, "kind": job.kind.as_str(), "first": job.run.first, "last": job.run.last, "worker": worker.id,
        "filler": job.filler, "token": token,
    });
    events::of_job(tx, job.video, "job.started", attempt, &data);
    let work = work(tx, &job)?;
    let (video, generation, worker) = (job.video, job.generation, worker.id.clone());
    Ok(Claim { job: job.id, token, worker, video, generation, attempt, work, lease_until_ms })
}

fn work(tx: &Tx<'_>, job: &jobs::Job) -> Result<Work> {
    Ok(match job.kind {
        JobKind::Probe => Work::Probe,
        JobKind::Delete => Work::Delete,
        JobKind::Sheet => Work::Sheet { n: job.run.first, plan: chunks::plan_of_job(tx, job)? },
        JobKind::Finalize => Work::Finalize { plan: chunks::plan_of_job(tx, job)? },
        JobKind::Encode => Work::Encode {
            segments: job.run,
            filler: job.filler,
            deadline_ms: job.deadline_ms.filter(|&deadline_ms| deadline_ms > tx.now_ms),
            plan: chunks::plan_of_job(tx, job)?,
        },
    })
}

/// The segment at which the chunk is to be split, if it is.
fn wanted_piece(tx: &Tx<'_>, job: &jobs::Job) -> Option<u64> {
    let near = job.ahead_at_ms.is_some_and(|at_ms| at_ms > tx.now_ms.saturating_sub(limits::AHEAD_MS));
    job.wanted.filter(|_| near && job.run.count() > 1)
}

/// Splits a chunk that somebody waits for, and gives the piece where they do.
fn split_where_wanted(tx: &mut Tx<'_>, job: jobs::Job) -> Result<jobs::Job> {
    let Some(wanted) = wanted_piece(tx, &job) else { return Ok(job) };
    let plan = chunks::plan_of_job(tx, &job)?;
    let (pieces, place) = partition::split(job.run, wanted, length_max(&plan));
    let Some(&mine) = pieces.get(place) else { return Ok(job) };
    // The row itself becomes the wanted piece: before it is moved, no other may begin where it ends up.
    let sql = "UPDATE jobs SET first = ?2, last = ?3, wanted = NULL, deadline_ms = NULL WHERE id = ?1";
    tx.execute(sql, params![job.id, rows::int(mine.first), rows::int(mine.last)])?;
    for (_, &piece) in pieces.iter().enumerate().filter(|&(at, _)| at != place) {
        insert_piece(tx, &job, piece)?;
    }
    raise::take_waits(tx, job.id)?;
    raise::move_ahead(tx, &job, mine.last)?;
    chunks::recount(tx, job.video, job.generation)?;
    videos::touch(tx, job.video)?;
    jobs::get(tx, job.id)?.ok_or(Error::NotFound)
}

fn insert_piece(tx: &mut Tx<'_>, job: &jobs::Job, piece: Segments) -> Result<()> {
    let id = jobs::insert(tx, &jobs::New::piece_of(job, piece))?;
    raise::take_waits(tx, id)?;
    // Somebody else waits in this piece: it is as near to them as the first was to the first.
    let sql = "UPDATE jobs SET ahead_at_ms = ?2 WHERE id = ?1 AND wanted IS NOT NULL";
    tx.execute(sql, params![id, job.ahead_at_ms])?;
    Ok(())
}

/// The normal length of a background chunk, in segments.
fn length_max(plan: &Plan) -> u64 {
    plan.chunks.iter().map(|chunk| chunk.count()).max().unwrap_or(1)
}
