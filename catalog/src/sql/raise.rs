//! Requests that wait: they bring the chunk of a segment to the front, and the next ones behind it.

use vidstream_media::{VideoId, chunks::Segments};

use super::{
    Db, Tx, chunks, jobs,
    rows::{self, Row, params},
    videos,
};
use crate::{Error, HintKind, Result, State, limits};

/// A request waits for a segment.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Wait {
    pub(crate) id: VideoId,
    pub(crate) generation: u32,
    pub(crate) segment: u64,
    pub(crate) deadline_ms: i64,
}

/// Notes a wait.
pub(crate) fn raise(tx: &mut Tx<'_>, wait: Wait) -> Result<()> {
    tx.lock(wait.id)?;
    if !is_makeable(tx, wait)? {
        return Ok(());
    }
    if chunks::stored_run(tx, wait.id, wait.generation, wait.segment)?.is_some() {
        return mark_ahead(tx, (wait.id, wait.generation), wait.segment, tx.now_ms);
    }
    // What ended before 1970 ended: the order of those that have run out needs a number that can be negated.
    let deadline_ms = wait.deadline_ms.max(0).min(tx.now_ms.saturating_add(limits::DEADLINE_AHEAD_MS_MAX));
    // The earliest wait that still lasts stays; one that has run out is replaced.
    let sql = "INSERT INTO waits (video, generation, segment, deadline_ms) VALUES (?1, ?2, ?3, ?4)
         ON CONFLICT (video, generation, segment) DO UPDATE SET deadline_ms = excluded.deadline_ms
         WHERE waits.deadline_ms <= ?5 OR excluded.deadline_ms < waits.deadline_ms";
    let row = params![wait.id.to_string(), wait.generation, rows::int(wait.segment), deadline_ms, tx.now_ms];
    tx.execute(sql, row)?;
    let Some((job, run)) = pending(tx, wait)? else {
        // It is being made, and no split helps any more.
        return mark_ahead(tx, (wait.id, wait.generation), wait.segment, tx.now_ms);
    };
    take_waits(tx, job)?;
    tx.execute("UPDATE jobs SET ahead_at_ms = ?2 WHERE id = ?1", params![job, tx.now_ms])?;
    mark_ahead(tx, (wait.id, wait.generation), run.last, tx.now_ms)
}

/// Whether raising would change nothing: what a repeated request finds.
pub(crate) fn is_noted(db: &Db<'_>, wait: Wait) -> Result<bool> {
    if !is_makeable(db, wait)? {
        return Ok(true);
    }
    let key = params![wait.id.to_string(), wait.generation, rows::int(wait.segment)];
    if let Some(run) = chunks::stored_run(db, wait.id, wait.generation, wait.segment)? {
        // Half the time for which a mark counts: a viewer who goes on refreshes it in time.
        let fresh_ms = db.now_ms.saturating_sub(limits::AHEAD_MS / 2);
        let sql = "SELECT 1 FROM (SELECT ahead_at_ms FROM jobs WHERE video = ?1 AND generation = ?2 AND kind = 'encode'
             AND state = 'pending' AND first > ?3 ORDER BY first LIMIT ?4) AS following
             WHERE coalesce(ahead_at_ms, 0) < ?5";
        let old = params![
            wait.id.to_string(),
            wait.generation,
            rows::int(run.last),
            rows::int(limits::AHEAD_CHUNKS),
            fresh_ms
        ];
        return Ok(!db.exists(sql, old)?);
    }
    let sql = "SELECT deadline_ms FROM waits WHERE video = ?1 AND generation = ?2 AND segment = ?3";
    let noted: Option<i64> = db.first(sql, key, Row::scalar)?;
    Ok(noted.is_some_and(|noted| noted > db.now_ms && noted <= wait.deadline_ms))
}

/// Whether the segment is one that jobs make.
///
/// # Errors
/// `NotFound` when there is no such video, generation or segment.
fn is_makeable(db: &Db<'_>, wait: Wait) -> Result<bool> {
    let video =
        videos::standing(db, wait.id)?.filter(|video| video.generation == wait.generation).ok_or(Error::NotFound)?;
    let plan = match video.state {
        State::Processing | State::Ready => chunks::plan(db, wait.id, wait.generation)?.ok_or(Error::NotFound)?,
        _ => return Err(Error::NotFound),
    };
    if wait.segment == 0 || wait.segment > plan.timeline.segments() {
        return Err(Error::NotFound);
    }
    Ok(video.state == State::Processing)
}

/// The pending job that would make a segment.
fn pending(db: &Db<'_>, wait: Wait) -> Result<Option<(i64, Segments)>> {
    let sql = "SELECT id, first, last FROM jobs WHERE video = ?1 AND generation = ?2 AND kind = 'encode' AND state = 'pending'
         AND first <= ?3 ORDER BY first DESC LIMIT 1";
    let read = |row: &Row| Ok((row.get("id")?, jobs::run(row)?));
    let key = params![wait.id.to_string(), wait.generation, rows::int(wait.segment)];
    let found: Option<(i64, Segments)> = db.first(sql, key, read)?;
    Ok(found.filter(|(_, run)| run.contains(wait.segment)))
}

/// Marks the next pending chunks after a segment: a viewer will want them soon.
fn mark_ahead(tx: &mut Tx<'_>, (id, generation): (VideoId, u32), after: u64, at_ms: i64) -> Result<()> {
    let sql = "UPDATE jobs SET ahead_at_ms = CASE WHEN coalesce(ahead_at_ms, 0) > ?4 THEN ahead_at_ms ELSE ?4 END WHERE id IN (SELECT id FROM jobs
         WHERE video = ?1 AND generation = ?2 AND kind = 'encode' AND state = 'pending' AND first > ?3 ORDER BY first LIMIT ?5)";
    let key = params![id.to_string(), generation, rows::int(after), at_ms, rows::int(limits::AHEAD_CHUNKS)];
    tx.execute(sql, key)?;
    tx.hint(Some(id), HintKind::Job);
    Ok(())
}

/// After a split: the chunks next to the wanted piece are the ones to come, not those next to the whole.
pub(super) fn move_ahead(tx: &mut Tx<'_>, job: &jobs::Job, after: u64) -> Result<()> {
    let Some(at_ms) = job.ahead_at_ms else { return Ok(()) };
    let sql = "UPDATE jobs SET ahead_at_ms = NULL WHERE video = ?1 AND generation = ?2 AND kind = 'encode' AND state = 'pending'
         AND first > ?3 AND ahead_at_ms = ?4 AND wanted IS NULL";
    let key = params![job.video.to_string(), job.generation, rows::int(after), at_ms];
    tx.execute(sql, key)?;
    mark_ahead(tx, (job.video, job.generation), after, at_ms)
}

/// Gives an encode job the wait of its segments that comes first: the earliest that lasts, else the
/// latest that has run out.
pub(super) fn take_waits(tx: &mut Tx<'_>, job: i64) -> Result<()> {
    let sql = "UPDATE jobs SET (wanted, deadline_ms) = (
             SELECT segment, deadline_ms FROM waits
             WHERE waits.video = jobs.video AND waits.generation = jobs.generation AND segment BETWEEN jobs.first AND jobs.last
             ORDER BY deadline_ms <= ?2, CASE WHEN deadline_ms > ?2 THEN deadline_ms ELSE -deadline_ms END, segment LIMIT 1)
         WHERE id = ?1 AND kind = 'encode'";
    tx.execute(sql, params![job, tx.now_ms])?;
    Ok(())
}
