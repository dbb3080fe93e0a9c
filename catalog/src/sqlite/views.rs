//! Views: one for each viewing session.

use rusqlite::params;
use vidstream_media::VideoId;

use super::{Tx, videos};
use crate::{Error, Result, limits};

/// Counts a view, unless the session is counted already.
pub(crate) fn count(tx: &mut Tx<'_>, id: VideoId, session: &str) -> Result<bool> {
    if session.is_empty() || session.len() > limits::TEXT_BYTES_MAX {
        return Err(Error::Invalid(format!("a session has 1 to {} bytes", limits::TEXT_BYTES_MAX)));
    }
    videos::existing(tx, id)?;
    // Within its time a session counts once, however often it is seen.
    let sql = "INSERT INTO view_sessions (video, session, at_ms) VALUES (?1, ?2, ?3)
         ON CONFLICT DO UPDATE SET at_ms = excluded.at_ms WHERE at_ms <= ?4";
    let expired_ms = tx.now_ms.saturating_sub(limits::VIEW_SESSION_MS);
    let new = tx.conn.prepare_cached(sql)?.execute(params![id.to_string(), session, tx.now_ms, expired_ms])?;
    if new == 0 {
        return Ok(false);
    }
    tx.conn.prepare_cached("UPDATE videos SET views = views + 1 WHERE id = ?1")?.execute([id.to_string()])?;
    Ok(true)
}

/// Forgets sessions that are over.
pub(super) fn trim(tx: &mut Tx<'_>) -> Result<()> {
    let sql = "DELETE FROM view_sessions WHERE (video, session) IN
         (SELECT video, session FROM view_sessions WHERE at_ms <= ?1 ORDER BY at_ms LIMIT ?2)";
    let expired_ms = tx.now_ms.saturating_sub(limits::VIEW_SESSION_MS);
    tx.conn.prepare_cached(sql)?.execute(params![expired_ms, limits::SWEEP_ROWS_MAX])?;
    Ok(())
}
