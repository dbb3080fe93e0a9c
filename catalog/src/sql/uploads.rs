//! Uploads: videos that a lease holds until their last byte is durable.

use vidstream_media::VideoId;

use super::{
    Tx, events, jobs,
    rows::{self, Row, params},
    videos,
};
use crate::{Error, JobKind, NewUpload, Result, State, Video, check, limits};

/// Creates a video, its upload lease and its probe job.
pub(crate) fn create(tx: &mut Tx<'_>, new: &NewUpload) -> Result<Video> {
    check::title(&new.title)?;
    if videos::get(tx, new.id)?.is_some() || videos::is_tombstone(tx, new.id)? || jobs::any(tx, new.id)? {
        return Err(used());
    }
    let bytes = new.bytes_expected.map(rows::int);
    let sql =
        "INSERT INTO videos (id, title, state, bytes, upload_until_ms, created_at_ms, updated_at_ms, expires_at_ms)
         VALUES (?1, ?2, 'uploading', ?3, ?4, ?5, ?5, ?6) ON CONFLICT DO NOTHING";
    let row = params![new.id.to_string(), new.title, bytes, tx.now_ms + limits::LEASE_MS, tx.now_ms, new.expires_at_ms];
    if tx.execute(sql, row)? == 0 {
        return Err(used());
    }
    jobs::insert(tx, &jobs::New::once(new.id, 1, JobKind::Probe))?;
    events::of_state(tx, new.id, &["video.created"], 0)
}

/// Holds an upload for the length of a lease, or until a time. Never shortens what was held.
pub(crate) fn renew(tx: &mut Tx<'_>, id: VideoId, until_ms: Option<i64>) -> Result<()> {
    uploading(tx, id)?;
    let lease_ms = tx.now_ms.saturating_add(limits::LEASE_MS);
    let held_ms = until_ms.unwrap_or(lease_ms).clamp(lease_ms, tx.now_ms.saturating_add(limits::HOLD_MS_MAX));
    let sql = "UPDATE videos SET upload_until_ms = CASE WHEN coalesce(upload_until_ms, 0) > ?2 THEN upload_until_ms ELSE ?2 END
         WHERE id = ?1";
    tx.execute(sql, params![id.to_string(), held_ms])?;
    Ok(())
}

/// Whether all bytes of the source are durable.
pub(super) fn is_uploaded(tx: &mut Tx<'_>, id: VideoId) -> Result<bool> {
    tx.one("SELECT uploaded FROM videos WHERE id = ?1", params![id.to_string()], Row::scalar)
}

/// The upload is complete: from here on the video moves on by its jobs.
pub(crate) fn finish(tx: &mut Tx<'_>, id: VideoId, bytes: u64, sha256: Option<&str>) -> Result<Video> {
    tx.lock(id)?;
    let video = videos::existing(tx, id)?;
    let is_done = is_uploaded(tx, id)? && video.state != State::Deleting;
    let is_same = video.bytes == Some(bytes) && (sha256.is_none() || sha256 == video.sha256.as_deref());
    if is_done && is_same {
        return Ok(video);
    }
    let event = match video.state {
        State::Uploading => {
            videos::set_state(tx, &video, State::Queued)?;
            "video.queued"
        }
        // Judged before its last byte was acknowledged: all of it is there nevertheless.
        State::Failed if !is_done => "video.updated",
        state => return Err(Error::Conflict(format!("the video is {state} and no upload of it can end"))),
    };
    let sql = "UPDATE videos SET bytes = ?2, digest = ?3, uploaded = 1, upload_until_ms = NULL WHERE id = ?1";
    tx.execute(sql, params![id.to_string(), rows::int(bytes), sha256])?;
    events::of_state(tx, id, &[event], 0)
}

/// Forgets an unfinished upload.
pub(crate) fn abandon(tx: &mut Tx<'_>, id: VideoId) -> Result<()> {
    match uploading(tx, id) {
        Ok(()) => forget(tx, id),
        Err(Error::NotFound) => Ok(()),
        Err(error) => Err(error),
    }
}

/// Removes the row and jobs of an upload. A `delete` job without a row removes what was stored; no
/// tombstone is left, since nothing was ever acknowledged.
pub(super) fn forget(tx: &mut Tx<'_>, id: VideoId) -> Result<()> {
    events::of_state(tx, id, &["video.deleted"], 0)?;
    jobs::cancel(tx, id)?;
    videos::remove_generations(tx, id)?;
    tx.execute("DELETE FROM videos WHERE id = ?1", params![id.to_string()])?;
    jobs::insert(tx, &jobs::New::once(id, 1, JobKind::Delete))?;
    Ok(())
}

fn uploading(tx: &Tx<'_>, id: VideoId) -> Result<()> {
    tx.lock(id)?;
    let video = videos::existing(tx, id)?;
    match video.state {
        State::Uploading => Ok(()),
        State::Deleting => Err(Error::NotFound),
        state => Err(Error::Conflict(format!("the video is {state} and not uploading"))),
    }
}

fn used() -> Error {
    Error::Conflict("the id was used before".to_owned())
}
