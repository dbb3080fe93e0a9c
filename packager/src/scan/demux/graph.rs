//! `appsrc ! typefind`, then a demuxer and parsers for what is found, plugged as pads appear.

use gst::prelude::*;

use super::{Collector, caps, collect::STREAMS_MAX, retime::Retimer, stream::Kind};
use crate::{protocol::Failure, scan::fault};

/// Bytes that wait between the reader and the demuxer.
const QUEUE_BYTES_MAX: u64 = 4 << 20;
/// Containers inside containers (an ID3 tag before an MPEG stream, say) at most.
const DEPTH_MAX: u32 = 3;

/// Builds the head of the pipeline; the rest follows when the type is known.
pub(super) fn build(pipeline: &gst::Pipeline, collector: &Collector) -> Result<gst_app::AppSrc, Failure> {
    let appsrc = gst_app::AppSrc::builder().format(gst::Format::Bytes).block(true).max_bytes(QUEUE_BYTES_MAX).build();
    let typefind = make("typefind")?;
    pipeline.add_many([appsrc.upcast_ref(), &typefind]).map_err(fault::element)?;
    appsrc.link(&typefind).map_err(fault::element)?;
    let (weak, collector) = (pipeline.downgrade(), collector.clone());
    typefind.connect("have-type", false, move |values| {
        let found = values.get(2).and_then(|value| value.get::<gst::Caps>().ok())?;
        let typefind = values.first().and_then(|value| value.get::<gst::Element>().ok())?;
        let pad = typefind.static_pad("src")?;
        if collector.set_container(caps::container_name(&found)) && is_still(&found) {
            collector.refuse(format!("it is a picture ({})", caps::codec_name(&found)));
        } else if is_document(&found) {
            collector.refuse(format!("it is {}", found.structure(0).map_or("unknown", |found| found.name().as_str())));
        }
        let plug = Plug { pipeline: weak.clone(), collector: collector.clone(), depth: 0 };
        plug.plug(&pad, &found);
        None
    });
    Ok(appsrc)
}

/// Where in the graph the next element goes.
#[derive(Clone)]
struct Plug {
    /// Weak, since its elements' handlers hold this.
    pipeline: gst::glib::WeakRef<gst::Pipeline>,
    collector: Collector,
    depth: u32,
}

// === impl Plug ===

impl Plug {
    /// Continues behind `pad`, whose data are `found`.
    fn plug(&self, pad: &gst::Pad, found: &gst::Caps) {
        let demuxed = self.depth < DEPTH_MAX && self.demux(pad, found);
        if !demuxed {
            self.end(pad, found);
        }
    }

    /// Puts a demuxer behind `pad`, if one takes its data.
    fn demux(&self, pad: &gst::Pad, found: &gst::Caps) -> bool {
        let Some(factory) = demuxer(found) else { return false };
        let Ok(demuxer) = factory.create().build() else { return false };
        let next = Self { pipeline: self.pipeline.clone(), collector: self.collector.clone(), depth: self.depth + 1 };
        let retimer = Retimer::beside(&demuxer, &caps::container_name(found));
        // Connected before it runs; fixed pads that know nothing yet are plugged when they do.
        let later = next.clone();
        demuxer.connect_pad_added(move |_, pad| {
            if let Some(retimer) = &retimer {
                retimer.correct(pad);
            }
            later.plug_when_known(pad);
        });
        if !self.attach(pad, &demuxer) {
            return false;
        }
        for fixed in demuxer.src_pads() {
            if !fixed.is_linked() {
                next.plug_when_known(&fixed);
            }
        }
        true
    }

    /// Continues behind a demuxer's pad once its caps are known.
    fn plug_when_known(&self, pad: &gst::Pad) {
        if let Some(found) = pad.current_caps() {
            self.plug(pad, &found);
            return;
        }
        let plug = self.clone();
        pad.add_probe(gst::PadProbeType::EVENT_DOWNSTREAM, move |pad, info| {
            let Some(gst::EventView::Caps(found)) = info.event().map(|event| event.view()) else {
                return gst::PadProbeReturn::Ok;
            };
            let found = found.caps_owned();
            if !pad.is_linked() {
                plug.plug(pad, &found);
            }
            gst::PadProbeReturn::Remove
        });
    }

    /// Ends a stream in a probe, with a parser before it where packets need one.
    fn end(&self, pad: &gst::Pad, found: &gst::Caps) {
        let kind = kind(found);
        let mut last = pad.clone();
        if kind.is_some() {
            for element in tail(found) {
                let next = if self.attach(&last, &element) { element.static_pad("src") } else { None };
                let Some(next) = next else { return };
                last = next;
            }
        }
        let Ok(sink) = gst::ElementFactory::make("fakesink").property("sync", false).property("async", false).build()
        else {
            return;
        };
        if !self.attach(&last, &sink) {
            return;
        }
        if let (Some(kind), Some(pad)) = (kind, sink.static_pad("sink"))
            && self.collector.sinks() < STREAMS_MAX
        {
            self.collector.listen(&pad, kind, found);
        }
    }

    /// Adds an element behind `pad` and starts it; tells whether that worked.
    fn attach(&self, pad: &gst::Pad, element: &gst::Element) -> bool {
        let Some(pipeline) = self.pipeline.upgrade() else { return false };
        let linked =
            pipeline.add(element).is_ok() && element.static_pad("sink").is_some_and(|sink| pad.link(&sink).is_ok());
        linked && element.sync_state_with_parent().is_ok()
    }
}

/// The best demuxer for a container.
fn demuxer(found: &gst::Caps) -> Option<gst::ElementFactory> {
    let factories =
        gst::ElementFactory::factories_with_type(gst::ElementFactoryType::DEMUXER, gst::Rank::MARGINAL).into_iter();
    factories.filter(|factory| factory.can_sink_all_caps(found)).max_by_key(gst::ElementFactory::rank)
}

/// The parsers that make whole, timed packets of a stream: only where demuxers do not.
fn tail(found: &gst::Caps) -> Vec<gst::Element> {
    let Some(structure) = found.structure(0) else { return Vec::new() };
    let version = structure.get::<i32>("mpegversion").unwrap_or(0);
    let framed = structure.get::<bool>("framed").unwrap_or(false) || structure.get::<bool>("parsed").unwrap_or(false);
    let headed = structure.has_field("streamheader");
    let parser = match structure.name().as_str() {
        "video/x-h264" => "h264parse",
        "video/x-h265" => "h265parse",
        "video/mpeg" if version == 4 => "mpeg4videoparse",
        "video/mpeg" => "mpegvideoparse",
        "video/x-av1" => "av1parse",
        "audio/mpeg" if version == 1 => "mpegaudioparse",
        "audio/mpeg" if !framed => "aacparse",
        "audio/x-ac3" | "audio/ac3" | "audio/x-eac3" if !framed => "ac3parse",
        "audio/x-dts" if !framed => "dcaparse",
        "audio/x-flac" if !framed && !headed => "flacparse",
        "audio/x-vorbis" if !headed => "vorbisparse",
        "audio/x-opus" if !headed && !structure.has_field("channels") => "opusparse",
        "video/x-theora" if !headed => "theoraparse",
        _ => return Vec::new(),
    };
    let Ok(parser) = gst::ElementFactory::make(parser).build() else { return Vec::new() };
    // Byte streams carry their parameter sets with every sync picture, so that any of them is a start.
    let shape = match structure.name().as_str() {
        "video/x-h264" | "video/x-h265" => {
            parser.set_property("config-interval", -1);
            format!("{},stream-format=byte-stream,alignment=au", structure.name())
        }
        "video/x-av1" => "video/x-av1,stream-format=obu-stream,alignment=tu".to_owned(),
        _ => return vec![parser],
    };
    let filter = shape
        .parse::<gst::Caps>()
        .ok()
        .and_then(|shape| gst::ElementFactory::make("capsfilter").property("caps", shape).build().ok());
    std::iter::once(parser).chain(filter).collect()
}

/// Whether a stream is pictures or sound; `None` for text and the like.
fn kind(found: &gst::Caps) -> Option<Kind> {
    let name = found.structure(0)?.name().as_str();
    let system = found.structure(0)?.get::<bool>("systemstream").unwrap_or(false);
    if name.starts_with("audio/") {
        Some(Kind::Audio)
    } else if (name.starts_with("video/") && !system) || name == "image/jpeg" || name == "image/png" {
        Some(Kind::Video)
    } else {
        None
    }
}

/// A file that is a picture from its first byte.
fn is_still(found: &gst::Caps) -> bool {
    found.structure(0).is_some_and(|structure| structure.name().starts_with("image/"))
}

/// A file of a known type that no demuxer takes and that is no stream.
fn is_document(found: &gst::Caps) -> bool {
    demuxer(found).is_none() && kind(found).is_none()
}

fn make(name: &str) -> Result<gst::Element, Failure> {
    gst::ElementFactory::make(name).build().map_err(fault::element)
}
