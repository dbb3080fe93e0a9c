//! The jobs of a claim, from the worker's side: what the child is told, and what its report becomes.

use std::sync::{
    Arc,
    atomic::{AtomicUsize, Ordering},
};

use tokio::sync::Semaphore;
use tokio_util::sync::CancellationToken;
use vidstream_catalog::{Catalog, Claim, Error as CatalogError, Work};
use vidstream_plugins::Registry;
use vidstream_store::{Error as StoreError, Store};

use crate::{
    protocol::{Encoders, Failure, Job, Report},
    worker::{Config, Parts, backend::ClaimBackend, health::Trouble, process::Ended, spares::Spares},
};

mod delete;
mod encode;
mod finalize;
mod probe;
pub(crate) mod settings;
mod sheet;

/// Nice level of jobs that nobody waits for.
const NICE_BACKGROUND: u8 = 10;
/// Nice level of jobs that somebody waits for.
const NICE_URGENT: u8 = 0;

/// What all jobs of a worker share.
pub(crate) struct Context {
    pub(crate) catalog: Catalog,
    pub(crate) store: Store,
    pub(crate) plugins: Arc<Registry>,
    pub(crate) spares: Spares,
    /// Why the last claim failed, if it did.
    pub(crate) claiming: Trouble,
    config: Config,
    encoders: Encoders,
    cores: usize,
    /// Encode jobs that somebody waits for.
    urgent: AtomicUsize,
    /// Children that scan.
    scans: Semaphore,
    /// Probes that wait for a child.
    scans_waiting: AtomicUsize,
}

/// Why a job has no result.
#[derive(Debug)]
pub(crate) enum Stop {
    /// The attempt failed.
    Failed(Failure),
    /// The worker ends or the claim was lost.
    Cancelled,
}

/// Counts something as long as it lives.
struct Counted<'a>(&'a AtomicUsize);

/// Does the work of a claim. `cancel` ends it; `lost` is for saying that the claim is lost.
pub(crate) async fn run(
    context: &Context,
    claim: &Claim,
    cancel: &CancellationToken,
    lost: &CancellationToken,
) -> Result<(), Stop> {
    let shop = Shop { context, claim, cancel, lost };
    match &claim.work {
        Work::Probe => probe::run(&shop).await,
        Work::Encode { segments, filler, deadline_ms, plan } => {
            let order = encode::Order { segments: *segments, filler: *filler, waited_for: deadline_ms.is_some(), plan };
            encode::run(&shop, order).await
        }
        Work::Sheet { n, plan } => sheet::run(&shop, *n, plan).await,
        Work::Finalize { plan } => finalize::run(&shop, plan).await,
        Work::Delete => delete::run(&shop).await,
    }
}

/// One claim and all it needs.
pub(crate) struct Shop<'a> {
    pub(crate) context: &'a Context,
    pub(crate) claim: &'a Claim,
    pub(crate) cancel: &'a CancellationToken,
    pub(crate) lost: &'a CancellationToken,
}

// === impl Context ===

impl Context {
    pub(crate) fn new(config: Config, parts: Parts, spares: Spares, encoders: Encoders) -> Self {
        let Parts { catalog, store, plugins } = parts;
        Self {
            catalog,
            store,
            plugins,
            spares,
            claiming: Trouble::default(),
            encoders,
            cores: std::thread::available_parallelism().map_or(1, usize::from),
            urgent: AtomicUsize::new(0),
            scans: Semaphore::new(config.slots.probes.max(1)),
            scans_waiting: AtomicUsize::new(0),
            config,
        }
    }
}

// === impl Shop ===

impl Shop<'_> {
    /// A backend for a child of this claim.
    fn backend(&self) -> ClaimBackend {
        ClaimBackend::new(&self.context.store, &self.context.catalog, self.claim, self.lost)
    }

    /// Runs a job in a child until it has reported or `cancel` ends it.
    async fn child(
        &self,
        job: Job,
        nice: u8,
        backend: ClaimBackend,
        cancel: &CancellationToken,
    ) -> Result<Report, Stop> {
        let spare = match cancel.run_until_cancelled(self.context.spares.take()).await {
            None => return Err(Stop::Cancelled),
            Some(spare) => spare?,
        };
        match spare.run(job, nice, self.context.config.child.watch, backend, cancel).await {
            Ended::Reported(result) => Ok(result?),
            Ended::Cancelled => Err(Stop::Cancelled),
        }
    }

    /// Waits for something of the catalog or the store, until the job is cancelled.
    async fn or_cancelled<T>(&self, work: impl Future<Output = T>) -> Result<T, Stop> {
        self.cancel.run_until_cancelled(work).await.ok_or(Stop::Cancelled)
    }
}

// === impl Counted ===

impl<'a> Counted<'a> {
    fn new(count: &'a AtomicUsize) -> Self {
        count.fetch_add(1, Ordering::AcqRel);
        Self(count)
    }
}

impl Drop for Counted<'_> {
    fn drop(&mut self) {
        self.0.fetch_sub(1, Ordering::AcqRel);
    }
}

// === impl Stop ===

impl From<Failure> for Stop {
    fn from(failure: Failure) -> Self {
        Self::Failed(failure)
    }
}

impl From<CatalogError> for Stop {
    fn from(error: CatalogError) -> Self {
        match error {
            // The lease's holder finds out the same and tells why.
            CatalogError::Stale | CatalogError::NotFound => Self::Cancelled,
            CatalogError::Busy
            | CatalogError::Unavailable(_)
            | CatalogError::Events(_)
            | CatalogError::Newer { .. }
            | CatalogError::Older { .. }
            | CatalogError::Absent => {
                Self::Failed(Failure::retryable("catalog", "the catalog could not be reached", error))
            }
            CatalogError::Changed | CatalogError::Conflict(_) | CatalogError::Corrupt(_) | CatalogError::Invalid(_) => {
                Self::Failed(Failure::retryable("internal", "the catalog refused the result", error))
            }
        }
    }
}

impl From<StoreError> for Stop {
    fn from(error: StoreError) -> Self {
        let (code, title) = match error {
            StoreError::Full { .. } => ("storage_full", "the store is full"),
            StoreError::NotFound { .. } | StoreError::Range { .. } => ("object_missing", "a stored object is missing"),
            _ => ("storage", "the store failed"),
        };
        Self::Failed(Failure::retryable(code, title, error))
    }
}

/// A report of another kind than the job is a bug or an attack.
fn unexpected(report: &Report) -> Stop {
    let kind = format!("{report:?}").chars().take(100).collect::<String>();
    Stop::Failed(Failure::retryable("worker_protocol", "the child process reported something else", kind))
}
