//! Sound: decoded behind one another and cut into frames again, each with its noise against the source.

use std::hash::{DefaultHasher, Hasher};

use gst::prelude::*;
use vidstream_media::codec::DecoderConfig;

use super::{Coded, quality_cdb};
use crate::{
    child::ChildIo,
    encode::{
        autoplug, element, fault,
        pipe::{Feed, Pipe, Pulled},
    },
    protocol::{Failure, Input, ReplayJob, Replayed, Unit},
};

/// Coded frames that wait for the decoder.
const CODED_MAX: u64 = 64;
/// Decoded blocks that wait to be compared.
const DECODED_MAX: u32 = 32;
/// Bytes of one sample of one channel: 32-bit floats.
const SAMPLE_BYTES: usize = 4;
/// Frames this quiet, as the mean square of their samples, are silence: there is no ratio to tell.
const SILENCE: f64 = 1e-7;
/// What is heard in silence is as loud as under a sound of this mean square, 30 dB below full scale.
const HEARD_IN_SILENCE: f64 = 1e-3;

/// Decodes a run of audio frames with a decoder of its own.
pub(super) fn decode(io: &ChildIo, job: &ReplayJob, coded: Vec<Coded>, replayed: &mut Replayed) -> Result<(), Failure> {
    let Some(first) = coded.first().map(|coded| coded.frame) else { return Ok(()) };
    let caps = coded_caps(job)?;
    let mut chain = autoplug::decoder_chain(&caps)?;
    let filter = element::make("capsfilter")?;
    let raw = gst::Caps::builder("audio/x-raw").field("format", "F32LE").field("layout", "interleaved").build();
    filter.set_property("caps", raw);
    chain.extend([element::make("audioconvert")?, filter]);
    let feed = Feed { caps: &caps, buffers_max: CODED_MAX, bytes_max: 0 };
    let sink = gst_app::AppSink::builder().sync(false).async_(false).max_buffers(DECODED_MAX).build();
    let pipe = Pipe::start(&feed, &chain, sink, |_| {})?;
    let frame_time = frame_time(job);
    let mut decoded = Vec::new();
    std::thread::scope(|scope| {
        scope.spawn(|| push_all(&pipe, coded, frame_time));
        let taken = take_all(&pipe, &mut decoded, &mut replayed.errors);
        if taken.is_err() {
            // Wakes the feeder, should it wait for room.
            pipe.stop();
        }
        taken
    })?;
    let unit_bytes = usize::try_from(job.unit_bytes).unwrap_or(1).max(1);
    for (frame, samples) in (first..).zip(decoded.chunks(unit_bytes)) {
        // Short past the end of the source, where silence is expected.
        let mut source = io.read(Input::Source, frame * u64::from(job.unit_bytes), job.unit_bytes).unwrap_or_default();
        source.resize(samples.len(), 0);
        replayed.units.push(compare(frame, samples, &source));
    }
    Ok(())
}

fn push_all(pipe: &Pipe, coded: Vec<Coded>, frame_time: gst::ClockTime) {
    for sample in coded {
        let mut buffer = gst::Buffer::from_mut_slice(sample.data);
        if let Some(buffer) = buffer.get_mut() {
            buffer.set_pts(frame_time * sample.frame);
            buffer.set_duration(frame_time);
        }
        if !pipe.push(buffer) {
            break;
        }
    }
    pipe.end();
}

fn take_all(pipe: &Pipe, decoded: &mut Vec<u8>, errors: &mut Vec<String>) -> Result<(), Failure> {
    loop {
        match pipe.pull()? {
            Pulled::Sample(sample) => {
                if let Some(data) = sample.buffer().and_then(|buffer| buffer.map_readable().ok()) {
                    decoded.extend_from_slice(&data);
                }
            }
            Pulled::End => return Ok(()),
            Pulled::Broken(text) => {
                errors.push(text);
                return Ok(());
            }
        }
    }
}

fn compare(frame: u64, samples: &[u8], source: &[u8]) -> Unit {
    let mut digest = DefaultHasher::new();
    digest.write(samples);
    let floats = |bytes: &'_ [u8]| -> Vec<f64> {
        let exact = bytes.as_chunks::<SAMPLE_BYTES>().0;
        exact.iter().map(|sample| f64::from(f32::from_le_bytes(*sample))).collect()
    };
    let (heard, meant) = (floats(samples), floats(source));
    let signal: f64 = meant.iter().map(|sample| sample * sample).sum();
    let noise: f64 = heard.iter().zip(&meant).map(|(a, b)| (a - b) * (a - b)).sum();
    #[expect(clippy::cast_precision_loss, reason = "a frame has a few thousand samples")]
    let count = heard.len().max(1) as f64;
    let signal = if signal > SILENCE * count { signal } else { HEARD_IN_SILENCE * count };
    Unit { frame, digest: digest.finish(), quality_cdb: quality_cdb(signal, noise) }
}

fn coded_caps(job: &ReplayJob) -> Result<gst::Caps, Failure> {
    let (DecoderConfig::Aac(config), Some(track)) = (&job.config, &job.plan.audio) else {
        return Err(fault::decode("the stored sound is not AAC"));
    };
    let whole = |value: u32| i32::try_from(value).unwrap_or(i32::MAX);
    let caps = gst::Caps::builder("audio/mpeg")
        .field("mpegversion", 4)
        .field("stream-format", "raw")
        .field("rate", whole(track.grid.sample_rate))
        .field("channels", whole(track.channels))
        .field("codec_data", gst::Buffer::from_slice(config.clone()));
    Ok(caps.build())
}

fn frame_time(job: &ReplayJob) -> gst::ClockTime {
    let grid = job.plan.audio_grid();
    let (samples, rate) = grid.map_or((0, 1), |grid| (u64::from(grid.frame_samples), u64::from(grid.sample_rate)));
    gst::ClockTime::from_nseconds(samples * gst::ClockTime::SECOND.nseconds() / rate.max(1))
}
