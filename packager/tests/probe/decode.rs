//! The span of each segment is enough: decoded alone, it gives the very pictures of one whole pass.

use std::collections::BTreeMap;

use gst::prelude::*;
use vidstream_media::{rational::mul_div_round, source::Packet};

use crate::{
    film::film,
    probing::{Probed, probe},
};

/// Sums of decoded pictures by presentation time.
type Pictures = BTreeMap<i64, u64>;

#[test]
fn every_segment_decodes_from_its_own_packets() {
    let dir = tempfile::tempdir().unwrap();
    let open = "-c:v libx264 -bf 3 -g 20 -sc_threshold 0 -x264-params open-gop=1:b-pyramid=normal -an";
    for (name, words, decoder) in [
        ("open.mp4", open, "avdec_h264"),
        ("open.mkv", open, "avdec_h264"),
        ("open.ts", open, "avdec_h264"),
        ("open.flv", open, "avdec_h264"),
        ("open.avi", open, "avdec_h264"),
        ("fragments.mp4", "-c:v libx264 -bf 3 -g 20 -an -movflags +frag_keyframe+empty_moov", "avdec_h264"),
        ("few.mp4", "-c:v libx264 -bf 2 -g 170 -an", "avdec_h264"),
        (
            "cra.mp4",
            "-c:v libx265 -tag:v hvc1 -x265-params log-level=0:open-gop=1:keyint=20:bframes=4 -an",
            "avdec_h265",
        ),
        ("cra.ts", "-c:v libx265 -x265-params log-level=0:open-gop=1:keyint=20:bframes=4 -an", "avdec_h265"),
        ("gop.mpg", "-c:v mpeg2video -bf 2 -g 20 -an", "avdec_mpeg2video"),
        ("film.webm", "-c:v libvpx-vp9 -deadline realtime -cpu-used 8 -g 20 -an", "vp9dec"),
    ] {
        let path = film(dir.path(), name, "25", words);
        let probed = probe(&path).unwrap_or_else(|failure| panic!("{name}: {failure:?}"));
        let whole = decode(&probed, &probed.video, decoder);
        let timeline = &probed.report.plan.timeline;
        for (n, span) in (1..).zip(&probed.index.segments) {
            let records = usize::try_from(span.video.start).unwrap()..usize::try_from(span.video.end).unwrap();
            let part = decode(&probed, &probed.video[records], decoder);
            for frame in timeline.segment_frames(n) {
                let half = (2 * frame + 1) * u64::from(timeline.fps.den);
                let middle = mul_div_round(half, 1_000_000_000, 2 * u64::from(timeline.fps.num));
                let time = probed.index.t0_ns + i64::try_from(middle).unwrap();
                let (shown, sum) = whole.range(..=time).next_back().unwrap();
                assert_eq!(part.get(shown), Some(sum), "{name}: frame {frame} of segment {n}");
            }
        }
    }
}

/// Decodes packets that begin with a sync packet; leading pictures of its GOP are left out.
fn decode(probed: &Probed, packets: &[Packet], decoder: &str) -> Pictures {
    let caps: gst::Caps = probed.index.video.as_ref().unwrap().caps.parse().unwrap();
    let appsrc = gst_app::AppSrc::builder().caps(&caps).format(gst::Format::Time).build();
    let decoder = gst::ElementFactory::make(decoder).build().unwrap();
    let sink = gst_app::AppSink::builder().sync(false).build();
    let pipeline = gst::Pipeline::new();
    let elements = [appsrc.upcast_ref(), &decoder, sink.upcast_ref::<gst::Element>()];
    pipeline.add_many(elements).unwrap();
    gst::Element::link_many(elements).unwrap();
    pipeline.set_state(gst::State::Playing).unwrap();
    let earliest = packets.iter().map(|packet| packet.pts_ns).min().unwrap();
    for packet in packets {
        let start = usize::try_from(packet.offset).unwrap();
        let data = probed.object[start..start + usize::try_from(packet.bytes).unwrap()].to_vec();
        let mut buffer = gst::Buffer::from_mut_slice(data);
        let buffer_ref = buffer.get_mut().unwrap();
        buffer_ref.set_pts(gst::ClockTime::from_nseconds((packet.pts_ns - earliest).cast_unsigned()));
        if !packet.sync {
            buffer_ref.set_flags(gst::BufferFlags::DELTA_UNIT);
        }
        appsrc.push_buffer(buffer).unwrap();
    }
    appsrc.end_of_stream().unwrap();
    let mut pictures = Pictures::new();
    while let Ok(sample) = sink.pull_sample() {
        let buffer = sample.buffer().unwrap();
        let time = i64::try_from(buffer.pts().unwrap().nseconds()).unwrap() + earliest;
        if time >= packets[0].pts_ns {
            pictures.insert(time, sum(&buffer.map_readable().unwrap()));
        }
    }
    pipeline.set_state(gst::State::Null).unwrap();
    pictures
}

/// FNV-1a, enough to tell pictures apart.
fn sum(bytes: &[u8]) -> u64 {
    bytes.iter().fold(0xcbf2_9ce4_8422_2325, |hash, byte| (hash ^ u64::from(*byte)).wrapping_mul(0x100_0000_01b3))
}
