//! Viewers: noted in memory, counted as views by the catalog, and told to the server that gathers them.

use std::{collections::BTreeSet, time::Duration};

use futures_util::future::BoxFuture;
use tokio::time::{sleep, timeout};
use vidstream_media::VideoId;

use super::Catalog;
use crate::{
    Error, Result, Viewer,
    limits::{VIEW_SESSION_MS, VIEWERS_ANSWER_MS, VIEWS_AGAIN_MS, VIEWS_COUNTED_MAX, VIEWS_LATE_MS},
    redis::Link,
    sql,
};

impl Catalog {
    /// Says that a session watches a video now. The first time counts a view, once in
    /// [`crate::limits::VIEW_SESSION_MS`]; each time keeps the session present for [`crate::limits::PRESENT_MS`].
    /// It stays in memory until [`Self::count_views`].
    ///
    /// # Errors
    /// `Busy` for a session that is not present, while [`crate::limits::VIEWERS_MAX`] are or as many views wait.
    pub fn note_viewer(&self, viewer: Viewer) -> Result<()> {
        self.audience.note(viewer, (self.steady_clock)())
    }

    /// Whether this process knows a session as present, so that noting it makes no view.
    pub fn knows_viewer(&self, viewer: &Viewer) -> bool {
        self.audience.knows(viewer, (self.steady_clock)())
    }

    /// How many sessions watch each of these videos, in their order: seen by any process that shares a Redis, or while it
    /// is away, and with `local:` always, by this one.
    pub fn viewers<'a>(&'a self, videos: &'a [VideoId]) -> BoxFuture<'a, Vec<u64>> {
        Box::pin(async move { self.viewers_in_time(videos).await.unwrap_or_else(|| self.own_viewers(videos)) })
    }

    /// As [`Self::viewers`], but nothing when Redis is there and did not answer in time: for who asks again and again, and
    /// has the last answer.
    pub fn viewers_in_time<'a>(&'a self, videos: &'a [VideoId]) -> BoxFuture<'a, Option<Vec<u64>>> {
        Box::pin(async move {
            let Some(link) = self.link().filter(|link| link.refusal().is_none()) else {
                return Some(self.own_viewers(videos));
            };
            let asking = link.viewers(videos, self.database.clock_ms());
            timeout(Duration::from_millis(VIEWERS_ANSWER_MS), asking).await.ok()?.ok()
        })
    }

    /// Tells Redis, if it is there, who was seen, and gives it copies of views that the catalog has not taken for
    /// [`VIEWS_LATE_MS`]. Call it every second or so; it waits for no database.
    pub fn tell_viewers(&self) -> BoxFuture<'_, ()> {
        Box::pin(async move {
            let (steady_ms, now_ms) = ((self.steady_clock)(), self.database.clock_ms());
            metrics::gauge!("vidstream_viewers").set(as_f64(self.audience.sessions(steady_ms)));
            metrics::gauge!("vidstream_views_waiting").set(as_f64(self.audience.waiting()));
            if let Some(link) = self.link() {
                let seen = self.audience.untold(link.number, steady_ms);
                // Other processes know the time of day and not the clock of this one.
                let told: Vec<_> =
                    seen.iter().map(|(who, at_ms)| (who.clone(), now_ms - (steady_ms - at_ms))).collect();
                if link.tell(&told, now_ms).await.is_ok() {
                    self.audience.told(&seen);
                }
                // What it does not take waits here; the link logs and counts that.
                drop(self.copy_late(&link, steady_ms.saturating_sub(VIEWS_LATE_MS)).await);
            }
            if self.database.events().redis().is_some() {
                let is_well = self.events_trouble().is_none();
                metrics::gauge!("vidstream_redis_connected").set(f64::from(u8::from(is_well)));
            }
        })
    }

    /// Counts what was noted, and then what other processes left with Redis. Call it every second or so, and
    /// [`Self::finish_views`] at the end.
    ///
    /// # Errors
    /// What kept views from the catalog; they stay where they are, and are counted by a later call.
    pub fn count_views(&self) -> BoxFuture<'_, Result<()>> {
        Box::pin(async move {
            self.settle().await?;
            match self.link() {
                Some(link) => self.recover(&link).await,
                None => Ok(()),
            }
        })
    }

    /// Counts what was noted, for the last time: what the catalog does not take within this limit is left with Redis, for
    /// another process to count, which takes [`VIEWERS_ANSWER_MS`] more at most.
    ///
    /// # Errors
    /// What kept views from the catalog, if Redis did not take them either: they are lost.
    pub fn finish_views(&self, limit: Duration) -> BoxFuture<'_, Result<()>> {
        Box::pin(async move {
            let outcome = timeout(limit, self.settle_all()).await.unwrap_or(Err(Error::Busy));
            let (Err(error), Some(link)) = (&outcome, self.link()) else { return outcome };
            tracing::warn!(%error, "the last views are left with Redis");
            let copied = timeout(Duration::from_millis(VIEWERS_ANSWER_MS), self.copy_late(&link, i64::MAX)).await;
            if matches!(copied, Ok(Ok(()))) { Ok(()) } else { outcome }
        })
    }

    /// Why this process hears nothing of others or gathers viewers alone, although it should not.
    pub fn events_trouble(&self) -> Option<String> {
        self.database.events().redis()?.trouble()
    }

    fn link(&self) -> Option<Link> {
        self.database.events().redis()?.link()
    }

    fn own_viewers(&self, videos: &[VideoId]) -> Vec<u64> {
        let now_ms = (self.steady_clock)();
        videos.iter().map(|&video| self.audience.present(video, now_ms)).collect()
    }

    /// Gives the server copies of views that wait since a moment or before. They are counted from here all the same, if this
    /// process lives; the catalog counts none of them twice.
    async fn copy_late(&self, link: &Link, since_ms: i64) -> Result<()> {
        let late = self.audience.late(link.number, since_ms);
        if !late.is_empty() {
            link.keep(&late, self.database.clock_ms()).await?;
            self.audience.copied(&late, link.number);
        }
        Ok(())
    }

    /// Counts what waits here.
    async fn settle(&self) -> Result<()> {
        for batch in self.audience.uncounted().chunks(VIEWS_COUNTED_MAX) {
            let busy = self.count(batch.to_vec()).await?;
            self.audience.counted(batch, &busy);
        }
        Ok(())
    }

    /// As [`Self::settle`], until nothing waits here.
    async fn settle_all(&self) -> Result<()> {
        loop {
            self.settle().await?;
            if self.audience.waiting() == 0 {
                return Ok(());
            }
            sleep(Duration::from_millis(VIEWS_AGAIN_MS)).await;
        }
    }

    /// Counts what waits with the server. Views leave it when they are counted: whoever is killed in between makes another
    /// process count them again. What the server refuses, which the link logs and counts, is tried again at the next call.
    async fn recover(&self, link: &Link) -> Result<()> {
        let too_old_ms = self.database.clock_ms().saturating_sub(VIEW_SESSION_MS);
        loop {
            let Ok(mut members) = link.kept(too_old_ms).await else { return Ok(()) };
            let busy = self.count(members.iter().filter_map(|member| member.parse().ok()).collect()).await?;
            members.retain(|member| !member.parse().is_ok_and(|viewer: Viewer| busy.contains(&viewer.video)));
            // What is left is for the next look.
            let is_last = members.len() < VIEWS_COUNTED_MAX;
            if members.is_empty() || link.remove(members).await.is_err() || is_last {
                return Ok(());
            }
        }
    }

    /// Counts some views, and gives the videos whose views are not counted yet.
    async fn count(&self, viewers: Vec<Viewer>) -> Result<BTreeSet<VideoId>> {
        if viewers.is_empty() {
            return Ok(BTreeSet::new());
        }
        let counted = self.database.write(move |tx| sql::views::count(tx, &viewers)).await?;
        if counted.new > 0 {
            metrics::counter!("vidstream_views_counted_total").increment(counted.new);
            // More sessions than came: what is over does not pile up, also where nobody sweeps.
            self.database.write(sql::views::trim).await?;
        }
        Ok(counted.busy)
    }
}

fn as_f64(count: usize) -> f64 {
    f64::from(u32::try_from(count).unwrap_or(u32::MAX))
}
