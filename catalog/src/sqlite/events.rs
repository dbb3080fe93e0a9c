//! The event log: appended to inside the transaction that causes an event, so that its order is the
//! order of commits.

use rusqlite::{Row, params};
use serde_json::Value;
use vidstream_media::VideoId;

use super::{Db, Tx, rows};
use crate::{Event, HintKind, Result, Video, limits};

/// Appends an event with the video as it is now, and gives the video.
pub(super) fn of_state(tx: &mut Tx<'_>, id: VideoId, kinds: &[&str], attempt: u32) -> Result<Video> {
    let video = super::videos::existing(tx, id)?;
    let data = rows::to_json(&video)?;
    for kind in kinds {
        append(tx, id, &Entry { kind, of_job: false, attempt, data: &data })?;
    }
    Ok(video)
}

/// Appends a line of the timeline: what became of an attempt.
pub(super) fn of_job(tx: &mut Tx<'_>, id: VideoId, kind: &str, attempt: u32, data: &Value) -> Result<()> {
    append(tx, id, &Entry { kind, of_job: true, attempt, data: &data.to_string() })
}

struct Entry<'a> {
    kind: &'a str,
    of_job: bool,
    attempt: u32,
    data: &'a str,
}

fn append(tx: &mut Tx<'_>, id: VideoId, entry: &Entry<'_>) -> Result<()> {
    let name = format!("evt_{}", uuid::Uuid::now_v7().simple());
    tx.conn
        .prepare_cached(
            "INSERT INTO events (id, kind, of_job, video, attempt, created_at_ms, data) VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7)",
        )?
        .execute(params![name, entry.kind, entry.of_job, id.to_string(), entry.attempt, tx.now_ms, entry.data])?;
    tx.hint(Some(id), HintKind::Event);
    Ok(())
}

/// `video.*` events after a place.
pub(crate) fn after(db: &Db<'_>, seq: i64, limit: u32) -> Result<Vec<Event>> {
    let mut statement =
        db.conn.prepare_cached("SELECT * FROM events WHERE of_job = 0 AND seq > ?1 ORDER BY seq LIMIT ?2")?;
    let events = statement.query_map(params![seq, limit.min(limits::EVENTS_READ_MAX)], event)?;
    Ok(events.collect::<rusqlite::Result<_>>()?)
}

/// All events of a video after a place.
pub(crate) fn of_video(db: &Db<'_>, id: VideoId, seq: i64, limit: u32) -> Result<Vec<Event>> {
    let mut statement =
        db.conn.prepare_cached("SELECT * FROM events WHERE video = ?1 AND seq > ?2 ORDER BY seq LIMIT ?3")?;
    let events = statement.query_map(params![id.to_string(), seq, limit.min(limits::EVENTS_READ_MAX)], event)?;
    Ok(events.collect::<rusqlite::Result<_>>()?)
}

/// The place of the newest event that ever was.
pub(crate) fn last_seq(db: &Db<'_>) -> Result<i64> {
    let sql = "SELECT coalesce(max(seq), 0) FROM sqlite_sequence WHERE name = 'events'";
    Ok(db.conn.prepare_cached(sql)?.query_row([], |row| row.get(0))?)
}

/// The place of the oldest event that is kept.
pub(crate) fn oldest_seq(db: &Db<'_>) -> Result<i64> {
    let oldest: Option<i64> = db.conn.prepare_cached("SELECT min(seq) FROM events")?.query_row([], |row| row.get(0))?;
    oldest.map_or_else(|| Ok(last_seq(db)? + 1), Ok)
}

/// Removes the oldest events, beyond their number or age, a bounded count at a time. A reader that
/// stands before them is told so by [`oldest_seq`].
pub(super) fn trim(tx: &mut Tx<'_>) -> Result<u64> {
    let over = last_seq(tx)?.saturating_sub(limits::EVENTS_MAX);
    let expired_ms = tx.now_ms.saturating_sub(limits::EVENTS_MS);
    let mut statement = tx.conn.prepare_cached("SELECT seq, created_at_ms FROM events ORDER BY seq LIMIT ?1")?;
    let mut oldest = statement.query([limits::SWEEP_ROWS_MAX])?;
    let mut end = 0;
    while let Some(row) = oldest.next()? {
        let (seq, created_at_ms): (i64, i64) = (row.get(0)?, row.get(1)?);
        if seq > over && created_at_ms > expired_ms {
            break;
        }
        end = seq;
    }
    let removed = tx.conn.prepare_cached("DELETE FROM events WHERE seq <= ?1")?.execute([end])?;
    Ok(u64::try_from(removed).unwrap_or(0))
}

fn event(row: &Row<'_>) -> rusqlite::Result<Event> {
    Ok(Event {
        id: row.get("id")?,
        seq: row.get("seq")?,
        kind: row.get("kind")?,
        created_at_ms: row.get("created_at_ms")?,
        video: rows::video_id(row, "video")?,
        data: rows::json(row, "data")?,
        attempt: row.get("attempt")?,
    })
}
