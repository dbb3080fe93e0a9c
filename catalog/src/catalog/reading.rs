//! Reads: videos, snapshots and the event log. None of them waits for a writer.

use futures_util::future::BoxFuture;
use vidstream_media::VideoId;

use super::Catalog;
use crate::{Event, ListQuery, Lookup, Page, Result, Snapshot, Video, sql};

impl Catalog {
    /// The video, if its row exists.
    pub fn video(&self, id: VideoId) -> BoxFuture<'_, Result<Option<Video>>> {
        self.database.read(move |db| sql::videos::get(db, id))
    }

    /// The generation and row version of a video: a cheap look whether anything changed.
    pub fn version(&self, id: VideoId) -> BoxFuture<'_, Result<Option<(u32, u64)>>> {
        self.database.read(move |db| sql::videos::version(db, id))
    }

    /// What is known of an id.
    pub fn lookup(&self, id: VideoId) -> BoxFuture<'_, Result<Lookup>> {
        self.database.read(move |db| sql::videos::lookup(db, id))
    }

    /// Some videos, newest first.
    ///
    /// # Errors
    /// `Invalid` when the cursor is not one of ours.
    pub fn list(&self, query: ListQuery) -> BoxFuture<'_, Result<Page>> {
        self.database.read(move |db| sql::videos::list(db, &query))
    }

    /// The video and what can be played of it.
    pub fn snapshot(&self, id: VideoId) -> BoxFuture<'_, Result<Option<Snapshot>>> {
        self.database.snapshot(id)
    }

    /// `video.*` events after a place in the log, in order, at most
    /// [`crate::limits::EVENTS_READ_MAX`]. Their numbers may have gaps.
    pub fn events_after(&self, seq: i64, limit: u32) -> BoxFuture<'_, Result<Vec<Event>>> {
        self.database.read(move |db| sql::events::after(db, seq, limit))
    }

    /// All events of one video after a place in the log, in order, `job.*` included.
    pub fn video_events(&self, id: VideoId, after_seq: i64, limit: u32) -> BoxFuture<'_, Result<Vec<Event>>> {
        self.database.read(move |db| sql::events::of_video(db, id, after_seq, limit))
    }

    /// The place of the newest event; 0 if there never was one.
    pub fn last_seq(&self) -> BoxFuture<'_, Result<i64>> {
        self.database.read(sql::events::last_seq)
    }

    /// The place of the oldest event that is kept; `last_seq() + 1` if none is. A reader that stands
    /// before the event preceding it has missed some.
    pub fn oldest_seq(&self) -> BoxFuture<'_, Result<i64>> {
        self.database.read(sql::events::oldest_seq)
    }
}
