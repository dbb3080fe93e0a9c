//! Brings the tracks of each run together and publishes it, and watches that something moves.

use std::{
    sync::mpsc::{Receiver, RecvTimeoutError},
    time::Duration,
};

use vidstream_media::{Track, chunks::Segments, codec::DecoderConfig, index::TrackChunk};

use super::{Context, events::Event, fault};
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
    /// The first failure of any thread, or `stalled` when all of them are silent for `patience`.
    pub(super) fn collect(mut self, inbox: &Receiver<Event>, patience: Duration) -> Result<(), Failure> {
        let mut published = 0;
        while published < self.runs.len() {
            let event = inbox.recv_timeout(patience).map_err(|error| match error {
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

#[cfg(test)]
mod tests {
    use super::*;
    use crate::encode::events;

    fn collector(dir: &std::path::Path) -> Collector {
        let (io, _) = ChildIo::local(dir, dir).unwrap();
        let run = Run::new(Segments { first: 1, last: 1 });
        Collector { io, tracks: 1, total: 60, runs: vec![run] }
    }

    #[test]
    fn silence_is_a_failure_that_another_attempt_may_not_meet() {
        let dir = tempfile::tempdir().unwrap();
        let (events, inbox) = events::channel();
        events.send(Event::Done(8));
        let failure = collector(dir.path()).collect(&inbox, Duration::from_millis(5)).unwrap_err();
        assert_eq!((failure.code.as_str(), failure.retryable), ("stalled", true));
        drop(events);
        assert_eq!(collector(dir.path()).collect(&inbox, Duration::MAX).unwrap_err().code, "stalled");
    }

    #[test]
    fn the_first_failure_of_any_part_ends_the_job() {
        let dir = tempfile::tempdir().unwrap();
        let (events, inbox) = events::channel();
        events.spawn("part", || Err(fault::decode("first"))).unwrap();
        let failure = collector(dir.path()).collect(&inbox, Duration::MAX).unwrap_err();
        assert_eq!(failure.code, "decode_error");
    }
}
