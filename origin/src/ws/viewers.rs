//! How many watch the videos that sockets ask about: asked once for all of them.

use std::{
    collections::HashMap,
    sync::{Arc, Mutex, MutexGuard, PoisonError},
};

use tokio::sync::watch;
use vidstream_catalog::Catalog;
use vidstream_media::VideoId;

use crate::limits::VIDEOS_ASKED_MAX;

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

    /// Asks about a video; there is an answer after the next [`Self::refresh`], if there is none yet. Of so many videos
    /// nobody else may ask.
    pub(crate) fn ask(&self, video: VideoId) -> Option<Question> {
        let mut asked = lock(&self.asked);
        if asked.len() >= VIDEOS_ASKED_MAX && !asked.contains_key(&video) {
            return None;
        }
        asked.entry(video).or_insert(Asked { sockets: 0, count: None }).sockets += 1;
        Some(Question { video, asked: Arc::clone(&self.asked) })
    }

    /// Tells when any count has changed.
    pub(crate) fn watch(&self) -> watch::Receiver<()> {
        self.changes.subscribe()
    }

    /// Counts again. When nobody answers in time, what was told last stays.
    pub(crate) async fn refresh(&self) {
        let videos: Vec<VideoId> = lock(&self.asked).keys().copied().collect();
        if videos.is_empty() {
            return;
        }
        let Some(counts) = self.catalog.viewers_in_time(&videos).await else { return };
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

#[cfg(test)]
mod tests {
    use super::*;
    use crate::scratch;

    #[tokio::test]
    async fn of_so_many_videos_is_asked_and_not_of_one_more() {
        let (_folder, catalog) = scratch::catalog().await.unwrap();
        let viewers = Viewers::new(catalog);
        let nth = |n: usize| VideoId::from_bits(n as u128);
        let mut questions: Vec<_> = (0..VIDEOS_ASKED_MAX).map_while(|n| viewers.ask(nth(n))).collect();
        assert_eq!(questions.len(), VIDEOS_ASKED_MAX);
        assert!(viewers.ask(nth(VIDEOS_ASKED_MAX)).is_none());
        // Of those somebody asks about already anybody may ask.
        assert!(viewers.ask(nth(0)).is_some());
        questions.pop();
        assert!(viewers.ask(nth(VIDEOS_ASKED_MAX)).is_some());
    }
}
