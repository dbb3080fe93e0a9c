//! The first picture, decoded: proof that the stream can be, and what its pictures are like.

use std::time::{Duration, Instant};

use vidstream_media::source::{Hdr, Packet};

use super::{caps, fault};
use crate::{
    encode::{
        autoplug,
        pipe::{Feed, Pipe},
    },
    protocol::Failure,
};

/// Packets given to the decoder at most; decoders with frame threads hold back a few.
const PACKETS_MAX: usize = 24;
/// Sync packets tried as the start, since the first GOP of a recording may be damaged.
const STARTS_MAX: usize = 3;
/// The decoder answers within this.
const ANSWER_MAX: Duration = Duration::from_secs(3);
/// How often a wait looks for an error.
const POLL: gst::ClockTime = gst::ClockTime::from_mseconds(20);

/// What the first picture is like.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct First {
    /// Decoded width in pixels.
    pub(crate) width: u32,
    /// Decoded height in pixels.
    pub(crate) height: u32,
    /// Width to height of a pixel.
    pub(crate) pixel_aspect: (u32, u32),
    /// Whether pictures may be made of two fields.
    pub(crate) interlaced: bool,
    /// High dynamic range, if the stream or its decoder tells of it.
    pub(crate) hdr: Option<Hdr>,
}

/// A stream to look into.
pub(super) struct Candidate<'a> {
    pub(super) codec: &'a str,
    pub(super) caps: &'a str,
    pub(super) packets: &'a [Packet],
}

/// Decodes the first picture; `read` gives the bytes of a packet.
///
/// # Errors
/// `unsupported_codec` without a decoder, `malformed` when none of the first sync packets gives a
/// picture, and failures of reading.
pub(super) fn first(
    candidate: &Candidate<'_>,
    read: &dyn Fn(&Packet) -> Result<Vec<u8>, Failure>,
) -> Result<First, Failure> {
    let caps: gst::Caps = candidate.caps.parse().map_err(|_| fault::unsupported_codec(candidate.codec))?;
    let syncs = candidate.packets.iter().enumerate().filter(|(_, packet)| packet.sync).map(|(at, _)| at);
    let mut starts: Vec<usize> = syncs.take(STARTS_MAX).collect();
    if starts.is_empty() {
        starts.push(0);
    }
    let mut why = "it has no packets".to_owned();
    for start in starts {
        let packets = candidate.packets.iter().skip(start).take(PACKETS_MAX);
        match decode(&caps, candidate.codec, packets, read)? {
            Ok(first) => return Ok(First { hdr: first.hdr.or_else(|| caps::hdr(&caps)), ..first }),
            Err(text) => why = text,
        }
    }
    Err(fault::undecodable(candidate.codec, why))
}

/// One attempt; the inner error says why the decoder gave nothing.
fn decode<'a>(
    caps: &gst::Caps,
    codec: &str,
    packets: impl Iterator<Item = &'a Packet>,
    read: &dyn Fn(&Packet) -> Result<Vec<u8>, Failure>,
) -> Result<Result<First, String>, Failure> {
    let Ok(chain) = autoplug::decoder_chain(caps) else {
        return Err(fault::unsupported_codec(codec));
    };
    let sink = gst_app::AppSink::builder().sync(false).async_(false).max_buffers(1).drop(true).build();
    let feed = Feed { caps, buffers_max: 0, bytes_max: 0 };
    let Ok(pipe) = Pipe::start(&feed, &chain, sink, |_| {}) else {
        return Err(fault::unsupported_codec(codec));
    };
    for (n, packet) in (0_u64..).zip(packets) {
        let data = read(packet)?;
        let mut buffer = gst::Buffer::from_mut_slice(data);
        if let Some(buffer) = buffer.get_mut() {
            // Times do not matter here, only that they are there.
            buffer.set_pts(gst::ClockTime::from_mseconds(40 * n));
            if !packet.sync {
                buffer.set_flags(gst::BufferFlags::DELTA_UNIT);
            }
        }
        if !pipe.push(buffer) {
            break;
        }
        if let Some(found) = pipe.sink.try_pull_sample(gst::ClockTime::ZERO).and_then(|sample| facts(&sample)) {
            return Ok(Ok(found));
        }
    }
    pipe.end();
    Ok(answer(&pipe))
}

fn answer(pipe: &Pipe) -> Result<First, String> {
    let deadline = Instant::now() + ANSWER_MAX;
    while Instant::now() < deadline {
        if let Some(sample) = pipe.sink.try_pull_sample(POLL) {
            return facts(&sample).ok_or_else(|| "the decoder gives something else than pictures".to_owned());
        }
        if let Some(text) = pipe.error() {
            return Err(text);
        }
        if pipe.sink.is_eos() {
            return Err("the decoder gives no picture".to_owned());
        }
    }
    Err("the decoder does not answer".to_owned())
}

fn facts(sample: &gst::Sample) -> Option<First> {
    let caps = sample.caps()?;
    let info = gst_video::VideoInfo::from_caps(caps).ok()?;
    let par = info.par();
    let side = |value: i32| u32::try_from(value).ok().filter(|&value| value > 0);
    Some(First {
        width: info.width(),
        height: info.height(),
        pixel_aspect: side(par.numer()).zip(side(par.denom())).unwrap_or((1, 1)),
        interlaced: info.interlace_mode() != gst_video::VideoInterlaceMode::Progressive,
        hdr: caps::hdr(caps),
    })
}
