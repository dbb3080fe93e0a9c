//! The handle that everybody holds, and how it is opened.

use std::{
    fmt,
    sync::Arc,
    time::{Instant, SystemTime, UNIX_EPOCH},
};

use futures_util::future::BoxFuture;
use tokio::sync::broadcast;

use crate::{Events, Hint, Result, audience::Audience, database::Database, limits};

mod archive;
mod jobs;
mod reading;
mod videos;
mod views;

/// Milliseconds since the Unix epoch.
pub type Clock = Arc<dyn Fn() -> i64 + Send + Sync>;

/// How a catalog behaves.
#[derive(Clone)]
pub struct Options {
    /// The time of leases, deadlines and rows; by default the database's own, which all processes share:
    /// with `SQLite` that of this machine, with Postgres that of its server.
    pub clock: Option<Clock>,
    /// Most connections of this process to a server, besides one that listens; at least 1.
    pub connections: usize,
    /// Where other processes are told what this one commits, and where viewers are gathered.
    pub events: Events,
    /// Whether the catalog must be there, with the schema of this version: it is not made and not changed.
    pub existing: bool,
}

/// The catalog. Cheap to clone; every clone is the same connection.
#[derive(Clone)]
pub struct Catalog {
    database: Arc<Database>,
    audience: Arc<Audience>,
    /// The time of who is present in this process.
    steady_clock: Clock,
}

// === impl Options ===

impl Default for Options {
    fn default() -> Self {
        Self { clock: None, connections: limits::CONNECTIONS, events: Events::local(), existing: false }
    }
}

impl fmt::Debug for Options {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Options").finish_non_exhaustive()
    }
}

// === impl Catalog ===

impl Catalog {
    /// Opens the catalog of a URL, `sqlite:///path/file.db` or `postgres://user@host/database`, and brings
    /// its schema up to date.
    ///
    /// # Errors
    /// `Invalid` for any other URL, `Unavailable` when the file or server cannot be opened or refuses the
    /// user, `Newer` when a newer version made the schema, `Corrupt` when it is no catalog; where it must exist, `Absent`
    /// and `Older`.
    pub fn open(url: &str, options: Options) -> BoxFuture<'_, Result<Self>> {
        Box::pin(async {
            let steady_clock = options.clock.clone().unwrap_or_else(steady_clock);
            let database = Arc::new(Database::open(url, options).await?);
            Ok(Self { database, audience: Arc::default(), steady_clock })
        })
    }

    /// Hints of what is committed from now on: by this process, and with Redis or Postgres by others too. Any
    /// may be lost: whoever waits also polls.
    pub fn hints(&self) -> broadcast::Receiver<Hint> {
        self.database.hints()
    }
}

impl fmt::Debug for Catalog {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Catalog").finish_non_exhaustive()
    }
}

/// This machine's time, in milliseconds since the Unix epoch.
pub(crate) fn system_clock_ms() -> i64 {
    let since = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
    i64::try_from(since.as_millis()).unwrap_or(i64::MAX)
}

/// A clock that nobody sets: milliseconds since now.
fn steady_clock() -> Clock {
    let began = Instant::now();
    Arc::new(move || i64::try_from(began.elapsed().as_millis()).unwrap_or(i64::MAX))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn who_is_present_is_not_told_by_the_time_of_day() {
        let folder = tempfile::tempdir().unwrap();
        let url = format!("sqlite://{}/catalog.db", folder.path().display());
        let catalog = Catalog::open(&url, Options::default()).await.unwrap();
        // A clock that is set an hour back would keep everybody for an hour.
        assert!((catalog.steady_clock)() < system_clock_ms() / 2);
    }
}
