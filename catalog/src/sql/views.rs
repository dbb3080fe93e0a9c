//! Views: one for each viewing session.

use std::collections::{BTreeMap, BTreeSet};

use vidstream_media::VideoId;

use super::{
    Engine, Tx,
    rows::{self, params},
};
use crate::{Result, Viewer, limits};

/// What came of some views.
#[derive(Debug, Default)]
pub(crate) struct Counted {
    /// How many were not counted already.
    pub(crate) new: u64,
    /// The videos that somebody else is changing. Theirs are not counted yet.
    pub(crate) busy: BTreeSet<VideoId>,
}

/// Counts the views that are not counted already. A video that is gone has none. Nobody is waited for, and nobody who
/// changes a video waits for long: it takes four statements, however many views and videos there are.
pub(crate) fn count(tx: &mut Tx<'_>, viewers: &[Viewer]) -> Result<Counted> {
    let viewers: BTreeSet<&Viewer> = viewers.iter().collect();
    let asked: BTreeSet<VideoId> = viewers.iter().map(|viewer| viewer.video).collect();
    let there = videos(tx, &asked, "")?;
    let free = match tx.engine() {
        Engine::Sqlite => there.clone(),
        Engine::Postgres => videos(tx, &asked, "FOR UPDATE SKIP LOCKED")?,
    };
    let free_viewers = viewers.into_iter().filter(|viewer| free.contains(&viewer.video));
    let mut views: BTreeMap<VideoId, u64> = BTreeMap::new();
    for video in remember(tx, free_viewers)? {
        *views.entry(video).or_default() += 1;
    }
    let views: Vec<(VideoId, u64)> = views.into_iter().collect();
    if !views.is_empty() {
        let sql = format!(
            "UPDATE videos SET views = views + CAST(told.other AS BIGINT) FROM ({}) AS told WHERE videos.id = told.video",
            pairs(tx.engine())
        );
        tx.execute(&sql, params![rows::to_json(&views)?])?;
    }
    let new = views.iter().map(|(_, views)| views).sum();
    Ok(Counted { new, busy: there.difference(&free).copied().collect() })
}

/// Which of these videos there are, and can be locked.
fn videos(tx: &Tx<'_>, asked: &BTreeSet<VideoId>, lock: &str) -> Result<BTreeSet<VideoId>> {
    let sql = tx.engine().pick(
        "SELECT id FROM videos WHERE id IN (SELECT value FROM json_each(?1))",
        "SELECT id FROM videos WHERE id IN (SELECT json_array_elements_text(CAST(CAST(?1 AS TEXT) AS JSON)))",
    );
    tx.all(&format!("{sql} {lock}"), params![rows::to_json(asked)?], |row| rows::video_id(row, "id"))
}

/// Remembers sessions, and gives the video of each that is a view: within its time a session counts once, however often
/// it is seen and whoever tells of it.
fn remember<'a>(tx: &Tx<'_>, viewers: impl Iterator<Item = &'a Viewer>) -> Result<Vec<VideoId>> {
    let told: Vec<(VideoId, &str)> = viewers.map(|viewer| (viewer.video, viewer.session.as_str())).collect();
    let sql = format!(
        "INSERT INTO view_sessions (video, session, at_ms)
         SELECT told.video, told.other, CAST(?2 AS BIGINT) FROM ({}) AS told WHERE true
         ON CONFLICT (video, session) DO UPDATE SET at_ms = excluded.at_ms WHERE view_sessions.at_ms <= ?3
         RETURNING video",
        pairs(tx.engine())
    );
    let expired_ms = tx.now_ms.saturating_sub(limits::VIEW_SESSION_MS);
    tx.all(&sql, params![rows::to_json(&told)?, tx.now_ms, expired_ms], |row| rows::video_id(row, "video"))
}

/// A video and something else in each row, from an array of such pairs.
fn pairs(engine: Engine) -> &'static str {
    engine.pick(
        "SELECT json_extract(value, '$[0]') AS video, json_extract(value, '$[1]') AS other FROM json_each(?1)",
        "SELECT value ->> 0 AS video, value ->> 1 AS other FROM json_array_elements(CAST(CAST(?1 AS TEXT) AS JSON))",
    )
}

/// Forgets sessions that are over, a bounded count at a time, but for those that somebody is counting again.
pub(crate) fn trim(tx: &mut Tx<'_>) -> Result<u64> {
    let sql = format!(
        "DELETE FROM view_sessions WHERE at_ms <= ?1 AND (video, session) IN
         (SELECT video, session FROM view_sessions WHERE at_ms <= ?1 ORDER BY at_ms LIMIT ?2 {})",
        tx.engine().pick("", "FOR UPDATE SKIP LOCKED")
    );
    let expired_ms = tx.now_ms.saturating_sub(limits::VIEW_SESSION_MS);
    tx.execute(&sql, params![expired_ms, limits::SWEEP_ROWS_MAX])
}
