//! Measures the real rates, checks what is stored, makes the poster, removes what no index names.

use std::collections::{BTreeMap, BTreeSet};

use vidstream_catalog::{Error as CatalogError, Finalized, Warning};
use vidstream_media::{
    Plan, Presentation, Track,
    bandwidth::{self, Rates},
    presentation::Poster,
};

use super::{NICE_BACKGROUND, Shop, Stop, unexpected};
use crate::{
    protocol::{Job, Output, Report},
    worker::patience::patiently,
};

mod check;
mod orphans;
mod poster;

pub(super) async fn run(shop: &Shop<'_>, plan: &Plan) -> Result<(), Stop> {
    let snapshot = shop.or_cancelled(shop.context.catalog.snapshot(shop.claim.video)).await??;
    let Some(presentation) = snapshot.and_then(|snapshot| snapshot.presentation) else {
        return Err(CatalogError::NotFound.into());
    };
    let verdict = shop.or_cancelled(check::stored(shop, &presentation)).await??;
    let mut warnings = verdict.warnings;
    if !verdict.damaged.is_empty() {
        let damaged: Vec<u64> = verdict.damaged.iter().copied().collect();
        let requeued = patiently(|| shop.context.catalog.requeue_chunks(shop.claim, damaged.clone())).await?;
        if !requeued.accepted.is_empty() {
            tracing::warn!(chunks = ?requeued.accepted, "damaged chunks are made again");
            return Ok(());
        }
        warnings.extend(requeued.refused.iter().map(|&first| damaged_warning(plan, &presentation, first)));
    }
    let poster = poster(shop, plan, &presentation, &mut warnings).await?;
    let finalized = Finalized { measured: measure(plan, &presentation), poster, warnings };
    patiently(|| shop.context.catalog.finish_finalize(shop.claim, finalized.clone())).await?;
    // Only now: an attempt whose claim was lost may not judge what the next one writes.
    orphans::sweep(shop, &presentation, poster.map(|poster| poster.token)).await;
    Ok(())
}

/// Real rates of each track, from the sizes in the index.
fn measure(plan: &Plan, presentation: &Presentation) -> BTreeMap<Track, Rates> {
    let of = |track: Track| {
        let stored = (1..=plan.segments(track)).filter_map(|n| presentation.stored(track, n));
        let sizes: Vec<u64> = stored.map(|(_, segment)| segment.bytes()).collect();
        (track, bandwidth::measure(plan, track, &sizes))
    };
    plan.tracks().into_iter().map(of).collect()
}

/// Makes the poster. A video without one is ready all the same.
async fn poster(
    shop: &Shop<'_>,
    plan: &Plan,
    presentation: &Presentation,
    warnings: &mut Vec<Warning>,
) -> Result<Option<Poster>, Stop> {
    let Some(job) = poster::job(plan, presentation) else { return Ok(None) };
    let backend = shop.backend();
    match shop.child(Job::Poster(job), NICE_BACKGROUND, backend.clone(), shop.cancel).await {
        Ok(Report::Poster(report)) => {
            backend.keep(Output::Poster);
            Ok(Some(Poster { token: shop.claim.token, crc32: Some(report.crc32) }))
        }
        Err(Stop::Cancelled) => Err(Stop::Cancelled),
        failed => {
            backend.delete_loose().await;
            let reason = match failed {
                Ok(report) => unexpected(&report),
                Err(reason) => reason,
            };
            let detail = match reason {
                Stop::Failed(failure) => failure.to_string(),
                Stop::Cancelled => "cancelled".to_owned(),
            };
            tracing::warn!(detail, "no poster");
            warnings.push(Warning { code: "no_poster".to_owned(), detail, ..Warning::default() });
            Ok(None)
        }
    }
}

/// A chunk whose bytes stay unusable after it was made again.
fn damaged_warning(plan: &Plan, presentation: &Presentation, first: u64) -> Warning {
    let last = presentation.chunks.get(&first).map_or(first, |chunk| chunk.segments.last);
    let seconds = |frame: u64| plan.timeline.seconds(plan.timeline.ticks(frame));
    Warning {
        code: "damaged_objects".to_owned(),
        detail: format!("the stored bytes of segments {first} to {last} cannot be used"),
        from_s: Some(seconds(plan.timeline.segment_frames(first).start)),
        to_s: Some(seconds(plan.timeline.segment_frames(last).end)),
        rules: Vec::new(),
    }
}

/// What the check of the stored bytes found.
struct Verdict {
    /// First segments of chunks that must be made again.
    damaged: BTreeSet<u64>,
    warnings: Vec<Warning>,
}
