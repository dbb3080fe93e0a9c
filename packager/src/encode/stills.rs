//! Stored I-frames decoded again, for tile sheets and posters.

use vidstream_media::{cmaf, codec::DecoderConfig};

use super::{
    decode::{self, Picture, Treatment},
    fault,
    pipe::{Feed, Pipe, Pulled},
};
use crate::{
    child::ChildIo,
    protocol::{self, Failure, StoredGop},
};

/// Coded pictures that wait for the decoder.
const CODED_MAX: u64 = 8;
/// Decoded pictures that wait to be taken.
const DECODED_MAX: u32 = 4;
/// A box header (ISO/IEC 14496-12 §4.2).
const BOX_HEADER_BYTES: usize = 8;
/// Time from one picture to the next, so that each is known by its time.
const STEP: gst::ClockTime = gst::ClockTime::SECOND;

/// Reads and decodes `pictures`; hands each that can be decoded, with its place in the list, to `take`.
///
/// # Errors
/// What reading gave, `element_unavailable`, `stalled`, or a failure of `take`.
pub(crate) fn decode_each(
    io: &ChildIo,
    config: &DecoderConfig,
    pictures: &[protocol::Picture],
    mut take: impl FnMut(usize, &Picture) -> Result<(), Failure>,
) -> Result<(), Failure> {
    let caps = coded_caps(config)?;
    let feed = Feed { caps: &caps, buffers_max: CODED_MAX, bytes_max: 0 };
    let chain = decode::picture_chain(&caps, Treatment::default())?;
    let pipe = Pipe::start(&feed, &chain, decode::picture_sink(DECODED_MAX), |_| {})?;
    std::thread::scope(|scope| {
        let feeding = scope.spawn(|| push_all(io, &pipe, pictures));
        let taken = take_all(&pipe, &mut take);
        if taken.is_err() {
            // Wakes the feeder, should it wait for room.
            pipe.stop();
        }
        let pushed = feeding.join().unwrap_or_else(|_| Err(fault::decode("the reader of stored pictures panicked")));
        taken.and(pushed)
    })
}

/// The last picture of a stored GOP; `None` if nothing of it can be decoded.
///
/// # Errors
/// What reading gave, `element_unavailable`, `stalled` or `decode_error`.
pub(crate) fn last_picture(io: &ChildIo, gop: &StoredGop) -> Result<Option<Picture>, Failure> {
    let bytes = io.read(gop.object, gop.offset, gop.bytes)?;
    let buffers = coded_pictures(&bytes)?;
    let caps = coded_caps(&gop.config)?;
    let feed = Feed { caps: &caps, buffers_max: 0, bytes_max: u64::from(gop.bytes) };
    let chain = decode::picture_chain(&caps, Treatment::default())?;
    let pipe = Pipe::start(&feed, &chain, decode::picture_sink(DECODED_MAX), |_| {})?;
    // They fit the queue, so that pushing does not wait for what is only pulled afterwards.
    for buffer in buffers {
        if !pipe.push(buffer) {
            break;
        }
    }
    pipe.end();
    let mut last = None;
    loop {
        match pipe.pull()? {
            Pulled::Sample(sample) => last = decode::picture_of(&sample).map(|(_, picture)| picture).or(last),
            Pulled::End => return Ok(last),
            Pulled::Broken(text) => return Err(fault::decode(text)),
        }
    }
}

/// The samples of stored fragments, in decode order and with their presentation times.
fn coded_pictures(bytes: &[u8]) -> Result<Vec<gst::Buffer>, Failure> {
    let mut buffers = Vec::new();
    for fragment in cmaf::read_fragments(bytes).map_err(fault::decode)? {
        let mut decode_time = fragment.base_decode_time;
        for sample in fragment.samples {
            let mut buffer = gst::Buffer::from_mut_slice(bytes.get(sample.data).unwrap_or_default().to_vec());
            let ticks = decode_time.saturating_add_signed(i64::from(sample.composition_offset));
            if let Some(buffer) = buffer.get_mut() {
                // Only the order counts: a tick passes for a microsecond.
                buffer.set_pts(decode::LEAD + gst::ClockTime::from_useconds(ticks));
            }
            buffers.push(buffer);
            decode_time = decode_time.saturating_add(u64::from(sample.duration));
        }
    }
    Ok(buffers)
}

fn push_all(io: &ChildIo, pipe: &Pipe, pictures: &[protocol::Picture]) -> Result<(), Failure> {
    let pushed = push_each(io, pipe, pictures);
    // Also after a failure, so that whoever takes pictures sees the end.
    pipe.end();
    pushed
}

fn push_each(io: &ChildIo, pipe: &Pipe, pictures: &[protocol::Picture]) -> Result<(), Failure> {
    let mut time = gst::ClockTime::ZERO;
    for picture in pictures {
        let range = io.read(picture.object, picture.offset, picture.bytes)?;
        if let Some(sample) = first_sample(&range) {
            let mut buffer = gst::Buffer::from_mut_slice(sample.to_vec());
            if let Some(buffer) = buffer.get_mut() {
                buffer.set_pts(time);
                buffer.set_duration(STEP);
            }
            if !pipe.push(buffer) {
                break;
            }
        }
        time += STEP;
    }
    Ok(())
}

fn take_all(pipe: &Pipe, take: &mut impl FnMut(usize, &Picture) -> Result<(), Failure>) -> Result<(), Failure> {
    loop {
        match pipe.pull()? {
            Pulled::Sample(sample) => {
                if let Some((time, picture)) = decode::picture_of(&sample) {
                    let place = time.nseconds() / STEP.nseconds();
                    take(usize::try_from(place).unwrap_or(usize::MAX), &picture)?;
                }
            }
            Pulled::End => return Ok(()),
            Pulled::Broken(text) => return Err(fault::decode(text)),
        }
    }
}

pub(crate) fn coded_caps(config: &DecoderConfig) -> Result<gst::Caps, Failure> {
    let DecoderConfig::Avc(record) = config else {
        return Err(fault::decode("stored pictures are not H.264"));
    };
    let caps = gst::Caps::builder("video/x-h264")
        .field("stream-format", "avc")
        .field("alignment", "au")
        .field("codec_data", gst::Buffer::from_slice(record.clone()));
    Ok(caps.build())
}

/// The first sample of a range that starts with a `moof` and ends with that sample.
fn first_sample(range: &[u8]) -> Option<&[u8]> {
    let moof_bytes = usize::try_from(u32::from_be_bytes(*range.first_chunk()?)).ok()?;
    let sample = range.get(moof_bytes.checked_add(BOX_HEADER_BYTES)?..)?;
    let is_mdat = range.get(moof_bytes + 4..moof_bytes + BOX_HEADER_BYTES)? == b"mdat";
    (is_mdat && !sample.is_empty()).then_some(sample)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_sample_follows_the_header_of_the_mdat() {
        let range = [&[0, 0, 0, 12][..], b"moof", &[1, 2, 3, 4], &[0, 0, 9, 9], b"mdat", &[7, 7, 7]].concat();
        assert_eq!(first_sample(&range), Some(&[7, 7, 7][..]));
        for end in 0..range.len() - 2 {
            assert_eq!(first_sample(&range[..end]), None, "{end}");
        }
    }
}
