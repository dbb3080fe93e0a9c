//! The database below the handle: it runs operations as transactions, whichever adapter has the connection.

use std::sync::Arc;

use futures_util::future::BoxFuture;
use tokio::sync::{broadcast, oneshot};
use vidstream_media::VideoId;

use crate::{
    Claim, Error, Events, Hint, Options, Result, Snapshot, Wanted, Worker,
    catalog::system_clock_ms,
    limits,
    postgres::Postgres,
    sql::{
        self, Access, Connection, Db, Held, Tx, cache,
        claim::{self, Earlier, Given},
        raise,
        transaction::{self, Surroundings},
    },
    sqlite::Sqlite,
};

/// Something to do with a connection, on a thread that may block.
pub(crate) type Operation = Box<dyn FnOnce(&dyn Connection) + Send>;

/// Who has the connections.
enum Adapter {
    Sqlite(Sqlite),
    Postgres(Postgres),
}

/// An open database.
pub(crate) struct Database {
    adapter: Adapter,
    clock: Option<crate::Clock>,
    cache: Arc<cache::Cache>,
    events: Events,
}

// === impl Adapter ===

impl Adapter {
    fn submit(&self, access: Access, operation: Operation) -> BoxFuture<'_, Result<()>> {
        match self {
            Self::Sqlite(sqlite) => Box::pin(sqlite.submit(access, operation)),
            Self::Postgres(postgres) => Box::pin(postgres.submit(access, operation)),
        }
    }
}

// === impl Database ===

impl Database {
    /// Opens the database of a URL and brings its schema up to date.
    pub(crate) async fn open(url: &str, options: Options) -> Result<Self> {
        let Options { events, existing, .. } = options;
        let adapter = if let Some(path) = url.strip_prefix("sqlite://") {
            Adapter::Sqlite(Sqlite::open(path, existing).await?)
        } else if crate::is_server(url) {
            Adapter::Postgres(Postgres::open(url, options.connections, existing, events.between_databases()).await?)
        } else {
            // A URL may hold a password: what was given is not repeated.
            let forms = "a catalog is sqlite:///path/file.db or postgres://user@host/database";
            return Err(Error::Invalid(forms.to_owned()));
        };
        Ok(Self { adapter, clock: options.clock, cache: Arc::default(), events })
    }

    /// Where other processes are told, and viewers gathered.
    pub(crate) fn events(&self) -> &Events {
        &self.events
    }

    /// The time, unless the database has its own.
    pub(crate) fn clock_ms(&self) -> i64 {
        self.clock.as_ref().map_or_else(system_clock_ms, |clock| clock())
    }

    pub(crate) fn hints(&self) -> broadcast::Receiver<Hint> {
        self.events.hear()
    }

    /// Runs a function in a write transaction: committed when it succeeds, else as if it never ran. Once it
    /// has begun it is done, also if the caller is gone.
    pub(crate) fn write<T, F>(&self, function: F) -> BoxFuture<'_, Result<T>>
    where
        T: Send + 'static,
        F: FnOnce(&mut Tx<'_>) -> Result<T> + Send + 'static,
    {
        let events = self.events.clone();
        let run = move |conn: &dyn Connection, with: Surroundings<'_>| {
            let (value, hints) = transaction::write(conn, with, function)?;
            events.tell(&hints);
            Ok(value)
        };
        self.run(Access::Write, run)
    }

    /// Runs a function in a read transaction.
    pub(crate) fn read<T, F>(&self, function: F) -> BoxFuture<'_, Result<T>>
    where
        T: Send + 'static,
        F: FnOnce(&Db<'_>) -> Result<T> + Send + 'static,
    {
        self.run(Access::Read, move |conn, with| transaction::read(conn, with, function))
    }

    fn run<T, F>(&self, access: Access, function: F) -> BoxFuture<'_, Result<T>>
    where
        T: Send + 'static,
        F: FnOnce(&dyn Connection, Surroundings<'_>) -> Result<T> + Send + 'static,
    {
        let (clock, cache) = (self.clock.clone(), Arc::clone(&self.cache));
        let (reply, answer) = oneshot::channel();
        let operation: Operation = Box::new(move |conn| {
            let with = Surroundings { clock: clock.as_ref(), cache: &cache };
            // A caller that is gone needs no answer.
            drop(reply.send(function(conn, with)));
        });
        let submitting = self.adapter.submit(access, operation);
        Box::pin(async {
            submitting.await?;
            answer.await.map_err(|_| Error::Unavailable("a transaction ended unexpectedly".to_owned()))?
        })
    }

    /// Claims a job; released at once if the caller is gone by then.
    pub(crate) fn claim(self: Arc<Self>, worker: Worker, wanted: Wanted) -> BoxFuture<'static, Result<Option<Claim>>> {
        let (reply, answer) = oneshot::channel();
        let claiming = async move {
            if let Err(Ok(Some(claim))) = reply.send(self.claim_next(worker, wanted).await) {
                let held = Held::of(&claim);
                if let Err(error) = self.write(move |tx| sql::leases::release(tx, held)).await {
                    tracing::warn!(%error, "a claim that nobody waited for was not given back; its lease will run out");
                }
            }
        };
        Box::pin(async {
            // In a task of its own, which ends also when the caller does not wait for it.
            tokio::spawn(claiming);
            answer.await.map_err(|_| Error::Unavailable("a claim ended unexpectedly".to_owned()))?
        })
    }

    async fn claim_next(&self, worker: Worker, wanted: Wanted) -> Result<Option<Claim>> {
        let worker = Arc::new(worker);
        // `SQLite` has one writer at a time, and most often nobody has a job.
        if matches!(self.adapter, Adapter::Sqlite(_)) {
            let looking = Arc::clone(&worker);
            if !self.read(move |db| claim::any(db, &looking)).await? {
                return Ok(None);
            }
        }
        let mut earlier = Earlier::default();
        for _ in 0..limits::CLAIM_TRIES {
            let asking = Arc::clone(&worker);
            match self.write(move |tx| claim::claim(tx, &asking, wanted, earlier)).await? {
                Given::Nothing => return Ok(None),
                Given::Claim(claim) => return Ok(Some(*claim)),
                Given::Busy(video) => earlier.busy = Some(video),
                Given::Upkeep => {
                    let noted = Arc::clone(&worker);
                    self.write(move |tx| claim::upkeep(tx, &noted)).await?;
                    earlier.upkeep = true;
                }
            }
        }
        Err(Error::Busy)
    }

    /// Raises a segment; a repeated raise costs a read only.
    pub(crate) fn raise(&self, wait: raise::Wait) -> BoxFuture<'_, Result<()>> {
        Box::pin(async move {
            if self.read(move |db| raise::is_noted(db, wait)).await? {
                return Ok(());
            }
            self.write(move |tx| raise::raise(tx, wait)).await
        })
    }

    pub(crate) fn snapshot(&self, id: VideoId) -> BoxFuture<'_, Result<Option<Snapshot>>> {
        self.read(move |db| sql::snapshot::snapshot(db, id))
    }
}
