//! Every container but MP4: one pass through a GStreamer demuxer while the source uploads.
//!
//! One streaming thread does it all: `appsrc` pushes bytes through the demuxer and parsers into probes
//! that copy the packets of the chosen streams. Nothing queues, so nothing can deadlock or grow.

use std::{
    sync::{Arc, PoisonError, mpsc},
    time::{Duration, Instant},
};

use gst::prelude::*;
use vidstream_media::source::{AudioFacts, Packet};

use super::{
    Scanned, Stream, VideoStream, caps, fault,
    picture::{self, Candidate},
    source::Source,
    times,
};
use crate::protocol::{Failure, Input, Warning};

mod collect;
mod feed;
mod graph;
mod headers;
mod order;
mod retime;
mod stream;
mod units;

/// The pure readers, for [`super::fuzz`].
#[cfg(any(test, feature = "fuzz"))]
pub(super) mod fuzzed {
    pub(in crate::scan) use super::{
        headers::{Headers, SETS_BYTES_MAX, SETS_MAX},
        order::{LOOK_BYTES, Order},
    };
}

use collect::{Collected, Collector};
use feed::{Activity, Feed};
use stream::{Kind, StreamState};

/// A demuxer that neither takes nor gives anything for this long hangs.
const STALL: Duration = Duration::from_secs(20);
/// After the last byte, a demuxer without streams says so within this or never.
const SILENT_END: Duration = Duration::from_secs(2);
/// How often the wait for the end looks for a stall.
const POLL: gst::ClockTime = gst::ClockTime::from_mseconds(200);

/// What is said of a file that is like none that is known.
const UNKNOWN_TYPE: &str = "its type cannot be told";

/// How a pass ended.
enum Ended {
    Whole,
    Broken(String),
    NotMedia(String),
}

/// Scans a file of any other container, while it uploads.
///
/// # Errors
/// See [`super::run`].
pub(super) fn scan(source: &Source) -> Result<Scanned, Failure> {
    pass(source, Feed::Stream)
}

/// Scans a complete file whose demuxer jumps: MP4 with a codec that only GStreamer's demuxer maps.
///
/// # Errors
/// See [`super::run`].
pub(super) fn scan_complete(source: &Source) -> Result<Scanned, Failure> {
    let bytes = source.end()?;
    pass(source, Feed::Jumping { bytes })
}

/// One pass over the file.
fn pass(source: &Source, how: Feed) -> Result<Scanned, Failure> {
    let collector = Collector::new(source.io().clone());
    let activity = Arc::new(Activity::default());
    let pipeline = gst::Pipeline::new();
    let stop = Stop(pipeline.clone());
    let appsrc = graph::build(&pipeline, &collector)?;
    let (verdict, failed) = mpsc::sync_channel(1);
    let feeder = feed::Feeder { source: source.clone(), to: appsrc, activity: Arc::clone(&activity), verdict };
    feeder.prepare(how);
    pipeline.set_state(gst::State::Playing).map_err(fault::element)?;
    if matches!(how, Feed::Stream) {
        feeder.spawn()?;
    }
    let ended = wait(&pipeline, &activity, &collector)?;
    drop(stop);
    if let Ok(failure) = failed.try_recv() {
        return Err(failure);
    }
    let bytes = source.end()?;
    let ended = match collector.refusal() {
        Some(what) => Ended::NotMedia(what),
        None if !collector.is_typed() => Ended::NotMedia(UNKNOWN_TYPE.to_owned()),
        None => ended,
    };
    let collected = collector.finish()?;
    match ended {
        Ended::NotMedia(what) => Err(fault::not_media(what)),
        Ended::Broken(what) if collected.packets() == 0 => Err(fault::malformed(what)),
        Ended::Broken(what) => {
            let detail = format!("The file is damaged, what could be read is played: {what}");
            finish(source, collected, bytes, vec![warning("damaged", detail)])
        }
        Ended::Whole => finish(source, collected, bytes, Vec::new()),
    }
}

/// Stops the pipeline whatever happens.
struct Stop(gst::Pipeline);

impl Drop for Stop {
    fn drop(&mut self) {
        // Going to Null cannot be refused; if it is, the process ends soon anyway.
        let _ = self.0.set_state(gst::State::Null);
    }
}

/// Waits for the end of the stream, an error or a stall.
fn wait(pipeline: &gst::Pipeline, activity: &Activity, collector: &Collector) -> Result<Ended, Failure> {
    let bus = pipeline.bus().ok_or_else(|| fault::element("pipeline"))?;
    let mut seen = activity.count();
    let mut since = Instant::now();
    loop {
        let message = bus.timed_pop_filtered(POLL, &[gst::MessageType::Error, gst::MessageType::Eos]);
        match message.as_deref().map(gst::MessageRef::view) {
            Some(gst::MessageView::Error(error)) => return Ok(judge(error)),
            Some(gst::MessageView::Eos(_)) => return Ok(Ended::Whole),
            _ => {}
        }
        if collector.is_over() {
            return Ok(Ended::Whole);
        }
        let now = activity.count();
        if now != seen || activity.waits_for_source() {
            (seen, since) = (now, Instant::now());
        }
        if activity.ended() && since.elapsed() >= SILENT_END && !collector.has_sinks() {
            return Ok(Ended::Whole);
        }
        if since.elapsed() >= STALL {
            return Err(fault::stalled());
        }
    }
}

fn judge(error: &gst::message::Error) -> Ended {
    let found = error.error();
    if found.matches(gst::StreamError::TypeNotFound) {
        return Ended::NotMedia(UNKNOWN_TYPE.to_owned());
    }
    let from = error.src().map_or_else(String::new, |object| format!("{}: ", object.name()));
    Ended::Broken(format!("{from}{found}"))
}

fn finish(source: &Source, collected: Collected, bytes: u64, mut warnings: Vec<Warning>) -> Result<Scanned, Failure> {
    let Collected { container, streams } = collected;
    let audio_facts = streams.iter().filter(|stream| stream.kind == Kind::Audio).map(audio_facts).collect();
    if streams.iter().any(|stream| stream.caps_changes > 0) {
        let detail = "The format of a stream changes inside the film; it is played as it begins.".to_owned();
        warnings.push(warning("format_change", detail));
    }
    let has_audio = streams.iter().any(|stream| stream.kind == Kind::Audio);
    let unplayable = streams.iter().find(|stream| stream.kind == Kind::Video).map(StreamState::codec);
    let (mut video, mut audio) = (None, None);
    for state in streams.into_iter().filter(|stream| !stream.packets.is_empty()) {
        match state.kind {
            Kind::Video => video = Some(state.into_stream(times::pictures)),
            Kind::Audio => audio = Some(state.into_stream(times::sounds)),
        }
    }
    if audio.is_none() && has_audio {
        warnings
            .push(warning("audio_unsupported", "The sound has no decoder here or no data; it is left out.".to_owned()));
    }
    let video = match (video, unplayable) {
        (Some(stream), _) => Some(first_picture(source, stream)?),
        (None, Some(codec)) => return Err(fault::unsupported_codec(codec)),
        (None, None) => None,
    };
    if video.is_none() && audio.is_none() {
        return Err(fault::no_streams());
    }
    Ok(Scanned { container, bytes, video, audio, audio_facts, remuxed: true, warnings })
}

fn first_picture(source: &Source, stream: Stream) -> Result<VideoStream, Failure> {
    let read = |packet: &Packet| Ok(source.io().read(Input::Remux, packet.offset, packet.bytes)?);
    let candidate = Candidate { codec: &stream.codec, caps: &stream.caps, packets: &stream.packets };
    let picture = picture::first(&candidate, &read)?;
    Ok(VideoStream { stream, rotation: 0, picture })
}

fn audio_facts(state: &StreamState) -> AudioFacts {
    let (channels, sample_rate) = state.sound();
    AudioFacts { codec: state.codec(), channels, sample_rate, language: state.language.clone() }
}

fn warning(code: &str, detail: String) -> Warning {
    Warning { code: code.to_owned(), detail, from_s: None, to_s: None }
}

/// A poisoned lock only says that another thread panicked; the data below is whole at any time.
fn lock<T>(mutex: &std::sync::Mutex<T>) -> std::sync::MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}
