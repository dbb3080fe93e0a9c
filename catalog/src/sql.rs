//! What the catalog does, in SQL, written once for both databases.
//!
//! Operations are functions over a [`Db`] that reads or a [`Tx`] that writes; each is one transaction of
//! whichever [`Connection`] runs it. Their SQL is what `SQLite` and Postgres have in common, in `SQLite`'s
//! spelling (`postgres/dialect.rs` renders the rest); where one text does not do, [`Engine::pick`] has both.
//!
//! `SQLite` has one writer at a time. With Postgres writers run side by side, so each locks what it changes,
//! always in this order: the upkeep's lock, videos, jobs, the counter of events. A video's row stands for
//! all that belongs to it. Only claims go another way: they lock a job first, and then never wait for a video; and views,
//! which lock the videos that they can have at once.

use std::ops::Deref;

use vidstream_media::VideoId;

use self::rows::{Row, Value, params};
use crate::{Claim, Error, Hint, HintKind, Result};

pub(crate) mod archive;
pub(crate) mod audit;
pub(crate) mod cache;
mod chunks;
pub(crate) mod claim;
pub(crate) mod events;
pub(crate) mod fail;
pub(crate) mod finish;
mod jobs;
pub(crate) mod leases;
mod next;
mod order;
pub(crate) mod probe;
pub(crate) mod publish;
pub(crate) mod raise;
pub(crate) mod rows;
pub(crate) mod snapshot;
pub(crate) mod sweep;
pub(crate) mod transaction;
pub(crate) mod turns;
pub(crate) mod uploads;
pub(crate) mod videos;
pub(crate) mod views;
mod workers;

/// The key of the lock that whoever locks several videos has.
const UPKEEP_LOCK: i64 = 0x7669_6443_0001;

/// Whose dialect and locks.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Engine {
    Sqlite,
    Postgres,
}

/// What a transaction may do.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Access {
    /// Read one consistent state.
    Read,
    /// Read and write.
    Write,
}

/// A connection that one thread uses at a time: what a database must do for the operations.
pub(crate) trait Connection {
    fn engine(&self) -> Engine;
    /// Begins a transaction and gives the database's own time, in milliseconds since the Unix epoch.
    fn begin(&self, access: Access) -> Result<i64>;
    /// Runs the last statements of the transaction and commits it; then other processes are told of the hints, if the
    /// database can.
    fn commit(&self, last: &[Statement], hints: &[Hint]) -> Result<()>;
    /// Undoes the transaction. What cannot be undone over this connection ends with it.
    fn rollback(&self);
    fn query(&self, sql: &str, values: &[Value]) -> Result<Vec<Row>>;
    /// Gives how many rows were changed.
    fn execute(&self, sql: &str, values: &[Value]) -> Result<u64>;
}

/// A statement whose answer nobody needs.
pub(crate) struct Statement {
    pub(crate) sql: &'static str,
    pub(crate) values: Vec<Value>,
}

/// Where a claim stands: what a writer proves before it may write.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Held {
    job: i64,
    token: u64,
    video: VideoId,
}

/// A consistent view of the catalog at one moment.
pub(crate) struct Db<'a> {
    conn: &'a dyn Connection,
    now_ms: i64,
    cache: &'a cache::Cache,
}

/// A write transaction, with the events to append at its end and the hints to give after it.
pub(crate) struct Tx<'a> {
    db: Db<'a>,
    events: Vec<events::Entry>,
    hints: Vec<Hint>,
}

// === impl Engine ===

impl Engine {
    /// The text for this engine.
    fn pick(self, sqlite: &'static str, postgres: &'static str) -> &'static str {
        match self {
            Self::Sqlite => sqlite,
            Self::Postgres => postgres,
        }
    }
}

// === impl Held ===

impl Held {
    /// What a claim proves.
    pub(crate) fn of(claim: &Claim) -> Self {
        Self { job: claim.job, token: claim.token, video: claim.video }
    }
}

// === impl Db ===

impl Db<'_> {
    fn engine(&self) -> Engine {
        self.conn.engine()
    }

    fn query(&self, sql: &str, values: &[Value]) -> Result<Vec<Row>> {
        self.conn.query(sql, values)
    }

    /// All rows, each read by a function.
    fn all<T, C: FromIterator<T>>(&self, sql: &str, values: &[Value], read: impl Fn(&Row) -> Result<T>) -> Result<C> {
        self.query(sql, values)?.iter().map(read).collect()
    }

    /// The first row, if there is any.
    fn first<T>(&self, sql: &str, values: &[Value], read: impl FnOnce(&Row) -> Result<T>) -> Result<Option<T>> {
        self.query(sql, values)?.first().map(read).transpose()
    }

    /// The row of a statement that always gives one.
    fn one<T>(&self, sql: &str, values: &[Value], read: impl FnOnce(&Row) -> Result<T>) -> Result<T> {
        self.first(sql, values, read)?.ok_or_else(|| Error::Corrupt("a row is missing".to_owned()))
    }

    fn exists(&self, sql: &str, values: &[Value]) -> Result<bool> {
        Ok(!self.query(sql, values)?.is_empty())
    }
}

// === impl Tx ===

impl<'a> Deref for Tx<'a> {
    type Target = Db<'a>;

    fn deref(&self) -> &Db<'a> {
        &self.db
    }
}

impl Tx<'_> {
    fn execute(&self, sql: &str, values: &[Value]) -> Result<u64> {
        self.conn.execute(sql, values)
    }

    /// Gives a hint after the commit, each once.
    fn hint(&mut self, video: Option<VideoId>, kind: HintKind) {
        let hint = Hint { video, kind };
        if !self.hints.contains(&hint) {
            self.hints.push(hint);
        }
    }

    /// Waits until nobody else changes the video or what belongs to it. What was read before may have changed.
    fn lock(&self, id: VideoId) -> Result<()> {
        if self.engine() == Engine::Postgres {
            self.query("SELECT 1 FROM videos WHERE id = ?1 FOR UPDATE", params![id.to_string()])?;
        }
        Ok(())
    }

    /// As [`Self::lock`], without waiting. Gives whether it is locked now.
    fn try_lock(&self, id: VideoId) -> Result<bool> {
        Ok(self.engine() == Engine::Sqlite
            || self.exists("SELECT 1 FROM videos WHERE id = ?1 FOR UPDATE SKIP LOCKED", params![id.to_string()])?)
    }

    /// Waits until nobody else locks several videos: two who did so would wait for each other.
    fn upkeep(&self) -> Result<()> {
        if self.engine() == Engine::Postgres {
            self.query("SELECT 1 FROM pg_advisory_xact_lock(?1)", params![UPKEEP_LOCK])?;
        }
        Ok(())
    }

    /// As [`Self::upkeep`], without waiting. Gives whether it is locked now.
    fn try_upkeep(&self) -> Result<bool> {
        let sql = "SELECT pg_try_advisory_xact_lock(?1) AS locked";
        Ok(self.engine() == Engine::Sqlite || self.one(sql, params![UPKEEP_LOCK], Row::scalar)?)
    }
}
