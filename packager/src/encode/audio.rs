//! The audio track of a job: decoded with pre-roll, laid on the grid by time, coded in whole frames.
//!
//! An AAC decoder outputs, for each packet, what the encoder was given one frame earlier. So the
//! packets kept for frames `a..b` are those that decode to the samples of exactly these frames, and
//! `tfdt` 0 is sample 0 without an edit list; the frames before `a` are coded and thrown away.

mod align;
mod decode;
mod span;

use gst::prelude::*;
use vidstream_media::{Track, plan::AudioTrack};

use self::{align::Aligner, decode::Decoder, span::Span};
use super::{
    Context,
    coder::{Coder, Setup},
    delivery::Delivery,
    element,
    events::Event,
    fault,
    input::AudioSpan,
    pipe::Feed,
};
use crate::protocol::{Failure, Warning};

/// Bytes of one sample of one channel: 32-bit floats.
const SAMPLE_BYTES: u32 = 4;
/// Raw sound that waits for the encoder, in bytes.
const RAW_BYTES_MAX: u64 = 1 << 20;
/// The encoder is fed in pieces of this many samples.
const PIECE_SAMPLES: usize = 16_384;

/// Makes the audio track of the job; without a span it is silent.
///
/// # Errors
/// Any failure of the job.
pub(super) fn run(context: &Context, source: Option<AudioSpan>) -> Result<(), Failure> {
    let Some(track) = &context.job.plan.audio else { return Ok(()) };
    let t0_ns = source.as_ref().map_or(0, |source| source.t0_ns);
    let mut decoder = source.map(|source| Decoder::start(context, source.stream, track.channels)).transpose()?;
    let mut block = match &mut decoder {
        Some(decoder) => decoder.next()?,
        None => None,
    };
    let rate = block.as_ref().map_or(track.grid.sample_rate, |block| block.rate);
    let span = Span::new(&context.job, track.grid, rate);
    let mut aligner = Aligner::new(span.layout(t0_ns, SAMPLE_BYTES * track.channels));
    let feeder = Feeder::start(context, track, &span)?;

    let mut going = true;
    while let (Some(decoded), Some(decoder)) = (block.take(), &mut decoder) {
        going = feeder.push(&aligner.push(decoded.pts_ns, decoded.data), &span, context);
        if !going || aligner.is_full() {
            break;
        }
        block = decoder.next()?;
    }
    if let Some(text) = decoder.as_ref().and_then(Decoder::broken) {
        warn(context, text);
    }
    drop(decoder);
    if going && feeder.push(&aligner.finish(), &span, context) {
        feeder.coder.end();
        feeder.coder.wait()?;
    }
    Ok(())
}

/// Pushes aligned sound to the encoder.
struct Feeder {
    coder: Coder,
    rate: u64,
    frame_bytes: usize,
    pushed: std::cell::Cell<u64>,
}

// === impl Feeder ===

impl Feeder {
    fn start(context: &Context, track: &AudioTrack, span: &Span) -> Result<Self, Failure> {
        let Context { job, events, pipes, .. } = context;
        let delivery = Delivery::new(context, Track::Audio)?;
        let plugin = &track.encoder.plugin;
        let name =
            job.elements.get(plugin).ok_or_else(|| fault::element(plugin, "the job does not name its element"))?;
        let encoder = element::encoder(name, &track.encoder.settings, job.threads)?;
        let raw = raw_caps(span.rate, track.channels);
        let filter = element::make("capsfilter")?;
        filter.set_property(
            "caps",
            gst::Caps::builder("audio/x-raw").field("rate", clamp(track.grid.sample_rate)).build(),
        );
        let middle = vec![
            element::make("audioconvert")?,
            element::make("audioresample")?,
            filter,
            element::make("audioconvert")?,
            encoder,
        ];
        let setup = Setup {
            feed: Feed { caps: &raw, buffers_max: 0, bytes_max: RAW_BYTES_MAX },
            middle,
            coded_caps: gst::Caps::builder("audio/mpeg").field("mpegversion", 4).field("stream-format", "raw").build(),
            frame_of: span.frame_of(),
            delivery,
        };
        let frame_bytes = usize::try_from(SAMPLE_BYTES * track.channels).unwrap_or(1).max(1);
        Ok(Self {
            coder: Coder::start(setup, pipes, events)?,
            rate: u64::from(span.rate),
            frame_bytes,
            pushed: 0.into(),
        })
    }

    /// Pushes samples; `false` when the encoder takes no more and has told why.
    fn push(&self, samples: &[u8], span: &Span, context: &Context) -> bool {
        for piece in samples.chunks(PIECE_SAMPLES * self.frame_bytes) {
            let count = (piece.len() / self.frame_bytes) as u64;
            let time = |at: u64| {
                gst::ClockTime::from_nseconds(vidstream_media::rational::mul_div_round(at, 1_000_000_000, self.rate))
            };
            let start = self.pushed.get();
            let mut buffer = gst::Buffer::from_mut_slice(piece.to_vec());
            if let Some(buffer) = buffer.get_mut() {
                buffer.set_pts(time(start));
                buffer.set_duration(time(start + count).saturating_sub(time(start)));
                buffer.set_offset(start);
                buffer.set_offset_end(start + count);
            }
            if !self.coder.push(buffer) {
                return false;
            }
            self.pushed.set(start + count);
            if context.job.plan.rungs.is_empty() {
                context.events.send(Event::Done(span.grid_frames_done(&context.job.plan, start + count)));
            }
        }
        true
    }
}

fn raw_caps(rate: u32, channels: u32) -> gst::Caps {
    gst::Caps::builder("audio/x-raw")
        .field("format", "F32LE")
        .field("layout", "interleaved")
        .field("rate", clamp(rate))
        .field("channels", clamp(channels))
        .build()
}

fn clamp(value: u32) -> i32 {
    i32::try_from(value).unwrap_or(i32::MAX)
}

fn warn(context: &Context, text: &str) {
    let frames = context.frames();
    let timeline = &context.job.plan.timeline;
    let warning = Warning {
        code: "undecodable_audio".to_owned(),
        detail: format!("sound could not be decoded and is silent instead: {text}"),
        from_s: Some(timeline.seconds(timeline.ticks(frames.start))),
        to_s: Some(timeline.seconds(timeline.ticks(frames.end))),
    };
    // The last run is surely not published yet, since its sound is not finished.
    let run = context.runs.len().saturating_sub(1);
    context.events.send(Event::Warning { run, warning });
}
