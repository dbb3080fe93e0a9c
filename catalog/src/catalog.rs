//! The handle that everybody holds, and how it is opened.

use std::{
    fmt,
    sync::Arc,
    time::{SystemTime, UNIX_EPOCH},
};

use tokio::sync::broadcast;

use crate::{Error, Hint, Result, sqlite::Sqlite};

mod jobs;
mod reading;
mod videos;

/// Milliseconds since the Unix epoch.
pub type Clock = Arc<dyn Fn() -> i64 + Send + Sync>;

/// How a catalog behaves.
#[derive(Clone)]
pub struct Options {
    /// The time of leases, deadlines and rows.
    pub clock: Clock,
}

/// The catalog. Cheap to clone; every clone is the same connection.
#[derive(Clone)]
pub struct Catalog {
    sqlite: Arc<Sqlite>,
}

// === impl Options ===

impl Default for Options {
    fn default() -> Self {
        Self { clock: Arc::new(system_clock_ms) }
    }
}

impl fmt::Debug for Options {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Options").finish_non_exhaustive()
    }
}

// === impl Catalog ===

impl Catalog {
    /// Opens the catalog of a URL, `sqlite:///path/file.db`, and brings its schema up to date.
    ///
    /// # Errors
    /// `Invalid` for a URL of another scheme, `Unavailable` when the file cannot be opened, `Corrupt`
    /// when it is not a catalog or one of a newer version.
    pub async fn open(url: &str, options: Options) -> Result<Self> {
        let Some(path) = url.strip_prefix("sqlite://") else {
            return Err(Error::Invalid(format!("a catalog is sqlite:///path/file.db, not {url:?}")));
        };
        let sqlite = Sqlite::open(path, options.clock).await?;
        Ok(Self { sqlite: Arc::new(sqlite) })
    }

    /// Hints of what this process commits from now on. What other processes commit gives no hint
    /// here: whoever waits also polls.
    pub fn hints(&self) -> broadcast::Receiver<Hint> {
        self.sqlite.hints()
    }
}

impl fmt::Debug for Catalog {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Catalog").finish_non_exhaustive()
    }
}

fn system_clock_ms() -> i64 {
    let since = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
    i64::try_from(since.as_millis()).unwrap_or(i64::MAX)
}
