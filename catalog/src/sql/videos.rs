//! The rows of videos: reading, changing state, deletion, another try.

use vidstream_media::VideoId;

use super::{
    Db, Tx, events, jobs,
    rows::{self, Row, params},
    uploads,
};
use crate::{
    Deletion, Edit, Error, Expiry, JobKind, ListQuery, Lookup, Page, Result, State, Video, VideoError, Warning, check,
    cursor::Cursor,
    limits,
    progress::{self, Counts},
    transition,
};

/// What [`video`] reads, before its conditions.
const SELECT: &str = "SELECT videos.*, (SELECT poster FROM generations WHERE generations.video = videos.id
     AND generations.generation = videos.generation) AS poster FROM videos";

/// The video, if its row exists.
pub(crate) fn get(db: &Db<'_>, id: VideoId) -> Result<Option<Video>> {
    db.first(&format!("{SELECT} WHERE id = ?1"), params![id.to_string()], video)
}

/// The video, or `NotFound`.
pub(super) fn existing(db: &Db<'_>, id: VideoId) -> Result<Video> {
    get(db, id)?.ok_or(Error::NotFound)
}

/// State and generation: enough for most decisions.
#[derive(Clone, Copy, Debug)]
pub(super) struct Standing {
    pub(super) state: State,
    pub(super) generation: u32,
}

/// State and generation of a video.
pub(super) fn standing(db: &Db<'_>, id: VideoId) -> Result<Option<Standing>> {
    let read = |row: &Row| Ok(Standing { state: rows::parsed(row, "state")?, generation: row.get("generation")? });
    db.first("SELECT state, generation FROM videos WHERE id = ?1", params![id.to_string()], read)
}

/// Generation and row version.
pub(crate) fn version(db: &Db<'_>, id: VideoId) -> Result<Option<(u32, u64)>> {
    let read = |row: &Row| Ok((row.get("generation")?, row.get::<u64>("row_version")?));
    db.first("SELECT generation, row_version FROM videos WHERE id = ?1", params![id.to_string()], read)
}

/// What is known of an id.
pub(crate) fn lookup(db: &Db<'_>, id: VideoId) -> Result<Lookup> {
    if let Some(video) = get(db, id)? {
        return Ok(Lookup::Live(video));
    }
    Ok(if is_tombstone(db, id)? { Lookup::Deleted } else { Lookup::Unknown })
}

/// Whether the id was deleted, and not too long ago.
pub(super) fn is_tombstone(db: &Db<'_>, id: VideoId) -> Result<bool> {
    let expired_ms = db.now_ms.saturating_sub(limits::TOMBSTONE_MS);
    db.exists("SELECT 1 FROM tombstones WHERE id = ?1 AND deleted_at_ms > ?2", params![id.to_string(), expired_ms])
}

/// A page of videos, newest first.
pub(crate) fn list(db: &Db<'_>, query: &ListQuery) -> Result<Page> {
    let limit = if query.limit == 0 { limits::PAGE_MAX } else { query.limit.min(limits::PAGE_MAX) };
    let after = query.cursor.as_deref().map(Cursor::parse).transpose()?;
    let (time, id) = after.map_or((i64::MAX, String::new()), |cursor| (cursor.created_at_ms, cursor.id.to_string()));
    let state = query.state.map_or("deleting", State::as_str);
    // Texts of their own, so that each uses its own index from the cursor on: of a state that is a parameter a planner does
    // not know how rare it is.
    let same = if query.state.is_some() { "=" } else { "<>" };
    let sql = format!(
        "{SELECT} WHERE state {same} '{state}' AND (created_at_ms, id) < (?1, ?2) ORDER BY created_at_ms DESC, id DESC LIMIT ?3"
    );
    let mut videos: Vec<Video> = db.all(&sql, params![time, id, i64::from(limit) + 1], video)?;
    let shown = usize::try_from(limit).unwrap_or(usize::MAX);
    let more = videos.len() > shown;
    videos.truncate(shown);
    let last = videos.last().filter(|_| more);
    let next_cursor = last.map(|video| Cursor { created_at_ms: video.created_at_ms, id: video.id }.to_text());
    Ok(Page { videos, next_cursor })
}

/// Changes what an editor changes.
pub(crate) fn edit(tx: &mut Tx<'_>, id: VideoId, edit: &Edit, row_version: Option<u64>) -> Result<Video> {
    edit.title.as_deref().map_or(Ok(()), check::title)?;
    tx.lock(id)?;
    let video = existing(tx, id)?;
    if video.state == State::Deleting {
        return Err(Error::Conflict("the video is being deleted".to_owned()));
    }
    if row_version.is_some_and(|expected| expected != video.row_version) {
        return Err(Error::Changed);
    }
    let title = edit.title.as_ref().unwrap_or(&video.title);
    let expires_at_ms = edit.expiry.map_or(video.expires_at_ms, Expiry::at_ms);
    let meta = edit.meta.as_ref().map(|change| change.apply(&video.meta));
    meta.as_ref().map_or(Ok(()), check::meta)?;
    let meta = meta.as_ref().unwrap_or(&video.meta);
    if *title == video.title && expires_at_ms == video.expires_at_ms && *meta == video.meta {
        return Ok(video);
    }
    let sql = "UPDATE videos SET title = ?2, expires_at_ms = ?3, meta = ?4 WHERE id = ?1";
    tx.execute(sql, params![id.to_string(), title, expires_at_ms, rows::to_json(meta)?])?;
    touch(tx, id)?;
    events::of_state(tx, id, &["video.updated"], 0)
}

/// Begins to remove a video.
pub(crate) fn delete(tx: &mut Tx<'_>, id: VideoId) -> Result<Deletion> {
    tx.lock(id)?;
    let Some(video) = get(tx, id)? else {
        return Ok(if is_tombstone(tx, id)? { Deletion::Already } else { Deletion::Unknown });
    };
    if video.state == State::Deleting {
        return Ok(Deletion::Already);
    }
    set_state(tx, &video, State::Deleting)?;
    let sql = "UPDATE videos SET playable = 0, error = NULL, upload_until_ms = NULL WHERE id = ?1";
    tx.execute(sql, params![id.to_string()])?;
    jobs::cancel(tx, id)?;
    jobs::insert(tx, &jobs::New::once(id, video.generation, JobKind::Delete))?;
    events::of_state(tx, id, &["video.updated"], 0)?;
    Ok(Deletion::Accepted)
}

/// Makes a failed or ready video of this generation again, as a new one.
pub(crate) fn retry(tx: &mut Tx<'_>, id: VideoId, generation: u32) -> Result<Video> {
    tx.lock(id)?;
    let video = existing(tx, id)?;
    if !uploads::is_uploaded(tx, id)? {
        return Err(Error::Conflict("the upload was never finished".to_owned()));
    }
    if !matches!(video.state, State::Failed | State::Ready) {
        return Err(Error::Conflict(format!("a video that is {} is not tried again", video.state)));
    }
    if video.generation != generation {
        return Err(Error::Conflict(format!("this is generation {} by now", video.generation)));
    }
    start_again(tx, &video)
}

/// Queues a video whose source is stored as a new generation.
pub(super) fn start_again(tx: &mut Tx<'_>, video: &Video) -> Result<Video> {
    let id = video.id;
    set_state(tx, video, State::Queued)?;
    jobs::cancel(tx, id)?;
    remove_generations(tx, id)?;
    let sql = "UPDATE videos SET generation = generation + 1, playable = 0, error = NULL, warnings = '[]', tracks = '[]',
         frames = 0, frames_best = 0, chunks = 0, chunks_done = 0, sheets = 0, sheets_done = 0, sheets_failed = 0, repairs = 0
         WHERE id = ?1";
    tx.execute(sql, params![id.to_string()])?;
    jobs::insert(tx, &jobs::New::once(id, video.generation.saturating_add(1), JobKind::Probe))?;
    events::of_state(tx, id, &["video.queued"], 0)
}

/// Changes the state, if that is legal. Other columns are the caller's business; the events too.
pub(super) fn set_state(tx: &mut Tx<'_>, video: &Video, to: State) -> Result<()> {
    transition::check(video.state, to)?;
    let sql = "UPDATE videos SET state = ?2 WHERE id = ?1";
    tx.execute(sql, params![video.id.to_string(), to.as_str()])?;
    touch(tx, video.id)
}

/// Gives a video up: its other jobs are cancelled.
pub(super) fn fail(tx: &mut Tx<'_>, id: VideoId, error: &VideoError) -> Result<()> {
    let video = existing(tx, id)?;
    set_state(tx, &video, State::Failed)?;
    let sql = "UPDATE videos SET error = ?2, playable = 0, upload_until_ms = NULL WHERE id = ?1";
    tx.execute(sql, params![id.to_string(), rows::to_json(error)?])?;
    jobs::cancel(tx, id)?;
    events::of_state(tx, id, &["video.failed"], error.attempt)?;
    Ok(())
}

/// Adds warnings. Gives whether any was new; the caller appends the event.
pub(super) fn warn(tx: &mut Tx<'_>, id: VideoId, warnings: &[Warning]) -> Result<bool> {
    if warnings.is_empty() {
        return Ok(false);
    }
    let mut kept = existing(tx, id)?.warnings;
    if !check::add_warnings(&mut kept, warnings) {
        return Ok(false);
    }
    let sql = "UPDATE videos SET warnings = ?2 WHERE id = ?1";
    tx.execute(sql, params![id.to_string(), rows::to_json(&kept)?])?;
    Ok(true)
}

/// Marks the row as changed.
pub(super) fn touch(tx: &mut Tx<'_>, id: VideoId) -> Result<()> {
    let sql = "UPDATE videos SET row_version = row_version + 1, updated_at_ms = ?2 WHERE id = ?1";
    tx.execute(sql, params![id.to_string(), tx.now_ms])?;
    Ok(())
}

/// Removes everything but the row of a video and its open jobs.
pub(super) fn remove_generations(tx: &mut Tx<'_>, id: VideoId) -> Result<()> {
    for sql in [
        "DELETE FROM generations WHERE video = ?1",
        "DELETE FROM configs WHERE video = ?1",
        "DELETE FROM chunks WHERE video = ?1",
        "DELETE FROM sheets WHERE video = ?1",
        "DELETE FROM waits WHERE video = ?1",
        "DELETE FROM jobs WHERE video = ?1 AND state IN ('done', 'failed') AND kind <> 'delete'",
    ] {
        tx.execute(sql, params![id.to_string()])?;
    }
    Ok(())
}

fn video(row: &Row) -> Result<Video> {
    let state = rows::parsed(row, "state")?;
    let error: Option<VideoError> = rows::optional_json(row, "error")?;
    let counts = Counts {
        frames: row.get::<u64>("frames")?,
        frames_best: row.get::<u64>("frames_best")?,
        tracks: rows::json(row, "tracks")?,
        chunks_done: row.get::<u64>("chunks_done")?,
        chunks: row.get::<u64>("chunks")?,
        sheets: row.get::<u64>("sheets")?,
        sheets_done: row.get::<u64>("sheets_done")?,
        sheets_failed: row.get::<u64>("sheets_failed")?,
        since_ms: row.get("since_ms")?,
        committed_at_ms: row.get("committed_at_ms")?,
    };
    Ok(Video {
        id: rows::video_id(row, "id")?,
        title: row.get("title")?,
        state,
        playable: row.get("playable")?,
        generation: row.get("generation")?,
        row_version: row.get::<u64>("row_version")?,
        progress: progress::progress(state, error.as_ref(), &counts),
        facts: rows::optional_json(row, "facts")?,
        artifacts: progress::artifacts(state, &counts),
        views: row.get::<u64>("views")?,
        warnings: rows::json(row, "warnings")?,
        error,
        created_at_ms: row.get("created_at_ms")?,
        updated_at_ms: row.get("updated_at_ms")?,
        bytes: row.get("bytes")?,
        sha256: row.get("digest")?,
        expires_at_ms: row.get("expires_at_ms")?,
        has_poster: row.get::<Option<i64>>("poster")?.is_some(),
        meta: rows::json(row, "meta")?,
    })
}
