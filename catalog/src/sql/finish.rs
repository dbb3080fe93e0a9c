//! The ends of sheets, finalizing and deletions.

use vidstream_media::{chunks::Segments, presentation::Sheet};

use super::{
    Db, Held, Tx, chunks, events, jobs, next, probe,
    rows::{self, params},
    videos,
};
use crate::{Error, Finalized, HintKind, JobKind, Requeued, Result, State};

/// Makes a tile sheet visible.
pub(crate) fn sheet(tx: &mut Tx<'_>, held: Held, sheet: Sheet) -> Result<()> {
    let Some(job) = held_of_kind(tx, held, JobKind::Sheet)? else { return Ok(()) };
    if sheet.token != held.token {
        return Err(Error::Invalid("the sheet's token is not the claim's".to_owned()));
    }
    let sql = "INSERT INTO sheets (video, generation, n, token, bytes, checksum) VALUES (?1, ?2, ?3, ?4, ?5, ?6)
         ON CONFLICT (video, generation, n)
         DO UPDATE SET token = excluded.token, bytes = excluded.bytes, checksum = excluded.checksum";
    let (token, bytes, crc32) = (rows::int(sheet.token), rows::int(sheet.bytes), sheet.crc32.map(u32::from));
    let row = params![job.video.to_string(), job.generation, rows::int(job.run.first), token, bytes, crc32];
    tx.execute(sql, row)?;
    jobs::end(tx, job.id, "done")?;
    chunks::recount(tx, job.video, job.generation)?;
    videos::touch(tx, job.video)?;
    events::of_state(tx, job.video, &["video.progress"], job.failures.saturating_add(1))?;
    let plan = chunks::plan_of_job(tx, &job)?;
    next::queue(tx, job.video, job.generation, &plan)?;
    tx.hint(Some(job.video), HintKind::Media);
    Ok(())
}

/// Stores what was measured: the video is ready.
pub(crate) fn finalize(tx: &mut Tx<'_>, held: Held, finalized: &Finalized) -> Result<()> {
    let Some(job) = held_of_kind(tx, held, JobKind::Finalize)? else { return Ok(()) };
    let sql = "UPDATE generations SET measured = ?3, poster = ?4, poster_checksum = ?5
         WHERE video = ?1 AND generation = ?2";
    let measured = rows::to_json(&finalized.measured)?;
    let token = finalized.poster.map(|poster| rows::int(poster.token));
    let crc32 = finalized.poster.and_then(|poster| poster.crc32).map(u32::from);
    let row = params![job.video.to_string(), job.generation, measured, token, crc32];
    tx.execute(sql, row)?;
    jobs::end(tx, job.id, "done")?;
    let warned = videos::warn(tx, job.video, &finalized.warnings)?;
    become_ready(tx, &job, warned)
}

/// The generation is as complete as it will be.
pub(super) fn become_ready(tx: &mut Tx<'_>, job: &jobs::Job, warned: bool) -> Result<()> {
    let sql = "UPDATE generations SET finalized = 1 WHERE video = ?1 AND generation = ?2";
    tx.execute(sql, params![job.video.to_string(), job.generation])?;
    let video = videos::existing(tx, job.video)?;
    videos::set_state(tx, &video, State::Ready)?;
    let kinds: &[&str] = if warned { &["video.warning", "video.ready"] } else { &["video.ready"] };
    events::of_state(tx, job.video, kinds, job.failures.saturating_add(1))?;
    tx.hint(Some(job.video), HintKind::Media);
    Ok(())
}

/// Queues chunks again whose stored bytes are of no use, each once.
pub(crate) fn requeue(tx: &mut Tx<'_>, held: Held, first_segments: &[u64]) -> Result<Requeued> {
    let job = held_of_kind(tx, held, JobKind::Finalize)?.ok_or(Error::Stale)?;
    let plan = chunks::plan_of_job(tx, &job)?;
    let encoders = probe::encoder_set(tx, &plan)?;
    let mut requeued = Requeued::default();
    for &first in first_segments {
        let Some(run) = stored_once(tx, &job, first)? else {
            requeued.refused.push(first);
            continue;
        };
        let sql = "DELETE FROM chunks WHERE video = ?1 AND generation = ?2 AND first = ?3";
        tx.execute(sql, params![job.video.to_string(), job.generation, rows::int(first)])?;
        let once = jobs::New::once(job.video, job.generation, JobKind::Encode);
        jobs::insert(tx, &jobs::New { run, encoders: Some(encoders), requeued: true, ..once })?;
        requeued.accepted.push(first);
    }
    if requeued.accepted.is_empty() {
        return Ok(requeued);
    }
    // It comes back when the chunks are made; what its holder says of it now is stale.
    jobs::end(tx, job.id, "failed")?;
    chunks::recount(tx, job.video, job.generation)?;
    if requeued.accepted.contains(&1) {
        tx.execute("UPDATE videos SET playable = 0 WHERE id = ?1", params![job.video.to_string()])?;
    }
    videos::touch(tx, job.video)?;
    events::of_state(tx, job.video, &["video.progress"], job.failures.saturating_add(1))?;
    tx.hint(Some(job.video), HintKind::Media);
    Ok(requeued)
}

/// The run of a stored chunk that was never queued again.
fn stored_once(db: &Db<'_>, job: &jobs::Job, first: u64) -> Result<Option<Segments>> {
    let sql = "SELECT first, last FROM chunks WHERE video = ?1 AND generation = ?2 AND first = ?3 AND requeued = 0";
    let read = jobs::run;
    let key = params![job.video.to_string(), job.generation, rows::int(first)];
    db.first(sql, key, read)
}

/// Every object is gone: the rows follow, and a tombstone stays. The sessions that watched, of which there may be
/// millions, go when they are over; no view is counted for them.
pub(crate) fn delete(tx: &mut Tx<'_>, held: Held) -> Result<()> {
    let Some(job) = held_of_kind(tx, held, JobKind::Delete)? else { return Ok(()) };
    jobs::end(tx, job.id, "done")?;
    let id = job.video;
    // An abandoned upload has no row, and nothing of it was ever acknowledged.
    if videos::get(tx, id)?.is_none() {
        return Ok(());
    }
    events::of_state(tx, id, &["video.deleted"], job.failures.saturating_add(1))?;
    videos::remove_generations(tx, id)?;
    tx.execute("DELETE FROM videos WHERE id = ?1", params![id.to_string()])?;
    let sql = "INSERT INTO tombstones (id, deleted_at_ms) VALUES (?1, ?2) ON CONFLICT DO NOTHING";
    tx.execute(sql, params![id.to_string(), tx.now_ms])?;
    Ok(())
}

fn held_of_kind(tx: &Tx<'_>, held: Held, kind: JobKind) -> Result<Option<jobs::Job>> {
    let job = jobs::held(tx, held)?;
    if job.as_ref().is_some_and(|job| job.kind != kind) {
        return Err(Error::Invalid(format!("the claim is not on a {} job", kind.as_str())));
    }
    Ok(job)
}
