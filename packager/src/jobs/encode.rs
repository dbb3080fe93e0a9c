//! Makes every track of a run of segments.

use std::{collections::BTreeMap, sync::atomic::Ordering};

use vidstream_media::{Plan, chunks::Segments};

use super::{Context, Counted, NICE_BACKGROUND, NICE_URGENT, Shop, Stop, unexpected};
use crate::protocol::{EncodeJob, Failure, Job, Report, Rolls};

mod filler;

/// Jobs longer than this publish what they have as they go.
const PUBLISH_AFTER_S: f64 = 40.0;
/// Length of the runs that such a job publishes.
const PUBLISH_EVERY_S: f64 = 20.0;
/// More threads than this make an encoder slower or its picture worse.
const THREADS_MAX: usize = 8;

/// What to make.
pub(super) struct Order<'a> {
    pub(super) segments: Segments,
    pub(super) filler: bool,
    pub(super) waited_for: bool,
    pub(super) plan: &'a Plan,
}

pub(super) async fn run(shop: &Shop<'_>, order: Order<'_>) -> Result<(), Stop> {
    // Somebody waits for it, or will as soon as the video can be played.
    let urgent = order.waited_for || order.segments.first == 1;
    let filler = if order.filler { Some(filler::before(shop, order.segments.first).await?) } else { None };
    let _counted = urgent.then(|| Counted::new(&shop.context.urgent));
    let job = Job::Encode(EncodeJob {
        segments: order.segments,
        filler,
        threads: threads(shop.context, urgent),
        audio_rolls: Rolls::default(),
        publish_every: publish_every(order.plan, order.segments),
        elements: elements(shop.context, order.plan)?,
        plan: order.plan.clone(),
    });
    let backend = shop.backend();
    let nice = if urgent { NICE_URGENT } else { NICE_BACKGROUND };
    let result = match shop.child(job, nice, backend.clone(), shop.cancel).await {
        Ok(Report::Encode) if backend.is_all_published() => Ok(()),
        Ok(Report::Encode) => {
            let detail = "it ended before its last segment was published";
            Err(Failure::retryable("worker_protocol", "the child process ended early", detail).into())
        }
        Ok(report) => Err(unexpected(&report)),
        // A refusal of the catalog reaches the child as a failed call; the cause is known here.
        Err(Stop::Failed(failure)) => Err(backend.refused().unwrap_or(failure).into()),
        Err(Stop::Cancelled) => Err(Stop::Cancelled),
    };
    backend.delete_loose().await;
    result
}

/// All cores for a chunk that somebody waits for, shared with others of its kind only: what runs beside
/// it is nicer. Few for the rest, since they run side by side.
fn threads(context: &Context, urgent: bool) -> u32 {
    let sharing = if urgent { context.urgent.load(Ordering::Acquire) } else { context.config.slots.work };
    let threads = (context.cores / sharing.max(1)).clamp(1, THREADS_MAX);
    u32::try_from(threads).unwrap_or(1)
}

fn publish_every(plan: &Plan, run: Segments) -> Option<u64> {
    let timeline = &plan.timeline;
    let seconds = |frames: u64| timeline.seconds(timeline.ticks(frames));
    let frames = timeline.segment_frames(run.last).end.saturating_sub(timeline.segment_frames(run.first).start);
    if seconds(frames) <= PUBLISH_AFTER_S {
        return None;
    }
    let segment_frames = u64::from(timeline.gop_frames) * u64::from(timeline.segment_gops);
    (1..=run.count()).find(|&n| seconds(n.saturating_mul(segment_frames)) >= PUBLISH_EVERY_S)
}

/// The element of each plugin that the plan pins.
fn elements(context: &Context, plan: &Plan) -> Result<BTreeMap<String, String>, Failure> {
    let videos = plan.rungs.iter().chain(plan.trick.as_ref()).map(|video| &video.encoder);
    let encoders = videos.chain(plan.audio.as_ref().map(|audio| &audio.encoder));
    let known = encoders.map(|encoder| match context.plugins.get(&encoder.plugin) {
        Some(plugin) => Ok((plugin.name.clone(), plugin.element.clone())),
        None => Err(Failure::retryable("plugin_missing", "a pinned plugin is not installed", &encoder.plugin)),
    });
    known.collect()
}

#[cfg(test)]
mod tests {
    use vidstream_media::{Rational, Timeline, timeline::Config};

    use super::*;

    #[test]
    fn more_than_forty_seconds_are_published_in_runs_of_twenty() {
        let plan = |segment_s| Plan {
            timeline: Timeline::new(Rational::new(30, 1), 18_000, Config { gop_s: segment_s / 2.0, segment_s }),
            rungs: Vec::new(),
            trick: None,
            audio: None,
            storyboard: None,
            target_duration_s: 5,
            chunks: Vec::new(),
        };
        let every = |segment_s, count: u64| publish_every(&plan(segment_s), Segments { first: 3, last: 2 + count });
        assert_eq!([every(4.0, 10), every(4.0, 11)], [None, Some(5)]);
        assert_eq!([every(5.0, 8), every(5.0, 9)], [None, Some(4)]);
        assert_eq!([every(6.0, 6), every(6.0, 7)], [None, Some(4)], "24 s, since 18 s are too few");
    }
}
