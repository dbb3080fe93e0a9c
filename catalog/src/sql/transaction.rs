//! One transaction, from its beginning to its hints.

use super::{Access, Connection, Db, Statement, Tx, cache::Cache, events};
use crate::{Clock, Hint, Result};

/// What a transaction needs beside its connection.
#[derive(Clone, Copy)]
pub(crate) struct Surroundings<'a> {
    /// The time, if it is not the database's.
    pub(crate) clock: Option<&'a Clock>,
    pub(crate) cache: &'a Cache,
}

/// A transaction that is undone unless it is committed, also when its thread unwinds.
struct Open<'a> {
    conn: &'a dyn Connection,
    ended: bool,
}

/// Runs a function in a read transaction.
pub(crate) fn read<T>(
    conn: &dyn Connection,
    with: Surroundings<'_>,
    function: impl FnOnce(&Db<'_>) -> Result<T>,
) -> Result<T> {
    let (open, now_ms) = Open::begin(conn, Access::Read, with)?;
    let value = function(&Db { conn, now_ms, cache: with.cache })?;
    open.commit(&[], &[])?;
    Ok(value)
}

/// Runs a function in a write transaction: committed when it succeeds, else as if it never ran. Gives the
/// hints beside the value.
pub(crate) fn write<T>(
    conn: &dyn Connection,
    with: Surroundings<'_>,
    function: impl FnOnce(&mut Tx<'_>) -> Result<T>,
) -> Result<(T, Vec<Hint>)> {
    let (open, now_ms) = Open::begin(conn, Access::Write, with)?;
    let mut tx = Tx { db: Db { conn, now_ms, cache: with.cache }, events: Vec::new(), hints: Vec::new() };
    let value = function(&mut tx)?;
    open.commit(&events::placing(&mut tx), &tx.hints)?;
    Ok((value, tx.hints))
}

// === impl Open ===

impl<'a> Open<'a> {
    /// Gives the time, too. It is taken inside: with `SQLite` the lock is held then, so rows are written in the order of
    /// their times.
    fn begin(conn: &'a dyn Connection, access: Access, with: Surroundings<'_>) -> Result<(Self, i64)> {
        let database_ms = conn.begin(access)?;
        Ok((Self { conn, ended: false }, with.clock.map_or(database_ms, |clock| clock())))
    }

    fn commit(mut self, last: &[Statement], hints: &[Hint]) -> Result<()> {
        self.conn.commit(last, hints)?;
        self.ended = true;
        Ok(())
    }
}

impl Drop for Open<'_> {
    fn drop(&mut self) {
        if !self.ended {
            self.conn.rollback();
        }
    }
}
