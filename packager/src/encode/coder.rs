//! One encoder of the job: raw pictures or sound in, coded samples handed to a [`Delivery`].

use std::sync::{
    Arc, Mutex, PoisonError,
    mpsc::{Receiver, sync_channel},
};

use gst::prelude::*;
use vidstream_media::{Track, codec::DecoderConfig};

use super::{
    delivery::Delivery,
    events::Events,
    fault,
    pipe::{Feed, Pipe, Pipes, STALL},
};
use crate::protocol::Failure;

/// Coded samples between an encoder and its writer.
const SAMPLES_MAX: u32 = 16;

/// Tells which grid frame a coded sample is, from its running time and from how many came before it;
/// `None` for a sample that is not wanted.
pub(super) type FrameOf = Box<dyn Fn(gst::ClockTime, u64) -> Option<u64> + Send>;

/// A running encoder.
pub(super) struct Coder {
    pipe: Pipe,
    track: Track,
    finished: Receiver<()>,
}

/// What a coder is made from.
pub(super) struct Setup<'a> {
    /// What goes in.
    pub(super) feed: Feed<'a>,
    /// Converters and the encoder.
    pub(super) middle: Vec<gst::Element>,
    /// What must come out.
    pub(super) coded_caps: gst::Caps,
    /// Which frame a sample is.
    pub(super) frame_of: FrameOf,
    /// Where samples go.
    pub(super) delivery: Delivery,
}

/// Takes samples on the encoder's thread.
struct Taker {
    delivery: Delivery,
    frame_of: FrameOf,
    taken: u64,
}

// === impl Coder ===

impl Coder {
    /// Builds and starts the encoder.
    ///
    /// # Errors
    /// `element_unavailable` when the elements do not fit together.
    pub(super) fn start(setup: Setup<'_>, pipes: &Pipes, events: &Events) -> Result<Self, Failure> {
        let track = setup.delivery.track();
        let (done, finished) = sync_channel(1);
        let taker = Arc::new(Mutex::new(Taker { delivery: setup.delivery, frame_of: setup.frame_of, taken: 0 }));
        let sink = gst_app::AppSink::builder()
            .caps(&setup.coded_caps)
            .sync(false)
            .async_(false)
            .qos(false)
            .enable_last_sample(false)
            .max_buffers(SAMPLES_MAX)
            .callbacks(callbacks(&taker, events, done))
            .build();
        let on_error = events.clone();
        let pipe =
            Pipe::start(&setup.feed, &setup.middle, sink, move |text| on_error.failed(fault::encoder(track, text)))?;
        pipes.add(&pipe);
        Ok(Self { pipe, track, finished })
    }

    /// Asks for a key frame at the first picture at or after `time`; call it before that picture is pushed.
    pub(super) fn request_key_frame(&self, time: gst::ClockTime) {
        let request = gst_video::UpstreamForceKeyUnitEvent::builder().running_time(time).all_headers(false).build();
        // What an encoder made of it is checked where its samples arrive.
        self.pipe.sink.send_event(request);
    }

    /// Pushes a raw buffer, waiting while the encoder has enough; `false` when it takes no more and has told why.
    pub(super) fn push(&self, buffer: gst::Buffer) -> bool {
        self.pipe.push(buffer)
    }

    /// Says that nothing more comes.
    pub(super) fn end(&self) {
        self.pipe.end();
    }

    /// Waits until every sample was taken.
    ///
    /// # Errors
    /// `stalled` when the encoder does not end.
    pub(super) fn wait(self) -> Result<(), Failure> {
        self.finished
            .recv_timeout(STALL)
            .map_err(|_| fault::stalled(format!("the encoder of {} does not end", self.track)))
    }
}

fn callbacks(
    taker: &Arc<Mutex<Taker>>,
    events: &Events,
    done: std::sync::mpsc::SyncSender<()>,
) -> gst_app::AppSinkCallbacks {
    let (at_sample, at_end) = (events.clone(), events.clone());
    let (taking, ending) = (Arc::clone(taker), Arc::clone(taker));
    gst_app::AppSinkCallbacks::builder()
        .new_sample(move |sink| {
            let sample = sink.pull_sample().map_err(|_| gst::FlowError::Eos)?;
            let outcome = taking.lock().unwrap_or_else(PoisonError::into_inner).take(&sample);
            outcome.map(|()| gst::FlowSuccess::Ok).map_err(|failure| {
                at_sample.failed(failure);
                gst::FlowError::Error
            })
        })
        .eos(move |_| {
            if let Err(failure) = ending.lock().unwrap_or_else(PoisonError::into_inner).delivery.finish() {
                at_end.failed(failure);
            }
            // A full channel was told already.
            done.try_send(()).ok();
        })
        .build()
}

// === impl Taker ===

impl Taker {
    fn take(&mut self, sample: &gst::Sample) -> Result<(), Failure> {
        let track = self.delivery.track();
        let unusable = |what: &str| fault::encoder(track, format!("it made a sample without {what}"));
        if let Some(config) = sample.caps().and_then(|caps| decoder_config(track, caps)) {
            self.delivery.configure(config)?;
        }
        let buffer = sample.buffer_owned().ok_or_else(|| unusable("bytes"))?;
        let pts = buffer.pts().ok_or_else(|| unusable("a time"))?;
        // Encoders may move their times (x264enc adds 1000 hours); the segment tells by how much.
        let segment = sample.segment().and_then(|segment| segment.downcast_ref::<gst::ClockTime>());
        let time = segment.and_then(|segment| segment.to_running_time(pts)).unwrap_or(gst::ClockTime::ZERO);
        let frame = (self.frame_of)(time, self.taken);
        self.taken += 1;
        let sync = !buffer.flags().contains(gst::BufferFlags::DELTA_UNIT);
        let data = buffer.into_mapped_buffer_readable().map_err(|_| unusable("readable bytes"))?;
        self.delivery.take(frame, time, data, sync)
    }
}

fn decoder_config(track: Track, caps: &gst::CapsRef) -> Option<DecoderConfig> {
    let data = caps.structure(0)?.get::<gst::Buffer>("codec_data").ok()?;
    let bytes = data.map_readable().ok()?.to_vec();
    Some(if track.is_video() { DecoderConfig::Avc(bytes) } else { DecoderConfig::Aac(bytes) })
}
