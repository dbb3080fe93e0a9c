//! The SQLite adapter: one writer thread and a few reader threads of a process over one file.
//!
//! Every write is one `BEGIN IMMEDIATE` transaction, so commit order is the order of the event log
//! and two processes on one file take turns. The file is in WAL mode with `synchronous = FULL`: a
//! commit is on the disk before the call returns, since an acknowledged upload is never lost, not
//! even when the power fails. What a call waits for is bounded: the queue of this process by
//! [`limits::QUEUE_WAIT_MS`], the lock of the other by [`limits::LOCK_WAIT_MS`].

use std::{ops::Deref, path::Path, sync::Arc, time::Duration};

use rusqlite::{Connection, TransactionBehavior};
use tokio::sync::{broadcast, mpsc, oneshot};
use vidstream_media::VideoId;

use crate::{Claim, Clock, Error, Hint, HintKind, Result, Snapshot, Wanted, Worker, limits};

pub(crate) mod audit;
mod cache;
mod chunks;
pub(crate) mod claim;
mod error;
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
mod rows;
mod schema;
mod snapshot;
pub(crate) mod sweep;
mod threads;
pub(crate) mod uploads;
pub(crate) mod videos;
pub(crate) mod views;
mod workers;

/// Where a claim stands: what a writer proves before it may write.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Held {
    job: i64,
    token: u64,
}

/// A consistent view of the catalog at one moment.
pub(crate) struct Db<'a> {
    conn: &'a Connection,
    now_ms: i64,
    cache: &'a cache::Cache,
}

/// A write transaction, and the hints to give once it is committed.
pub(crate) struct Tx<'a> {
    db: Db<'a>,
    hints: Vec<Hint>,
}

/// The threads over one file.
pub(crate) struct Sqlite {
    writes: mpsc::Sender<threads::Operation>,
    reads: mpsc::Sender<threads::Operation>,
    clock: Clock,
    cache: Arc<cache::Cache>,
    hints: broadcast::Sender<Hint>,
}

// === impl Held ===

impl Held {
    /// What a claim proves.
    pub(crate) fn of(claim: &Claim) -> Self {
        Self { job: claim.job, token: claim.token }
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
    /// Gives a hint after the commit, each once.
    fn hint(&mut self, video: Option<VideoId>, kind: HintKind) {
        let hint = Hint { video, kind };
        if !self.hints.contains(&hint) {
            self.hints.push(hint);
        }
    }
}

// === impl Sqlite ===

impl Sqlite {
    /// Opens the file, makes it if it is not there, and brings its schema up to date.
    pub(crate) async fn open(path: &str, clock: Clock) -> Result<Self> {
        if path.is_empty() || path.contains('\0') {
            return Err(Error::Invalid("the catalog's URL names no file: sqlite:///path/file.db".to_owned()));
        }
        let path: Arc<Path> = Path::new(path).into();
        let writes = threads::writer(Arc::clone(&path)).await?;
        let reads = threads::readers(path).await?;
        let (hints, _) = broadcast::channel(limits::HINTS_QUEUED_MAX);
        Ok(Self { writes, reads, clock, cache: Arc::default(), hints })
    }

    pub(crate) fn hints(&self) -> broadcast::Receiver<Hint> {
        self.hints.subscribe()
    }

    /// Runs a function in a write transaction: committed when it succeeds, else as if it never ran.
    pub(crate) async fn write<T, F>(&self, function: F) -> Result<T>
    where
        T: Send + 'static,
        F: FnOnce(&mut Tx<'_>) -> Result<T> + Send + 'static,
    {
        self.write_or(function, |_, _| Ok(())).await
    }

    /// As [`Self::write`]; if nobody waits for the value any more, `unwanted` takes it back in a
    /// transaction of its own.
    async fn write_or<T, F, U>(&self, function: F, unwanted: U) -> Result<T>
    where
        T: Send + 'static,
        F: FnOnce(&mut Tx<'_>) -> Result<T> + Send + 'static,
        U: FnOnce(&mut Tx<'_>, T) -> Result<()> + Send + 'static,
    {
        let (clock, cache, hints) = (Arc::clone(&self.clock), Arc::clone(&self.cache), self.hints.clone());
        let (reply, answer) = oneshot::channel();
        let operation: threads::Operation = Box::new(move |conn| {
            let outcome = transact(conn, &clock, &cache, &hints, function);
            if let Err(Ok(value)) = reply.send(outcome) {
                let taken_back = transact(conn, &clock, &cache, &hints, |tx| unwanted(tx, value));
                if let Err(error) = taken_back {
                    tracing::warn!(%error, "a result that nobody waited for was not taken back; its lease will run out");
                }
            }
        });
        submit(&self.writes, operation).await?;
        answer.await.map_err(|_| Error::Unavailable("a write ended unexpectedly".to_owned()))?
    }

    /// Runs a function in a read transaction.
    pub(crate) async fn read<T, F>(&self, function: F) -> Result<T>
    where
        T: Send + 'static,
        F: FnOnce(&Db<'_>) -> Result<T> + Send + 'static,
    {
        let (clock, cache) = (Arc::clone(&self.clock), Arc::clone(&self.cache));
        let (reply, answer) = oneshot::channel();
        let operation: threads::Operation = Box::new(move |conn| {
            let run = || {
                let transaction = conn.transaction().map_err(error::from_driver)?;
                function(&Db { conn: &transaction, now_ms: clock(), cache: &cache })
            };
            // A caller that is gone needs no answer.
            drop(reply.send(run()));
        });
        submit(&self.reads, operation).await?;
        answer.await.map_err(|_| Error::Unavailable("a read ended unexpectedly".to_owned()))?
    }

    /// Claims a job; released at once if the caller is gone by then.
    pub(crate) async fn claim(&self, worker: Worker, wanted: Wanted) -> Result<Option<Claim>> {
        let unwanted = |tx: &mut Tx<'_>, claim: Option<Claim>| match claim {
            Some(claim) => leases::release(tx, Held::of(&claim)),
            None => Ok(()),
        };
        self.write_or(move |tx| claim::claim(tx, &worker, wanted), unwanted).await
    }

    /// Raises a segment; a repeated raise costs a read only.
    pub(crate) async fn raise(&self, wait: raise::Wait) -> Result<()> {
        if self.read(move |db| raise::is_noted(db, wait)).await? {
            return Ok(());
        }
        self.write(move |tx| raise::raise(tx, wait)).await
    }

    pub(crate) async fn snapshot(&self, id: VideoId) -> Result<Option<Snapshot>> {
        self.read(move |db| snapshot::snapshot(db, id)).await
    }
}

/// One write transaction, from `BEGIN IMMEDIATE` to its hints.
fn transact<T>(
    conn: &mut Connection,
    clock: &Clock,
    cache: &cache::Cache,
    hints: &broadcast::Sender<Hint>,
    function: impl FnOnce(&mut Tx<'_>) -> Result<T>,
) -> Result<T> {
    let transaction = conn.transaction_with_behavior(TransactionBehavior::Immediate).map_err(error::from_driver)?;
    // The time is taken while the lock is held: rows of one file are written in the order of their times.
    let mut tx = Tx { db: Db { conn: &transaction, now_ms: clock(), cache }, hints: Vec::new() };
    let value = function(&mut tx)?;
    let given = std::mem::take(&mut tx.hints);
    transaction.commit().map_err(error::from_driver)?;
    for hint in given {
        // Nobody listens: a hint may be lost.
        drop(hints.send(hint));
    }
    Ok(value)
}

async fn submit(queue: &mpsc::Sender<threads::Operation>, operation: threads::Operation) -> Result<()> {
    queue.send_timeout(operation, Duration::from_millis(limits::QUEUE_WAIT_MS)).await.map_err(|error| match error {
        mpsc::error::SendTimeoutError::Timeout(_) => Error::Busy,
        mpsc::error::SendTimeoutError::Closed(_) => Error::Unavailable("the catalog's thread has ended".to_owned()),
    })
}

#[cfg(test)]
mod tests;
