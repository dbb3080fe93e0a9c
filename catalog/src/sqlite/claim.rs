//! Claiming: the next job, split where somebody waits, with a new token and a lease.

use rusqlite::params;
use serde_json::json;
use vidstream_media::{
    Plan,
    chunks::{self as partition, Segments},
};

use super::{Tx, chunks, events, jobs, leases, order, raise, rows, videos, workers};
use crate::{Claim, Error, JobKind, Result, Wanted, Work, Worker, limits};

/// Gives a worker its next job.
pub(crate) fn claim(tx: &mut Tx<'_>, worker: &Worker, wanted: Wanted) -> Result<Option<Claim>> {
    if worker.id.is_empty() || worker.id.len() > limits::TEXT_BYTES_MAX {
        return Err(Error::Invalid(format!("a worker's id has 1 to {} bytes", limits::TEXT_BYTES_MAX)));
    }
    leases::expire(tx)?;
    workers::note(tx, worker)?;
    let encoders = rows::to_json(&workers::fulfilled(tx, &worker.encoders)?)?;
    match order::next(tx, wanted, &encoders)? {
        Some(job) => give(tx, worker, job).map(Some),
        None => Ok(None),
    }
}

fn give(tx: &mut Tx<'_>, worker: &Worker, job: jobs::Job) -> Result<Claim> {
    let job = split_where_wanted(tx, job)?;
    let token = jobs::next_token(tx)?;
    let lease_until_ms = tx.now_ms.saturating_add(limits::LEASE_MS);
    let sql = "UPDATE jobs SET state = 'running', worker = ?2, token = ?3, lease_until_ms = ?4 WHERE id = ?1";
    tx.conn.prepare_cached(sql)?.execute(params![job.id, worker.id, rows::int(token), lease_until_ms])?;
    if job.kind == JobKind::Probe {
        leases::begin_probing(tx, &job)?;
    }
    let attempt = job.failures.saturating_add(1);
    let data = json!({
        "job": job.id, "kind": job.kind.as_str(), "first": job.run.first, "last": job.run.last, "worker": worker.id,
        "filler": job.filler, "token": token,
    });
    events::of_job(tx, job.video, "job.started", attempt, &data)?;
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

/// Splits a chunk that somebody waits for, and gives the piece where they do.
fn split_where_wanted(tx: &mut Tx<'_>, job: jobs::Job) -> Result<jobs::Job> {
    let near = job.ahead_at_ms.is_some_and(|at_ms| at_ms > tx.now_ms.saturating_sub(limits::AHEAD_MS));
    let Some(wanted) = job.wanted.filter(|_| near && job.run.count() > 1) else { return Ok(job) };
    let plan = chunks::plan_of_job(tx, &job)?;
    let (pieces, place) = partition::split(job.run, wanted, length_max(&plan));
    let Some(&mine) = pieces.get(place) else { return Ok(job) };
    // The row itself becomes the wanted piece: before it is moved, no other may begin where it ends up.
    let sql = "UPDATE jobs SET first = ?2, last = ?3, wanted = NULL, deadline_ms = NULL WHERE id = ?1";
    tx.conn.prepare_cached(sql)?.execute(params![job.id, rows::int(mine.first), rows::int(mine.last)])?;
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
    tx.conn.prepare_cached(sql)?.execute(params![id, job.ahead_at_ms])?;
    Ok(())
}

/// The normal length of a background chunk, in segments.
fn length_max(plan: &Plan) -> u64 {
    plan.chunks.iter().map(|chunk| chunk.count()).max().unwrap_or(1)
}
