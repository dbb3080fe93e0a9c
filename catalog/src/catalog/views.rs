//! Viewers: noted in memory, then told to the server that gathers them and counted as views.

use std::time::Duration;

use tokio::time::timeout;
use vidstream_media::VideoId;

use super::Catalog;
use crate::{
    Result, Viewer,
    limits::{VIEW_SESSION_MS, VIEWERS_ANSWER_MS, VIEWS_BATCHES_MAX, VIEWS_COUNTED_MAX},
    redis::Link,
    sql,
};

impl Catalog {
    /// Says that a session watches a video now. The first time counts a view, once in
    /// [`crate::limits::VIEW_SESSION_MS`]; each time keeps the session present for [`crate::limits::PRESENT_MS`].
    /// It stays in memory until [`Self::count_views`].
    ///
    /// # Errors
    /// `Busy` while this process knows [`crate::limits::VIEWERS_MAX`] sessions.
    pub fn note_viewer(&self, viewer: Viewer) -> Result<()> {
        self.audience.note(viewer, self.database.clock_ms())
    }

    /// How many sessions watch each of these videos, in their order: seen by any process that shares a Redis, or while it
    /// is away, and with `local:` always, by this one.
    pub async fn viewers(&self, videos: &[VideoId]) -> Vec<u64> {
        let now_ms = self.database.clock_ms();
        let limit = Duration::from_millis(VIEWERS_ANSWER_MS);
        if let Some(link) = self.link()
            && let Ok(Ok(counts)) = timeout(limit, link.viewers(videos, now_ms)).await
        {
            return counts;
        }
        videos.iter().map(|&video| self.audience.present(video, now_ms)).collect()
    }

    /// Hands on what was noted: to Redis and from there to the catalog, or, while it is away, to the catalog at once. Call
    /// it every second or so, and [`Self::finish_views`] at the end.
    ///
    /// # Errors
    /// What kept views from the catalog; they stay where they are, and are counted by a later call.
    pub async fn count_views(&self) -> Result<()> {
        let _turn = self.audience.turn.lock().await;
        if let Some(link) = self.link() {
            self.gather(&link).await;
        }
        self.settle().await
    }

    /// As [`Self::count_views`], for the last time: what is only here goes to the catalog itself.
    ///
    /// # Errors
    /// As [`Self::count_views`].
    pub async fn finish_views(&self) -> Result<()> {
        let _turn = self.audience.turn.lock().await;
        self.settle().await
    }

    /// Why this process hears nothing of others and gathers viewers alone, although it should not.
    pub fn events_trouble(&self) -> Option<String> {
        self.database.events().redis()?.trouble()
    }

    fn link(&self) -> Option<Link> {
        self.database.events().redis()?.link()
    }

    /// Tells the server who was seen. What it does not take is still ours.
    async fn gather(&self, link: &Link) {
        let now_ms = self.database.clock_ms();
        let (seen, views) = (self.audience.untold(link.epoch), self.audience.uncounted(Some(link.epoch)));
        match link.gather(&seen, &views, now_ms).await {
            Ok(()) => {
                self.audience.told(&seen, link.epoch);
                self.audience.gathered(&views, link.epoch);
            }
            Err(error) => tracing::debug!(%error, "viewers were not told; their views go to the catalog"),
        }
    }

    /// Counts what is not with the server, and then what is.
    async fn settle(&self) -> Result<()> {
        let link = self.link();
        let epoch = link.as_ref().map(|link| link.epoch);
        let counted = self.count(self.audience.uncounted(epoch)).await;
        self.audience.forget(epoch, self.database.clock_ms());
        self.measure(epoch);
        counted?;
        match link {
            Some(link) => self.empty(&link).await,
            None => Ok(()),
        }
    }

    /// Moves the views of the server into the catalog, if no other process does.
    async fn empty(&self, link: &Link) -> Result<()> {
        let too_old_ms = self.database.clock_ms().saturating_sub(VIEW_SESSION_MS);
        let Ok(true) = link.take_turn(too_old_ms).await else { return Ok(()) };
        let outcome = self.empty_batches(link).await;
        link.end_turn().await;
        outcome
    }

    /// Views leave the server when they are counted: whoever is killed in between makes another process count them
    /// again, which counts nothing twice.
    async fn empty_batches(&self, link: &Link) -> Result<()> {
        for _ in 0..VIEWS_BATCHES_MAX {
            let batch = match link.gathered(VIEWS_COUNTED_MAX).await {
                Ok(batch) if !batch.members.is_empty() => batch,
                _ => break,
            };
            self.count_batch(batch.viewers).await?;
            if link.remove(batch.members).await.is_err() {
                break;
            }
        }
        Ok(())
    }

    fn measure(&self, epoch: Option<u64>) {
        let as_f64 = |count: usize| f64::from(u32::try_from(count).unwrap_or(u32::MAX));
        metrics::gauge!("vidstream_viewers").set(as_f64(self.audience.sessions()));
        metrics::gauge!("vidstream_views_waiting").set(as_f64(self.audience.uncounted(epoch).len()));
        if self.database.events().redis().is_some() {
            metrics::gauge!("vidstream_redis_connected").set(f64::from(u8::from(epoch.is_some())));
        }
    }

    async fn count(&self, mut viewers: Vec<Viewer>) -> Result<()> {
        while !viewers.is_empty() {
            let rest = viewers.split_off(viewers.len().min(VIEWS_COUNTED_MAX));
            let batch = std::mem::replace(&mut viewers, rest);
            self.count_batch(batch.clone()).await?;
            self.audience.counted(&batch);
        }
        Ok(())
    }

    async fn count_batch(&self, viewers: Vec<Viewer>) -> Result<()> {
        let counted = self.database.write(move |tx| sql::views::count(tx, &viewers)).await?;
        metrics::counter!("vidstream_views_counted_total").increment(counted);
        Ok(())
    }
}
