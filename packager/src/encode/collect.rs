//! Brings the tracks of each run together and publishes it, and watches that something moves.

use std::sync::mpsc::{Receiver, RecvTimeoutError};

use vidstream_media::{Track, chunks::Segments, codec::DecoderConfig, index::TrackChunk};

use super::{Context, events::Event, fault, pipe::STALL};
use crate::{
    child::ChildIo,
    protocol::{Failure, Part, Progress, Warning},
};

/// Collects what the threads of a job report.
pub(super) struct Collector {
    io: ChildIo,
    /// How many tracks the plan has.
    tracks: usize,
    total: u64,
    runs: Vec<Run>,
}

struct Run {
    segments: Segments,
    tracks: Vec<TrackChunk>,
    configs: Vec<(Track, DecoderConfig)>,
    warnings: Vec<Warning>,
}

// === impl Collector ===

impl Collector {
    pub(super) fn new(context: &Context) -> Self {
        let frames = context.frames();
        Self {
            io: context.io.clone(),
            tracks: context.job.plan.tracks().len(),
            total: frames.end - frames.start,
            runs: context.runs.iter().map(|&segments| Run::new(segments)).collect(),
        }
    }

    /// Publishes runs as they become complete, until the last one is.
    ///
    /// # Errors
    /// The first failure of any thread, or `stalled` when all of them are silent.
    pub(super) fn collect(mut self, inbox: &Receiver<Event>) -> Result<(), Failure> {
        let mut published = 0;
        while published < self.runs.len() {
            let event = inbox.recv_timeout(STALL).map_err(|error| match error {
                RecvTimeoutError::Timeout => fault::stalled("no frame was finished"),
                RecvTimeoutError::Disconnected => fault::stalled("every part of the job has ended"),
            })?;
            match event {
                Event::Done(done) => self.io.progress(Progress { done, total: self.total })?,
                Event::Warning { run, warning } => self.run(run, |run| run.warnings.push(warning)),
                Event::Track { run, chunk, config } => self.run(run, |run| {
                    run.configs.push((chunk.track, config));
                    run.tracks.push(chunk);
                }),
                Event::Failed(failure) => return Err(failure),
            }
            while self.runs.get(published).is_some_and(|run| run.tracks.len() == self.tracks) {
                self.publish(published)?;
                published += 1;
            }
        }
        Ok(())
    }

    fn run(&mut self, number: usize, change: impl FnOnce(&mut Run)) {
        if let Some(run) = self.runs.get_mut(number) {
            change(run);
        }
    }

    fn publish(&mut self, number: usize) -> Result<(), Failure> {
        let last = number + 1 == self.runs.len();
        let Some(run) = self.runs.get_mut(number) else { return Ok(()) };
        run.tracks.sort_by_key(|chunk| chunk.track);
        run.configs.sort_by_key(|(track, _)| *track);
        let part = Part {
            segments: run.segments,
            tracks: std::mem::take(&mut run.tracks),
            configs: std::mem::take(&mut run.configs),
            warnings: std::mem::take(&mut run.warnings),
            last,
        };
        self.io.publish(part)?;
        Ok(())
    }
}

// === impl Run ===

impl Run {
    fn new(segments: Segments) -> Self {
        Self { segments, tracks: Vec::new(), configs: Vec::new(), warnings: Vec::new() }
    }
}
