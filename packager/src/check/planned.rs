//! What the made-up source is to become: plans as a probe would make them, with the judged plugin pinned.

use std::collections::BTreeMap;

use vidstream_media::{
    Plan, Rational, Timeline, Track,
    chunks::Segments,
    ladder,
    plan::{AudioTrack, Encoder, VideoTrack},
    timeline::{AudioGrid, Config},
};
use vidstream_plugins::{Kind, Plugin, Registry};

use crate::{
    jobs::settings,
    protocol::{EncodeJob, EncoderChoice, Encoders, Failure, Rolls},
};

/// Size of the made-up pictures: small, since speed is not judged, and rows of a multiple of 8.
pub(super) const SIZE: (u32, u32) = (480, 270);
/// A rate that is no whole number, so that rounding shows.
const FPS: Rational = Rational { num: 24_000, den: 1001 };
/// Segments of 48, 48, four times 96 and 60 frames, the last one GOP longer than others.
const FRAMES: u64 = 540;
/// The grid of sound without pictures, and twenty seconds of it.
const AUDIO_FPS: Rational = Rational { num: 25, den: 1 };
const AUDIO_FRAMES: u64 = 500;
pub(super) const AUDIO_GRID: AudioGrid = AudioGrid { sample_rate: 48_000, frame_samples: 1024 };
pub(super) const CHANNELS: u32 = 2;
const AUDIO_BPS: u32 = 128_000;

/// The plan for a plugin, with one segment a chunk: nothing has more joins.
///
/// # Errors
/// When the plugin does not fill its own settings.
pub(super) fn plan(plugins: &Registry, plugin: &Plugin) -> Result<Plan, Failure> {
    let choice =
        EncoderChoice { plugin: plugin.name.clone(), version: plugin.version.clone(), codec: plugin.codec.clone() };
    let encoder = Encoder {
        plugin: choice.plugin.clone(),
        version: choice.version.clone(),
        codec: choice.codec.clone(),
        settings: BTreeMap::new(),
    };
    let mut plan = if plugin.kind == Kind::AudioEncoder { sound(encoder) } else { pictures(&encoder) };
    let encoders = Encoders { video: choice.clone(), audio: choice, overrides: Vec::new() };
    settings::fill(&mut plan, plugins, &encoders)?;
    Ok(plan)
}

/// The job that makes these segments of a plan.
pub(super) fn job(plan: &Plan, plugin: &Plugin, segments: Segments, threads: u32) -> EncodeJob {
    EncodeJob {
        plan: plan.clone(),
        segments,
        filler: None,
        threads,
        audio_rolls: Rolls::default(),
        publish_every: None,
        elements: BTreeMap::from([(plugin.name.clone(), plugin.element.clone())]),
    }
}

fn pictures(encoder: &Encoder) -> Plan {
    let (width, height) = SIZE;
    let planned = |track, rung: ladder::Rung| VideoTrack {
        track,
        width: rung.width,
        height: rung.height,
        cap_bps: rung.cap_bps,
        target_bps: rung.target_bps,
        buffer_ms: rung.buffer_ms,
        encoder: encoder.clone(),
    };
    let heights = ladder::Config { heights: vec![u16::try_from(height).unwrap_or(u16::MAX)] };
    let rungs = ladder::plan_rungs(width, height, FPS, &heights);
    let trick = ladder::trick(width, height).map(|rung| planned(Track::Trick, rung));
    let timeline = Timeline::new(FPS, FRAMES, Config::default());
    let rungs = rungs.into_iter().map(|rung| planned(Track::Rung(rung.label), rung)).collect();
    Plan { rungs, trick, ..empty(timeline) }
}

fn sound(encoder: Encoder) -> Plan {
    let timeline = Timeline::new(AUDIO_FPS, AUDIO_FRAMES, Config::default());
    let audio = AudioTrack {
        grid: AUDIO_GRID,
        channels: CHANNELS,
        bitrate_bps: AUDIO_BPS,
        language: "und".to_owned(),
        encoder,
    };
    let target_duration_s = timeline.target_duration_s(Some(AUDIO_GRID));
    Plan { audio: Some(audio), target_duration_s, ..empty(timeline) }
}

fn empty(timeline: Timeline) -> Plan {
    let chunks = (1..=timeline.segments()).map(|n| Segments { first: n, last: n }).collect();
    Plan {
        target_duration_s: timeline.target_duration_s(None),
        timeline,
        rungs: Vec::new(),
        trick: None,
        audio: None,
        storyboard: None,
        chunks,
    }
}
