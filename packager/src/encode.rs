//! Makes every track of a run of segments, in a child process.
//!
//! The source is decoded once; each picture is picked by its time on the grid, scaled, and handed to
//! every rung's encoder, and the sound is cut to the same grid. What comes out depends on the plan and
//! the source only, never on how the segments were divided into jobs.

mod audio;
pub(crate) mod autoplug;
pub(crate) mod canvas;
mod coder;
mod collect;
pub(crate) mod decode;
mod deinterlace;
mod delivery;
pub(crate) mod element;
mod events;
pub(crate) mod fault;
mod fragments;
mod input;
pub(crate) mod jpeg;
pub(crate) mod nal;
mod picker;
mod pictures;
pub(crate) mod pipe;
mod range;
mod repeats;
mod rung;
pub(crate) mod scale;
pub(crate) mod stills;
mod video;

use std::{ops::Range, sync::Arc};

use vidstream_media::chunks::Segments;

use self::{collect::Collector, events::Events, input::SourceSpan, pipe::Pipes};
use crate::{
    child::ChildIo,
    protocol::{EncodeJob, Failure},
};

/// What every part of a job needs.
#[derive(Clone)]
struct Context {
    io: ChildIo,
    job: Arc<EncodeJob>,
    events: Events,
    pipes: Pipes,
    /// The runs that are published one by one.
    runs: Arc<[Segments]>,
    /// Whether what encoders give is written down instead of held against the grid.
    on_trial: bool,
}

/// Makes every track of a run of segments, and publishes it in one or more parts.
///
/// Waits are bounded: when nothing moves for long the job fails with `stalled`. After a failure
/// threads of codecs may be left behind; the process is to end.
///
/// # Errors
/// What the worker reports as the reason of a failed attempt.
pub fn run(io: &ChildIo, job: &EncodeJob) -> Result<(), Failure> {
    encode(io, job, false)
}

/// As [`run`], but stores what the encoders give as it comes, in one [`crate::record`] a track.
///
/// # Errors
/// As [`run`].
pub(crate) fn record(io: &ChildIo, job: &EncodeJob) -> Result<(), Failure> {
    encode(io, &EncodeJob { publish_every: None, ..job.clone() }, true)
}

fn encode(io: &ChildIo, job: &EncodeJob, on_trial: bool) -> Result<(), Failure> {
    let source = if job.filler.is_some() { SourceSpan::none() } else { input::read_span(io, job.segments)? };
    let (events, inbox) = events::channel();
    let pipes = Pipes::default();
    let runs: Arc<[Segments]> = runs(job.segments, job.publish_every).into();
    let context = Context { io: io.clone(), job: Arc::new(job.clone()), events, pipes: pipes.clone(), runs, on_trial };
    if !job.plan.rungs.is_empty() {
        let (context, span) = (context.clone(), source.video);
        context.events.clone().spawn("video", move || video::run(&context, span))?;
    }
    if job.plan.audio.is_some() {
        let (context, span) = (context.clone(), source.audio);
        context.events.clone().spawn("audio", move || audio::run(&context, span))?;
    }
    let outcome = Collector::new(&context).collect(&inbox, pipe::STALL);
    if outcome.is_err() {
        pipes.stop();
    }
    outcome
}

// === impl Context ===

impl Context {
    /// The grid frames of the job.
    fn frames(&self) -> Range<u64> {
        let (timeline, segments) = (&self.job.plan.timeline, self.job.segments);
        timeline.segment_frames(segments.first).start..timeline.segment_frames(segments.last).end
    }
}

/// Divides `all` into runs of `every` segments, the last one shorter.
fn runs(all: Segments, every: Option<u64>) -> Vec<Segments> {
    let length = every.unwrap_or(u64::MAX).max(1);
    let mut runs = Vec::new();
    let mut first = all.first;
    while first <= all.last {
        let last = first.saturating_add(length - 1).min(all.last);
        runs.push(Segments { first, last });
        first = last + 1;
    }
    runs
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn runs_cover_the_job() {
        let spans = |every| {
            runs(Segments { first: 3, last: 9 }, every).iter().map(|run| (run.first, run.last)).collect::<Vec<_>>()
        };
        assert_eq!(spans(None), [(3, 9)]);
        assert_eq!(spans(Some(3)), [(3, 5), (6, 8), (9, 9)]);
        assert_eq!(spans(Some(0)), (3..=9).map(|n| (n, n)).collect::<Vec<_>>());
    }
}
