//! Views: one for each viewing session.

use vidstream_media::VideoId;

use super::{Tx, rows::params, videos};
use crate::{Result, check, limits};

/// Counts a view, unless the session is counted already.
pub(crate) fn count(tx: &mut Tx<'_>, id: VideoId, session: &str) -> Result<bool> {
    check::name("a session", session)?;
    tx.lock(id)?;
    videos::existing(tx, id)?;
    // Within its time a session counts once, however often it is seen.
    let sql = "INSERT INTO view_sessions (video, session, at_ms) VALUES (?1, ?2, ?3)
         ON CONFLICT (video, session) DO UPDATE SET at_ms = excluded.at_ms WHERE view_sessions.at_ms <= ?4";
    let expired_ms = tx.now_ms.saturating_sub(limits::VIEW_SESSION_MS);
    let new = tx.execute(sql, params![id.to_string(), session, tx.now_ms, expired_ms])?;
    if new == 0 {
        return Ok(false);
    }
    tx.execute("UPDATE videos SET views = views + 1 WHERE id = ?1", params![id.to_string()])?;
    Ok(true)
}

/// Forgets sessions that are over.
pub(super) fn trim(tx: &mut Tx<'_>) -> Result<()> {
    let sql = "DELETE FROM view_sessions WHERE (video, session) IN
         (SELECT video, session FROM view_sessions WHERE at_ms <= ?1 ORDER BY at_ms LIMIT ?2)";
    let expired_ms = tx.now_ms.saturating_sub(limits::VIEW_SESSION_MS);
    tx.execute(sql, params![expired_ms, limits::SWEEP_ROWS_MAX])?;
    Ok(())
}
