//! Reads: videos, snapshots and the event log. None of them waits for a writer.

use vidstream_media::VideoId;

use super::Catalog;
use crate::{Event, ListQuery, Lookup, Page, Result, Snapshot, Video, sql};

impl Catalog {
    /// The video, if its row exists.
    pub async fn video(&self, id: VideoId) -> Result<Option<Video>> {
        self.database.read(move |db| sql::videos::get(db, id)).await
    }

    /// The generation and row version of a video: a cheap look whether anything changed.
    pub async fn version(&self, id: VideoId) -> Result<Option<(u32, u64)>> {
        self.database.read(move |db| sql::videos::version(db, id)).await
    }

    /// What is known of an id.
    pub async fn lookup(&self, id: VideoId) -> Result<Lookup> {
        self.database.read(move |db| sql::videos::lookup(db, id)).await
    }

    /// Some videos, newest first.
    ///
    /// # Errors
    /// `Invalid` when the cursor is not one of ours.
    pub async fn list(&self, query: ListQuery) -> Result<Page> {
        self.database.read(move |db| sql::videos::list(db, &query)).await
    }

    /// The video and what can be played of it.
    pub async fn snapshot(&self, id: VideoId) -> Result<Option<Snapshot>> {
        self.database.snapshot(id).await
    }

    /// `video.*` events after a place in the log, in order, at most
    /// [`crate::limits::EVENTS_READ_MAX`]. Their numbers may have gaps.
    pub async fn events_after(&self, seq: i64, limit: u32) -> Result<Vec<Event>> {
        self.database.read(move |db| sql::events::after(db, seq, limit)).await
    }

    /// All events of one video after a place in the log, in order, `job.*` included.
    pub async fn video_events(&self, id: VideoId, after_seq: i64, limit: u32) -> Result<Vec<Event>> {
        self.database.read(move |db| sql::events::of_video(db, id, after_seq, limit)).await
    }

    /// The place of the newest event; 0 if there never was one.
    pub async fn last_seq(&self) -> Result<i64> {
        self.database.read(sql::events::last_seq).await
    }

    /// The place of the oldest event that is kept; `last_seq() + 1` if none is. A reader that stands
    /// before the event preceding it has missed some.
    pub async fn oldest_seq(&self) -> Result<i64> {
        self.database.read(sql::events::oldest_seq).await
    }
}
