//! Finding a segment: where it is stored, or waiting for the chunk that brings it.

use std::{sync::Arc, time::Duration};

use moka::future::Cache;
use tokio::{
    sync::Semaphore,
    time::{Instant, sleep_until, timeout_at},
};
use tokio_util::sync::CancellationToken;
use vidstream_catalog::{Catalog, Error};
use vidstream_media::{
    Track, VideoId,
    presentation::{Located, Place},
};

use super::{
    nothing,
    views::{View, Views},
    waits::Waits,
};
use crate::{
    clock,
    limits::{AHEAD_NOTICES_MAX, AHEAD_REMEMBERED, AHEAD_REMEMBERED_MAX, WAIT_POLL},
    request::Context,
    respond::{Kind, Problem},
};

/// The segment that a request is for.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Asked {
    pub(crate) id: VideoId,
    pub(crate) generation: u32,
    pub(crate) track: Track,
    pub(crate) n: u64,
}

/// Finds segments and waits for pending ones.
pub(crate) struct Segments {
    catalog: Catalog,
    views: Arc<Views>,
    waits: Waits,
    wait_max: Duration,
    shutdown: CancellationToken,
    /// Chunks that a viewer was lately seen in.
    ahead: Cache<(VideoId, u32, u64), ()>,
    notices: Arc<Semaphore>,
}

// === impl Segments ===

impl Segments {
    pub(crate) fn new(catalog: Catalog, views: Arc<Views>, wait_max: Duration, shutdown: CancellationToken) -> Self {
        let ahead = Cache::builder().max_capacity(AHEAD_REMEMBERED_MAX).time_to_live(AHEAD_REMEMBERED).build();
        let notices = Arc::new(Semaphore::new(AHEAD_NOTICES_MAX));
        Self { catalog, views, waits: Waits::default(), wait_max, shutdown, ahead, notices }
    }

    /// Where the segment is stored. If it is not made yet, its chunk is brought forward and waited for.
    pub(crate) async fn place(&self, context: &Context, asked: Asked, view: &View) -> Result<Place, Problem> {
        match locate(view, asked) {
            Located::Stored(place) => {
                if !view.complete {
                    self.tell_place(view, asked, place).await;
                }
                Ok(place)
            }
            Located::Absent => Err(nothing()),
            Located::Pending { segment } => {
                let waiting = self.waits.enter(context.client, asked.id);
                let refused = || {
                    metrics::counter!("vidstream_segment_waits_total", "outcome" => "refused").increment(1);
                    Kind::TooManyWaiting.because("too many requests of this client or for this video wait already")
                };
                let _waiting = waiting.ok_or_else(refused)?;
                let found = self.wait(asked, segment).await;
                let outcome = match &found {
                    Ok(_) => "served",
                    Err(problem) if problem.kind == Kind::SegmentPending => "timeout",
                    Err(_) => "gone",
                };
                metrics::counter!("vidstream_segment_waits_total", "outcome" => outcome).increment(1);
                found
            }
        }
    }

    async fn wait(&self, asked: Asked, segment: u64) -> Result<Place, Problem> {
        let end = Instant::now() + self.wait_max;
        let wait_ms = i64::try_from(self.wait_max.as_millis()).unwrap_or(i64::MAX);
        let deadline_ms = clock::now_ms().saturating_add(wait_ms);
        let mut raised = false;
        loop {
            // Listening begins before looking, so that nothing is missed in between.
            let Some(change) = self.views.next_change(asked.id) else { return Err(nothing()) };
            tokio::pin!(change);
            change.as_mut().enable();
            let view = self.views.younger(asked.id, WAIT_POLL).await?;
            match locate(&view, asked) {
                Located::Stored(place) => return Ok(place),
                Located::Absent => return Err(nothing()),
                Located::Pending { .. } => {}
            }
            if !raised {
                raised = self.raise(asked, segment, deadline_ms, end).await?;
            }
            if Instant::now() >= end {
                return Err(Kind::SegmentPending.because("the segment was not made in time; ask again"));
            }
            let poll = (Instant::now() + WAIT_POLL).min(end);
            tokio::select! {
                () = change => {}
                () = sleep_until(poll) => {}
                () = self.shutdown.cancelled() => return Err(Kind::ShuttingDown.because("the server goes down")),
            }
        }
    }

    /// Brings the chunk forward; gives whether that was done.
    async fn raise(&self, asked: Asked, segment: u64, deadline_ms: i64, end: Instant) -> Result<bool, Problem> {
        let raising = self.catalog.raise(asked.id, asked.generation, segment, deadline_ms);
        match timeout_at(end, raising).await {
            // Not found: the generation ended meanwhile, and the next look at it says so.
            Ok(Ok(()) | Err(Error::NotFound)) => Ok(true),
            Ok(Err(error @ (Error::Busy | Error::Unavailable(_)))) => {
                tracing::warn!(video = %asked.id, segment, %error, "a waited-for chunk was not brought forward; tried again");
                Ok(false)
            }
            Ok(Err(error)) => Err(error.into()),
            Err(_) => Ok(false),
        }
    }

    /// Tells the queue once in a while in which chunk a viewer is, so that the chunks after it come next.
    async fn tell_place(&self, view: &View, asked: Asked, place: Place) {
        let seen = (asked.id, asked.generation, place.chunk_first);
        if self.ahead.contains_key(&seen) {
            return;
        }
        // Without a free place the notice is dropped; the next request of the viewer brings it.
        let Ok(notice) = Arc::clone(&self.notices).try_acquire_owned() else { return };
        self.ahead.insert(seen, ()).await;
        let segment =
            view.presentation.as_ref().map_or(asked.n, |presentation| presentation.grid_segment(asked.track, asked.n));
        let catalog = self.catalog.clone();
        tokio::spawn(async move {
            if let Err(error) = catalog.raise(asked.id, asked.generation, segment, clock::now_ms()).await {
                tracing::debug!(video = %asked.id, segment, %error, "a viewer's place was not told to the queue");
            }
            drop(notice);
        });
    }
}

fn locate(view: &View, asked: Asked) -> Located {
    match &view.presentation {
        Some(presentation) if presentation.generation == asked.generation => presentation.locate(asked.track, asked.n),
        _ => Located::Absent,
    }
}

#[cfg(test)]
mod tests;
