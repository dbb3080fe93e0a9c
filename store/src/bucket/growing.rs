//! Reading an object that may still be written: from its copies, and from itself once it is there.

use std::{
    collections::BTreeMap,
    sync::{Mutex, MutexGuard, PoisonError},
};

use bytes::{Bytes, BytesMut};

use super::{Bucket, copies};
use crate::Error;

/// At most this much is read at once.
const GROWING_READ_BYTES_MAX: usize = 8 << 20;

/// A reader of an object that may still be written.
#[derive(Debug)]
pub(crate) struct Growing {
    bucket: Bucket,
    path: String,
    /// The copies that were seen: where each begins, its path and its length.
    seen: Mutex<BTreeMap<u64, (String, u64)>>,
}

// === impl Growing ===

impl Growing {
    pub(super) async fn open(bucket: Bucket, path: String) -> Result<Self, Error> {
        let growing = Self { bucket, path, seen: Mutex::default() };
        if growing.look().await? == 0 {
            growing.bucket.size(&growing.path).await?;
        }
        Ok(growing)
    }

    pub(crate) async fn len(&self) -> Result<u64, Error> {
        match self.look().await? {
            // Without copies it is complete, or was given up.
            0 => missing_is(0, self.bucket.size(&self.path).await),
            bytes => Ok(bytes),
        }
    }

    pub(crate) async fn read(&self, offset: u64, length: usize) -> Result<Bytes, Error> {
        let end = offset.saturating_add(length.min(GROWING_READ_BYTES_MAX) as u64);
        if self.pieces(offset, end).is_empty() {
            self.look().await?;
        }
        let mut bytes = BytesMut::new();
        for (path, from, to) in self.pieces(offset, end) {
            match self.bucket.range(&path, from..to).await {
                Ok(piece) => bytes.extend_from_slice(&piece),
                // It was finished or given up meanwhile.
                Err(Error::NotFound { .. }) => return self.complete(offset, end).await,
                Err(error) => return Err(error),
            }
        }
        if bytes.is_empty() { self.complete(offset, end).await } else { Ok(bytes.freeze()) }
    }

    /// The bytes of the complete object, none if there is none.
    async fn complete(&self, offset: u64, end: u64) -> Result<Bytes, Error> {
        let size = missing_is(0, self.bucket.size(&self.path).await)?;
        if offset >= size {
            return Ok(Bytes::new());
        }
        missing_is(Bytes::new(), self.bucket.range(&self.path, offset..end.min(size)).await)
    }

    /// Looks which copies there are; gives how many bytes they show without a gap.
    async fn look(&self) -> Result<u64, Error> {
        // Only what is new: a long upload has hundreds of copies. The last one that was shown comes again.
        let last = last_shown(&self.seen()).filter(|&last| last > 0);
        let before = last.map(|last| copies::before(&self.path, last));
        let listed = self.bucket.list_after(&copies::folder(&self.path), before.as_deref()).await;
        let listed = listed.map_err(|error| Error::from_bucket(&self.path, error))?;
        let found = listed
            .into_iter()
            .filter_map(|meta| Some((copies::offset(&meta.location)?, (self.bucket.path(&meta.location)?, meta.size))));
        let found: BTreeMap<_, _> = found.collect();
        let mut seen = self.seen();
        // All of them go at the end.
        if last.is_none_or(|last| !found.contains_key(&last)) {
            seen.clear();
        }
        seen.extend(found);
        let shown = last_shown(&seen).and_then(|at| Some(at + seen.get(&at)?.1));
        Ok(shown.unwrap_or(0))
    }

    /// Paths of the copies, and the bytes of them, that follow each other from `offset`.
    fn pieces(&self, offset: u64, end: u64) -> Vec<(String, u64, u64)> {
        let seen = self.seen();
        let first = seen.range(..=offset).next_back().map_or(offset, |(&at, _)| at);
        let mut next = offset;
        let mut pieces = Vec::new();
        for (&at, (path, bytes)) in seen.range(first..) {
            let until = at.saturating_add(*bytes).min(end);
            if at > next || next >= until {
                break;
            }
            pieces.push((path.clone(), next - at, until - at));
            next = until;
        }
        pieces
    }

    fn seen(&self) -> MutexGuard<'_, BTreeMap<u64, (String, u64)>> {
        self.seen.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// Where the last copy begins up to which there is no gap: they may arrive out of order.
fn last_shown(seen: &BTreeMap<u64, (String, u64)>) -> Option<u64> {
    let mut end = 0;
    seen.iter().take_while(|&(&at, (_, bytes))| at == std::mem::replace(&mut end, at + bytes)).last().map(|(&at, _)| at)
}

/// What is not there counts as `nothing`.
fn missing_is<T>(nothing: T, found: Result<T, Error>) -> Result<T, Error> {
    match found {
        Err(Error::NotFound { .. }) => Ok(nothing),
        other => other,
    }
}
