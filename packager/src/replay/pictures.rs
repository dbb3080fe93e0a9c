//! Pictures: decoded in the order of their times, each with a digest and its noise against the source.

use std::hash::{DefaultHasher, Hasher};

use gst_video::prelude::*;

use super::{Coded, quality_cdb};
use crate::{
    child::ChildIo,
    encode::{
        autoplug,
        decode::{self, Picture},
        element, fault,
        pipe::{Feed, Pipe, Pulled},
        stills,
    },
    protocol::{Failure, Input, ReplayJob, Replayed, Unit},
};

/// Coded pictures that wait for the decoder.
const CODED_MAX: u64 = 8;
/// Decoded pictures that wait to be compared.
const DECODED_MAX: u32 = 4;
/// Time from one frame to the next, so that each is known by its time.
const STEP: gst::ClockTime = gst::ClockTime::from_mseconds(40);
/// The square of the greatest difference that two 8-bit values can have.
const PEAK: f64 = 255.0 * 255.0;

/// Decodes a run of pictures with a decoder of its own.
pub(super) fn decode(io: &ChildIo, job: &ReplayJob, coded: Vec<Coded>, replayed: &mut Replayed) -> Result<(), Failure> {
    let caps = stills::coded_caps(&job.config)?;
    let mut chain = autoplug::decoder_chain(&caps)?;
    let filter = element::make("capsfilter")?;
    filter.set_property("caps", gst_video::VideoCapsBuilder::new().format(gst_video::VideoFormat::I420).build());
    chain.extend([element::make("videoconvert")?, filter]);
    let feed = Feed { caps: &caps, buffers_max: CODED_MAX, bytes_max: 0 };
    let pipe = Pipe::start(&feed, &chain, decode::picture_sink(DECODED_MAX), |_| {})?;
    std::thread::scope(|scope| {
        scope.spawn(|| push_all(&pipe, coded));
        let taken = take_all(io, job, &pipe, replayed);
        if taken.is_err() {
            // Wakes the feeder, should it wait for room.
            pipe.stop();
        }
        taken
    })
}

fn push_all(pipe: &Pipe, coded: Vec<Coded>) {
    for sample in coded {
        let mut buffer = gst::Buffer::from_mut_slice(sample.data);
        if let Some(buffer) = buffer.get_mut() {
            buffer.set_pts(STEP * sample.frame);
            buffer.set_duration(STEP);
            if !sample.sync {
                buffer.set_flags(gst::BufferFlags::DELTA_UNIT);
            }
        }
        if !pipe.push(buffer) {
            break;
        }
    }
    pipe.end();
}

fn take_all(io: &ChildIo, job: &ReplayJob, pipe: &Pipe, replayed: &mut Replayed) -> Result<(), Failure> {
    loop {
        match pipe.pull()? {
            Pulled::Sample(sample) => {
                if let Some((time, picture)) = decode::picture_of(&sample) {
                    let frame = time.nseconds() / STEP.nseconds();
                    let source = io.read(Input::Source, frame * u64::from(job.unit_bytes), job.unit_bytes);
                    // A decoder may show pictures at times that nobody asked for; the judge counts them.
                    let source = source.unwrap_or_default();
                    replayed.units.push(compare(frame, &picture, &source)?);
                }
            }
            Pulled::End => return Ok(()),
            Pulled::Broken(text) => {
                replayed.errors.push(text);
                return Ok(());
            }
        }
    }
}

fn compare(frame: u64, picture: &Picture, source: &[u8]) -> Result<Unit, Failure> {
    let unmapped = || fault::decode("a picture cannot be mapped");
    let mapped =
        gst_video::VideoFrameRef::from_buffer_ref_readable(&picture.buffer, &picture.info).map_err(|_| unmapped())?;
    let mut digest = DefaultHasher::new();
    let (mut noise, mut pixels) = (0_u64, 0_u64);
    for plane in 0..mapped.n_planes() {
        let stride = mapped.plane_stride().get(usize::try_from(plane).unwrap_or(0)).copied();
        let stride = stride.and_then(|stride| usize::try_from(stride).ok()).filter(|&stride| stride > 0);
        let stride = stride.ok_or_else(unmapped)?;
        let width = usize::try_from(mapped.comp_width(plane)).unwrap_or(0);
        let height = usize::try_from(mapped.comp_height(plane)).unwrap_or(0);
        let rows = mapped.plane_data(plane).map_err(fault::decode)?.chunks(stride).take(height);
        for (row, line) in rows.enumerate() {
            let line = line.get(..width).ok_or_else(unmapped)?;
            digest.write(line);
            if plane == 0 {
                let original = source.get(row * width..(row + 1) * width).unwrap_or_default();
                noise += line.iter().zip(original).map(|(&a, &b)| u64::from(a.abs_diff(b)).pow(2)).sum::<u64>();
                pixels += original.len() as u64;
            }
        }
    }
    #[expect(clippy::cast_precision_loss, reason = "a picture has far fewer than 2^53 / 255^2 pixels")]
    let quality_cdb = if pixels == 0 { 0 } else { quality_cdb(PEAK * pixels as f64, noise as f64) };
    Ok(Unit { frame, digest: digest.finish(), quality_cdb })
}
