//! Source pictures: packets in, upright progressive I420 pictures in BT.709 out, matched by their times.

use gst::prelude::*;

use super::{
    Context, autoplug, deinterlace, element,
    events::Events,
    input::{Reader, Stream},
    picker::Timed,
    pipe::{Feed, Pipe, Pulled},
    range,
};
use crate::protocol::Failure;

/// Packet bytes between reader and decoder.
const PACKETS_BYTES_MAX: u64 = 4 << 20;
/// Decoded pictures that wait to be picked.
const PICTURES_MAX: u32 = 3;
/// Where the first packet lies on GStreamer's clock: there is room before it.
pub(super) const LEAD: gst::ClockTime = gst::ClockTime::SECOND;
/// Threads that convert pictures of other formats.
const CONVERT_THREADS: &str = "2";

/// A decoded picture: I420, limited range BT.709.
#[derive(Clone, Debug)]
pub(crate) struct Picture {
    pub(crate) buffer: gst::Buffer,
    pub(crate) info: gst_video::VideoInfo,
}

/// How the pictures of a source are made upright.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct Treatment {
    /// Whether to show what a decoder makes of pictures whose references it does not have.
    pub(crate) show_corrupt: bool,
    /// Clockwise degrees to turn by: 0, 90, 180 or 270.
    pub(crate) rotation: u16,
    /// Whether pictures may be interlaced.
    pub(crate) interlaced: bool,
}

/// Decodes one run of packets.
pub(super) struct Decoder {
    pipe: Pipe,
    shift: Shift,
    /// Pictures before the first sync packet miss their references (RASL and the like).
    earliest_ns: i64,
    broken: Option<String>,
}

/// Moves packet times to where GStreamer accepts them: at or above zero.
#[derive(Clone, Copy, Debug)]
pub(super) struct Shift(i64);

// === impl Shift ===

impl Shift {
    pub(super) fn for_stream(stream: &Stream) -> Self {
        let first_ns = stream.packets.iter().map(|packet| packet.pts_ns).min().unwrap_or(0);
        Self(first_ns.saturating_sub(i64::try_from(LEAD.nseconds()).unwrap_or(0)))
    }

    pub(super) fn time(self, pts_ns: i64) -> gst::ClockTime {
        gst::ClockTime::from_nseconds(u64::try_from(pts_ns.saturating_sub(self.0)).unwrap_or(0))
    }

    pub(super) fn pts_ns(self, time: gst::ClockTime) -> i64 {
        i64::try_from(time.nseconds()).unwrap_or(i64::MAX).saturating_add(self.0)
    }
}

// === impl Decoder ===

impl Decoder {
    /// Starts reading and decoding `stream`.
    ///
    /// # Errors
    /// `element_unavailable` when nothing here decodes it.
    pub(super) fn start(context: &Context, stream: Stream, treatment: Treatment) -> Result<Self, Failure> {
        let caps = stream.caps.clone();
        let shift = Shift::for_stream(&stream);
        let first_sync = stream.packets.iter().find(|packet| packet.sync);
        let earliest_ns = first_sync.map_or(i64::MIN, |packet| packet.pts_ns);
        let feed = Feed { caps: &caps, buffers_max: 0, bytes_max: PACKETS_BYTES_MAX };
        let middle = picture_chain(&caps, treatment)?;
        let sink = picture_sink(PICTURES_MAX);
        let pipe = Pipe::start(&feed, &middle, sink, |_| {})?;
        context.pipes.add(&pipe);
        spawn_feeder(Reader::new(context.io.clone(), stream), pipe.source.clone(), shift, &context.events)?;
        Ok(Self { pipe, shift, earliest_ns, broken: None })
    }

    /// The next decoded picture in the order of times; `None` after the last, also when the decoder
    /// gave up, see [`Self::broken`].
    ///
    /// # Errors
    /// `stalled` when the decoder gives nothing for long.
    pub(super) fn next(&mut self) -> Result<Option<Timed<Picture>>, Failure> {
        loop {
            if self.broken.is_some() {
                return Ok(None);
            }
            let sample = match self.pipe.pull()? {
                Pulled::Sample(sample) => sample,
                Pulled::End => return Ok(None),
                Pulled::Broken(text) => {
                    self.broken = Some(text);
                    return Ok(None);
                }
            };
            let Some((time, picture)) = picture_of(&sample) else { continue };
            let pts_ns = self.shift.pts_ns(time);
            if pts_ns >= self.earliest_ns {
                return Ok(Some(Timed { pts_ns, picture: range::limited(picture)? }));
            }
        }
    }

    /// Why the decoder gave up, if it did.
    pub(super) fn broken(&self) -> Option<&str> {
        self.broken.as_deref()
    }
}

/// Reads packets and pushes them on a thread of its own.
pub(super) fn spawn_feeder(
    mut reader: Reader,
    to: gst_app::AppSrc,
    shift: Shift,
    events: &Events,
) -> Result<(), Failure> {
    events.spawn("packets", move || {
        while let Some((packet, data)) = reader.next()? {
            let mut buffer = gst::Buffer::from_mut_slice(data);
            if let Some(buffer) = buffer.get_mut() {
                buffer.set_pts(shift.time(packet.pts_ns));
                if packet.duration_ns > 0 {
                    buffer.set_duration(gst::ClockTime::from_nseconds(packet.duration_ns));
                }
                if !packet.sync {
                    buffer.set_flags(gst::BufferFlags::DELTA_UNIT);
                }
            }
            if to.push_buffer(buffer).is_err() {
                // The decoder is broken or stopped; whoever pulls from it knows why.
                return Ok(());
            }
        }
        // Refused only by a pipeline that is broken or stopped.
        to.end_of_stream().ok();
        Ok(())
    })
}

/// Decoder, deinterlacer, rotation and conversion, as far as `caps` and `treatment` need them.
pub(crate) fn picture_chain(caps: &gst::Caps, treatment: Treatment) -> Result<Vec<gst::Element>, Failure> {
    let mut chain = autoplug::decoder_chain(caps)?;
    for decoder in &chain {
        element::set_if_there(decoder, "output-corrupt", if treatment.show_corrupt { "true" } else { "false" });
    }
    if treatment.interlaced {
        let deinterlacer = deinterlace::element(&chain)?;
        chain.push(deinterlacer);
    }
    if let Some(direction) = direction(treatment.rotation) {
        let flip = element::make("videoflip")?;
        element::set_if_there(&flip, "video-direction", direction);
        chain.push(flip);
    }
    let convert = element::make("videoconvert")?;
    element::set_if_there(&convert, "n-threads", CONVERT_THREADS);
    let filter = element::make("capsfilter")?;
    filter.set_property("caps", wanted_caps(None));
    if let Some(pad) = convert.static_pad("sink") {
        convert_only_what_differs(&pad, &filter);
    }
    chain.extend([convert, filter]);
    Ok(chain)
}

/// Asks for BT.709 only where the matrix is another one, so that other pictures pass untouched. A full
/// range alone would not be converted either way, see [`range`].
fn convert_only_what_differs(pad: &gst::Pad, filter: &gst::Element) {
    let filter = filter.downgrade();
    pad.add_probe(gst::PadProbeType::EVENT_DOWNSTREAM, move |_, probe| {
        if let (Some(gst::EventView::Caps(caps)), Some(filter)) =
            (probe.event().map(|event| event.view()), filter.upgrade())
        {
            let info = gst_video::VideoInfo::from_caps(caps.caps()).ok();
            filter.set_property("caps", wanted_caps(info.as_ref()));
        }
        gst::PadProbeReturn::Ok
    });
}

fn wanted_caps(source: Option<&gst_video::VideoInfo>) -> gst::Caps {
    let wanted = gst_video::VideoCapsBuilder::new().format(gst_video::VideoFormat::I420);
    let fits = source.is_none_or(|info| info.colorimetry().matrix() == gst_video::VideoColorMatrix::Bt709);
    if fits { wanted.build() } else { wanted.field("colorimetry", "bt709").build() }
}

fn direction(rotation: u16) -> Option<&'static str> {
    match rotation {
        90 => Some("90r"),
        180 => Some("180"),
        270 => Some("90l"),
        _ => None,
    }
}

/// A sink that takes pictures as they come and lets decoders keep their own strides.
pub(crate) fn picture_sink(buffers_max: u32) -> gst_app::AppSink {
    let sink = gst_app::AppSink::builder()
        .sync(false)
        .async_(false)
        .qos(false)
        .enable_last_sample(false)
        .max_buffers(buffers_max)
        .build();
    if let Some(pad) = sink.static_pad("sink") {
        pad.add_probe(gst::PadProbeType::QUERY_DOWNSTREAM, |_, probe| {
            if let Some(query) = probe.query_mut()
                && let gst::QueryViewMut::Allocation(allocation) = query.view_mut()
            {
                allocation.add_allocation_meta::<gst_video::VideoMeta>(None);
                return gst::PadProbeReturn::Handled;
            }
            gst::PadProbeReturn::Ok
        });
    }
    sink
}

/// The picture of a sample and its time; `None` for samples without either.
pub(crate) fn picture_of(sample: &gst::Sample) -> Option<(gst::ClockTime, Picture)> {
    let buffer = sample.buffer_owned()?;
    let info = gst_video::VideoInfo::from_caps(sample.caps()?).ok()?;
    Some((buffer.pts()?, Picture { buffer, info }))
}
