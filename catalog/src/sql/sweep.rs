//! The sweeper: ends what nobody holds any more, repairs what has no job, forgets what is old.

use vidstream_media::VideoId;

use super::{
    Tx, audit, chunks, events, jobs, leases, next, probe,
    rows::{self, Row, params},
    uploads, videos, views, workers,
};
use crate::{Error, JobKind, Result, State, Step, Swept, VideoError, coverage, limits};

/// One sweep, with a bound for each kind of row.
pub(crate) fn sweep(tx: &mut Tx<'_>) -> Result<Swept> {
    let mut swept = Swept::default();
    // One sweeper is enough; whoever else would sweep now has nothing to wait for.
    if !tx.try_upkeep()? {
        return Ok(swept);
    }
    swept.leases_expired = leases::expire(tx)?;
    for id in expired_uploads(tx)? {
        // What is found without its lock may have moved on until it is locked; so everywhere below.
        tx.lock(id)?;
        if is_expired_upload(tx, id)? {
            uploads::forget(tx, id)?;
            swept.uploads_expired.push(id);
        }
    }
    for id in expired_videos(tx)? {
        tx.lock(id)?;
        if is_expired(tx, id)? {
            videos::delete(tx, id)?;
            swept.videos_expired.push(id);
        }
    }
    for video in audit::without_job(tx)? {
        tx.lock(video.id)?;
        if let Some(video) = audit::still_without_job(tx, video.id)? {
            repair(tx, &video, &mut swept)?;
        }
    }
    swept.restarted = workers::restart_orphans(tx)?;
    swept.tombstones_removed = forget_tombstones(tx)?;
    swept.events_trimmed = events::trim(tx)?;
    swept.sessions_forgotten = views::trim(tx)?;
    forget_waits(tx)?;
    Ok(swept)
}

fn expired_uploads(tx: &Tx<'_>) -> Result<Vec<VideoId>> {
    let sql = "SELECT id FROM videos WHERE state = 'uploading' AND coalesce(upload_until_ms, 0) <= ?1
         ORDER BY created_at_ms, id LIMIT ?2";
    tx.all(sql, params![tx.now_ms, limits::SWEEP_ROWS_MAX], |row| rows::video_id(row, "id"))
}

fn is_expired_upload(tx: &Tx<'_>, id: VideoId) -> Result<bool> {
    let sql = "SELECT 1 FROM videos WHERE id = ?1 AND state = 'uploading' AND coalesce(upload_until_ms, 0) <= ?2";
    tx.exists(sql, params![id.to_string(), tx.now_ms])
}

fn expired_videos(tx: &Tx<'_>) -> Result<Vec<VideoId>> {
    let sql =
        "SELECT id FROM videos WHERE expires_at_ms <= ?1 AND state <> 'deleting' ORDER BY expires_at_ms, id LIMIT ?2";
    tx.all(sql, params![tx.now_ms, limits::EXPIRED_MAX], |row| rows::video_id(row, "id"))
}

fn is_expired(tx: &Tx<'_>, id: VideoId) -> Result<bool> {
    let sql = "SELECT 1 FROM videos WHERE id = ?1 AND expires_at_ms <= ?2 AND state <> 'deleting'";
    tx.exists(sql, params![id.to_string(), tx.now_ms])
}

/// Restores the jobs of a video that has none, a few times; then gives it up.
fn repair(tx: &mut Tx<'_>, video: &audit::Unfinished, swept: &mut Swept) -> Result<()> {
    let sql = "UPDATE videos SET repairs = repairs + 1 WHERE id = ?1 RETURNING repairs";
    let repairs: u32 = tx.one(sql, params![video.id.to_string()], Row::scalar)?;
    let restored = match video.state {
        // The bytes must go before the row does, however often it takes.
        State::Deleting => {
            jobs::insert(tx, &jobs::New::once(video.id, video.generation, JobKind::Delete))?;
            true
        }
        _ if repairs > limits::REPAIRS_MAX => false,
        // One damaged row must not keep the sweeper from all others.
        State::Processing => match restore_processing(tx, video) {
            Err(Error::Corrupt(_)) => false,
            outcome => outcome?,
        },
        _ => {
            jobs::insert(tx, &jobs::New::once(video.id, video.generation, JobKind::Probe))?;
            true
        }
    };
    tracing::warn!(video = %video.id, state = %video.state, restored, "a video had no job");
    if restored {
        swept.repaired.push(video.id);
        return Ok(());
    }
    let error = VideoError {
        code: "internal".to_owned(),
        title: "Processing stopped".to_owned(),
        detail: format!("no job was left in state {} and it could not be restored", video.state),
        retryable: true,
        step: if video.state == State::Processing { Step::Transcode } else { Step::Probe },
        attempt: 0,
    };
    videos::fail(tx, video.id, &error)?;
    swept.failed.push(video.id);
    Ok(())
}

/// Queues the segments that no chunk holds, or else what comes after them.
fn restore_processing(tx: &mut Tx<'_>, video: &audit::Unfinished) -> Result<bool> {
    let (id, generation) = (video.id, video.generation);
    let Some(plan) = chunks::plan(tx, id, generation)? else { return Ok(false) };
    let runs = audit::all_runs(tx, id, generation)?;
    let Some(gaps) = coverage::gaps(&runs, plan.timeline.segments()) else { return Ok(false) };
    let encoders = probe::encoder_set(tx, &plan)?;
    let once = jobs::New { encoders: Some(encoders), ..jobs::New::once(id, generation, JobKind::Encode) };
    for run in gaps {
        jobs::insert(tx, &jobs::New::of_run(run, once))?;
    }
    chunks::recount(tx, id, generation)?;
    next::queue(tx, id, generation, &plan)?;
    for kind in [JobKind::Encode, JobKind::Sheet, JobKind::Finalize] {
        if next::has_open(tx, id, generation, kind)? {
            return Ok(true);
        }
    }
    // Finalized and yet not ready: no row that we write together says so.
    Ok(false)
}

fn forget_tombstones(tx: &mut Tx<'_>) -> Result<u64> {
    let expired_ms = tx.now_ms.saturating_sub(limits::TOMBSTONE_MS);
    let sql = "DELETE FROM tombstones WHERE id IN (SELECT id FROM tombstones WHERE deleted_at_ms <= ?1 ORDER BY deleted_at_ms LIMIT ?2)";
    let removed = tx.execute(sql, params![expired_ms, limits::SWEEP_ROWS_MAX])?;
    let done_ms = tx.now_ms.saturating_sub(limits::DELETED_JOB_MS);
    let sql = "DELETE FROM jobs WHERE id IN
         (SELECT id FROM jobs WHERE state = 'done' AND kind = 'delete' AND ended_at_ms <= ?1 ORDER BY ended_at_ms LIMIT ?2)";
    tx.execute(sql, params![done_ms, limits::SWEEP_ROWS_MAX])?;
    Ok(removed)
}

/// Waits that ran out so long ago that they say nothing of where a viewer is.
fn forget_waits(tx: &mut Tx<'_>) -> Result<()> {
    let over_ms = tx.now_ms.saturating_sub(limits::AHEAD_MS);
    let sql = "DELETE FROM waits WHERE (video, generation, segment) IN
         (SELECT video, generation, segment FROM waits WHERE deadline_ms <= ?1 ORDER BY deadline_ms LIMIT ?2)";
    tx.execute(sql, params![over_ms, limits::SWEEP_ROWS_MAX])?;
    Ok(())
}
