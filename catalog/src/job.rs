//! Jobs, claims and what a worker hands back.

use std::{
    collections::{BTreeMap, BTreeSet},
    str::FromStr,
    sync::Arc,
};

use serde::{Deserialize, Serialize};
use vidstream_media::{
    Plan, Track, VideoId, bandwidth::Rates, chunks::Segments, codec::DecoderConfig, index::Chunk, presentation::Poster,
    source::Facts,
};

use crate::video::Warning;

/// The kinds of jobs.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum JobKind {
    /// Read the source and make the plan.
    Probe,
    /// Make all tracks of a chunk.
    Encode,
    /// Make one tile sheet.
    Sheet,
    /// Measure, check, choose the poster.
    Finalize,
    /// Remove the objects of a video.
    Delete,
}

/// Who claims.
#[derive(Clone, Debug, Default)]
pub struct Worker {
    /// A stable id of the worker: the same after a restart, never shared.
    pub id: String,
    /// The encoders it has, as (plugin, version).
    pub encoders: BTreeSet<(String, String)>,
}

/// Which jobs a free slot may take. A `delete` job may be taken by any slot.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Wanted {
    /// Probes.
    pub probe: bool,
    /// Chunks that somebody waits for, and first chunks, which are short.
    pub urgent: bool,
    /// All other chunks, those that a viewer will want soon first; sheets and finalizing.
    pub background: bool,
}

/// A job given to one worker until `lease_until_ms`, unless it renews.
#[derive(Clone, Debug, PartialEq)]
pub struct Claim {
    /// The job.
    pub job: i64,
    /// The fencing token: higher than that of every claim before. Part of the keys of stored objects.
    pub token: u64,
    /// The worker that holds it.
    pub worker: String,
    /// The video. For a `Delete` its row may be gone already (an abandoned upload).
    pub video: VideoId,
    /// The generation that the work is for.
    pub generation: u32,
    /// Which attempt this is, from 1; starts again when a chunk becomes filler.
    pub attempt: u32,
    /// What to do.
    pub work: Work,
    /// When the lease ends unless it is renewed, in milliseconds since the epoch.
    pub lease_until_ms: i64,
}

/// What a claim asks for.
#[derive(Clone, Debug, PartialEq)]
pub enum Work {
    /// Probe the source, which may still be growing.
    Probe,
    /// Make all tracks of these segments.
    Encode {
        /// The segments.
        segments: Segments,
        /// Whether to make filler (last frame, silence) instead of decoding.
        filler: bool,
        /// Until when somebody waits for the first of them, in milliseconds since the epoch.
        deadline_ms: Option<i64>,
        /// The plan of the generation.
        plan: Arc<Plan>,
    },
    /// Make tile sheet `n` from the stored trick pictures.
    Sheet {
        /// The number of the sheet, from 1.
        n: u64,
        /// The plan of the generation.
        plan: Arc<Plan>,
    },
    /// Measure the real rates, check the stored bytes, choose the poster.
    Finalize {
        /// The plan of the generation.
        plan: Arc<Plan>,
    },
    /// Remove every object of the video, then call `finish_delete`.
    Delete,
}

/// What a probe found.
#[derive(Clone, Debug)]
pub struct Probed {
    /// Facts for people.
    pub facts: Facts,
    /// The plan; its chunks become encode jobs and must cover every segment exactly once, in order.
    pub plan: Plan,
    /// What was odd about the source.
    pub warnings: Vec<Warning>,
}

/// A finished chunk, or a finished prefix of one.
#[derive(Clone, Debug)]
pub struct Published {
    /// The index of what was stored. Starts with the job's first segment and has every track of the plan.
    pub chunk: Chunk,
    /// The decoder configuration of each track. What is stored already must be equal.
    pub configs: Vec<(Track, DecoderConfig)>,
    /// What was odd about the segments.
    pub warnings: Vec<Warning>,
    /// Whether this ends the job. If not, the job keeps the segments after these.
    pub last: bool,
}

/// What `finalize` measured.
#[derive(Clone, Debug, Default)]
pub struct Finalized {
    /// Real rates of each track.
    pub measured: BTreeMap<Track, Rates>,
    /// The poster, if one was stored.
    pub poster: Option<Poster>,
    /// Failed conformance rules and the like.
    pub warnings: Vec<Warning>,
}

/// What became of chunks that `finalize` found unusable, by their first segments.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Requeued {
    /// Queued again. If there are any, the claim on `finalize` has ended; the job comes back later.
    pub accepted: Vec<u64>,
    /// Queued again before, or not stored. If there are only these, the claim goes on.
    pub refused: Vec<u64>,
}

/// Why an attempt failed.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Failure {
    /// A stable code: `not_media`, `worker_oom`, …
    pub code: String,
    /// A short sentence for people.
    pub title: String,
    /// What exactly was found.
    pub detail: String,
    /// Whether another attempt may succeed.
    pub retryable: bool,
}

/// A text is not the name of a kind of jobs.
#[derive(Debug, thiserror::Error)]
#[error("a job is probe, encode, sheet, finalize or delete")]
pub struct ParseKindError;

// === impl JobKind ===

impl JobKind {
    /// All kinds.
    pub const ALL: [Self; 5] = [Self::Probe, Self::Encode, Self::Sheet, Self::Finalize, Self::Delete];

    /// The name, as in events.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Probe => "probe",
            Self::Encode => "encode",
            Self::Sheet => "sheet",
            Self::Finalize => "finalize",
            Self::Delete => "delete",
        }
    }
}

impl FromStr for JobKind {
    type Err = ParseKindError;

    fn from_str(text: &str) -> Result<Self, ParseKindError> {
        Self::ALL.into_iter().find(|kind| kind.as_str() == text).ok_or(ParseKindError)
    }
}

// === impl Wanted ===

impl Wanted {
    /// Any job at all.
    pub const ALL: Self = Self { probe: true, urgent: true, background: true };
}

// === impl Work ===

impl Work {
    /// Which kind of job it is.
    pub fn kind(&self) -> JobKind {
        match self {
            Self::Probe => JobKind::Probe,
            Self::Encode { .. } => JobKind::Encode,
            Self::Sheet { .. } => JobKind::Sheet,
            Self::Finalize { .. } => JobKind::Finalize,
            Self::Delete => JobKind::Delete,
        }
    }
}
