//! The ordered event log, and the hints that only wake those who would have looked anyway.

use serde::{Deserialize, Serialize};
use vidstream_media::VideoId;

/// One entry of the log.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Event {
    /// Unique: `evt_` and a random, time-ordered value.
    pub id: String,
    /// The place in the log. Strictly increasing in commit order; readers never see a later one before an earlier one.
    pub seq: i64,
    /// `video.created`, `queued`, `progress`, `playable`, `ready`, `failed`, `warning`, `updated`, `deleted`;
    /// in the timeline of a video also `job.started`, `job.failed`, `job.released`.
    pub kind: String,
    /// When it was committed, in milliseconds since the epoch.
    pub created_at_ms: i64,
    /// The video it is about.
    pub video: VideoId,
    /// For `video.*` the video as it is after the event ([`crate::Video`] as JSON); for `job.*` facts about the attempt.
    pub data: serde_json::Value,
    /// The attempt that caused it, from 1; 0 if no job did.
    pub attempt: u32,
}

/// Something was committed. May be lost; never needed for correctness.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct Hint {
    /// What it concerns, if one video.
    pub video: Option<VideoId>,
    /// What kind of change it was.
    pub kind: HintKind,
}

/// Kinds of hints.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum HintKind {
    /// A job may be claimable.
    Job,
    /// A chunk, sheet or poster was published.
    Media,
    /// The log has grown by more than what became of an attempt.
    Event,
    /// A claim may have been cancelled: holders of claims on this video renew at once.
    Cancelled,
}
