//! The video tracks of a job: each picture decoded once, picked on the grid, scaled, and handed to every encoder.

use std::collections::HashSet;

use vidstream_media::{Track, plan::VideoTrack};

use super::{
    Context, canvas,
    decode::Picture,
    delivery::Delivery,
    events::Event,
    input::VideoSpan,
    pictures::{Pictures, Source},
    rung::Rung,
    scale::Cascade,
    stills,
};
use crate::protocol::{Failure, Level};

/// Frames between two reports of progress.
const REPORT_FRAMES: u64 = 8;

/// Makes every rung and the trick track of the job; without a span they show one picture.
///
/// # Errors
/// Any failure of the job.
pub(super) fn run(context: &Context, span: Option<VideoSpan>) -> Result<(), Failure> {
    let plan = &context.job.plan;
    let mut pictures = match (span, plan.rungs.first()) {
        (Some(span), _) => Pictures::Source(Box::new(Source::start(context, span)?)),
        (None, Some(top)) => Pictures::Still(still(context, top)?),
        (None, None) => return Ok(()),
    };
    let tracks: Vec<&VideoTrack> = plan.rungs.iter().chain(&plan.trick).collect();
    let sizes: Vec<(u32, u32)> = tracks.iter().map(|video| (video.width, video.height)).collect();
    let mut cascade = Cascade::new(&sizes)?;
    let encoders = tracks.iter().map(|video| start(context, video)).collect::<Result<Vec<_>, _>>()?;

    let marks = Marks::new(context);
    let frames = context.frames();
    let mut scaled: Vec<Picture> = Vec::new();
    let mut source: Option<Picture> = None;
    for frame in frames.clone() {
        let picture = pictures.show(frame)?;
        let wanted = if marks.tricks.contains(&frame) { tracks.len() } else { plan.rungs.len() };
        let repeated = source.as_ref().is_some_and(|source| source.buffer.as_ptr() == picture.buffer.as_ptr());
        if !repeated || scaled.len() < wanted {
            scaled = cascade.scale(&picture, wanted)?;
            source = Some(picture);
        }
        if let Some(run) = marks.run_ending_with(frame)
            && let Some(warning) = pictures.take_warning()
        {
            context.events.send(Event::Warning { run, warning });
        }
        let key = marks.keys.contains(&frame);
        for (encoder, picture) in encoders.iter().zip(&scaled).take(wanted) {
            if !encoder.push(frame, key || encoder.track == Track::Trick, &picture.buffer) {
                // It has failed and told why.
                return Ok(());
            }
        }
        let done = frame - frames.start + 1;
        if done.is_multiple_of(REPORT_FRAMES) {
            context.events.send(Event::Done(done));
        }
    }
    drop(pictures);
    encoders.iter().for_each(Rung::end);
    encoders.into_iter().try_for_each(Rung::wait)
}

/// The picture of a run without source: the last one before it, else black.
fn still(context: &Context, top: &VideoTrack) -> Result<Picture, Failure> {
    let before = context.job.filler.as_ref().and_then(|filler| filler.before.as_ref());
    let shown = match before.map(|gop| stills::last_picture(&context.io, gop)) {
        Some(Ok(picture)) => picture,
        Some(Err(failure)) => {
            // Filler is what is left when all else failed: it may not fail for the sake of looks.
            context.io.log(Level::Warn, format!("the filler is black: {failure}"))?;
            None
        }
        None => None,
    };
    shown.map_or_else(|| canvas::black(top.width, top.height), Ok)
}

/// Frames at which something happens.
struct Marks {
    /// First frames of GOPs.
    keys: HashSet<u64>,
    /// Frames of trick pictures.
    tricks: HashSet<u64>,
    /// Last frame of each run.
    ends: Vec<u64>,
}

// === impl Marks ===

impl Marks {
    fn new(context: &Context) -> Self {
        let timeline = &context.job.plan.timeline;
        let segments = context.job.segments;
        let gops = (segments.first..=segments.last).flat_map(|n| timeline.segment_gops(n));
        let tricks = timeline.tricks_of_segments(segments.first, segments.last);
        Self {
            keys: gops.map(|gop| gop.start).collect(),
            tricks: tricks.map(|n| timeline.trick_frames(n).start).collect(),
            ends: context.runs.iter().map(|run| timeline.segment_frames(run.last).end.saturating_sub(1)).collect(),
        }
    }

    fn run_ending_with(&self, frame: u64) -> Option<usize> {
        self.ends.binary_search(&frame).ok()
    }
}

fn start(context: &Context, video: &VideoTrack) -> Result<Rung, Failure> {
    let Context { job, events, pipes, .. } = context;
    let delivery = Delivery::new(context, video.track)?;
    Rung::start(job, video, context.frames().start, delivery, pipes, events)
}
