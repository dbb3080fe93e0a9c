//! Who claims and with which encoders, and what becomes of plans that pin encoders nobody has.

use std::collections::BTreeSet;

use vidstream_media::VideoId;

use super::{
    Db, Tx, jobs,
    rows::{self, Row, params},
    videos,
};
use crate::{Error, Result, State, Step, VideoError, Worker, limits};

/// Encoders as (plugin, version).
type Encoders = BTreeSet<(String, String)>;

/// Notes that a worker is present and what it has; written only when that is news.
pub(super) fn note(tx: &mut Tx<'_>, worker: &Worker) -> Result<()> {
    let sql = "INSERT INTO workers (id, encoders, seen_at_ms) VALUES (?1, ?2, ?3)
         ON CONFLICT (id) DO UPDATE SET encoders = excluded.encoders, seen_at_ms = excluded.seen_at_ms
         WHERE workers.encoders <> excluded.encoders OR workers.seen_at_ms <= ?4";
    let stale_ms = tx.now_ms.saturating_sub(limits::WORKER_NOTED_MS);
    tx.execute(sql, params![worker.id, rows::to_json(&worker.encoders)?, tx.now_ms, stale_ms])?;
    Ok(())
}

/// The encoder sets as lines of text, each a number and JSON: all of them are one value of a larger statement.
pub(super) const SETS: &str = "(SELECT string_agg(id || ' ' || encoders, '\n') FROM encoder_sets)";

/// The numbers of the encoder sets of which somebody with these encoders has all.
pub(super) fn fulfilled(sets: &str, encoders: &Encoders) -> Result<Vec<i64>> {
    let damaged = || Error::Corrupt("an encoder set is damaged".to_owned());
    let mut fulfilled = Vec::new();
    for line in sets.lines() {
        let (id, needed) = line.split_once(' ').ok_or_else(damaged)?;
        let needed: Encoders = serde_json::from_str(needed).map_err(|_| damaged())?;
        if needed.is_subset(encoders) {
            fulfilled.push(id.parse().map_err(|_| damaged())?);
        }
    }
    Ok(fulfilled)
}

/// Begins videos again whose chunks wait for encoders that no present worker has: an upgrade changed
/// a version, or the machine is gone. While nobody claims at all, waiting is right.
pub(super) fn restart_orphans(tx: &mut Tx<'_>) -> Result<Vec<VideoId>> {
    forget_absent(tx)?;
    let workers = present(tx)?;
    if workers.is_empty() {
        return Ok(Vec::new());
    }
    let sets: Option<String> = tx.one(&format!("SELECT {SETS}"), params![], Row::scalar)?;
    let mut known = BTreeSet::new();
    for encoders in &workers {
        known.extend(fulfilled(sets.as_deref().unwrap_or_default(), encoders)?);
    }
    let known = rows::to_json(&known)?;
    let mut restarted = Vec::new();
    for id in waiting_for_others(tx, &known)? {
        tx.lock(id)?;
        let video = videos::get(tx, id)?.filter(|video| video.state == State::Processing);
        let Some(video) = video else { continue };
        if !is_waiting_for_others(tx, id, &known)? {
            continue;
        }
        if video.generation >= limits::GENERATIONS_MAX {
            jobs::cancel(tx, id)?;
            videos::fail(tx, id, &no_encoder())?;
            continue;
        }
        videos::start_again(tx, &video)?;
        restarted.push(id);
    }
    Ok(restarted)
}

fn forget_absent(tx: &mut Tx<'_>) -> Result<()> {
    let away_ms = tx.now_ms.saturating_sub(limits::WORKER_AWAY_MS);
    tx.execute("DELETE FROM workers WHERE seen_at_ms <= ?1", params![away_ms])?;
    Ok(())
}

fn present(db: &Db<'_>) -> Result<Vec<Encoders>> {
    // Who has no encoder says nothing of which ones there are.
    db.all("SELECT encoders FROM workers WHERE encoders <> '[]'", params![], |row| rows::json(row, "encoders"))
}

/// Videos with pending chunks whose encoder set is not among the known ones.
fn waiting_for_others(db: &Db<'_>, known: &str) -> Result<Vec<VideoId>> {
    // Few sets are unknown, and their jobs are found by the index: the join must begin with the sets.
    let sql = db.engine().pick(
        "SELECT DISTINCT jobs.video FROM encoder_sets CROSS JOIN jobs INDEXED BY jobs_by_encoders ON jobs.encoders = encoder_sets.id
         WHERE encoder_sets.id NOT IN (SELECT value FROM json_each(?1)) AND jobs.state = 'pending' AND jobs.encoders IS NOT NULL LIMIT ?2",
        "SELECT DISTINCT jobs.video FROM encoder_sets JOIN jobs ON jobs.encoders = encoder_sets.id
         WHERE encoder_sets.id NOT IN (SELECT value FROM json_each(?1)) AND jobs.state = 'pending' AND jobs.encoders IS NOT NULL LIMIT ?2",
    );
    db.all(sql, params![known, limits::SWEEP_ROWS_MAX], |row| rows::video_id(row, "video"))
}

fn is_waiting_for_others(db: &Db<'_>, id: VideoId, known: &str) -> Result<bool> {
    let sql = "SELECT 1 FROM jobs WHERE video = ?2 AND state = 'pending' AND encoders IS NOT NULL
         AND encoders NOT IN (SELECT value FROM json_each(?1)) LIMIT 1";
    db.exists(sql, params![known, id.to_string()])
}

fn no_encoder() -> VideoError {
    VideoError {
        code: "no_encoder".to_owned(),
        title: "No worker has the encoders".to_owned(),
        detail: "the encoders that were chosen went away again and again".to_owned(),
        retryable: true,
        step: Step::Transcode,
        attempt: 0,
    }
}
