//! Source sound: packets in, blocks of interleaved 32-bit floats out.

use std::sync::atomic::{AtomicBool, Ordering};

use gst::prelude::*;

use crate::{
    encode::{
        Context, autoplug,
        decode::{Shift, spawn_feeder},
        element,
        input::{Reader, Stream},
        pipe::{Feed, Pipe, Pulled},
    },
    protocol::Failure,
};

/// Packet bytes between reader and decoder.
const PACKETS_BYTES_MAX: u64 = 1 << 20;
/// Decoded blocks that wait to be taken.
const BLOCKS_MAX: u32 = 32;

/// Decodes one run of packets.
pub(super) struct Decoder {
    pipe: Pipe,
    shift: Shift,
    broken: Option<String>,
}

/// Decoded sound.
pub(super) struct Block {
    /// When its first sample is heard, on the clock of the packets.
    pub(super) pts_ns: i64,
    /// Samples per second, the same in all blocks of a run.
    pub(super) rate: u32,
    /// Interleaved samples.
    pub(super) data: Vec<u8>,
}

// === impl Decoder ===

impl Decoder {
    /// Starts reading and decoding `stream`, mixed to `channels`.
    ///
    /// # Errors
    /// `element_unavailable` when nothing here decodes it.
    pub(super) fn start(context: &Context, stream: Stream, channels: u32) -> Result<Self, Failure> {
        let caps = stream.caps.clone();
        let shift = Shift::for_stream(&stream);
        let feed = Feed { caps: &caps, buffers_max: 0, bytes_max: PACKETS_BYTES_MAX };
        let mut chain = autoplug::decoder_chain(&caps)?;
        let convert = element::make("audioconvert")?;
        let filter = element::make("capsfilter")?;
        filter.set_property("caps", block_caps(channels, None));
        if let Some(pad) = convert.static_pad("sink") {
            keep_first_rate(&pad, &filter, channels);
            mix_channels_without_places(&pad, &convert, channels);
        }
        chain.extend([convert, element::make("audioresample")?, filter]);
        let sink = gst_app::AppSink::builder()
            .sync(false)
            .async_(false)
            .qos(false)
            .enable_last_sample(false)
            .max_buffers(BLOCKS_MAX)
            .build();
        let pipe = Pipe::start(&feed, &chain, sink, |_| {})?;
        context.pipes.add(&pipe);
        spawn_feeder(Reader::new(context.io.clone(), stream), pipe.source.clone(), shift, &context.events)?;
        Ok(Self { pipe, shift, broken: None })
    }

    /// The next block; `None` after the last, also when the decoder gave up, see [`Self::broken`].
    ///
    /// # Errors
    /// `stalled` when the decoder gives nothing for long.
    pub(super) fn next(&mut self) -> Result<Option<Block>, Failure> {
        while self.broken.is_none() {
            match self.pipe.pull()? {
                Pulled::Sample(sample) => {
                    if let Some(block) = self.block(&sample) {
                        return Ok(Some(block));
                    }
                }
                Pulled::End => return Ok(None),
                Pulled::Broken(text) => self.broken = Some(text),
            }
        }
        Ok(None)
    }

    /// Why the decoder gave up, if it did.
    pub(super) fn broken(&self) -> Option<&str> {
        self.broken.as_deref()
    }

    fn block(&self, sample: &gst::Sample) -> Option<Block> {
        let rate: i32 = sample.caps()?.structure(0)?.get("rate").ok()?;
        let buffer = sample.buffer()?;
        let data = buffer.map_readable().ok()?.to_vec();
        Some(Block { pts_ns: self.shift.pts_ns(buffer.pts()?), rate: u32::try_from(rate).ok()?, data })
    }
}

/// Fixes the rate of all blocks to that of the first, should it change on the way.
fn keep_first_rate(pad: &gst::Pad, filter: &gst::Element, channels: u32) {
    let filter = filter.downgrade();
    let known = AtomicBool::new(false);
    pad.add_probe(gst::PadProbeType::EVENT_DOWNSTREAM, move |_, probe| {
        if let Some(gst::EventView::Caps(caps)) = probe.event().map(|event| event.view())
            && let Some(rate) = caps.caps().structure(0).and_then(|caps| caps.get::<i32>("rate").ok())
            && let Some(filter) = filter.upgrade()
            && !known.swap(true, Ordering::Relaxed)
        {
            filter.set_property("caps", block_caps(channels, Some(rate)));
        }
        gst::PadProbeReturn::Ok
    });
}

/// Tells the converter how to mix more than two channels of which nobody knows where their speakers
/// are: it refuses to guess. Every second one goes to the left.
fn mix_channels_without_places(pad: &gst::Pad, convert: &gst::Element, channels: u32) {
    let convert = convert.downgrade();
    pad.add_probe(gst::PadProbeType::EVENT_DOWNSTREAM, move |_, probe| {
        if let Some(gst::EventView::Caps(caps)) = probe.event().map(|event| event.view())
            && let Some(caps) = caps.caps().structure(0)
            && let Ok(found) = caps.get::<i32>("channels")
            && found > 2
            && caps.get::<gst::Bitmask>("channel-mask").is_ok_and(|mask| mask.0 == 0)
            && let Some(convert) = convert.upgrade()
        {
            convert.set_property("mix-matrix", mix_matrix(found, channels));
        }
        gst::PadProbeReturn::Ok
    });
}

/// For each output channel the weights of all input channels.
fn mix_matrix(inputs: i32, outputs: u32) -> gst::Array {
    let outputs = i32::try_from(outputs).unwrap_or(2).max(1);
    let rows = (0..outputs).map(|output| {
        let feeds = |input: i32| input % outputs == output;
        let count = (0..inputs).filter(|&input| feeds(input)).count();
        let weight = 1.0 / f32::from(u16::try_from(count).unwrap_or(u16::MAX).max(1));
        gst::Array::new((0..inputs).map(|input| if feeds(input) { weight } else { 0.0 }))
    });
    gst::Array::new(rows)
}

fn block_caps(channels: u32, rate: Option<i32>) -> gst::Caps {
    gst::Caps::builder("audio/x-raw")
        .field("format", "F32LE")
        .field("layout", "interleaved")
        .field("channels", i32::try_from(channels).unwrap_or(2))
        .field_if_some("rate", rate)
        .build()
}
