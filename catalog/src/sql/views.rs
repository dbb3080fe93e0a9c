//! Views: one for each viewing session.

use std::collections::BTreeMap;

use vidstream_media::VideoId;

use super::{Tx, rows::params};
use crate::{Result, Session, Viewer, limits};

/// Counts the views that are not counted already, and gives how many those are. A video that is gone has none.
pub(crate) fn count(tx: &mut Tx<'_>, viewers: &[Viewer]) -> Result<u64> {
    let mut videos: BTreeMap<VideoId, Vec<&Session>> = BTreeMap::new();
    for viewer in viewers {
        videos.entry(viewer.video).or_default().push(&viewer.session);
    }
    if videos.len() > 1 {
        tx.upkeep()?;
    }
    let mut counted = 0;
    for (id, sessions) in videos {
        counted += count_of(tx, id, &sessions)?;
    }
    Ok(counted)
}

fn count_of(tx: &Tx<'_>, id: VideoId, sessions: &[&Session]) -> Result<u64> {
    tx.lock(id)?;
    let id = id.to_string();
    if !tx.exists("SELECT 1 FROM videos WHERE id = ?1", params![id])? {
        return Ok(0);
    }
    // Within its time a session counts once, however often it is seen and whoever tells of it.
    let sql = "INSERT INTO view_sessions (video, session, at_ms) VALUES (?1, ?2, ?3)
         ON CONFLICT (video, session) DO UPDATE SET at_ms = excluded.at_ms WHERE view_sessions.at_ms <= ?4";
    let expired_ms = tx.now_ms.saturating_sub(limits::VIEW_SESSION_MS);
    let mut new: u32 = 0;
    for session in sessions {
        new += u32::from(tx.execute(sql, params![id, session.as_str(), tx.now_ms, expired_ms])? > 0);
    }
    if new > 0 {
        tx.execute("UPDATE videos SET views = views + ?2 WHERE id = ?1", params![id, new])?;
    }
    Ok(u64::from(new))
}

/// Forgets sessions that are over, a bounded count at a time.
pub(super) fn trim(tx: &mut Tx<'_>) -> Result<u64> {
    let sql = "DELETE FROM view_sessions WHERE (video, session) IN
         (SELECT video, session FROM view_sessions WHERE at_ms <= ?1 ORDER BY at_ms LIMIT ?2)";
    let expired_ms = tx.now_ms.saturating_sub(limits::VIEW_SESSION_MS);
    tx.execute(sql, params![expired_ms, limits::SESSIONS_FORGOTTEN_MAX])
}
