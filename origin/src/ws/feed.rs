//! The newest events, read and rendered once for all sockets.
//!
//! A socket keeps its own place in the log and asks for what comes after it: from memory if it is
//! recent, else from the catalog. So a slow socket costs no memory, and a lost hint no event.

use std::{
    collections::VecDeque,
    sync::{Arc, Mutex, PoisonError},
};

use hyper_tungstenite::tungstenite::Utf8Bytes;
use tokio::{
    sync::{Notify, OwnedSemaphorePermit, Semaphore, watch},
    time::sleep,
};
use vidstream_catalog::{Catalog, Error, Event};
use vidstream_media::VideoId;

use crate::{
    api::video::render_event,
    delivery::Views,
    limits::{BATCH_EVENTS, RECENT_EVENTS_MAX, SOCKETS_MAX, WAIT_POLL},
};

/// An event as a frame.
#[derive(Clone, Debug)]
pub(crate) struct Rendered {
    pub(crate) seq: i64,
    pub(crate) video: VideoId,
    /// Whether a later one of the same video makes it worthless.
    pub(crate) is_progress: bool,
    pub(crate) text: Utf8Bytes,
}

/// The end of the log in memory.
pub(crate) struct Feed {
    catalog: Catalog,
    views: Arc<Views>,
    recent: Mutex<Recent>,
    newest: watch::Sender<i64>,
    hinted: Notify,
    places: Arc<Semaphore>,
}

#[derive(Default)]
struct Recent {
    /// Every event after this place, up to the newest, is in `events`.
    after: i64,
    events: VecDeque<Arc<Rendered>>,
}

// === impl Feed ===

impl Feed {
    pub(crate) fn new(catalog: Catalog, views: Arc<Views>) -> Self {
        Self {
            catalog,
            views,
            recent: Mutex::default(),
            newest: watch::Sender::new(0),
            hinted: Notify::new(),
            places: Arc::new(Semaphore::new(SOCKETS_MAX)),
        }
    }

    /// A place for one more socket, if there is one.
    pub(crate) fn enter(&self) -> Option<OwnedSemaphorePermit> {
        let place = Arc::clone(&self.places).try_acquire_owned().ok()?;
        self.hinted.notify_one();
        Some(place)
    }

    /// The log may have grown.
    pub(crate) fn hint(&self) {
        self.hinted.notify_one();
    }

    /// The places of the oldest event that is kept and of the newest.
    pub(crate) async fn bounds(&self) -> Result<(i64, i64), Error> {
        Ok((self.catalog.oldest_seq().await?, self.catalog.last_seq().await?))
    }

    /// Tells of each change of the place of the newest event.
    pub(crate) fn watch(&self) -> watch::Receiver<i64> {
        self.newest.subscribe()
    }

    /// The events after a place, in order, at most [`BATCH_EVENTS`].
    pub(crate) async fn after(&self, seq: i64) -> Result<Vec<Arc<Rendered>>, Error> {
        if let Some(recent) = self.recent_after(seq) {
            return Ok(recent);
        }
        let events = self.catalog.events_after(seq, BATCH_EVENTS).await?;
        Ok(self.render(&events).await)
    }

    /// Reads the log as it grows; never ends. Nothing is read while nobody listens.
    pub(crate) async fn run(&self) {
        loop {
            self.hinted.notified().await;
            while self.is_watched() {
                if let Err(error) = self.read_on().await {
                    tracing::warn!(%error, "the event log cannot be read; tried again");
                }
                tokio::select! {
                    () = self.hinted.notified() => {}
                    () = sleep(WAIT_POLL) => {}
                }
            }
            *self.lock() = Recent::default();
        }
    }

    fn is_watched(&self) -> bool {
        self.places.available_permits() < SOCKETS_MAX
    }

    async fn read_on(&self) -> Result<(), Error> {
        if self.lock().after == 0 {
            let newest = self.catalog.last_seq().await?;
            *self.lock() = Recent { after: newest, events: VecDeque::new() };
            self.newest.send_replace(newest);
        }
        loop {
            let newest = *self.newest.borrow();
            let events = self.catalog.events_after(newest, BATCH_EVENTS).await?;
            let Some(last) = events.last().map(|event| event.seq) else { return Ok(()) };
            let rendered = self.render(&events).await;
            self.lock().push(rendered);
            self.newest.send_replace(last);
        }
    }

    async fn render(&self, events: &[Event]) -> Vec<Arc<Rendered>> {
        let mut rendered = Vec::with_capacity(events.len());
        for event in events {
            let text = render_event(&self.views, event, Some("event")).await.to_string();
            rendered.push(Arc::new(Rendered {
                seq: event.seq,
                video: event.video,
                is_progress: event.kind == "video.progress",
                text: text.into(),
            }));
        }
        rendered
    }

    fn recent_after(&self, seq: i64) -> Option<Vec<Arc<Rendered>>> {
        let recent = self.lock();
        if recent.after == 0 || seq < recent.after {
            return None;
        }
        let first = recent.events.partition_point(|event| event.seq <= seq);
        let count = usize::try_from(BATCH_EVENTS).unwrap_or(usize::MAX);
        Some(recent.events.iter().skip(first).take(count).cloned().collect())
    }

    fn lock(&self) -> std::sync::MutexGuard<'_, Recent> {
        self.recent.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

// === impl Recent ===

impl Recent {
    fn push(&mut self, rendered: Vec<Arc<Rendered>>) {
        self.events.extend(rendered);
        while self.events.len() > RECENT_EVENTS_MAX {
            self.after = self.events.pop_front().map_or(self.after, |event| event.seq);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::scratch;

    #[tokio::test]
    async fn so_many_sockets_have_a_place_and_not_one_more() {
        let (_folder, catalog) = scratch::catalog().await.unwrap();
        let feed = Feed::new(catalog.clone(), Arc::new(Views::new(catalog)));
        let mut places: Vec<_> = (0..SOCKETS_MAX).map_while(|_| feed.enter()).collect();
        assert_eq!(places.len(), SOCKETS_MAX);
        assert!(feed.enter().is_none());
        places.pop();
        assert!(feed.enter().is_some());
    }

    #[test]
    fn the_newest_events_are_kept_and_the_place_before_them_told() {
        let event = |seq| Arc::new(Rendered { seq, video: VideoId::from_bits(1), is_progress: false, text: "".into() });
        let most = i64::try_from(RECENT_EVENTS_MAX).unwrap();
        let mut recent = Recent { after: 10, events: VecDeque::new() };
        recent.push((11..11 + most).map(event).collect());
        assert_eq!((recent.after, recent.events.len()), (10, RECENT_EVENTS_MAX));
        recent.push(vec![event(11 + most)]);
        assert_eq!((recent.after, recent.events.len()), (11, RECENT_EVENTS_MAX));
    }
}
