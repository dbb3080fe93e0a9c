//! Videos as the catalog tells of them: plain data, times in milliseconds since the Unix epoch.

use std::{collections::BTreeMap, fmt, str::FromStr};

use serde::{Deserialize, Serialize};
use vidstream_media::{Presentation, VideoId, source::Facts};

/// Where a video is in its life. [`crate::video`] shows it; only the catalog changes it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum State {
    /// Bytes are arriving; held by the upload's lease.
    Uploading,
    /// All bytes are durable; the probe job waits for a worker.
    Queued,
    /// A worker probes the source.
    Probing,
    /// The plan is stored and chunks are made.
    Processing,
    /// Everything is made, measured and checked.
    Ready,
    /// Given up, for the reason in `error`.
    Failed,
    /// Being removed; not played any more.
    Deleting,
}

/// What is being done for a video.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Step {
    /// Bytes are arriving.
    Upload,
    /// Facts, timeline and plan are found out.
    Probe,
    /// Chunks are encoded.
    Transcode,
    /// Real rates are measured and the stored bytes are checked.
    Finalize,
    /// Nothing is left to do.
    Done,
}

/// How far a video is.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
pub struct Progress {
    /// Media time of the committed chunks over the duration, 0 to 100. Never falls within a generation.
    pub percent: f64,
    /// What is being done.
    pub step: Step,
    /// Seconds until all chunks are made, at the pace so far; absent while nothing can be said.
    pub eta_s: Option<u64>,
}

/// One part of a video that is made on its own account.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Artifact {
    /// Where it is.
    pub state: ArtifactState,
    /// Finished chunks; of the storyboard, finished sheets.
    pub chunks_done: u64,
    /// Chunks in all at the present division; of the storyboard, sheets.
    pub chunks: u64,
}

/// Where an artifact is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum ArtifactState {
    /// Nothing of it is there yet.
    Pending,
    /// Some of it is there.
    Running,
    /// All of it is there.
    Ready,
    /// It will not be completed.
    Failed,
}

/// Something that went wrong without stopping the video.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct Warning {
    /// A stable code: `damaged_range`, `storyboard`, `unverified`, …
    pub code: String,
    /// A sentence for people.
    #[serde(default)]
    pub detail: String,
    /// Where it begins, in seconds.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub from_s: Option<f64>,
    /// Where it ends, in seconds.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub to_s: Option<f64>,
    /// The conformance rules that were broken.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub rules: Vec<u32>,
}

/// Why a video failed.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct VideoError {
    /// A stable code: `not_media`, `malformed`, `internal`, …
    pub code: String,
    /// A short sentence for people.
    pub title: String,
    /// What exactly was found.
    pub detail: String,
    /// Whether another try may succeed.
    pub retryable: bool,
    /// What was being done.
    pub step: Step,
    /// Which attempt it was, from 1.
    pub attempt: u32,
}

/// A video.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Video {
    /// Its id.
    pub id: VideoId,
    /// Its title.
    pub title: String,
    /// Where it is in its life.
    pub state: State,
    /// Whether a player can start: the first chunk is durable in all tracks.
    pub playable: bool,
    /// The generation that is made or played, from 1.
    pub generation: u32,
    /// Grows with each change of the row, `views` excepted.
    pub row_version: u64,
    /// How far it is.
    pub progress: Progress,
    /// What the probe found.
    pub facts: Option<Facts>,
    /// Its parts: `rendition.{height}p`, `audio`, `trick`, `storyboard`; empty before the plan is stored.
    pub artifacts: BTreeMap<String, Artifact>,
    /// Views counted so far.
    pub views: u64,
    /// What went wrong without stopping it.
    pub warnings: Vec<Warning>,
    /// Why it failed; set exactly in state `failed`.
    pub error: Option<VideoError>,
    /// When it was created, in milliseconds since the epoch.
    pub created_at_ms: i64,
    /// When its row last changed, in milliseconds since the epoch.
    pub updated_at_ms: i64,
    /// Bytes of the source: as stored, or as announced while they arrive.
    pub bytes: Option<u64>,
    /// SHA-256 of the source in lower-case hexadecimal, if whoever stored it made one.
    #[serde(default)]
    pub sha256: Option<String>,
    /// When it is deleted by itself, in milliseconds since the epoch; absent if never.
    #[serde(default)]
    pub expires_at_ms: Option<i64>,
    /// Whether the generation has a poster: chosen at the end.
    #[serde(default)]
    pub has_poster: bool,
    /// Strings of the publisher's own, by their names.
    #[serde(default)]
    pub meta: BTreeMap<String, String>,
}

/// A video that begins with an upload.
#[derive(Clone, Debug)]
pub struct NewUpload {
    /// The id, chosen by the caller; never used before.
    pub id: VideoId,
    /// The title.
    pub title: String,
    /// Bytes that are announced, if they are.
    pub bytes_expected: Option<u64>,
    /// When it is to be deleted by itself, in milliseconds since the epoch, if ever.
    pub expires_at_ms: Option<i64>,
}

/// What is changed of a video; what is absent stays as it is.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Edit {
    /// The new title.
    pub title: Option<String>,
    /// When it is to be deleted by itself.
    pub expiry: Option<Expiry>,
    /// The publisher's own strings.
    pub meta: Option<MetaEdit>,
}

/// What is changed of the publisher's own strings.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum MetaEdit {
    /// All of them are removed.
    Clear,
    /// Each of these is set, or removed where there is no text; the others stay as they are.
    Merge(BTreeMap<String, Option<String>>),
}

/// When a video is deleted by itself.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Expiry {
    /// Never.
    Never,
    /// At this time, in milliseconds since the epoch, or a few seconds after.
    AtMs(i64),
}

/// Which videos to list. The default lists the newest ones of all states but `deleting`.
#[derive(Clone, Debug, Default)]
pub struct ListQuery {
    /// How many, 1 to [`crate::limits::PAGE_MAX`]; 0 means the maximum.
    pub limit: u32,
    /// Where the page before ended: its `next_cursor`.
    pub cursor: Option<String>,
    /// Only videos in this state.
    pub state: Option<State>,
}

/// Some videos, newest first.
#[derive(Clone, Debug)]
pub struct Page {
    /// The videos.
    pub videos: Vec<Video>,
    /// Where the next page starts; absent on the last page.
    pub next_cursor: Option<String>,
}

/// What is known of an id.
#[derive(Clone, Debug, PartialEq)]
#[expect(clippy::large_enum_variant, reason = "made once a request and matched at once")]
pub enum Lookup {
    /// The video exists; its state may be `deleting`.
    Live(Video),
    /// It existed and was deleted within the last 7 days.
    Deleted,
    /// Nothing is known of it.
    Unknown,
}

/// What became of a request to delete.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Deletion {
    /// The video is being removed from now on.
    Accepted,
    /// It is being removed, or was within the last 7 days.
    Already,
    /// Nothing is known of it.
    Unknown,
}

/// A video together with what can be played of it, read in one transaction.
#[derive(Clone, Debug)]
pub struct Snapshot {
    /// The video.
    pub video: Video,
    /// The current generation; absent before its plan is stored, and for failed or deleted videos.
    pub presentation: Option<Presentation>,
}

/// A text is not the name of a state.
#[derive(Debug, thiserror::Error)]
#[error("a state is uploading, queued, probing, processing, ready, failed or deleting")]
pub struct ParseStateError;

// === impl Edit ===

impl Edit {
    /// Another title.
    pub fn title(title: impl Into<String>) -> Self {
        Self { title: Some(title.into()), ..Self::default() }
    }

    /// Another end.
    pub fn expiry(expiry: Expiry) -> Self {
        Self { expiry: Some(expiry), ..Self::default() }
    }

    /// Other strings of the publisher's own.
    pub fn meta(meta: MetaEdit) -> Self {
        Self { meta: Some(meta), ..Self::default() }
    }
}

// === impl MetaEdit ===

impl MetaEdit {
    /// What these strings become.
    pub(crate) fn apply(&self, meta: &BTreeMap<String, String>) -> BTreeMap<String, String> {
        let Self::Merge(changes) = self else { return BTreeMap::new() };
        let mut merged = meta.clone();
        for (name, text) in changes {
            match text {
                Some(text) => merged.insert(name.clone(), text.clone()),
                None => merged.remove(name),
            };
        }
        merged
    }
}

// === impl Expiry ===

impl Expiry {
    /// The time, if there is one.
    pub(crate) fn at_ms(self) -> Option<i64> {
        match self {
            Self::Never => None,
            Self::AtMs(at_ms) => Some(at_ms),
        }
    }
}

// === impl State ===

impl State {
    /// All states.
    pub const ALL: [Self; 7] =
        [Self::Uploading, Self::Queued, Self::Probing, Self::Processing, Self::Ready, Self::Failed, Self::Deleting];

    /// The name, as in JSON.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Uploading => "uploading",
            Self::Queued => "queued",
            Self::Probing => "probing",
            Self::Processing => "processing",
            Self::Ready => "ready",
            Self::Failed => "failed",
            Self::Deleting => "deleting",
        }
    }
}

impl fmt::Display for State {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

impl FromStr for State {
    type Err = ParseStateError;

    fn from_str(text: &str) -> Result<Self, ParseStateError> {
        Self::ALL.into_iter().find(|state| state.as_str() == text).ok_or(ParseStateError)
    }
}

// === impl Step ===

impl Step {
    /// The name, as in JSON.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Upload => "upload",
            Self::Probe => "probe",
            Self::Transcode => "transcode",
            Self::Finalize => "finalize",
            Self::Done => "done",
        }
    }
}
