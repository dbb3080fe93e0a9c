//! The Postgres adapter: a pool of connections, and each transaction on a thread that may block.
//!
//! The driver is asynchronous and the operations are not: a thread of the runtime's blocking pool runs one
//! transaction over one connection, so there are never more such threads than connections. What a call waits
//! for is bounded: a free connection by [`limits::QUEUE_WAIT_MS`], a lock by [`limits::LOCK_WAIT_MS`], a
//! statement by [`limits::STATEMENT_MS`], a server that is silent by [`limits::ANSWER_MS`].

use std::{
    panic::{self, AssertUnwindSafe},
    sync::Arc,
    time::Duration,
};

use deadpool_postgres::{Manager, ManagerConfig, Object, Pool, QueueMode, RecyclingMethod, Runtime};
use tokio::{
    sync::{Semaphore, broadcast, oneshot},
    task::JoinHandle,
};

use self::{client::Client, listen::Listener, target::Target};
use crate::{Error, Hint, Result, database::Operation, hints, limits, sql::Access};

mod client;
mod dialect;
mod error;
mod listen;
mod schema;
mod target;
mod values;

/// The connections to one database.
pub(crate) struct Postgres {
    pool: Pool,
    /// Places for reads that wait for a connection.
    reading: Semaphore,
    notices: Option<Notices>,
}

/// Hints between the processes on this database.
struct Notices {
    /// This process among those that hear of a commit.
    instance: Arc<str>,
    listener: JoinHandle<()>,
}

/// Brings the schema up to date and gives its version.
pub(crate) async fn migrate(url: &str) -> Result<u64> {
    schema::migrate(&Target::parse(url)?).await
}

// === impl Postgres ===

impl Postgres {
    /// Brings the schema up to date, unless it must be so, and, if hints go by way of this database, begins to listen; further connections
    /// are made when they are needed.
    pub(crate) async fn open(
        url: &str,
        connections: usize,
        existing: bool,
        hints: Option<broadcast::Sender<Hint>>,
    ) -> Result<Self> {
        let target = Target::parse(url)?;
        if existing {
            schema::check(&target).await?;
        } else {
            schema::migrate(&target).await?;
        }
        let pool = pool(&target, connections)?;
        let notices = match hints {
            Some(hints) => Some(Notices::start(target, hints).await),
            None => None,
        };
        Ok(Self { pool, reading: Semaphore::new(limits::READS_QUEUED_MAX), notices })
    }

    /// Runs an operation as soon as a connection is free. Those who write wait behind a bounded number of those who read:
    /// leases are renewed whoever asks for what.
    pub(crate) async fn submit(&self, access: Access, operation: Operation) -> Result<()> {
        let place = match access {
            Access::Read => Some(self.reading.try_acquire().map_err(|_| Error::Busy)?),
            Access::Write => None,
        };
        let connection = self.pool.get().await.map_err(error::from_pool)?;
        drop(place);
        let instance = self.notices.as_ref().map(|notices| Arc::clone(&notices.instance));
        // It answers its caller itself.
        drop(tokio::task::spawn_blocking(move || {
            let client = Client::new(&connection, instance.as_deref());
            // Its transaction rolls back while it unwinds, and its caller finds the answer dropped.
            let panicked = panic::catch_unwind(AssertUnwindSafe(|| operation(&client))).is_err();
            if panicked {
                tracing::error!("an operation of the catalog panicked");
            }
            if panicked || client.is_lost() {
                drop(Object::take(connection));
            }
        }));
        Ok(())
    }
}

// === impl Notices ===

impl Notices {
    /// Whether or not it succeeds: without hints everything works, and later.
    async fn start(target: Target, hints: broadcast::Sender<Hint>) -> Self {
        let instance: Arc<str> = hints::instance().into();
        let (trying, first_try) = oneshot::channel();
        let listener = Listener { target, instance: Arc::clone(&instance), hints };
        let listener = tokio::spawn(listener.run(trying));
        drop(first_try.await);
        Self { instance, listener }
    }
}

impl Drop for Notices {
    fn drop(&mut self) {
        self.listener.abort();
    }
}

fn pool(target: &Target, connections: usize) -> Result<Pool> {
    let manager = Manager::from_config(
        target.config().clone(),
        target.tls(),
        // A look whether the connection is open: each transaction ends what it began or gives it up.
        ManagerConfig { recycling_method: RecyclingMethod::Fast },
    );
    Pool::builder(manager)
        .max_size(connections.max(1))
        // The one that was used last has its statements prepared and planned.
        .queue_mode(QueueMode::Lifo)
        .runtime(Runtime::Tokio1)
        .wait_timeout(Some(Duration::from_millis(limits::QUEUE_WAIT_MS)))
        .create_timeout(Some(Duration::from_millis(limits::CONNECT_MS)))
        .recycle_timeout(Some(Duration::from_millis(limits::CONNECT_MS)))
        .build()
        .map_err(|error| Error::Unavailable(error.to_string()))
}
