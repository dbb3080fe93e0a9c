//! The rows of jobs: making, reading, ending them.

use vidstream_media::{VideoId, chunks::Segments};

use super::{
    Db, Engine, Held, Tx,
    rows::{self, Row, params},
};
use crate::{Error, HintKind, JobKind, Result};

/// A job as stored, with what the writers need.
#[derive(Clone, Debug)]
pub(super) struct Job {
    pub(super) id: i64,
    pub(super) video: VideoId,
    pub(super) generation: u32,
    pub(super) kind: JobKind,
    pub(super) state: String,
    /// Segments of an encode job; `n..=n` of sheet n; else 0.
    pub(super) run: Segments,
    pub(super) encoders: Option<i64>,
    pub(super) failures: u32,
    pub(super) filler: bool,
    pub(super) requeued: bool,
    pub(super) wanted: Option<u64>,
    pub(super) deadline_ms: Option<i64>,
    pub(super) ahead_at_ms: Option<i64>,
    pub(super) worker: Option<String>,
    pub(super) token: Option<u64>,
    pub(super) lease_until_ms: Option<i64>,
    pub(super) ended_token: Option<u64>,
}

/// A job to be.
#[derive(Clone, Copy, Debug)]
pub(super) struct New {
    pub(super) video: VideoId,
    pub(super) generation: u32,
    pub(super) kind: JobKind,
    pub(super) run: Segments,
    pub(super) encoders: Option<i64>,
    pub(super) failures: u32,
    pub(super) filler: bool,
    pub(super) requeued: bool,
}

// === impl New ===

impl New {
    /// A job that a generation has once.
    pub(super) fn once(video: VideoId, generation: u32, kind: JobKind) -> Self {
        let run = Segments { first: 0, last: 0 };
        Self { video, generation, kind, run, encoders: None, failures: 0, filler: false, requeued: false }
    }

    /// The job of a run of segments, or with one number of a sheet.
    pub(super) fn of_run(run: Segments, once: Self) -> Self {
        Self { run, ..once }
    }

    /// Another piece of the same chunk.
    pub(super) fn piece_of(job: &Job, run: Segments) -> Self {
        Self {
            video: job.video,
            generation: job.generation,
            kind: job.kind,
            run,
            encoders: job.encoders,
            failures: job.failures,
            filler: job.filler,
            requeued: job.requeued,
        }
    }
}

/// Queues a job, and gives its number.
pub(super) fn insert(tx: &mut Tx<'_>, new: &New) -> Result<i64> {
    tx.hint(Some(new.video), HintKind::Job);
    let sql = "INSERT INTO jobs (video, generation, kind, state, first, last, encoders, failures, filler, requeued)
         VALUES (?1, ?2, ?3, 'pending', ?4, ?5, ?6, ?7, ?8, ?9) RETURNING id";
    let row = params![
        new.video.to_string(),
        new.generation,
        new.kind.as_str(),
        rows::int(new.run.first),
        rows::int(new.run.last),
        new.encoders,
        new.failures,
        new.filler,
        new.requeued,
    ];
    tx.one(sql, row, Row::scalar)
}

/// Whether there is any job of a video, ended ones included.
pub(super) fn any(db: &Db<'_>, video: VideoId) -> Result<bool> {
    db.exists("SELECT 1 FROM jobs WHERE video = ?1", params![video.to_string()])
}

/// A job by its number.
pub(super) fn get(db: &Db<'_>, id: i64) -> Result<Option<Job>> {
    db.first("SELECT * FROM jobs WHERE id = ?1", params![id], job)
}

/// A job by its number, as it is and stays until the transaction ends. Its video is locked before.
pub(super) fn get_locked(tx: &Tx<'_>, id: i64) -> Result<Option<Job>> {
    let sql = tx.engine().pick("SELECT * FROM jobs WHERE id = ?1", "SELECT * FROM jobs WHERE id = ?1 FOR UPDATE");
    tx.first(sql, params![id], job)
}

/// Encode jobs of a generation that are pending or running, ascending.
pub(super) fn open_runs(db: &Db<'_>, video: VideoId, generation: u32) -> Result<Vec<Segments>> {
    let sql =
        "SELECT first, last FROM jobs INDEXED BY jobs_open WHERE video = ?1 AND generation = ?2 AND kind = 'encode'
         AND state IN ('pending', 'running') ORDER BY first";
    db.all(sql, params![video.to_string(), generation], run)
}

/// The job that a holder holds; `None` when they finished it before, so that saying so again is harmless.
///
/// # Errors
/// `Stale` when the job is gone, or is not theirs any more.
pub(super) fn held(tx: &Tx<'_>, held: Held) -> Result<Option<Job>> {
    tx.lock(held.video)?;
    let job = get_locked(tx, held.job)?.ok_or(Error::Stale)?;
    if job.state == "running" && job.token == Some(held.token) {
        return Ok(Some(job));
    }
    let finished = job.state == "done" && job.ended_token == Some(held.token);
    if finished { Ok(None) } else { Err(Error::Stale) }
}

/// Whether the last that the holder said of the job was that the attempt failed.
pub(super) fn failed_by(tx: &Tx<'_>, held: Held) -> Result<bool> {
    tx.lock(held.video)?;
    let job = get_locked(tx, held.job)?;
    Ok(job.is_some_and(|job| job.state != "done" && job.ended_token == Some(held.token)))
}

/// Ends a running job by its holder's word, as `done` or `failed`.
pub(super) fn end(tx: &mut Tx<'_>, id: i64, state: &str) -> Result<()> {
    let sql = "UPDATE jobs SET state = ?2, ended_token = token, ended_at_ms = ?3, token = NULL, worker = NULL,
         lease_until_ms = NULL, deadline_ms = NULL, wanted = NULL, ahead_at_ms = NULL WHERE id = ?1";
    tx.execute(sql, params![id, state, tx.now_ms])?;
    Ok(())
}

/// Removes the pending and running jobs of a video: their holders find their claims stale.
pub(super) fn cancel(tx: &mut Tx<'_>, video: VideoId) -> Result<()> {
    let sql = "DELETE FROM jobs WHERE video = ?1 AND state IN ('pending', 'running')";
    tx.execute(sql, params![video.to_string()])?;
    tx.execute("DELETE FROM waits WHERE video = ?1", params![video.to_string()])?;
    tx.hint(Some(video), HintKind::Cancelled);
    Ok(())
}

/// Makes a pending job running, and gives the next fencing token: one sequence for all jobs of all processes.
pub(super) fn begin(tx: &Tx<'_>, id: i64, worker: &str, lease_until_ms: i64) -> Result<u64> {
    // Of Postgres it is one in the word's own sense: it may leave numbers out, and takes no lock until the commit.
    if tx.engine() == Engine::Sqlite {
        tx.execute("UPDATE counters SET value = value + 1 WHERE name = 'token'", params![])?;
    }
    let sql = tx.engine().pick(
        "UPDATE jobs SET state = 'running', worker = ?2, token = (SELECT value FROM counters WHERE name = 'token'), lease_until_ms = ?3
         WHERE id = ?1 RETURNING token",
        "UPDATE jobs SET state = 'running', worker = ?2, token = nextval('tokens'), lease_until_ms = ?3 WHERE id = ?1 RETURNING token",
    );
    tx.one(sql, params![id, worker, lease_until_ms], Row::scalar)
}

/// `first` and `last` of a row.
pub(super) fn run(row: &Row) -> Result<Segments> {
    Ok(Segments { first: row.get::<u64>("first")?, last: row.get::<u64>("last")? })
}

pub(super) fn job(row: &Row) -> Result<Job> {
    Ok(Job {
        id: row.get("id")?,
        video: rows::video_id(row, "video")?,
        generation: row.get("generation")?,
        kind: rows::parsed(row, "kind")?,
        state: row.get("state")?,
        run: run(row)?,
        encoders: row.get("encoders")?,
        failures: row.get("failures")?,
        filler: row.get("filler")?,
        requeued: row.get("requeued")?,
        wanted: row.get("wanted")?,
        deadline_ms: row.get("deadline_ms")?,
        ahead_at_ms: row.get("ahead_at_ms")?,
        worker: row.get("worker")?,
        token: row.get("token")?,
        lease_until_ms: row.get("lease_until_ms")?,
        ended_token: row.get("ended_token")?,
    })
}
