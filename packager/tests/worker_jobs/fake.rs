//! A child whose media is made up but valid, so that the worker is tested without codecs. What it is
//! to do wrong is asked for by files in a folder of orders.

use std::{
    collections::BTreeMap,
    fs,
    path::{Path, PathBuf},
};

use vidstream_media::{
    Crc32, Plan, Rational, Timeline, Track,
    chunks::{self, Segments},
    cmaf::{self, Sample},
    codec::DecoderConfig,
    index::{Segment, TrackChunk},
    plan::{AudioTrack, Encoder, Storyboard, VideoTrack},
    source::Facts,
    timeline::{self, AudioGrid},
};
use vidstream_packager::{
    child::ChildIo,
    protocol::{
        EncodeJob, EncoderChoice, Failure, ImageReport, Input, InspectReport, Job, Output, Part, ProbeJob, ProbeReport,
        Progress, Report,
    },
};

/// Sources of this many bytes a second of film.
pub(crate) const BYTES_PER_SECOND: u64 = 100;
const FPS: u64 = 25;

/// Does a job as the orders in `dir` say.
pub(crate) fn run(io: &ChildIo, job: &Job, dir: &Path) -> Result<Report, Failure> {
    match job {
        Job::Inspect(job) => {
            Ok(Report::Inspect(InspectReport { available: [job.elements.clone(), job.decoded.clone()].concat() }))
        }
        Job::Probe(job) => probe(io, job, dir).map(|report| Report::Probe(Box::new(report))),
        Job::Encode(job) => encode(io, job, dir).map(|()| Report::Encode),
        Job::Sheet(job) => {
            for picture in &job.pictures {
                io.read(picture.object, picture.offset, picture.bytes)?;
            }
            image(io, Output::Sheet { n: job.n }).map(Report::Sheet)
        }
        Job::Poster(_) => image(io, Output::Poster).map(Report::Poster),
        Job::Trial(_) | Job::Replay(_) => unreachable!("workers start no such job"),
    }
}

/// Takes an order if it was given; each is carried out as often as its file says.
fn ordered(dir: &Path, what: &str) -> bool {
    let path: PathBuf = dir.join(what);
    let Ok(text) = fs::read_to_string(&path) else { return false };
    let left: u32 = text.trim().parse().unwrap();
    if left > 0 {
        fs::write(&path, (left - 1).to_string()).unwrap();
    }
    left > 0
}

fn probe(io: &ChildIo, job: &ProbeJob, dir: &Path) -> Result<ProbeReport, Failure> {
    let mut bytes = 0;
    loop {
        let piece = io.read(Input::Source, bytes, 64)?;
        bytes += piece.len() as u64;
        if piece.len() < 64 {
            break;
        }
    }
    if ordered(dir, "probe-fails") {
        return Err(Failure::permanent("not_media", "the file holds no video", "made up"));
    }
    let packets = io.open_output(Output::Packets)?;
    io.write(packets, b"packets")?;
    io.finish(packets)?;
    let seconds = bytes / BYTES_PER_SECOND;
    let facts = Facts { bytes, container: "made up".to_owned(), ..Facts::default() };
    Ok(ProbeReport { facts, plan: plan(job, seconds), warnings: Vec::new() })
}

fn plan(job: &ProbeJob, seconds: u64) -> Plan {
    let config = timeline::Config { gop_s: job.gop_s, segment_s: job.segment_s };
    let timeline = Timeline::new(Rational::new(25, 1), seconds * FPS, config);
    let grid = AudioGrid { sample_rate: 48_000, frame_samples: 1024 };
    let video = |track, height| VideoTrack {
        track,
        width: height * 16 / 9,
        height,
        cap_bps: 1_000_000,
        target_bps: 600_000,
        buffer_ms: 500,
        encoder: encoder(job.encoders.of(track)),
    };
    let syncs: Vec<u64> = (0..seconds).map(|second| second * FPS).collect();
    Plan {
        rungs: vec![video(Track::Rung(360), 360), video(Track::Rung(180), 180)],
        trick: Some(video(Track::Trick, 90)),
        audio: Some(AudioTrack {
            grid,
            channels: 2,
            bitrate_bps: 128_000,
            language: "und".to_owned(),
            encoder: encoder(job.encoders.of(Track::Audio)),
        }),
        storyboard: Some(Storyboard { tricks_per_tile: 1, columns: 6, rows: 10, tile_width: 160, tile_height: 90 }),
        target_duration_s: timeline.target_duration_s(Some(grid)),
        chunks: chunks::partition(&timeline, &syncs),
        timeline,
    }
}

fn encoder(choice: &EncoderChoice) -> Encoder {
    Encoder {
        plugin: choice.plugin.clone(),
        version: choice.version.clone(),
        codec: choice.codec.clone(),
        settings: BTreeMap::new(),
    }
}

fn encode(io: &ChildIo, job: &EncodeJob, dir: &Path) -> Result<(), Failure> {
    assert!(!job.plan.rungs[0].encoder.settings.is_empty(), "the worker fills the settings in");
    io.progress(Progress { done: 0, total: job.segments.count() })?;
    if ordered(dir, "encode-crashes") {
        let loose = io.open_output(Output::Media { track: Track::Audio, first: job.segments.first })?;
        io.write(loose, b"never named")?;
        io.finish(loose)?;
        std::process::abort();
    }
    if ordered(dir, "encode-hangs") {
        fs::write(dir.join("hanging"), std::process::id().to_string()).unwrap();
        loop {
            std::thread::park();
        }
    }
    let is_last = job.segments.last == job.plan.timeline.segments();
    if is_last && dir.join("last-chunk-cannot-be-made").exists() {
        let Some(filler) = &job.filler else {
            return Err(Failure::retryable("decode_error", "the source cannot be decoded here", "made up"));
        };
        let before = filler.before.as_ref().unwrap();
        let gop = io.read(before.object, before.offset, before.bytes)?;
        assert_eq!(cmaf::read_fragments(&gop).unwrap().len(), 1);
    }
    let gate = dir.join("last-chunk-waits");
    if is_last && gate.exists() {
        // A pipe: opening it waits for the test to open the other end.
        fs::read(gate).unwrap();
    }
    let every = job.publish_every.unwrap_or(u64::MAX);
    let mut first = job.segments.first;
    while first <= job.segments.last {
        let last = first.saturating_add(every - 1).min(job.segments.last);
        publish(io, job, Segments { first, last })?;
        first = last + 1;
    }
    Ok(())
}

fn publish(io: &ChildIo, job: &EncodeJob, run: Segments) -> Result<(), Failure> {
    let plan = &job.plan;
    let mut tracks = Vec::new();
    for track in plan.tracks() {
        let numbers = match track {
            Track::Trick => plan.timeline.tricks_of_segments(run.first, run.last),
            _ => run.first..run.last + 1,
        };
        let mut bytes = Vec::new();
        let segments = numbers.clone().map(|n| segment(plan, track, n, &mut bytes)).collect();
        let output = io.open_output(Output::Media { track, first: run.first })?;
        io.write(output, &bytes)?;
        io.finish(output)?;
        tracks.push(TrackChunk { track, first: numbers.start, segments });
    }
    let configs = plan.tracks().into_iter().map(|track| (track, config(track))).collect();
    let last = run.last == job.segments.last;
    io.publish(Part { segments: run, tracks, configs, warnings: Vec::new(), last })?;
    Ok(())
}

fn segment(plan: &Plan, track: Track, n: u64, bytes: &mut Vec<u8>) -> Segment {
    let mut segment = Segment::new(bytes.len() as u64);
    for slot in cmaf::slots(plan, track, n).unwrap() {
        let samples: Vec<Sample<'_>> = (0..slot.samples)
            .map(|place| {
                let sync = track == Track::Audio || place == 0;
                let data: &[u8] = if sync { &[0, 0, 0, 2, 0x65, 1] } else { &[0, 0, 0, 2, 0x41, 1] };
                Sample { data, duration: slot.sample_duration, composition_offset: 0, sync }
            })
            .collect();
        let start = bytes.len();
        let fragment = cmaf::write_fragment(bytes, slot.fragment, &samples).unwrap();
        segment.push(fragment, &bytes[start..]);
    }
    segment
}

fn config(track: Track) -> DecoderConfig {
    match track {
        Track::Audio => DecoderConfig::Aac(vec![0x11, 0x90]),
        _ => DecoderConfig::Avc(vec![1, 0x64, 0, 0x1f, 0xff, 0xe1, 0, 0, 1, 0, 0]),
    }
}

fn image(io: &ChildIo, output: Output) -> Result<ImageReport, Failure> {
    let id = io.open_output(output)?;
    io.write(id, b"jpeg")?;
    Ok(ImageReport { bytes: io.finish(id)?, crc32: Crc32::of(b"jpeg") })
}
