//! The event log: appended to at the end of the transaction that causes an event, so that its order is
//! the order of commits.

use serde_json::Value;
use vidstream_media::VideoId;

use super::{
    Db, Statement, Tx,
    rows::{self, Row, params},
};
use crate::{Event, HintKind, Result, Video, limits};

/// Appends an event with the video as it is now, and gives the video.
pub(super) fn of_state(tx: &mut Tx<'_>, id: VideoId, kinds: &[&str], attempt: u32) -> Result<Video> {
    let video = super::videos::existing(tx, id)?;
    let data = rows::to_json(&video)?;
    for kind in kinds {
        append(tx, Entry { video: id, kind: (*kind).to_owned(), of_job: false, attempt, data: data.clone() });
    }
    Ok(video)
}

/// Appends a line of the timeline: what became of an attempt.
pub(super) fn of_job(tx: &mut Tx<'_>, id: VideoId, kind: &str, attempt: u32, data: &Value) {
    append(tx, Entry { video: id, kind: kind.to_owned(), of_job: true, attempt, data: data.to_string() });
}

/// An event that gets its place when its transaction ends.
#[derive(Debug)]
pub(super) struct Entry {
    video: VideoId,
    kind: String,
    of_job: bool,
    attempt: u32,
    data: String,
}

fn append(tx: &mut Tx<'_>, entry: Entry) {
    // Nobody follows the jobs: their timeline is read when it is asked for, and a word to all for each claim is dear.
    if !entry.of_job {
        tx.hint(Some(entry.video), HintKind::Event);
    }
    tx.events.push(entry);
}

/// What gives the events of a transaction their places: the last that it does before it commits.
///
/// Postgres: the counter's row stays locked until the commit can be seen, so nobody takes a later place
/// before. A sequence would not do: its numbers are taken long before they are committed. Without a counter the place
/// is NULL, which the table refuses. `SQLite` has one writer anyway.
pub(super) fn placing(tx: &mut Tx<'_>) -> Vec<Statement> {
    let sql = tx.engine().pick(
        "INSERT INTO events (id, kind, of_job, video, attempt, created_at_ms, data) VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7)",
        "WITH place AS (UPDATE counters SET value = value + 1 WHERE name = 'event' RETURNING value)
         INSERT INTO events (seq, id, kind, of_job, video, attempt, created_at_ms, data)
         SELECT (SELECT value FROM place), ?1, ?2, ?3, ?4, ?5, ?6, ?7",
    );
    let now_ms = tx.now_ms;
    let statement = |entry: Entry| {
        let name = format!("evt_{}", uuid::Uuid::now_v7().simple());
        let video = entry.video.to_string();
        let row = params![name, entry.kind, entry.of_job, video, entry.attempt, now_ms, entry.data];
        Statement { sql, values: row.to_vec() }
    };
    std::mem::take(&mut tx.events).into_iter().map(statement).collect()
}

/// `video.*` events after a place.
pub(crate) fn after(db: &Db<'_>, seq: i64, limit: u32) -> Result<Vec<Event>> {
    let sql = "SELECT * FROM events WHERE of_job = 0 AND seq > ?1 ORDER BY seq LIMIT ?2";
    db.all(sql, params![seq, limit.min(limits::EVENTS_READ_MAX)], event)
}

/// All events of a video after a place.
pub(crate) fn of_video(db: &Db<'_>, id: VideoId, seq: i64, limit: u32) -> Result<Vec<Event>> {
    let sql = "SELECT * FROM events WHERE video = ?1 AND seq > ?2 ORDER BY seq LIMIT ?3";
    db.all(sql, params![id.to_string(), seq, limit.min(limits::EVENTS_READ_MAX)], event)
}

/// The place of the newest event that ever was.
pub(crate) fn last_seq(db: &Db<'_>) -> Result<i64> {
    let sql = db.engine().pick(
        "SELECT coalesce(max(seq), 0) FROM sqlite_sequence WHERE name = 'events'",
        "SELECT value FROM counters WHERE name = 'event'",
    );
    db.one(sql, params![], Row::scalar)
}

/// The place of the oldest event that is kept.
pub(crate) fn oldest_seq(db: &Db<'_>) -> Result<i64> {
    let oldest: Option<i64> = db.one("SELECT min(seq) FROM events", params![], Row::scalar)?;
    oldest.map_or_else(|| Ok(last_seq(db)? + 1), Ok)
}

/// Removes the oldest events, beyond their number or age, a bounded count at a time. A reader that
/// stands before them is told so by [`oldest_seq`].
pub(super) fn trim(tx: &mut Tx<'_>) -> Result<u64> {
    let over = last_seq(tx)?.saturating_sub(limits::EVENTS_MAX);
    let expired_ms = tx.now_ms.saturating_sub(limits::EVENTS_MS);
    let sql = "SELECT seq, created_at_ms FROM events ORDER BY seq LIMIT ?1";
    let mut end = 0;
    for row in &tx.query(sql, params![limits::SWEEP_ROWS_MAX])? {
        let (seq, created_at_ms): (i64, i64) = (row.get("seq")?, row.get("created_at_ms")?);
        if seq > over && created_at_ms > expired_ms {
            break;
        }
        end = seq;
    }
    tx.execute("DELETE FROM events WHERE seq <= ?1", params![end])
}

fn event(row: &Row) -> Result<Event> {
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
