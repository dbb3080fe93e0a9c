//! What can be played of each video, kept in memory and read again when a hint or its age says so.
//!
//! Hints make a view old at once: those of this process, and over Redis or a catalog on a server those of others. What comes
//! without one is seen when the view is older than [`VIEW_AGE_MAX`]. While the catalog does not answer, known views go on being served,
//! and only the first who finds it silent waits for it.

use std::{
    hash::{BuildHasher, RandomState},
    sync::{
        Arc, Mutex as Lock, PoisonError,
        atomic::{AtomicBool, AtomicU64, Ordering},
    },
    time::Duration,
};

use moka::{future::Cache, policy::EvictionPolicy};
use tokio::{
    sync::{Mutex, Notify, Semaphore, futures::Notified},
    time::{Instant, timeout},
};
use vidstream_catalog::{Catalog, Snapshot, Video};
use vidstream_media::{Presentation, VideoId};

use crate::{
    clock,
    limits::{CATALOG_WAIT_MAX, STRIPES, VIEW_AGE_MAX, VIEW_BYTES_MAX, VIEW_STALE_MAX, VIEW_STALE_SHOWN},
    respond::{Kind, Problem},
};

/// Estimated bytes of a view without a presentation.
const VIEW_BYTES: u64 = 256;
/// Estimated bytes of the index entry of one segment of one track.
const ENTRY_BYTES: u64 = 72;

/// What can be played of a video, as of a moment.
#[derive(Clone, Debug)]
pub(crate) struct View {
    /// The current generation; absent if nothing is playable nor ever was, or not any more.
    pub(crate) presentation: Option<Arc<Presentation>>,
    /// Whether a player can start.
    pub(crate) playable: bool,
    /// Whether every segment is stored.
    pub(crate) complete: bool,
    /// Changes whenever a document that is not immutable may change.
    pub(crate) version: (u32, u64),
    created_ms: i64,
    updated_ms: i64,
    epoch: u64,
    /// The epoch of its stripe as it is now.
    epoch_now: Arc<AtomicU64>,
    read_at: Instant,
    /// When the catalog last confirmed this; differs from `read_at` while it does not answer.
    confirmed_at: Instant,
}

/// All views.
pub(crate) struct Views {
    catalog: Catalog,
    kept: Cache<VideoId, Arc<View>>,
    stripes: Vec<Stripe>,
    hasher: RandomState,
    /// Whether the catalog left the last read without an answer.
    silent: Arc<AtomicBool>,
    /// One read at a time finds out whether it still does.
    probing: Arc<Semaphore>,
    stalest: Lock<Option<Stale>>,
}

/// A view that was served although it could not be read again.
#[derive(Clone, Copy)]
struct Stale {
    /// How long ago the catalog had confirmed it.
    age: Duration,
    served_at: Instant,
}

/// What the videos of one hash share: a change of one makes the views of all of them old.
#[derive(Default)]
struct Stripe {
    epoch: Arc<AtomicU64>,
    changed: Notify,
    reading: Mutex<()>,
}

// === impl Views ===

impl Views {
    pub(crate) fn new(catalog: Catalog) -> Self {
        let weigher = |_: &VideoId, view: &Arc<View>| u32::try_from(view.bytes()).unwrap_or(u32::MAX);
        Self {
            catalog,
            kept: Cache::builder()
                .max_capacity(VIEW_BYTES_MAX)
                .eviction_policy(EvictionPolicy::lru())
                .weigher(weigher)
                .build(),
            stripes: (0..STRIPES).map(|_| Stripe::default()).collect(),
            hasher: RandomState::new(),
            silent: Arc::default(),
            probing: Arc::new(Semaphore::new(1)),
            stalest: Lock::default(),
        }
    }

    /// The view of a video, at most [`VIEW_AGE_MAX`] old.
    pub(crate) async fn get(&self, id: VideoId) -> Result<Arc<View>, Problem> {
        self.younger(id, VIEW_AGE_MAX).await
    }

    /// The view of a video, at most so old. One reader at a time asks the catalog.
    pub(crate) async fn younger(&self, id: VideoId, age_max: Duration) -> Result<Arc<View>, Problem> {
        let Some(stripe) = self.stripe(id) else { return Err(Kind::Internal.because("no such stripe")) };
        let fresh = |view: &Arc<View>| view.is_younger(age_max, Instant::now());
        if let Some(view) = self.kept.get(&id).await.filter(fresh) {
            return Ok(view);
        }
        if let Some(view) = self.meanwhile(id, stripe).await {
            return Ok(view);
        }
        let reading = timeout(CATALOG_WAIT_MAX, stripe.reading.lock()).await;
        let old = self.kept.get(&id).await;
        if let Some(view) = old.clone().filter(fresh) {
            return Ok(view);
        }
        // Taken before the read: a commit after this makes the view old again.
        let epoch = stripe.epoch.load(Ordering::Acquire);
        let read = match reading {
            Ok(_) => timeout(CATALOG_WAIT_MAX, self.catalog.snapshot(id)).await.ok(),
            Err(_) => None,
        };
        self.silent.store(read.is_none(), Ordering::Release);
        let now = Instant::now();
        let view = match read {
            Some(Ok(snapshot)) => View::new(snapshot, epoch, &stripe.epoch, now),
            Some(Err(error)) => self.again(old, epoch, now).ok_or_else(|| Problem::from(error))?,
            None => {
                let silent = || Kind::CatalogUnavailable.because("the catalog does not answer");
                self.again(old, epoch, now).ok_or_else(silent)?
            }
        };
        let view = Arc::new(view);
        self.kept.insert(id, Arc::clone(&view)).await;
        Ok(view)
    }

    /// While the catalog is silent, the old view at once, for another while.
    async fn meanwhile(&self, id: VideoId, stripe: &Stripe) -> Option<Arc<View>> {
        if !self.silent.load(Ordering::Acquire) {
            return None;
        }
        let epoch = stripe.epoch.load(Ordering::Acquire);
        let view = Arc::new(self.again(self.kept.get(&id).await, epoch, Instant::now())?);
        self.kept.insert(id, Arc::clone(&view)).await;
        self.probe(id);
        Some(view)
    }

    /// The old view for another while, whose age is remembered.
    fn again(&self, old: Option<Arc<View>>, epoch: u64, now: Instant) -> Option<View> {
        let view = View::again(old, epoch, now)?;
        let stale = Stale { age: now.saturating_duration_since(view.confirmed_at), served_at: now };
        let mut stalest = self.stalest.lock().unwrap_or_else(PoisonError::into_inner);
        if stalest.is_none_or(|known| known.age <= stale.age || !known.is_recent(now)) {
            *stalest = Some(stale);
        }
        Some(view)
    }

    /// How old the oldest view was that was served in the last [`VIEW_STALE_SHOWN`] although it could not be read again; no
    /// time at all, if each could.
    pub(crate) fn stalest(&self) -> Duration {
        let stalest = *self.stalest.lock().unwrap_or_else(PoisonError::into_inner);
        stalest.filter(|known| known.is_recent(Instant::now())).map_or(Duration::ZERO, |known| known.age)
    }

    /// Asks a silent catalog in the background, so that views are read again soon after it answers.
    fn probe(&self, id: VideoId) {
        let Ok(place) = Arc::clone(&self.probing).try_acquire_owned() else { return };
        let (catalog, silent) = (self.catalog.clone(), Arc::clone(&self.silent));
        tokio::spawn(async move {
            let _place = place;
            if timeout(CATALOG_WAIT_MAX, catalog.snapshot(id)).await.is_ok() {
                silent.store(false, Ordering::Release);
            }
        });
    }

    /// Something about a video (or, without an id, about any) was committed.
    pub(crate) fn changed(&self, id: Option<VideoId>) {
        let touch = |stripe: &Stripe| {
            stripe.epoch.fetch_add(1, Ordering::AcqRel);
            stripe.changed.notify_waiters();
        };
        match id {
            Some(id) => self.stripe(id).into_iter().for_each(touch),
            None => self.stripes.iter().for_each(touch),
        }
    }

    /// A newer row of a video was seen: delivery must not answer from before it.
    pub(crate) async fn observe(&self, video: &Video) {
        let seen = (video.generation, video.row_version);
        if self.kept.get(&video.id).await.is_some_and(|view| view.version < seen) {
            self.changed(Some(video.id));
        }
    }

    /// Ends when a hint about the video (or one that shares its stripe) arrives after this call.
    pub(crate) fn next_change(&self, id: VideoId) -> Option<Notified<'_>> {
        self.stripe(id).map(|stripe| stripe.changed.notified())
    }

    fn stripe(&self, id: VideoId) -> Option<&Stripe> {
        let place = self.hasher.hash_one(id) % self.stripes.len().max(1) as u64;
        usize::try_from(place).ok().and_then(|place| self.stripes.get(place))
    }
}

// === impl Stale ===

impl Stale {
    fn is_recent(&self, now: Instant) -> bool {
        now.saturating_duration_since(self.served_at) < VIEW_STALE_SHOWN
    }
}

// === impl View ===

impl View {
    /// Whether it is `now` at most [`VIEW_AGE_MAX`] old and nothing was heard of the video since.
    pub(crate) fn is_fresh(&self, now: std::time::Instant) -> bool {
        self.is_younger(VIEW_AGE_MAX, now.into())
    }

    /// Whether the catalog answered when it was asked last.
    pub(crate) fn is_confirmed(&self) -> bool {
        self.read_at == self.confirmed_at
    }

    fn is_younger(&self, age_max: Duration, now: Instant) -> bool {
        self.epoch == self.epoch_now.load(Ordering::Acquire) && now.saturating_duration_since(self.read_at) < age_max
    }

    pub(super) fn new(snapshot: Option<Snapshot>, epoch: u64, epoch_now: &Arc<AtomicU64>, now: Instant) -> Self {
        let version =
            snapshot.as_ref().map_or((0, 0), |snapshot| (snapshot.video.generation, snapshot.video.row_version));
        let (created_ms, updated_ms) =
            snapshot.as_ref().map_or((0, 0), |snapshot| (snapshot.video.created_at_ms, snapshot.video.updated_at_ms));
        let presentation = snapshot.and_then(|snapshot| snapshot.presentation).map(Arc::new);
        Self {
            playable: presentation.as_deref().is_some_and(Presentation::playable),
            complete: presentation.as_deref().is_some_and(Presentation::complete),
            presentation,
            version,
            created_ms,
            updated_ms,
            epoch,
            epoch_now: Arc::clone(epoch_now),
            read_at: now,
            confirmed_at: now,
        }
    }

    /// A time of modification, in seconds since the Unix epoch, of what never changes: the same on every node and for
    /// ever, and no later than its bytes.
    pub(crate) fn created_s(&self) -> Option<u64> {
        past_s(self.created_ms)
    }

    /// When anything of the video changed last, in seconds since the Unix epoch.
    pub(crate) fn updated_s(&self) -> Option<u64> {
        past_s(self.updated_ms)
    }

    /// The old view for another while, unless it is too old.
    fn again(old: Option<Arc<Self>>, epoch: u64, now: Instant) -> Option<Self> {
        let old = old.filter(|old| old.confirmed_at.elapsed() < VIEW_STALE_MAX)?;
        metrics::counter!("vidstream_views_stale_total").increment(1);
        Some(Self { epoch, read_at: now, ..View::clone(&old) })
    }

    fn bytes(&self) -> u64 {
        let Some(presentation) = &self.presentation else { return VIEW_BYTES };
        let segments: u64 = presentation.chunks.values().map(|chunk| chunk.segments.count()).sum();
        VIEW_BYTES + segments * ENTRY_BYTES * (presentation.plan.rungs.len() as u64 + 3)
    }
}

/// Whole seconds; none for a time to come (RFC 9110 §8.8.2.1), which the clock of another node may have given.
fn past_s(ms: i64) -> Option<u64> {
    u64::try_from(ms).ok().filter(|_| ms <= clock::now_ms()).map(|ms| ms / 1_000)
}

#[cfg(test)]
mod tests;
