//! How many watch the videos that sockets ask about: asked once for all of them.

use std::{
    collections::HashMap,
    sync::{Arc, Mutex, MutexGuard, PoisonError},
};

use tokio::sync::watch;
use vidstream_catalog::Catalog;
use vidstream_media::VideoId;

/// The videos that anybody asks about, and how many watch each.
pub(crate) struct Viewers {
    catalog: Catalog,
    asked: Arc<Mutex<HashMap<VideoId, Asked>>>,
    changes: watch::Sender<()>,
}

struct Asked {
    sockets: usize,
    count: Option<u64>,
}

/// A socket's question; when it is dropped, it is not asked any more.
pub(crate) struct Question {
    pub(crate) video: VideoId,
    asked: Arc<Mutex<HashMap<VideoId, Asked>>>,
}

// === impl Viewers ===

impl Viewers {
    pub(crate) fn new(catalog: Catalog) -> Self {
        Self { catalog, asked: Arc::default(), changes: watch::Sender::new(()) }
    }

    /// Asks about a video; there is an answer after the next [`Self::refresh`], if there is none yet.
    pub(crate) fn ask(&self, video: VideoId) -> Question {
        lock(&self.asked).entry(video).or_insert(Asked { sockets: 0, count: None }).sockets += 1;
        Question { video, asked: Arc::clone(&self.asked) }
    }

    /// Tells when any count has changed.
    pub(crate) fn watch(&self) -> watch::Receiver<()> {
        self.changes.subscribe()
    }

    /// Counts again.
    pub(crate) async fn refresh(&self) {
        let videos: Vec<VideoId> = lock(&self.asked).keys().copied().collect();
        if videos.is_empty() {
            return;
        }
        let counts = self.catalog.viewers(&videos).await;
        let mut changed = false;
        let mut asked = lock(&self.asked);
        for (video, count) in videos.iter().zip(counts) {
            if let Some(asked) = asked.get_mut(video) {
                changed |= asked.count.replace(count) != Some(count);
            }
        }
        drop(asked);
        if changed {
            self.changes.send_replace(());
        }
    }
}

// === impl Question ===

impl Question {
    /// How many watch it, once that is known.
    pub(crate) fn answer(&self) -> Option<u64> {
        lock(&self.asked).get(&self.video)?.count
    }
}

impl Drop for Question {
    fn drop(&mut self) {
        let mut all = lock(&self.asked);
        if let Some(asked) = all.get_mut(&self.video) {
            asked.sockets -= 1;
            if asked.sockets == 0 {
                all.remove(&self.video);
            }
        }
    }
}

fn lock(asked: &Mutex<HashMap<VideoId, Asked>>) -> MutexGuard<'_, HashMap<VideoId, Asked>> {
    asked.lock().unwrap_or_else(PoisonError::into_inner)
}
