//! A scan of a whole file by GStreamer's demuxers: every packet copied behind the others.

use std::{
    path::Path,
    sync::{Arc, Mutex},
};

use gst::prelude::*;
use vidstream_media::{
    Timeline,
    source::{
        Packet,
        packets::{PacketFile, SourceTrack, encode_records},
        spans::{Shown, Sound, spans},
    },
    timeline::AudioGrid,
};

/// The packets of one stream.
#[derive(Clone, Default)]
pub(crate) struct Stream {
    pub(crate) caps: String,
    pub(crate) packets: Vec<Packet>,
}

/// The streams of a file, their bytes in `remux`.
pub(crate) struct Scanned {
    pub(crate) video: Option<Stream>,
    pub(crate) audio: Option<Stream>,
    pub(crate) remux: Vec<u8>,
}

type Found = Arc<Mutex<(Vec<Stream>, Vec<u8>)>>;

/// Demuxes the file at `path`.
pub(crate) fn scan(path: &Path) -> Scanned {
    gst::init().unwrap();
    let pipeline = gst::Pipeline::new();
    let source = gst::ElementFactory::make("filesrc").property("location", path.to_str().unwrap()).build().unwrap();
    let parse = gst::ElementFactory::make("parsebin").build().unwrap();
    pipeline.add_many([&source, &parse]).unwrap();
    source.link(&parse).unwrap();
    // Parameter sets may change on the way in a transport stream, so they stay in band there.
    let in_band = path.extension().unwrap() == "ts";
    let found = Found::default();
    let (streams, bin) = (Arc::clone(&found), pipeline.downgrade());
    parse.connect_pad_added(move |_, pad| take(pad, &bin.upgrade().unwrap(), &streams, in_band));
    pipeline.set_state(gst::State::Playing).unwrap();
    let bus = pipeline.bus().unwrap();
    let end =
        bus.timed_pop_filtered(gst::ClockTime::from_seconds(60), &[gst::MessageType::Eos, gst::MessageType::Error]);
    assert_eq!(end.unwrap().type_(), gst::MessageType::Eos);
    pipeline.set_state(gst::State::Null).unwrap();
    let (streams, remux) = std::mem::take(&mut *found.lock().unwrap());
    let of = |kind: &str| streams.iter().find(|stream| stream.caps.starts_with(kind)).cloned();
    Scanned { video: of("video/").or_else(|| of("image/")), audio: of("audio/"), remux }
}

/// Copies what comes out of a demuxer's pad.
fn take(pad: &gst::Pad, pipeline: &gst::Pipeline, found: &Found, in_band: bool) {
    let number = {
        let mut found = found.lock().unwrap();
        found.0.push(Stream::default());
        found.0.len() - 1
    };
    let found = Arc::clone(found);
    let callbacks = gst_app::AppSinkCallbacks::builder().new_sample(move |sink| {
        let sample = sink.pull_sample().unwrap();
        let (buffer, segment) =
            (sample.buffer().unwrap(), sample.segment().unwrap().downcast_ref::<gst::ClockTime>().unwrap());
        let signed = |time: gst::Signed<gst::ClockTime>| match time {
            gst::Signed::Positive(time) => i64::try_from(time.nseconds()).unwrap(),
            gst::Signed::Negative(time) => -i64::try_from(time.nseconds()).unwrap(),
        };
        // Headers, which the caps carry too.
        let Some(pts) = buffer.pts().or(buffer.dts()) else { return Ok(gst::FlowSuccess::Ok) };
        let (streams, remux) = &mut *found.lock().unwrap();
        let stream = &mut streams[number];
        if stream.caps.is_empty() {
            stream.caps = sample.caps().unwrap().to_string();
        }
        stream.packets.push(Packet {
            offset: remux.len() as u64,
            bytes: u32::try_from(buffer.size()).unwrap(),
            sync: !buffer.flags().contains(gst::BufferFlags::DELTA_UNIT),
            pts_ns: signed(segment.to_running_time_full(pts).unwrap()),
            duration_ns: buffer.duration().map_or(0, gst::ClockTime::nseconds),
        });
        remux.extend_from_slice(&buffer.map_readable().unwrap());
        Ok(gst::FlowSuccess::Ok)
    });
    let sink = gst_app::AppSink::builder().sync(false).async_(false).callbacks(callbacks.build()).build();
    let caps = pad.current_caps().unwrap_or_else(|| pad.query_caps(None));
    let is_h264 = caps.structure(0).is_some_and(|caps| caps.name() == "video/x-h264");
    if is_h264 && in_band {
        sink.set_caps(Some(
            &gst::Caps::builder("video/x-h264").field("stream-format", "byte-stream").field("alignment", "au").build(),
        ));
    }
    let parse = gst::ElementFactory::make(if is_h264 { "h264parse" } else { "identity" }).build().unwrap();
    pipeline.add_many([&parse, sink.upcast_ref()]).unwrap();
    parse.link(&sink).unwrap();
    for element in [sink.upcast_ref(), &parse] {
        element.sync_state_with_parent().unwrap();
    }
    pad.link(&parse.static_pad("sink").unwrap()).unwrap();
}

impl Scanned {
    /// When the first picture is shown.
    pub(crate) fn t0_ns(&self) -> i64 {
        self.video.as_ref().or(self.audio.as_ref()).unwrap().packets.iter().map(|packet| packet.pts_ns).min().unwrap()
    }

    /// The packet file for a grid.
    pub(crate) fn packet_file(
        &self,
        timeline: &Timeline,
        audio: Option<AudioGrid>,
        rotation: u16,
        interlaced: bool,
    ) -> Vec<u8> {
        let t0_ns = self.t0_ns();
        let video: &[Packet] = self.video.as_ref().map_or(&[], |stream| &stream.packets);
        let audio_packets: &[Packet] = self.audio.as_ref().map_or(&[], |stream| &stream.packets);
        let shown = self.video.as_ref().map(|_| Shown::new(video));
        let sound = self.audio.as_ref().and(audio).map(|grid| Sound { packets: audio_packets, grid });
        let base = video.len() as u64;
        let track = |stream: &Stream, first: u64| SourceTrack {
            caps: stream.caps.clone(),
            codec: String::new(),
            records: first..first + stream.packets.len() as u64,
        };
        let mut file = PacketFile {
            video: self.video.as_ref().map(|stream| track(stream, 0)),
            audio: self.audio.as_ref().filter(|_| audio.is_some()).map(|stream| track(stream, base)),
            remuxed: true,
            t0_ns,
            t1_ns: t0_ns,
            rotation,
            interlaced,
            segments: spans(timeline, t0_ns, shown.as_ref(), sound),
            header_bytes: 0,
        };
        let mut bytes = file.write_header().unwrap();
        bytes.extend(encode_records(video));
        bytes.extend(encode_records(audio_packets));
        bytes
    }
}
