//! What the sweeper did, and what an audit found.

use vidstream_media::VideoId;

/// What one sweep did.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Swept {
    /// Claims whose lease had run out; the attempt counts.
    pub leases_expired: u64,
    /// Uploads whose lease had run out. Their rows are gone; `delete` jobs remove what they stored.
    pub uploads_expired: Vec<VideoId>,
    /// Videos whose time was over; they are being deleted.
    pub videos_expired: Vec<VideoId>,
    /// Videos whose missing jobs were queued again.
    pub repaired: Vec<VideoId>,
    /// Videos that were given up because repairs did not help.
    pub failed: Vec<VideoId>,
    /// Videos that begin again as a new generation, since no worker has the encoders that their plans pin.
    pub restarted: Vec<VideoId>,
    /// Tombstones older than 7 days that were removed.
    pub tombstones_removed: u64,
    /// Events that were trimmed from the log.
    pub events_trimmed: u64,
    /// Viewing sessions that are over and were forgotten.
    pub sessions_forgotten: u64,
}

/// Something that would never move on.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Audit {
    /// The video.
    pub video: VideoId,
    /// What is wrong with it.
    pub problem: String,
}
