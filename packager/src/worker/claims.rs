//! The loop of a worker: claim what fits, run it beside the rest, settle how it ended.

use std::{
    sync::Arc,
    time::{Duration, Instant},
};

use tokio::{
    sync::broadcast::{Receiver, error::RecvError},
    task::JoinSet,
    time::{MissedTickBehavior, interval, sleep, timeout},
};
use tokio_util::sync::CancellationToken;
use tracing::Instrument;
use vidstream_catalog::{Catalog, Claim, Error as CatalogError, Hint, HintKind, Swept};

use super::{
    lease,
    patience::patiently,
    slots::{Class, Slots, Usage},
};
use crate::{
    jobs::{self, Context, Stop},
    protocol::Failure,
};

/// How often a free slot asks for a job: other processes give no hint here.
const POLL: Duration = Duration::from_millis(200);
/// How often expired leases and uploads are ended.
const SWEEP_EVERY: Duration = Duration::from_secs(3);
/// After a failed claim the next one waits this long.
const ERROR_WAIT: Duration = Duration::from_secs(1);
/// A slot whose job was given back because the store is away rests this long.
const AWAY_WAIT: Duration = Duration::from_secs(5);
/// Jobs that were told to end have this long to kill their child and give their claim back.
const SHUTDOWN_WAIT: Duration = Duration::from_secs(4);
/// How a claim ended, for the log and the counters.
#[derive(Clone, Copy, Debug)]
enum End {
    Finished,
    Failed,
    Lost,
    Released,
}

/// Claims and runs jobs until `shutdown`.
pub(super) async fn run(
    context: Arc<Context>,
    worker: vidstream_catalog::Worker,
    slots: Slots,
    shutdown: CancellationToken,
) {
    // What this worker held before it died is free at once, not when its leases run out.
    settle("release_worker", || context.catalog.release_worker(&worker.id)).await;
    let mut usage = Usage::new(slots);
    let mut running: JoinSet<Class> = JoinSet::new();
    let mut hints = context.catalog.hints();
    let mut sweeps = interval(SWEEP_EVERY);
    sweeps.set_missed_tick_behavior(MissedTickBehavior::Delay);
    while !shutdown.is_cancelled() {
        if let Some(claim) = next(&context, &worker, &usage).await {
            let class = Class::of(&claim.work);
            usage.take(class, Instant::now());
            let (context, stop) = (Arc::clone(&context), shutdown.child_token());
            running.spawn(async move {
                attend(&context, claim, stop).await;
                class
            });
            continue;
        }
        tokio::select! {
            () = shutdown.cancelled() => {}
            Some(ended) = running.join_next() => settle_slot(&mut usage, ended),
            () = job_hint(&mut hints) => {}
            _ = sweeps.tick() => sweep(&context.catalog).await,
            () = sleep(POLL) => {}
        }
    }
    let all_ended = async { while running.join_next().await.is_some() {} };
    if timeout(SHUTDOWN_WAIT, all_ended).await.is_err() {
        // Dropping a job kills its child; its lease runs out by itself.
        tracing::warn!(jobs = running.len(), "jobs did not end in time");
        running.shutdown().await;
    }
}

/// The next claim, if a slot is free and there is a job for it.
async fn next(context: &Context, worker: &vidstream_catalog::Worker, usage: &Usage) -> Option<Claim> {
    let wanted = usage.wanted(Instant::now())?;
    match context.catalog.claim(worker, wanted).await {
        Ok(claim) => {
            context.claiming.note(None);
            claim
        }
        Err(CatalogError::Busy) => None,
        Err(error) => {
            tracing::warn!(%error, "no job could be claimed");
            context.claiming.note(Some(error.to_string()));
            sleep(ERROR_WAIT).await;
            None
        }
    }
}

fn settle_slot(usage: &mut Usage, ended: Result<Class, tokio::task::JoinError>) {
    match ended {
        Ok(class) => usage.give_back(class),
        // Only a bug of this crate ends here. Its class is unknown; the claim's lease runs out.
        Err(error) => tracing::error!(%error, "a job's task failed"),
    }
}

/// Comes back when a job may be claimable.
async fn job_hint(hints: &mut Receiver<Hint>) {
    loop {
        match hints.recv().await {
            Ok(hint) if hint.kind == HintKind::Job => return,
            Ok(_) => {}
            Err(RecvError::Lagged(_)) => return,
            Err(RecvError::Closed) => std::future::pending().await,
        }
    }
}

async fn sweep(catalog: &Catalog) {
    match catalog.sweep().await {
        Ok(swept) if swept == Swept::default() => {}
        Ok(swept) => tracing::info!(?swept, "swept"),
        Err(error) => tracing::warn!(%error, "the catalog could not be swept"),
    }
}

/// Runs one claim to its end, and tells the catalog how it ended.
async fn attend(context: &Context, claim: Claim, stop: CancellationToken) {
    let kind = claim.work.kind().as_str();
    let span = tracing::info_span!("job", kind, video = %claim.video, job = claim.job, attempt = claim.attempt);
    let started = Instant::now();
    metrics::counter!("vidstream_jobs_started_total", "kind" => kind).increment(1);
    metrics::gauge!("vidstream_jobs_running", "kind" => kind).increment(1);
    let end = conclude(context, &claim, &stop).instrument(span.clone()).await;
    metrics::gauge!("vidstream_jobs_running", "kind" => kind).decrement(1);
    let result = match end {
        End::Finished => "finished",
        End::Failed => "failed",
        End::Lost => "lost",
        End::Released => "released",
    };
    let seconds = started.elapsed().as_secs_f64();
    metrics::counter!("vidstream_jobs_ended_total", "kind" => kind, "result" => result).increment(1);
    metrics::histogram!("vidstream_job_seconds", "kind" => kind).record(seconds);
    tracing::info!(parent: &span, result, seconds, "job ended");
}

async fn conclude(context: &Context, claim: &Claim, stop: &CancellationToken) -> End {
    // Cancelled by the worker's end, or when the claim is lost.
    let lost = CancellationToken::new();
    let cancel = stop.child_token();
    let job = async {
        tokio::select! {
            result = jobs::run(context, claim, &cancel, &lost) => result,
            never = lease::hold(&context.catalog, claim, &lost) => match never {},
        }
    };
    let relay = async {
        lost.cancelled().await;
        cancel.cancel();
        std::future::pending().await
    };
    let result = tokio::select! { result = job => result, never = relay => never };
    match result {
        Ok(()) => End::Finished,
        Err(_) if lost.is_cancelled() => End::Lost,
        Err(Stop::Failed(failure)) => {
            if context.store.answers().await {
                fail(context, claim, failure).await
            } else {
                give_back(context, claim, &failure, stop).await
            }
        }
        Err(Stop::Cancelled) => {
            settle("release", || context.catalog.release(claim)).await;
            End::Released
        }
    }
}

async fn fail(context: &Context, claim: &Claim, failure: Failure) -> End {
    tracing::warn!(code = failure.code, detail = failure.detail, retryable = failure.retryable, "{}", failure.title);
    metrics::counter!("vidstream_jobs_failed_total", "kind" => claim.work.kind().as_str(), "code" => failure.code.clone())
        .increment(1);
    settle("fail", || context.catalog.fail(claim, failure.clone().into())).await;
    End::Failed
}

/// Ends an attempt that had no store. Neither the film nor the encoder is the reason: if such attempts counted, a
/// bucket that is away for some minutes would be the end of all videos in work.
async fn give_back(context: &Context, claim: &Claim, failure: &Failure, stop: &CancellationToken) -> End {
    tracing::warn!(code = failure.code, detail = failure.detail, "the store is away: the job is given back");
    settle("release", || context.catalog.release(claim)).await;
    let _ = stop.run_until_cancelled(sleep(AWAY_WAIT)).await;
    End::Released
}

/// Tells the catalog how a claim ended. A claim that it does not know any more needs no telling; one
/// that stays untold ends with its lease.
async fn settle<T, F>(what: &str, tell: impl Fn() -> F)
where
    F: Future<Output = vidstream_catalog::Result<T>>,
{
    match patiently(tell).await {
        Ok(_) | Err(CatalogError::Stale | CatalogError::NotFound) => {}
        Err(error) => tracing::warn!(%error, what, "the catalog was not told"),
    }
}
