//! What the threads of a job tell the thread that runs it.

use std::sync::mpsc::{Receiver, SyncSender, sync_channel};

use vidstream_media::{codec::DecoderConfig, index::TrackChunk};

use crate::protocol::{Failure, Warning};

/// Events that may wait before their sender does.
const WAITING_MAX: usize = 256;

/// One thing that happened.
#[derive(Debug)]
pub(super) enum Event {
    /// So many units of the job's work are done, frames of the grid.
    Done(u64),
    /// A track's object for one run is finished.
    Track { run: usize, chunk: TrackChunk, config: DecoderConfig },
    /// People should know something about a run. Precedes the last [`Event::Track`] of that run.
    Warning { run: usize, warning: Warning },
    /// The job cannot go on.
    Failed(Failure),
}

/// The sending half, one for each thread.
#[derive(Clone)]
pub(super) struct Events(SyncSender<Event>);

/// A new pair.
pub(super) fn channel() -> (Events, Receiver<Event>) {
    let (sender, receiver) = sync_channel(WAITING_MAX);
    (Events(sender), receiver)
}

// === impl Events ===

impl Events {
    /// Sends an event. When nobody listens any more the job is over, and its threads end by their
    /// pipelines being shut down.
    pub(super) fn send(&self, event: Event) {
        drop(self.0.send(event));
    }

    /// Reports a failure.
    pub(super) fn failed(&self, failure: Failure) {
        self.send(Event::Failed(failure));
    }

    /// Runs a part of the job on a thread of its own and reports its failure.
    pub(super) fn spawn(
        &self,
        name: &str,
        part: impl FnOnce() -> Result<(), Failure> + Send + 'static,
    ) -> Result<(), Failure> {
        let events = self.clone();
        let body = move || {
            if let Err(failure) = part() {
                events.failed(failure);
            }
        };
        std::thread::Builder::new().name(name.to_owned()).spawn(body)?;
        Ok(())
    }
}
