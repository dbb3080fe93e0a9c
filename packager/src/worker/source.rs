//! The bytes of a source while they arrive: reads wait for them, bounded by the upload's own lease.

use std::{
    sync::{Mutex, MutexGuard, PoisonError},
    time::{Duration, Instant},
};

use bytes::Bytes;
use tokio::time::sleep;
use vidstream_media::VideoId;
use vidstream_store::{Error, Growing, Key, Store};

/// How often a growing source is looked at.
const POLL: Duration = Duration::from_millis(25);
/// A growing source is opened anew this often: an upload that starts over has another file.
const REOPEN_EVERY: Duration = Duration::from_secs(1);

/// A source that may still be uploading. There is no limit on the wait in here: the upload's lease
/// ends an abandoned one, upon which the claim is lost and the job cancelled.
#[derive(Debug)]
pub(crate) struct Source {
    store: Store,
    key: Key,
    seen: Mutex<Seen>,
}

#[derive(Debug)]
struct Seen {
    /// The size, once all bytes are durable.
    complete: Option<u64>,
    /// Bytes that were there at the last look, and when there were fewer.
    bytes: u64,
    grown: Instant,
}

/// An open growing source.
struct Opened {
    growing: Growing,
    at: Instant,
}

// === impl Source ===

impl Source {
    pub(crate) fn new(store: Store, id: VideoId) -> Self {
        let seen = Seen { complete: None, bytes: 0, grown: Instant::now() };
        Self { store, key: Key::Source { id }, seen: Mutex::new(seen) }
    }

    /// The size, `None` while it grows.
    pub(crate) async fn size(&self) -> Result<Option<u64>, Error> {
        if let Some(bytes) = self.seen().complete {
            return Ok(Some(bytes));
        }
        match self.store.size(&self.key).await {
            Ok(bytes) => {
                self.seen().complete = Some(bytes);
                Ok(Some(bytes))
            }
            Err(Error::NotFound { .. }) => Ok(None),
            Err(error) => Err(error),
        }
    }

    /// Bytes from `offset`, fewer than asked only at the end of the complete source.
    pub(crate) async fn read(&self, offset: u64, bytes: u32) -> Result<Bytes, Error> {
        let end = offset.saturating_add(u64::from(bytes));
        let mut opened: Option<Opened> = None;
        loop {
            if let Some(size) = self.size().await? {
                let range = offset.min(size)..end.min(size);
                return self.store.range(&self.key, range).await;
            }
            if opened.as_ref().is_none_or(|opened| opened.at.elapsed() > REOPEN_EVERY) {
                opened = self.open().await?;
            }
            if let Some(Opened { growing, .. }) = &opened {
                let length = growing.len().await?;
                self.saw(length);
                if length >= end {
                    let found = growing.read(offset, usize::try_from(bytes).unwrap_or(usize::MAX)).await?;
                    // It may have been cut meanwhile by an upload that starts over; then it is looked at again.
                    if found.len() as u64 == u64::from(bytes) {
                        return Ok(found);
                    }
                }
            }
            sleep(POLL).await;
        }
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
            if let Some(opened) = self.open().await? {
                let length = opened.growing.len().await?;
                self.saw(length);
                if length != before {
                    return Ok(());
                }
            }
            sleep(REOPEN_EVERY).await;
        }
    }

    /// The growing file; `None` before its first byte.
    async fn open(&self) -> Result<Option<Opened>, Error> {
        match self.store.growing(&self.key).await {
            Ok(growing) => Ok(Some(Opened { growing, at: Instant::now() })),
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
