//! A running GStreamer pipeline between an `appsrc` and an `appsink`, stopped when it is dropped.

use std::{
    sync::{Arc, Mutex, PoisonError},
    time::Duration,
};

use gst::{glib, prelude::*};

use super::fault;
use crate::protocol::Failure;

/// A pipeline in which nothing moves for this long has stalled.
pub(crate) const STALL: Duration = Duration::from_secs(30);
/// How often a wait looks for an error.
const POLL: gst::ClockTime = gst::ClockTime::from_mseconds(100);

/// A running pipeline `appsrc ! … ! appsink`.
pub(crate) struct Pipe {
    pipeline: gst::Pipeline,
    pub(crate) source: gst_app::AppSrc,
    pub(crate) sink: gst_app::AppSink,
    error: Arc<Mutex<Option<String>>>,
}

/// What a pull brought.
pub(crate) enum Pulled {
    /// A sample.
    Sample(gst::Sample),
    /// The regular end.
    End,
    /// The end by an error of an element.
    Broken(String),
}

/// Every pipeline of a job, to end them all when it fails.
#[derive(Clone, Default)]
pub(super) struct Pipes(Arc<Mutex<Vec<glib::WeakRef<gst::Pipeline>>>>);

/// What an `appsrc` is told.
pub(crate) struct Feed<'a> {
    /// Caps of what is pushed.
    pub(crate) caps: &'a gst::Caps,
    /// Buffers that may wait; 0: any number.
    pub(crate) buffers_max: u64,
    /// Bytes that may wait; 0: any number.
    pub(crate) bytes_max: u64,
}

// === impl Pipe ===

impl Pipe {
    /// Links `source ! middle ! sink` and starts it once `configure` has set the sink up.
    /// `on_error` hears of an element's error on whatever thread it happens.
    ///
    /// # Errors
    /// `element_unavailable` when the elements do not fit together.
    pub(crate) fn start(
        feed: &Feed<'_>,
        middle: &[gst::Element],
        sink: gst_app::AppSink,
        on_error: impl Fn(String) + Send + Sync + 'static,
    ) -> Result<Self, Failure> {
        let source = gst_app::AppSrc::builder()
            .caps(feed.caps)
            .format(gst::Format::Time)
            .block(true)
            .max_buffers(feed.buffers_max)
            .max_bytes(feed.bytes_max)
            .build();
        let pipeline = gst::Pipeline::new();
        let mut elements: Vec<&gst::Element> = vec![source.upcast_ref()];
        elements.extend(middle);
        elements.push(sink.upcast_ref());
        let wired = pipeline.add_many(&elements).and_then(|()| gst::Element::link_many(&elements));
        wired.map_err(|error| fault::element("pipeline", error))?;

        let error = Arc::new(Mutex::new(None));
        if let Some(bus) = pipeline.bus() {
            let first = Arc::clone(&error);
            bus.set_sync_handler(move |_, message| {
                if let gst::MessageView::Error(found) = message.view() {
                    let from = found.src().map_or_else(String::new, |object| object.name().to_string());
                    let text = format!("{from}: {} ({})", found.error(), found.debug().unwrap_or_default());
                    first.lock().unwrap_or_else(PoisonError::into_inner).get_or_insert_with(|| text.clone());
                    on_error(text);
                }
                gst::BusSyncReply::Drop
            });
        }
        let pipe = Self { pipeline, source, sink, error };
        let started = pipe.pipeline.set_state(gst::State::Playing);
        started.map_err(|error| fault::element("pipeline", pipe.error().unwrap_or_else(|| error.to_string())))?;
        Ok(pipe)
    }

    /// The first error of an element.
    pub(crate) fn error(&self) -> Option<String> {
        self.error.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }

    /// Pushes a buffer, waiting while the queue is full; `false` when the pipeline takes no more.
    pub(crate) fn push(&self, buffer: gst::Buffer) -> bool {
        self.source.push_buffer(buffer).is_ok()
    }

    /// Says that nothing more comes.
    pub(crate) fn end(&self) {
        // A pipeline that refuses has failed or is stopped, and its error was told.
        self.source.end_of_stream().ok();
    }

    /// Stops the pipeline; pushes and pulls of other threads end.
    pub(crate) fn stop(&self) {
        // Going to Null cannot be refused.
        self.pipeline.set_state(gst::State::Null).ok();
    }

    /// Waits for the next sample.
    ///
    /// # Errors
    /// `stalled` when none comes for long.
    pub(crate) fn pull(&self) -> Result<Pulled, Failure> {
        let steps = STALL.as_millis() / u128::from(POLL.mseconds().max(1));
        for _ in 0..steps {
            if let Some(sample) = self.sink.try_pull_sample(POLL) {
                return Ok(Pulled::Sample(sample));
            }
            if let Some(text) = self.error() {
                return Ok(Pulled::Broken(text));
            }
            if self.sink.is_eos() {
                return Ok(Pulled::End);
            }
        }
        Err(fault::stalled("a decoder gave nothing"))
    }
}

impl Drop for Pipe {
    fn drop(&mut self) {
        self.stop();
    }
}

// === impl Pipes ===

impl Pipes {
    /// Remembers a pipeline.
    pub(super) fn add(&self, pipe: &Pipe) {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).push(pipe.pipeline.downgrade());
    }

    /// Stops them all on a thread of its own, since an element that hangs would hold up the caller too.
    pub(super) fn stop(&self) {
        let pipelines = std::mem::take(&mut *self.0.lock().unwrap_or_else(PoisonError::into_inner));
        let stop_all = move || {
            for pipeline in pipelines.iter().filter_map(glib::WeakRef::upgrade) {
                // As in `drop`.
                pipeline.set_state(gst::State::Null).ok();
            }
        };
        drop(std::thread::Builder::new().name("stop".into()).spawn(stop_all));
    }
}
