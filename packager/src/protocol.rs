//! What a worker and its child processes say to each other.
//!
//! One socket in both directions, framed as in [`frame`]. The child asks for byte ranges and gives
//! objects back; it names them by [`Input`] and [`Output`] and never learns a path or a key.

use std::{collections::BTreeMap, fmt, path::PathBuf};

use serde::{Deserialize, Serialize};
use vidstream_media::{Plan, Track, chunks::Segments, codec::DecoderConfig, index::TrackChunk, ladder, source::Facts};

pub mod frame;

/// Requests of one child that may wait for an answer at the same time.
pub const REQUESTS_OPEN_MAX: usize = 32;
/// Outputs that one child may have open at the same time.
pub const OUTPUTS_OPEN_MAX: usize = 32;
/// Longest text of a log line, title or detail, in bytes; longer ones are cut.
pub const TEXT_BYTES_MAX: usize = 4096;

// === jobs ===

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
}

/// Which elements to look for.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct InspectJob {
    /// Names of elements.
    pub elements: Vec<String>,
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
    /// The encoder of the rungs and of the trick track.
    pub video: EncoderChoice,
    /// The encoder of the audio track.
    pub audio: EncoderChoice,
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
    /// Do not decode: deliver the grid with the last good or a black picture, and silence.
    pub filler: bool,
    /// Threads of each video encoder, at least 1.
    pub threads: u32,
    /// Publish finished runs of about this many segments as they are done; `None`: all at once.
    pub publish_every: Option<u64>,
    /// The GStreamer element or bin of each plugin that the plan pins, by plugin name.
    pub elements: BTreeMap<String, String>,
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

// === objects ===

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

// === reports ===

/// What a job ends with.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Report {
    /// Of [`Job::Inspect`].
    Inspect(InspectReport),
    /// Of [`Job::Probe`].
    Probe(Box<ProbeReport>),
    /// Of [`Job::Encode`]; its runs were published one by one before.
    Encode,
    /// Of [`Job::Sheet`].
    Sheet(ImageReport),
    /// Of [`Job::Poster`].
    Poster(ImageReport),
}

/// What exists here.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct InspectReport {
    /// Those of the asked elements that exist.
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

// === messages ===

/// From the worker to the child.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum ToChild {
    /// First: what to confine itself to.
    Hello(Box<Setup>),
    /// The job, once, after the child has said [`ToWorker::Ready`].
    Start {
        /// The job.
        job: Box<Job>,
        /// How much to step back for other processes, 0 to 19.
        nice: u8,
    },
    /// The answer to a request.
    Reply {
        /// The request's number.
        id: u64,
        /// The answer; for [`Ask::Read`] the payload holds the bytes.
        result: Result<Answer, Refusal>,
    },
}

/// From the child to the worker.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum ToWorker {
    /// Confined, initialised and waiting for its job.
    Ready {
        /// How the network is kept away, for the log.
        isolation: Isolation,
        /// Milliseconds from the start of `main` to this message.
        start_ms: u64,
    },
    /// A request; each is answered once.
    Request {
        /// Its number, unique in the life of the child.
        id: u64,
        /// What is asked.
        ask: Ask,
    },
    /// How far the job is.
    Progress(Progress),
    /// A line for the log.
    Log {
        /// How important.
        level: Level,
        /// The line.
        text: String,
    },
    /// The end: the result of the job. Nothing may follow.
    Done(Result<Report, Failure>),
}

/// What a child asks for.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Ask {
    /// Bytes of an object. The answer is short only at its end, and waits while the source grows.
    Read {
        /// The object.
        object: Input,
        /// Where.
        offset: u64,
        /// How many bytes, at most [`frame::PAYLOAD_BYTES_MAX`].
        bytes: u32,
    },
    /// The size of an object, unknown while the source grows.
    Size {
        /// The object.
        object: Input,
    },
    /// Open an output under a new number.
    Open {
        /// Its number.
        id: OutputId,
        /// What it is.
        output: Output,
    },
    /// Append the payload to an output.
    Write {
        /// Its number.
        id: OutputId,
    },
    /// Make an output durable and visible.
    Finish {
        /// Its number.
        id: OutputId,
    },
    /// Forget an unfinished output.
    Discard {
        /// Its number.
        id: OutputId,
    },
    /// Put a finished run of segments into the catalog.
    Publish(Part),
}

/// What a request brought.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Answer {
    /// The bytes are in the payload.
    Bytes,
    /// The size, `None` while the source grows.
    Size(Option<u64>),
    /// Done.
    Ok,
    /// The output is durable and has this many bytes.
    Finished(u64),
}

/// Why a request was refused.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Refusal {
    /// What kind.
    pub kind: RefusalKind,
    /// A sentence.
    pub detail: String,
}

/// Kinds of refusals, each an [`std::io::ErrorKind`] in the child.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum RefusalKind {
    /// No such object.
    NotFound,
    /// Not a range of the object, an unknown output, or an ask that this job may not make.
    Invalid,
    /// The store is full.
    Full,
    /// The job is no longer this worker's, or its decoder configuration differs from the first chunk's.
    Conflict,
    /// Anything else; another attempt may succeed.
    Io,
}

/// Importance of a log line.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Level {
    /// Only for developers.
    Debug,
    /// Worth a line.
    Info,
    /// Somebody should look.
    Warn,
}

/// How the network is kept away from a child.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Isolation {
    /// A network namespace of its own, and a filter that refuses sockets.
    Namespace,
    /// Only a filter that refuses sockets.
    Filter,
}

/// What a child confines itself to before it reads anything from a stranger.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Setup {
    /// Hard limits.
    pub limits: Limits,
    /// Process id of the worker: a child whose parent is another process was orphaned at birth.
    pub worker_pid: u32,
    /// The private temporary folder.
    pub temp: PathBuf,
    /// Elements whose GStreamer plugins are loaded before saying [`ToWorker::Ready`]; absent ones are skipped.
    pub preload: Vec<String>,
}

/// Hard limits of a child.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Limits {
    /// Address space in bytes (`RLIMIT_AS`), with headroom over the resident limit.
    pub address_space_bytes: u64,
    /// Processor time in seconds (`RLIMIT_CPU`).
    pub cpu_s: u64,
    /// Largest file it may write in bytes (`RLIMIT_FSIZE`).
    pub file_bytes: u64,
    /// Open descriptors (`RLIMIT_NOFILE`).
    pub open_files: u64,
}

// === impl Limits ===

impl Default for Limits {
    /// Address space has headroom over what the worker allows as resident memory: thread stacks and
    /// mappings count there though nobody touches them.
    fn default() -> Self {
        Self { address_space_bytes: 16 << 30, cpu_s: 48 * 3600, file_bytes: 1 << 30, open_files: 1024 }
    }
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

// === impl RefusalKind ===

impl RefusalKind {
    /// The kind as the child sees it.
    pub fn error_kind(self) -> std::io::ErrorKind {
        use std::io::ErrorKind;
        match self {
            Self::NotFound => ErrorKind::NotFound,
            Self::Invalid => ErrorKind::InvalidInput,
            Self::Full => ErrorKind::StorageFull,
            Self::Conflict => ErrorKind::ResourceBusy,
            Self::Io => ErrorKind::Other,
        }
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

/// Cuts a text to [`TEXT_BYTES_MAX`] bytes at a character's edge.
pub fn cut(mut text: String) -> String {
    let end = (0..=TEXT_BYTES_MAX.min(text.len())).rev().find(|&at| text.is_char_boundary(at));
    text.truncate(end.unwrap_or(0));
    text
}

#[cfg(test)]
mod tests;
