//! The threads that own the connections, and how a connection is set up.

use std::{
    panic::{self, AssertUnwindSafe},
    path::Path,
    sync::{Arc, Mutex, PoisonError},
    thread,
};

use rusqlite::Connection;
use tokio::sync::{mpsc, oneshot};

use super::{error::from_driver, schema};
use crate::{Error, Result, database::Operation, limits};

/// Prepared statements that a connection keeps.
const STATEMENTS_CACHED_MAX: usize = 128;
/// Bytes that the write-ahead log keeps on the disk between checkpoints.
const LOG_BYTES_MAX: i64 = 64 * 1024 * 1024;

/// Starts the writer: it opens the file, migrates it unless it must be there as it is, and ends when the queue's last sender is gone.
pub(super) async fn writer(path: Arc<Path>, existing: bool) -> Result<mpsc::Sender<Operation>> {
    let (queue, mut operations) = mpsc::channel::<Operation>(limits::WRITES_QUEUED_MAX);
    start("catalog-writer", move || open_to_write(&path, existing), move || operations.blocking_recv()).await?;
    Ok(queue)
}

/// Starts the readers, which share one queue.
pub(super) async fn readers(path: Arc<Path>) -> Result<mpsc::Sender<Operation>> {
    let (queue, operations) = mpsc::channel::<Operation>(limits::READS_QUEUED_MAX);
    let operations = Arc::new(Mutex::new(operations));
    for _ in 0..limits::READERS {
        let (path, operations) = (Arc::clone(&path), Arc::clone(&operations));
        let next = move || operations.lock().unwrap_or_else(PoisonError::into_inner).blocking_recv();
        start("catalog-reader", move || open_to_read(&path), next).await?;
    }
    Ok(queue)
}

/// Runs a thread that opens a connection, says how that went, and then does what comes.
async fn start(
    name: &str,
    open: impl FnOnce() -> Result<Connection> + Send + 'static,
    mut next: impl FnMut() -> Option<Operation> + Send + 'static,
) -> Result<()> {
    let (opened, outcome) = oneshot::channel();
    let body = move || match open() {
        Ok(conn) => {
            if opened.send(Ok(())).is_err() {
                return;
            }
            while let Some(operation) = next() {
                // A panic of one operation must not end the thread that all others need: its transaction
                // rolls back while it unwinds, and its caller finds the answer dropped.
                if panic::catch_unwind(AssertUnwindSafe(|| operation(&conn))).is_err() {
                    tracing::error!("an operation of the catalog panicked");
                }
            }
        }
        // Whoever opened the catalog may have given up by then.
        Err(error) => drop(opened.send(Err(error))),
    };
    let spawned = thread::Builder::new().name(name.to_owned()).spawn(body);
    spawned.map_err(|error| Error::Unavailable(format!("no thread for the catalog: {error}")))?;
    outcome.await.map_err(|_| Error::Unavailable("the catalog's thread ended while it opened the file".to_owned()))?
}

fn open_to_write(path: &Path, existing: bool) -> Result<Connection> {
    if existing {
        return open_existing(path);
    }
    if let Some(folder) = path.parent().filter(|folder| !folder.as_os_str().is_empty()) {
        std::fs::create_dir_all(folder)
            .map_err(|error| Error::Unavailable(format!("cannot make the catalog's folder: {error}")))?;
    }
    let mut conn = open(path)?;
    // The mode is a property of the file: set by whoever comes first, kept by all.
    let mode: String = conn.query_row("PRAGMA journal_mode = WAL", [], |row| row.get(0)).map_err(from_driver)?;
    if mode != "wal" {
        return Err(Error::Unavailable(format!("the file system allows no write-ahead log (mode {mode})")));
    }
    conn.pragma_update(None, "synchronous", "FULL").map_err(from_driver)?;
    conn.pragma_update(None, "journal_size_limit", LOG_BYTES_MAX).map_err(from_driver)?;
    schema::migrate(&mut conn)?;
    Ok(conn)
}

/// Nothing of the file is changed, not even its mode, before it is known to be a catalog of this version.
fn open_existing(path: &Path) -> Result<Connection> {
    if !path.exists() {
        return Err(Error::Absent);
    }
    let conn = open(path)?;
    schema::check(&conn)?;
    conn.pragma_update(None, "synchronous", "FULL").map_err(from_driver)?;
    Ok(conn)
}

fn open_to_read(path: &Path) -> Result<Connection> {
    let conn = open(path)?;
    conn.pragma_update(None, "query_only", true).map_err(from_driver)?;
    Ok(conn)
}

fn open(path: &Path) -> Result<Connection> {
    let conn = Connection::open(path).map_err(from_driver)?;
    conn.busy_timeout(std::time::Duration::from_millis(limits::LOCK_WAIT_MS)).map_err(from_driver)?;
    conn.set_prepared_statement_cache_capacity(STATEMENTS_CACHED_MAX);
    Ok(conn)
}
