//! The bytes of a source while they arrive: reads wait for them, bounded by the upload's own lease.

use std::{
    ops::Range,
    sync::{Arc, Mutex, MutexGuard, PoisonError},
    time::{Duration, Instant},
};

use bytes::Bytes;
use tokio::time::sleep;
use vidstream_media::VideoId;
use vidstream_store::{Error, Growing, Key, Store};

use super::strides::Strides;
use crate::protocol::Input;

/// A growing source is opened anew this often: an upload that starts over has another file.
const REOPEN_EVERY: Duration = Duration::from_secs(1);

/// A source that may still be uploading. There is no limit on the wait in here: the upload's lease
/// ends an abandoned one, upon which the claim is lost and the job cancelled.
#[derive(Debug)]
pub(crate) struct Source {
    store: Store,
    key: Key,
    strides: Arc<Strides>,
    seen: Mutex<Seen>,
}

#[derive(Debug)]
struct Seen {
    /// The size, once all bytes are durable.
    complete: Option<u64>,
    /// When it was last found incomplete.
    incomplete: Option<Instant>,
    /// The growing source as it was last opened.
    opened: Option<Opened>,
    /// Bytes that were there at the last look, and when there were fewer.
    bytes: u64,
    grown: Instant,
}

/// An open growing source.
#[derive(Clone, Debug)]
struct Opened {
    growing: Arc<Growing>,
    at: Instant,
    /// Its length at the last look.
    bytes: u64,
}

// === impl Source ===

impl Source {
    pub(crate) fn new(store: Store, id: VideoId, strides: Arc<Strides>) -> Self {
        let seen = Seen { complete: None, incomplete: None, opened: None, bytes: 0, grown: Instant::now() };
        Self { store, key: Key::Source { id }, strides, seen: Mutex::new(seen) }
    }

    /// The size, `None` while it grows.
    pub(crate) async fn size(&self) -> Result<Option<u64>, Error> {
        {
            let seen = self.seen();
            let is_recent = |looked: Instant| looked.elapsed() < self.store.look_every();
            if seen.complete.is_some() || seen.incomplete.is_some_and(is_recent) {
                return Ok(seen.complete);
            }
        }
        let looked = Instant::now();
        match self.store.size(&self.key).await {
            Ok(bytes) => {
                self.seen().complete = Some(bytes);
                Ok(Some(bytes))
            }
            Err(Error::NotFound { .. }) => {
                self.seen().incomplete = Some(looked);
                Ok(None)
            }
            Err(error) => Err(error),
        }
    }

    /// Bytes from `offset`, fewer than asked only at the end of the complete source.
    pub(crate) async fn read(&self, offset: u64, bytes: u32) -> Result<Bytes, Error> {
        let end = offset.saturating_add(u64::from(bytes));
        loop {
            if let Some(size) = self.size().await? {
                let range = offset.min(size)..end.min(size);
                let read = |range| self.store.range(&self.key, range);
                return self.strides.read(Input::Source, range, size, read).await;
            }
            if let Some(found) = self.read_growing(offset, end).await? {
                return Ok(found);
            }
            sleep(self.store.look_every()).await;
        }
    }

    /// All of the wanted bytes, if they have arrived.
    async fn read_growing(&self, offset: u64, end: u64) -> Result<Option<Bytes>, Error> {
        let Some(mut opened) = self.opened().await? else { return Ok(None) };
        if opened.bytes < end {
            opened.bytes = opened.growing.len().await?;
            self.saw(opened.bytes);
            self.seen().opened = Some(opened.clone());
        }
        if opened.bytes < end {
            return Ok(None);
        }
        let read = |range: Range<u64>| {
            let length = usize::try_from(range.end.saturating_sub(range.start)).unwrap_or(usize::MAX);
            opened.growing.read(range.start, length)
        };
        let found = self.strides.read(Input::Source, offset..end, opened.bytes, read).await?;
        // It may have been cut meanwhile by an upload that starts over; then it is looked at again.
        if found.len() as u64 == end - offset {
            return Ok(Some(found));
        }
        self.seen().opened = None;
        Ok(None)
    }

    /// How long no byte has arrived; zero once it is complete.
    pub(crate) fn idle(&self) -> Duration {
        let seen = self.seen();
        if seen.complete.is_some() { Duration::ZERO } else { seen.grown.elapsed() }
    }

    /// Waits until a byte has arrived since the last look, or the source is complete.
    pub(crate) async fn wait_for_growth(&self) -> Result<(), Error> {
        let before = self.seen().bytes;
        loop {
            if self.size().await?.is_some() {
                return Ok(());
            }
            if let Some(opened) = self.opened().await? {
                let length = opened.growing.len().await?;
                self.saw(length);
                if length != before {
                    return Ok(());
                }
            }
            sleep(REOPEN_EVERY).await;
        }
    }

    /// The growing source, as it was opened a moment ago or now; `None` before its first byte.
    async fn opened(&self) -> Result<Option<Opened>, Error> {
        let recent = self.seen().opened.clone().filter(|opened| opened.at.elapsed() <= REOPEN_EVERY);
        if recent.is_some() {
            return Ok(recent);
        }
        match self.store.growing(&self.key).await {
            Ok(growing) => {
                let opened = Opened { growing: Arc::new(growing), at: Instant::now(), bytes: 0 };
                self.seen().opened = Some(opened.clone());
                Ok(Some(opened))
            }
            Err(Error::NotFound { .. }) => Ok(None),
            Err(error) => Err(error),
        }
    }

    fn saw(&self, bytes: u64) {
        let mut seen = self.seen();
        if seen.bytes != bytes {
            (seen.bytes, seen.grown) = (bytes, Instant::now());
        }
    }

    fn seen(&self) -> MutexGuard<'_, Seen> {
        self.seen.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
