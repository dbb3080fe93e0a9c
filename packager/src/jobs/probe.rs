//! Scans the source while it uploads, and turns the report into the plan.
//!
//! A paused upload must not keep others from being scanned: its child is given up when another
//! probe waits, and starts over when bytes arrive again. The claim is held all along.

use std::time::Duration;

use tokio::time::sleep;
use tokio_util::sync::CancellationToken;
use vidstream_catalog::{Error as CatalogError, Probed, State};

use super::{Counted, NICE_URGENT, Shop, Stop, settings, unexpected};
use crate::{
    protocol::{Job, ProbeJob, ProbeReport, Report, Warning},
    worker::{backend::ClaimBackend, source::Source},
};

/// An upload that brings no byte for this long may be set aside.
const IDLE_MAX: Duration = Duration::from_secs(10);
/// How often that is looked at.
const IDLE_POLL: Duration = Duration::from_secs(1);
/// How often the end of the upload is looked for, once all bytes are durable.
const UPLOAD_POLL: Duration = Duration::from_millis(20);

pub(super) async fn run(shop: &Shop<'_>) -> Result<(), Stop> {
    loop {
        let permit = {
            let _waiting = Counted::new(&shop.context.scans_waiting);
            shop.or_cancelled(shop.context.scans.acquire()).await?
        };
        let backend = shop.backend();
        if let Some(report) = scan(shop, &backend).await? {
            drop(permit);
            return finish(shop, report).await;
        }
        drop(permit);
        tracing::info!("the upload pauses; its scan makes room for others");
        shop.or_cancelled(backend.source().wait_for_growth()).await??;
    }
}

/// Scans in a child; `None` when the child was given up for others.
async fn scan(shop: &Shop<'_>, backend: &ClaimBackend) -> Result<Option<ProbeReport>, Stop> {
    let config = &shop.context.config;
    let job = Job::Probe(ProbeJob {
        gop_s: config.timeline.gop_s,
        segment_s: config.timeline.segment_s,
        ladder: config.ladder.clone(),
        encoders: shop.context.encoders.clone(),
    });
    let attempt: CancellationToken = shop.cancel.child_token();
    let child = shop.child(job, NICE_URGENT, backend.clone(), &attempt);
    tokio::pin!(child);
    let report = tokio::select! {
        report = &mut child => report?,
        () = paused(shop, backend.source()) => {
            attempt.cancel();
            match child.await {
                // It may have ended just now.
                Err(Stop::Cancelled) if !shop.cancel.is_cancelled() => return Ok(None),
                other => other?,
            }
        }
    };
    match report {
        Report::Probe(report) => Ok(Some(*report)),
        other => Err(unexpected(&other)),
    }
}

/// Comes back when the upload pauses and another probe waits for a child.
async fn paused(shop: &Shop<'_>, source: &Source) {
    use std::sync::atomic::Ordering;
    loop {
        sleep(IDLE_POLL).await;
        if source.idle() >= IDLE_MAX && shop.context.scans_waiting.load(Ordering::Acquire) > 0 {
            return;
        }
    }
}

async fn finish(shop: &Shop<'_>, report: ProbeReport) -> Result<(), Stop> {
    let ProbeReport { facts, mut plan, warnings } = report;
    settings::fill(&mut plan, &shop.context.plugins, &shop.context.encoders)?;
    let warnings: Vec<_> = warnings.into_iter().map(Warning::into).collect();
    shop.or_cancelled(async {
        loop {
            uploaded(shop).await?;
            let probed = Probed { facts: facts.clone(), plan: plan.clone(), warnings: warnings.clone() };
            match shop.context.catalog.finish_probe(shop.claim, probed).await {
                // Another look at the state tells: it is uploading, or the conflict is another one.
                Err(CatalogError::Conflict(_)) if is_uploading(shop).await? => {}
                other => return other.map_err(Stop::from),
            }
        }
    })
    .await?
}

/// Waits until the upload was finished: its last byte is durable a moment before the catalog knows.
async fn uploaded(shop: &Shop<'_>) -> Result<(), Stop> {
    while is_uploading(shop).await? {
        sleep(UPLOAD_POLL).await;
    }
    Ok(())
}

async fn is_uploading(shop: &Shop<'_>) -> Result<bool, Stop> {
    let video = shop.context.catalog.video(shop.claim.video).await?;
    Ok(video.is_some_and(|video| video.state == State::Uploading))
}
