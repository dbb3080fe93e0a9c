//! Bytes of stored objects: a hot cache, and one read of the store for all who want the same bytes.
//!
//! A read belongs to nobody: it runs in a task of its own and ends in the cache even when every
//! client has gone. What is read is held against its checksum before it is kept or given to anybody; what is kept lies
//! in memory that nobody writes to, and is not looked at again.

use std::{
    collections::HashMap,
    ops::Range,
    sync::{Arc, Mutex, PoisonError},
    time::Instant,
};

use bytes::Bytes;
use moka::{future::Cache, policy::EvictionPolicy};
use tokio::{
    sync::{Semaphore, watch},
    time::timeout,
};
use vidstream_media::Crc32;
use vidstream_store::{Error, Key, Store};

use self::told::Told;
use crate::{
    limits::{CACHE_SHARES, LOAD_BYTES_MAX, LOAD_WAIT_MAX, LOADS_MAX},
    memory, metering,
};

mod told;

/// Loading memory is counted in units of this many bytes.
const UNIT_BYTES: u64 = 1 << 10;
/// Bytes of a kept value beside its content.
const OVERHEAD_BYTES: usize = 256;
/// How often bytes are read that come damaged: the first time it may have been the way.
const READS_MAX: usize = 2;

/// Some or all bytes of an object.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub(crate) struct Piece {
    /// The object.
    pub(crate) key: Key,
    /// Which bytes; all of them if absent.
    pub(crate) range: Option<Range<u64>>,
    /// How many bytes that is expected to be, as far as it is known.
    pub(crate) bytes: Option<u64>,
    /// Their checksum, as far as it is known.
    pub(crate) crc32: Option<Crc32>,
}

/// Why bytes cannot be had.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Missing {
    /// The object is not there, or not as long as it should be.
    Gone,
    /// They are not those that were stored.
    Damaged,
    /// The store failed or took too long.
    Failed,
    /// Too much is being read already.
    Busy,
}

type Outcome = Result<Bytes, Missing>;

/// The hot cache and the reads that are on their way.
#[derive(Clone)]
pub(crate) struct Objects {
    store: Store,
    hot: Cache<Piece, Bytes>,
    kept_bytes_max: u64,
    loading: Arc<Mutex<HashMap<Piece, watch::Receiver<Option<Outcome>>>>>,
    budget: Arc<Semaphore>,
    told: Arc<Told>,
}

/// Takes a read off the list, however it ends.
struct Listed {
    piece: Piece,
    objects: Objects,
}

// === impl Objects ===

impl Objects {
    pub(crate) fn new(store: Store, cache_bytes: u64) -> Self {
        let weigher = |_: &Piece, bytes: &Bytes| u32::try_from(bytes.len() + OVERHEAD_BYTES).unwrap_or(u32::MAX);
        // LRU, because the default policy drops a newcomer that is not yet more popular than what it displaces:
        // a segment that was just published would be read from the store for each of its first viewers.
        let hot =
            Cache::builder().max_capacity(cache_bytes).weigher(weigher).eviction_policy(EvictionPolicy::lru()).build();
        Self {
            store,
            hot,
            kept_bytes_max: cache_bytes / CACHE_SHARES,
            loading: Arc::default(),
            budget: Arc::new(Semaphore::new(usize::try_from(LOAD_BYTES_MAX / UNIT_BYTES).unwrap_or(usize::MAX))),
            told: Arc::default(),
        }
    }

    /// The bytes, exactly as many as were asked for.
    pub(crate) async fn get(&self, piece: &Piece) -> Outcome {
        if let Some(bytes) = self.hot.get(piece).await {
            metering::count_cache_hit();
            return Ok(bytes);
        }
        metrics::counter!("vidstream_cache_misses_total").increment(1);
        let mut done = self.join(piece)?;
        let ended = done.wait_for(Option::is_some).await;
        ended.map_or(Err(Missing::Failed), |outcome| outcome.clone().unwrap_or(Err(Missing::Failed)))
    }

    /// Bytes that the cache holds.
    pub(crate) fn cached_bytes(&self) -> u64 {
        self.hot.weighted_size()
    }

    /// Lets the cache forget what it owes; it has no thread of its own.
    pub(crate) async fn tidy(&self) {
        self.hot.run_pending_tasks().await;
    }

    /// The read of these bytes that is on its way, or a new one.
    fn join(&self, piece: &Piece) -> Result<watch::Receiver<Option<Outcome>>, Missing> {
        let mut loading = self.loading.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(running) = loading.get(piece) {
            return Ok(running.clone());
        }
        if loading.len() >= LOADS_MAX {
            return Err(Missing::Busy);
        }
        let (done, wait) = watch::channel(None);
        loading.insert(piece.clone(), wait.clone());
        let listed = Listed { piece: piece.clone(), objects: self.clone() };
        tokio::spawn(async move {
            let outcome = timeout(LOAD_WAIT_MAX, listed.load()).await.unwrap_or(Err(Missing::Failed));
            done.send_replace(Some(outcome));
        });
        Ok(wait)
    }
}

// === impl Listed ===

impl Listed {
    async fn load(&self) -> Outcome {
        let objects = &self.objects;
        // Whoever missed the cache just before the last read ended finds its result here.
        if let Some(bytes) = objects.hot.get(&self.piece).await {
            return Ok(bytes);
        }
        let wanted = self.piece.bytes.unwrap_or(UNIT_BYTES).min(LOAD_BYTES_MAX).div_ceil(UNIT_BYTES);
        let units = u32::try_from(wanted).unwrap_or(u32::MAX);
        let Ok(_memory) = objects.budget.acquire_many(units).await else { return Err(Missing::Failed) };
        let mut outcome = self.read().await;
        for _ in 1..READS_MAX {
            if !matches!(outcome, Err(Missing::Damaged)) {
                break;
            }
            outcome = self.read().await;
            self.tell(outcome.is_ok());
        }
        Ok(self.keep(outcome?).await)
    }

    /// Reads once.
    async fn read(&self) -> Outcome {
        let objects = &self.objects;
        metrics::counter!("vidstream_store_reads_total").increment(1);
        let read = match &self.piece.range {
            Some(range) => objects.store.range(&self.piece.key, range.clone()).await,
            None => objects.store.get(&self.piece.key).await,
        };
        let bytes = read.map_err(|error| missing(&error))?;
        // Nothing of another length leaves this place: a player trusts what the playlist said.
        if self.piece.bytes.is_some_and(|expected| expected != bytes.len() as u64) {
            tracing::error!(
                object = self.piece.key.path(),
                bytes = bytes.len(),
                "an object has another size than its index"
            );
            return Err(Missing::Gone);
        }
        if self.piece.crc32.is_some_and(|sum| sum != Crc32::of(&bytes)) {
            metrics::counter!("vidstream_store_corrupt_total").increment(1);
            return Err(Missing::Damaged);
        }
        Ok(bytes)
    }

    /// Says in the log whether bytes that came damaged came whole when they were read again, unless it has lately.
    fn tell(&self, is_whole: bool) {
        let Piece { key, range, bytes, .. } = &self.piece;
        if !self.objects.told.is_due(*key, is_whole, Instant::now()) {
            return;
        }
        let (object, offset) = (key.path(), range.as_ref().map_or(0, |range| range.start));
        if is_whole {
            tracing::warn!(object, offset, bytes, "stored bytes came damaged, and whole when they were read again");
        } else {
            tracing::error!(object, offset, bytes, "stored bytes are damaged: their checksum is another each time");
        }
    }

    /// Puts the bytes into the cache, if they are not too many.
    async fn keep(&self, bytes: Bytes) -> Bytes {
        let objects = &self.objects;
        if bytes.len() as u64 > objects.kept_bytes_max {
            return bytes;
        }
        let bytes = memory::hold(bytes);
        objects.hot.insert(self.piece.clone(), bytes.clone()).await;
        bytes
    }
}

impl Drop for Listed {
    fn drop(&mut self) {
        self.objects.loading.lock().unwrap_or_else(PoisonError::into_inner).remove(&self.piece);
    }
}

fn missing(error: &Error) -> Missing {
    tracing::warn!(error = error as &dyn std::error::Error, "stored bytes cannot be read");
    metrics::counter!("vidstream_store_failures_total").increment(1);
    match error {
        Error::NotFound { .. } | Error::Range { .. } => Missing::Gone,
        _ => Missing::Failed,
    }
}

#[cfg(test)]
mod tests;
