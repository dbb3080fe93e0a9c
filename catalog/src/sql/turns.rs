//! Turns: what one process at a time does now and then, going on each time where the last one ended.

use super::{
    Tx,
    rows::{Row, params},
};
use crate::Result;

/// Begins a turn if the last one began so long ago, whoever had it. Gives where that one ended.
pub(crate) fn begin(tx: &Tx<'_>, name: &str, every_ms: i64) -> Result<Option<String>> {
    let sql = "INSERT INTO turns (name, began_at_ms, place) VALUES (?1, ?2, '')
         ON CONFLICT (name) DO UPDATE SET began_at_ms = excluded.began_at_ms WHERE turns.began_at_ms <= ?3 RETURNING place";
    tx.first(sql, params![name, tx.now_ms, tx.now_ms.saturating_sub(every_ms)], Row::scalar)
}

/// Says where a turn ended.
pub(crate) fn end(tx: &Tx<'_>, name: &str, place: &str) -> Result<()> {
    tx.execute("UPDATE turns SET place = ?2 WHERE name = ?1", params![name, place])?;
    Ok(())
}
