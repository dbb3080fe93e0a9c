//! Reports: what a job ends with, or brings as it goes.

use std::fmt;

use serde::{Deserialize, Serialize};
use vidstream_media::{Crc32, Plan, Track, chunks::Segments, codec::DecoderConfig, index::TrackChunk, source::Facts};

use super::cut;

/// What a job ends with.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Report {
    /// Of [`Job::Inspect`](super::Job::Inspect).
    Inspect(InspectReport),
    /// Of [`Job::Probe`](super::Job::Probe).
    Probe(Box<ProbeReport>),
    /// Of [`Job::Encode`](super::Job::Encode); its runs were published one by one before.
    Encode,
    /// Of [`Job::Sheet`](super::Job::Sheet).
    Sheet(ImageReport),
    /// Of [`Job::Poster`](super::Job::Poster).
    Poster(ImageReport),
    /// Of [`Job::Trial`](super::Job::Trial); its rounds were published one by one before.
    Trial(TrialReport),
    /// Of [`Job::Replay`](super::Job::Replay), one entry a pass.
    Replay(Vec<Replayed>),
}

/// What exists here.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct InspectReport {
    /// Those of the asked elements that exist, and of the caps that some element decodes.
    pub available: Vec<String>,
}

/// What the scan found.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct ProbeReport {
    /// Facts for people.
    pub facts: Facts,
    /// The plan, with empty encoder settings.
    pub plan: Plan,
    /// What people should know.
    pub warnings: Vec<Warning>,
}

/// An image that was stored.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct ImageReport {
    /// Bytes of the object.
    pub bytes: u64,
    /// Their checksum.
    pub crc32: Crc32,
}

/// What a trial left behind.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct TrialReport {
    /// Memory of the process after each round: what it has allocated, in bytes.
    pub resident_bytes: Vec<u64>,
    /// Threads of the process before the run that was broken off.
    pub threads_before: usize,
    /// Threads after it, once there were no more than before or the time for that was over.
    pub threads_after: usize,
    /// How long it took until then, in milliseconds.
    pub stop_ms: u64,
}

/// What came out of a decoder.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Replayed {
    /// The pictures or audio frames, in the order in which they are shown.
    pub units: Vec<Unit>,
    /// Errors of decoders.
    pub errors: Vec<String>,
}

/// A decoded picture, or an audio frame.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Unit {
    /// Its frame of the grid.
    pub frame: u64,
    /// A digest of what it shows.
    pub digest: u64,
    /// How near it comes to the source: signal to noise in hundredths of a decibel.
    pub quality_cdb: i32,
}

/// A finished run of the job's segments, all of whose objects are finished.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Part {
    /// The run; runs are published in order and without holes.
    pub segments: Segments,
    /// One entry a track; objects are keyed by `segments.first`.
    pub tracks: Vec<TrackChunk>,
    /// The decoder configuration of each track.
    pub configs: Vec<(Track, DecoderConfig)>,
    /// What people should know.
    pub warnings: Vec<Warning>,
    /// Whether this run ends with the job's last segment.
    pub last: bool,
}

/// Something people should know about a video.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Warning {
    /// Stable code, `damaged_range` say.
    pub code: String,
    /// A sentence.
    pub detail: String,
    /// Where it begins, in seconds of the presentation.
    #[serde(skip_serializing_if = "Option::is_none", default)]
    pub from_s: Option<f64>,
    /// Where it ends, in seconds of the presentation.
    #[serde(skip_serializing_if = "Option::is_none", default)]
    pub to_s: Option<f64>,
}

/// Why a job failed.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Failure {
    /// Stable code, `no_streams` say.
    pub code: String,
    /// A short sentence.
    pub title: String,
    /// What a person needs to find the cause.
    pub detail: String,
    /// Whether another attempt may succeed.
    pub retryable: bool,
}

/// How far a job is. Also the sign of life that the worker's watchdog waits for.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Progress {
    /// Units done: frames of an encode job, bytes of a scan, tiles of a sheet.
    pub done: u64,
    /// Units in all; 0 if unknown.
    pub total: u64,
}

// === impl Failure ===

impl Failure {
    /// A failure that another attempt will meet again.
    pub fn permanent(code: &str, title: &str, detail: impl fmt::Display) -> Self {
        Self::new(code, title, detail, false)
    }

    /// A failure that another attempt may not meet.
    pub fn retryable(code: &str, title: &str, detail: impl fmt::Display) -> Self {
        Self::new(code, title, detail, true)
    }

    fn new(code: &str, title: &str, detail: impl fmt::Display, retryable: bool) -> Self {
        Self { code: code.to_owned(), title: title.to_owned(), detail: cut(detail.to_string()), retryable }
    }
}

impl fmt::Display for Failure {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}: {} ({})", self.code, self.title, self.detail)
    }
}

impl std::error::Error for Failure {}

impl From<std::io::Error> for Failure {
    /// Reads and writes go over the worker, so that their failures are not the media's fault.
    fn from(error: std::io::Error) -> Self {
        let (code, title) = match error.kind() {
            std::io::ErrorKind::StorageFull => ("storage_full", "the store is full"),
            std::io::ErrorKind::NotFound => ("object_missing", "a stored object is missing"),
            std::io::ErrorKind::InvalidInput => ("worker_protocol", "the child asked for what it may not have"),
            _ => ("worker_io", "reading or writing failed"),
        };
        Self::retryable(code, title, error)
    }
}
