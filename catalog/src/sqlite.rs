//! The `SQLite` adapter: one writer thread and a few reader threads of a process over one file.
//!
//! Every write is one `BEGIN IMMEDIATE` transaction, so commit order is the order of the event log
//! and two processes on one file take turns. The file is in WAL mode with `synchronous = FULL`: a
//! commit is on the disk before the call returns, since an acknowledged upload is never lost, not
//! even when the power fails. What a call waits for is bounded: the queue of this process by
//! [`limits::QUEUE_WAIT_MS`], the lock of the other by [`limits::LOCK_WAIT_MS`].

use std::{path::Path, sync::Arc, time::Duration};

use tokio::sync::mpsc;

use crate::{Error, Result, database::Operation, limits, sql::Access};

mod connection;
mod error;
mod schema;
mod threads;

pub(crate) use schema::VERSION;

/// The threads over one file.
pub(crate) struct Sqlite {
    writes: mpsc::Sender<Operation>,
    reads: mpsc::Sender<Operation>,
}

// === impl Sqlite ===

impl Sqlite {
    /// Opens the file. Unless it must be there with the schema of this version, it is made and brought up to date.
    pub(crate) async fn open(path: &str, existing: bool) -> Result<Self> {
        if path.is_empty() || path.contains('\0') {
            return Err(Error::Invalid("the catalog's URL names no file: sqlite:///path/file.db".to_owned()));
        }
        let path: Arc<Path> = Path::new(path).into();
        let writes = threads::writer(Arc::clone(&path), existing).await?;
        let reads = threads::readers(path).await?;
        Ok(Self { writes, reads })
    }

    /// Puts an operation into the queue of the thread that does such.
    pub(crate) async fn submit(&self, access: Access, operation: Operation) -> Result<()> {
        let queue = match access {
            Access::Read => &self.reads,
            Access::Write => &self.writes,
        };
        let wait = Duration::from_millis(limits::QUEUE_WAIT_MS);
        queue.send_timeout(operation, wait).await.map_err(|error| match error {
            mpsc::error::SendTimeoutError::Timeout(_) => Error::Busy,
            mpsc::error::SendTimeoutError::Closed(_) => Error::Unavailable("the catalog's thread has ended".to_owned()),
        })
    }
}

#[cfg(test)]
mod tests;
