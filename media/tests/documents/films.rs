//! Small films: plans with a full ladder, and presentations as far as they are said to be made.

use std::{collections::BTreeMap, sync::Arc};

use proptest::prelude::*;
use vidstream_media::{
    Plan, Presentation, Rational, Timeline, Track, VideoId, bandwidth, chunks,
    codec::DecoderConfig,
    index::{Chunk, Fragment, Segment, TrackChunk},
    plan::{AudioTrack, Encoder, VideoTrack},
    presentation::Sheet,
    storyboard,
    timeline::{AudioGrid, Config},
};

/// x264, High, level 3.1; the level byte is replaced for each rung.
const AVCC: &[u8] =
    &[0x01, 0x64, 0x00, 0x1f, 0xff, 0xe1, 0x00, 0x04, 0x67, 0x64, 0x00, 0x1f, 0x01, 0x00, 0x04, 0x68, 0xeb, 0xe3, 0xcb];
/// AAC low complexity, 48 kHz, stereo.
const ASC: &[u8] = &[0x11, 0x90];

/// Every rate from 0.1 to 120 frames a second.
pub(super) fn rates() -> impl Strategy<Value = (u32, u32)> {
    (1u32..=1001).prop_flat_map(|den| (den.div_ceil(10)..=120 * den, Just(den)))
}

/// What a film is made of.
#[derive(Clone, Copy, Debug)]
pub(super) struct Film {
    pub(super) fps: (u32, u32),
    pub(super) frames: u64,
    /// The largest picture; `None` makes it audio-only.
    pub(super) picture: Option<(u32, u32)>,
    /// Samples per second and language.
    pub(super) audio: Option<(u32, &'static str)>,
}

/// 24000/1001, 21 s: two ramp segments, then whole ones and a tail.
pub(super) const FILM: Film =
    Film { fps: (24_000, 1001), frames: 510, picture: Some((1280, 720)), audio: Some((48_000, "en")) };
/// Portrait at 30 fps in 44.1 kHz, language unknown.
pub(super) const PORTRAIT: Film =
    Film { fps: (30, 1), frames: 300, picture: Some((720, 1280)), audio: Some((44_100, "und")) };
/// No picture; the grid is synthetic.
pub(super) const AUDIO_ONLY: Film = Film { fps: (25, 1), frames: 251, picture: None, audio: Some((48_000, "de-CH")) };
/// 12.5 fps, silent: a GOP is 26 frames.
pub(super) const SLOW: Film = Film { fps: (25, 2), frames: 160, picture: Some((640, 480)), audio: None };
/// A tail shorter than half a GOP joins the segment, the GOP and the trick picture before.
pub(super) const JOINED_TAIL: Film =
    Film { fps: (30, 1), frames: 120 + 120 + 14, picture: Some((1280, 720)), audio: Some((48_000, "en")) };

pub(super) const ALL: [(&str, Film); 5] =
    [("film", FILM), ("portrait", PORTRAIT), ("audio_only", AUDIO_ONLY), ("slow", SLOW), ("joined_tail", JOINED_TAIL)];

pub(super) fn plan(film: Film) -> Plan {
    let timeline = Timeline::new(Rational::new(film.fps.0, film.fps.1), film.frames, Config::default());
    let audio = film.audio.map(|(sample_rate, language)| AudioTrack {
        grid: AudioGrid { sample_rate, frame_samples: 1024 },
        channels: 2,
        bitrate_bps: 128_000,
        language: language.into(),
        encoder: encoder("aac"),
    });
    let trick = film.picture.map(|size| video(Track::Trick, size, 180, (300_000, 150_000)));
    let storyboard = trick.as_ref().map(|trick| storyboard::layout(&timeline, trick.width, trick.height));
    let rung = |(label, cap_bps, target_bps)| {
        film.picture.map(|size| video(Track::Rung(label), size, u32::from(label), (cap_bps, target_bps)))
    };
    let ladder = [(720, 3_000_000, 2_200_000), (480, 1_500_000, 1_100_000), (240, 400_000, 300_000)];
    let largest = film.picture.map_or(0, |(width, height)| width.min(height));
    Plan {
        rungs: ladder.into_iter().filter(|rung| u32::from(rung.0) <= largest).filter_map(rung).collect(),
        trick,
        storyboard,
        target_duration_s: timeline.target_duration_s(audio.as_ref().map(|audio| audio.grid)),
        audio,
        chunks: chunks::partition(&timeline, &[0, 500, 1000, 1500]),
        timeline,
    }
}

/// A film of which the first `made` chunks are stored; ready when that is all of them.
pub(super) fn presentation(film: Film, made: usize) -> Presentation {
    let plan = Arc::new(plan(film));
    let stored: Vec<Chunk> = plan.chunks.iter().take(made).map(|&segments| chunk(&plan, segments)).collect();
    let ready = stored.len() == plan.chunks.len();
    let mut presentation = Presentation {
        id: VideoId::from_bits(0x0192_aaaa_bbbb_7ccc_8ddd_eeee_ffff_0001),
        generation: 1,
        configs: plan.tracks().into_iter().map(|track| (track, config(track))).collect(),
        chunks: stored.into_iter().map(|chunk| (chunk.segments.first, Arc::new(chunk))).collect(),
        sheets: BTreeMap::new(),
        poster: None,
        ready,
        measured: BTreeMap::new(),
        plan: Arc::clone(&plan),
    };
    if ready {
        for track in plan.tracks() {
            let size = |n| presentation.stored(track, n).unwrap().1.bytes();
            let sizes: Vec<u64> = (1..=plan.segments(track)).map(size).collect();
            presentation.measured.insert(track, bandwidth::measure(&plan, track, &sizes));
        }
        let sheets = plan.storyboard.map_or(0, |layout| layout.sheets(&plan.timeline));
        presentation.sheets = (1..=sheets).map(|n| (n, Sheet { token: 7, bytes: 90_000 + n, crc32: None })).collect();
    }
    presentation
}

/// The first chunk only: what a player sees that starts at once.
pub(super) fn playable(film: Film) -> Presentation {
    presentation(film, 1)
}

/// Everything.
pub(super) fn ready(film: Film) -> Presentation {
    presentation(film, usize::MAX)
}

/// For comparing with exact times.
#[expect(clippy::cast_precision_loss, reason = "times and rates of small films are below 2^53")]
pub(super) fn float(value: u64) -> f64 {
    value as f64
}

fn video(track: Track, (width, height): (u32, u32), short_side: u32, (cap_bps, target_bps): (u32, u32)) -> VideoTrack {
    let even = |length: u32| length * short_side / width.min(height) / 2 * 2;
    VideoTrack {
        track,
        width: even(width),
        height: even(height),
        cap_bps,
        target_bps,
        buffer_ms: 500,
        encoder: encoder("h264"),
    }
}

fn encoder(codec: &str) -> Encoder {
    Encoder { plugin: codec.into(), version: "1".into(), codec: codec.into(), settings: BTreeMap::new() }
}

fn config(track: Track) -> DecoderConfig {
    let level = match track {
        Track::Audio => return DecoderConfig::Aac(ASC.to_vec()),
        Track::Rung(720..) => 0x1f,
        Track::Rung(_) => 0x1e,
        Track::Trick => 0x0d,
    };
    let mut avcc = AVCC.to_vec();
    avcc[3] = level;
    DecoderConfig::Avc(avcc)
}

fn chunk(plan: &Plan, segments: chunks::Segments) -> Chunk {
    let of_track = |track: Track| {
        let numbers = match track {
            Track::Trick => plan.timeline.tricks_of_segments(segments.first, segments.last),
            _ => segments.first..segments.last + 1,
        };
        let mut offset = 0;
        let mut stored = Vec::new();
        for n in numbers.clone() {
            let segment = Segment { offset, fragments: fragments(plan, track, n), crc32: None };
            offset += segment.bytes();
            stored.push(segment);
        }
        TrackChunk { track, first: numbers.start, segments: stored }
    };
    Chunk { segments, token: 7, tracks: plan.tracks().into_iter().map(of_track).collect() }
}

/// Sizes that wave a little around the target, the same in every run.
fn fragments(plan: &Plan, track: Track, n: u64) -> Vec<Fragment> {
    let timeline = &plan.timeline;
    let (spans, rate_bps) = match track {
        Track::Audio => (1, 128_000),
        Track::Trick => (1, u64::from(plan.video(track).unwrap().target_bps)),
        Track::Rung(_) => (timeline.segment_gops(n).len(), u64::from(plan.video(track).unwrap().target_bps)),
    };
    let (_, ticks) = plan.segment_ticks(track, n).unwrap();
    let bytes = rate_bps * ticks / u64::from(plan.timescale(track)) / 8 / spans as u64;
    let size = |gop: u64| {
        let percent = 80 + (n * 7 + gop * 13) % 41;
        let bytes = u32::try_from(bytes * percent / 100).unwrap();
        let first_sample_end = if track == Track::Trick { bytes } else { bytes / 5 };
        Fragment { bytes, first_sample_end }
    };
    (0..spans as u64).map(size).collect()
}
