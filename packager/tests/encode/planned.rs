//! Plans for films, as the probe would make them, and the jobs that keep them.

use std::collections::BTreeMap;

use vidstream_media::{
    Plan, Rational, Timeline, Track,
    chunks::Segments,
    plan::{AudioTrack, Encoder, VideoTrack},
    timeline::{AudioGrid, Config},
};
use vidstream_packager::protocol::{EncodeJob, Rolls};
use vidstream_plugins::{Knobs, Registry};

pub(crate) const AAC: AudioGrid = AudioGrid { sample_rate: 48_000, frame_samples: 1024 };

/// The tracks of a plan.
pub(crate) struct Wanted<'a> {
    pub(crate) fps: (u32, u32),
    pub(crate) frames: u64,
    /// Width and height of each rung, largest first; the trick track is a quarter of the first.
    pub(crate) rungs: &'a [(u32, u32)],
    /// Channels of the audio track; 0 for none.
    pub(crate) channels: u32,
    /// The plugin that codes pictures.
    pub(crate) plugin: &'a str,
}

impl Default for Wanted<'_> {
    fn default() -> Self {
        Self { fps: (30, 1), frames: 300, rungs: &[(320, 180)], channels: 0, plugin: "x264" }
    }
}

impl Wanted<'_> {
    pub(crate) fn plan(&self) -> Plan {
        let timeline = Timeline::new(Rational::new(self.fps.0, self.fps.1), self.frames, Config::default());
        let rungs: Vec<VideoTrack> = self
            .rungs
            .iter()
            .map(|&(width, height)| self.video(Track::Rung(u16::try_from(height).unwrap()), width, height, &timeline))
            .collect();
        let trick = rungs.first().map(|top| {
            self.video(
                Track::Trick,
                (top.width / 4).next_multiple_of(2),
                (top.height / 4).next_multiple_of(2),
                &timeline,
            )
        });
        let audio = (self.channels > 0).then(|| {
            let knobs = Knobs { target_bps: 128_000, cap_bps: 128_000, ..Knobs::default() };
            AudioTrack {
                grid: AAC,
                channels: self.channels,
                bitrate_bps: 128_000,
                language: "und".into(),
                encoder: encoder("avenc-aac", "aac", &knobs),
            }
        });
        let segments = timeline.segments();
        Plan {
            target_duration_s: timeline.target_duration_s(audio.as_ref().map(|audio| audio.grid)),
            timeline,
            rungs,
            trick,
            audio,
            storyboard: None,
            chunks: vec![Segments { first: 1, last: segments }],
        }
    }

    fn video(&self, track: Track, width: u32, height: u32, timeline: &Timeline) -> VideoTrack {
        let cap_bps = (width * height * 3).max(100_000);
        let knobs = Knobs {
            cap_bps,
            target_bps: cap_bps / 2,
            gop_frames: timeline.gop_frames,
            intra: track == Track::Trick,
            ..Knobs::default()
        };
        VideoTrack {
            track,
            width,
            height,
            cap_bps,
            target_bps: cap_bps / 2,
            buffer_ms: 500,
            encoder: encoder(self.plugin, "h264", &knobs),
        }
    }
}

fn encoder(plugin: &str, codec: &str, knobs: &Knobs) -> Encoder {
    let registry = Registry::load(&[]).unwrap();
    let found = registry.get(plugin).unwrap();
    Encoder {
        plugin: plugin.into(),
        version: found.version.clone(),
        codec: codec.into(),
        settings: found.settings(knobs),
    }
}

/// The job for some segments of a plan.
pub(crate) fn job(plan: &Plan, first: u64, last: u64) -> EncodeJob {
    let registry = Registry::load(&[]).unwrap();
    let elements: BTreeMap<String, String> =
        registry.iter().map(|plugin| (plugin.name.clone(), plugin.element.clone())).collect();
    EncodeJob {
        plan: plan.clone(),
        segments: Segments { first, last },
        filler: None,
        threads: 1,
        audio_rolls: Rolls::default(),
        publish_every: None,
        elements,
    }
}
