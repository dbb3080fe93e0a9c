//! Jobs: what a child is started for, and the names of the objects that it reads and writes.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};
use vidstream_media::{Plan, Track, chunks::Segments, codec::DecoderConfig, ladder};

/// What a child is started for. Each child does one job.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Job {
    /// Tell which GStreamer elements exist here, and write the registry that later children read.
    Inspect(InspectJob),
    /// Scan the source, which may still be growing, and plan its generation.
    Probe(ProbeJob),
    /// Make every track of a run of segments.
    Encode(EncodeJob),
    /// Make one tile sheet from stored trick pictures.
    Sheet(SheetJob),
    /// Make the poster from stored I-frames.
    Poster(PosterJob),
    /// Encode runs of segments one after another and store what the encoders give, judged by nobody.
    Trial(TrialJob),
    /// Decode stored fragments and compare them with the source.
    Replay(ReplayJob),
}

/// Which elements to look for.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct InspectJob {
    /// Names of elements.
    pub elements: Vec<String>,
    /// Caps of packets that some element must decode.
    pub decoded: Vec<String>,
}

/// How to scan and what to plan with.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct ProbeJob {
    /// Wanted seconds between IDR pictures.
    pub gop_s: f64,
    /// Wanted seconds of a segment.
    pub segment_s: f64,
    /// Which renditions to plan.
    pub ladder: ladder::Config,
    /// The encoders of its tracks.
    pub encoders: Encoders,
}

/// The encoders that a plan may pin.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Encoders {
    /// The encoder of the rungs and of the trick track.
    pub video: EncoderChoice,
    /// The encoder of the audio track.
    pub audio: EncoderChoice,
    /// Tracks that get another one.
    pub overrides: Vec<(Track, EncoderChoice)>,
}

/// The encoder that a plan pins. The probe leaves `plan::Encoder::settings` empty: the worker fills
/// them in from the plugin's manifest, which the child does not have.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct EncoderChoice {
    /// The plugin's name.
    pub plugin: String,
    /// The plugin's version.
    pub version: String,
    /// The codec it makes.
    pub codec: String,
}

/// A run of segments to make.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct EncodeJob {
    /// What was promised.
    pub plan: Plan,
    /// The segments to make.
    pub segments: Segments,
    /// Do not decode the source, which cannot be made: deliver the grid with this.
    pub filler: Option<Filler>,
    /// Threads of each video encoder, at least 1.
    pub threads: u32,
    /// Audio frames that are coded around those of the segments, and dropped.
    pub audio_rolls: Rolls,
    /// Publish finished runs of about this many segments as they are done; `None`: all at once.
    pub publish_every: Option<u64>,
    /// The GStreamer element or bin of each plugin that the plan pins, by plugin name.
    pub elements: BTreeMap<String, String>,
}

/// What a run shows that cannot be made from its source; its sound is silence.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Filler {
    /// The last GOP that is stored before the run, whose last picture is shown; without one it is black.
    pub before: Option<StoredGop>,
}

/// One stored fragment of a rung.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct StoredGop {
    /// Decoder configuration of the rung.
    pub config: DecoderConfig,
    /// The object, an [`Input::Media`].
    pub object: Input,
    /// Where its `moof` starts.
    pub offset: u64,
    /// Bytes of `moof` and `mdat`.
    pub bytes: u32,
}

/// Audio frames that an encoder is given before and after those that are kept, so that it codes the kept
/// ones as if it had never stopped.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Rolls {
    /// Frames before the first one that is kept.
    pub pre_frames: u32,
    /// Frames after the last one that is kept.
    pub post_frames: u32,
}

/// A tile sheet to make.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct SheetJob {
    /// What was promised; `plan.storyboard` gives the layout.
    pub plan: Plan,
    /// The sheet's number, from 1.
    pub n: u64,
    /// Decoder configuration of the trick track.
    pub config: DecoderConfig,
    /// The pictures of its tiles in order, as `Storyboard::sheet_tricks` lists them.
    pub pictures: Vec<Picture>,
}

/// A poster to make.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct PosterJob {
    /// What was promised.
    pub plan: Plan,
    /// The track that the candidates come from.
    pub track: Track,
    /// Decoder configuration of that track.
    pub config: DecoderConfig,
    /// Pictures to choose from, never empty.
    pub candidates: Vec<Picture>,
}

/// Encoders to try out, as the contract suite for plugins does.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct TrialJob {
    /// What to encode; the segments of each round take the place of its own.
    pub encode: EncodeJob,
    /// Runs of segments, one after another in one process. Each leaves a record of every track and is published.
    pub rounds: Vec<Segments>,
    /// Another run, which the source breaks off in the middle: what is left of it then is reported.
    pub broken_off: Option<Segments>,
}

/// Stored fragments of one track to decode again.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct ReplayJob {
    /// What was promised. The source must be raw: [`ReplayJob::unit_bytes`] tells how its frames lie in it.
    pub plan: Plan,
    /// The track.
    pub track: Track,
    /// Its decoder configuration.
    pub config: DecoderConfig,
    /// Bytes of a raw picture in the source, or of a raw audio frame.
    pub unit_bytes: u32,
    /// What to decode.
    pub passes: Vec<Pass>,
}

/// Objects that are decoded behind one another.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Pass {
    /// The objects, each an [`Input::Media`].
    pub objects: Vec<Input>,
    /// Whether each fragment gets a new decoder, which knows nothing of what came before.
    pub alone: bool,
}

/// An I-frame in a stored object: a range from the start of a `moof` to the end of its first sample.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Picture {
    /// The object, an [`Input::Media`].
    pub object: Input,
    /// Where the `moof` starts.
    pub offset: u64,
    /// Bytes up to the end of the first sample.
    pub bytes: u32,
}

/// An object that a child reads.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Input {
    /// The uploaded file. It may still be growing.
    Source,
    /// The packet index that the scan wrote.
    Packets,
    /// The stream copy that the scan wrote for containers without a sample table.
    Remux,
    /// Stored fragments of one track and chunk.
    Media {
        /// The track.
        track: Track,
        /// The first grid segment of the chunk, also for the trick track.
        first: u64,
        /// The fencing token in the object's key.
        token: u64,
    },
}

/// An object that a child writes.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Output {
    /// The packet index.
    Packets,
    /// The stream copy.
    Remux,
    /// Fragments of one track and chunk.
    Media {
        /// The track.
        track: Track,
        /// The first grid segment of the published run, also for the trick track.
        first: u64,
    },
    /// A tile sheet, JPEG.
    Sheet {
        /// Its number, from 1.
        n: u64,
    },
    /// The poster, JPEG.
    Poster,
}

/// An open output, as the child numbers them.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub struct OutputId(pub u32);

// === impl Rolls ===

impl Default for Rolls {
    /// Long enough for the rate control of `avenc_aac` to know the sound: after 4 frames joins are as good as what lies
    /// between them, but it starts low, so that music in chunks of 20 s has a median SNR 1.6 dB below one pass; after
    /// 96, 0.4 dB.
    fn default() -> Self {
        Self { pre_frames: 96, post_frames: 2 }
    }
}

// === impl Encoders ===

impl Encoders {
    /// The encoder of a track.
    pub fn of(&self, track: Track) -> &EncoderChoice {
        let usual = if track == Track::Audio { &self.audio } else { &self.video };
        self.overrides.iter().find(|(of, _)| *of == track).map_or(usual, |(_, choice)| choice)
    }
}

// === impl Output ===

impl Output {
    /// The input that reads it back, once it is finished under `token`.
    pub fn input(self, token: u64) -> Option<Input> {
        match self {
            Self::Packets => Some(Input::Packets),
            Self::Remux => Some(Input::Remux),
            Self::Media { track, first } => Some(Input::Media { track, first, token }),
            Self::Sheet { .. } | Self::Poster => None,
        }
    }
}
