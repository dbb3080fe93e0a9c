//! One transaction, from its beginning to its hints.

use super::{Access, Connection, Db, Tx, cache::Cache, events};
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
    let open = Open::begin(conn, Access::Read)?;
    let value = function(&db(conn, with)?)?;
    open.commit()?;
    Ok(value)
}

/// Runs a function in a write transaction: committed when it succeeds, else as if it never ran. Gives the
/// hints beside the value.
pub(crate) fn write<T>(
    conn: &dyn Connection,
    with: Surroundings<'_>,
    function: impl FnOnce(&mut Tx<'_>) -> Result<T>,
) -> Result<(T, Vec<Hint>)> {
    let open = Open::begin(conn, Access::Write)?;
    let mut tx = Tx { db: db(conn, with)?, events: Vec::new(), hints: Vec::new() };
    let value = function(&mut tx)?;
    conn.announce(&tx.hints)?;
    events::flush(&mut tx)?;
    open.commit()?;
    Ok((value, tx.hints))
}

/// The time is taken inside: with `SQLite` the lock is held then, so rows are written in the order of their times.
fn db<'a>(conn: &'a dyn Connection, with: Surroundings<'a>) -> Result<Db<'a>> {
    let now_ms = with.clock.map_or_else(|| conn.now_ms(), |clock| Ok(clock()))?;
    Ok(Db { conn, now_ms, cache: with.cache })
}

// === impl Open ===

impl<'a> Open<'a> {
    fn begin(conn: &'a dyn Connection, access: Access) -> Result<Self> {
        conn.begin(access)?;
        Ok(Self { conn, ended: false })
    }

    fn commit(mut self) -> Result<()> {
        self.conn.commit()?;
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
