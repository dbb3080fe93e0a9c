//! Scans the source and plans its generation, in a child process.

use vidstream_media::{
    Timeline,
    source::{
        Facts, Packet,
        packets::{PacketFile, SegmentSpan, SourceTrack, encode_records},
    },
};

use crate::{
    child::ChildIo,
    protocol::{Failure, Output, ProbeJob, ProbeReport},
    scan::{self, Scanned},
};

mod plan;

use plan::Draft;

/// Scans the source, which may still be uploading, plans its generation and writes the packet file.
///
/// # Errors
/// What the worker reports as the reason of a failed attempt: `empty`, `not_media`, `malformed`,
/// `missing_index`, `no_streams`, `unsupported_codec`, `unsupported_dimensions`, `too_short`, `too_long`
/// for the file; others are not the file's fault and may be tried again.
pub fn run(io: &ChildIo, job: &ProbeJob) -> Result<ProbeReport, Failure> {
    gst::init().map_err(scan::fault::element)?;
    let scanned = scan::run(io)?;
    let draft = plan::draft(&scanned, job)?;
    write_packets(io, &scanned, &draft)?;
    let facts = facts(&scanned, &draft);
    Ok(ProbeReport { facts, plan: draft.plan, warnings: scanned.warnings })
}

fn write_packets(io: &ChildIo, scanned: &Scanned, draft: &Draft) -> Result<(), Failure> {
    let video: &[Packet] = scanned.video.as_ref().map_or(&[], |video| &video.stream.packets);
    let audio: &[Packet] = scanned.audio.as_ref().map_or(&[], |audio| &audio.packets);
    let (pictures, all) = (video.len() as u64, (video.len() + audio.len()) as u64);
    let track = |stream: &scan::Stream, records| SourceTrack {
        caps: stream.caps.clone(),
        codec: stream.codec.clone(),
        records,
    };
    let segments: Vec<SegmentSpan> = draft.spans.clone();
    let mut file = PacketFile {
        video: scanned.video.as_ref().map(|video| track(&video.stream, 0..pictures)),
        audio: scanned.audio.as_ref().map(|audio| track(audio, pictures..all)),
        remuxed: scanned.remuxed,
        t0_ns: draft.t0_ns,
        t1_ns: draft.t1_ns,
        rotation: scanned.video.as_ref().map_or(0, |video| video.rotation),
        interlaced: scanned.video.as_ref().is_some_and(|video| video.picture.interlaced),
        segments,
        header_bytes: 0,
    };
    let head = file
        .write_header()
        .map_err(|error| Failure::permanent("packet_index", "the packet index cannot be written", error))?;
    let output = io.open_output(Output::Packets)?;
    for part in [head, encode_records(video), encode_records(audio)] {
        io.write(output, &part)?;
    }
    io.finish(output)?;
    Ok(())
}

fn facts(scanned: &Scanned, draft: &Draft) -> Facts {
    let timeline: &Timeline = &draft.plan.timeline;
    let video = scanned.video.as_ref();
    Facts {
        bytes: scanned.bytes,
        container: scanned.container.clone(),
        duration_s: timeline.duration_s(),
        video_codec: video.map(|video| video.stream.codec.clone()),
        width: draft.display.map(|(width, _)| width),
        height: draft.display.map(|(_, height)| height),
        rotation: video.map_or(0, |video| video.rotation),
        fps: video.map(|_| timeline.fps.as_f64()),
        vfr: draft.uneven,
        hdr: video.and_then(|video| video.picture.hdr),
        audio: scanned.audio_facts.clone(),
    }
}
