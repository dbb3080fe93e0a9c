//! A large object on its way, in parts of one size, as all servers take them.

use std::{collections::BTreeMap, ops::RangeInclusive, sync::Arc};

use object_store::{Error as Cause, ObjectStoreExt, PutMultipartOptions, PutPayload, multipart::PartId, path::Path};
use tokio::task::JoinSet;

use super::{
    Bucket, Large, PART, RECORD,
    patience::{ANSWER_WAIT_MAX, TIDY_WAIT_MAX, carrying, patiently},
    refusal::{is_passing, sentence},
    upload::Target,
};
use crate::Error;

/// Bytes of a part, one of which is gathered in memory: S3 takes none that is smaller, but for the last. Larger ones
/// than [`PART_BYTES_UNTOLD`] are for objects of more than 117 GiB.
const PART_BYTES: RangeInclusive<usize> = 5 << 20..=64 << 20;
/// The same where nobody says before how large the object will be.
const PART_BYTES_UNTOLD: usize = 12 << 20;
/// Parts of an object that S3 takes.
const PARTS_MAX: u64 = 10_000;
/// Parts of an object that are on their way at once, each of them in memory.
const PARTS_SENDING_MAX: usize = 2;
/// Parts and copies of all objects that are on their way at once.
pub(super) const SENDING_MAX: usize = 16;

/// How large objects are cut.
#[derive(Clone, Debug)]
pub(super) struct Sizes {
    pub(super) part_bytes: RangeInclusive<usize>,
    pub(super) part_bytes_untold: usize,
    pub(super) parts_max: u64,
}

/// An upload in parts that was begun.
#[derive(Debug)]
pub(super) struct Parts {
    bucket: Bucket,
    large: Large,
    target: Arc<Target>,
    id: String,
    /// Says what must be forgotten if this process cannot.
    record: Path,
    begun: usize,
    sending: JoinSet<Result<(usize, PartId), Cause>>,
    sent: BTreeMap<usize, PartId>,
}

// === impl Sizes ===

impl Default for Sizes {
    fn default() -> Self {
        Self { part_bytes: PART_BYTES, part_bytes_untold: PART_BYTES_UNTOLD, parts_max: PARTS_MAX }
    }
}

impl Sizes {
    /// Bytes of each part but the last of an object, the smallest that will do.
    pub(super) fn part_bytes(&self, expected_bytes: Option<u64>) -> usize {
        let (min, max) = (*self.part_bytes.start(), *self.part_bytes.end());
        let least = expected_bytes.and_then(|bytes| usize::try_from(bytes.div_ceil(self.parts_max)).ok());
        least.map_or(self.part_bytes_untold, |least| least.clamp(min, max))
    }
}

// === impl Parts ===

impl Parts {
    /// Begins an upload; `None` where objects have no parts.
    pub(super) async fn begin(bucket: &Bucket, target: &Arc<Target>) -> Result<Option<Self>, Error> {
        let Some(large) = bucket.large.clone() else { return Ok(None) };
        let fails = |error| Error::from_bucket(&target.path, error);
        let options = PutMultipartOptions { attributes: target.attributes.clone(), ..PutMultipartOptions::default() };
        let begin = || large.parts.create_multipart_opts(&target.place, options.clone());
        let id = patiently(ANSWER_WAIT_MAX, begin).await.map_err(fails)?;
        let record = bucket.place(&format!("{}{PART}/{RECORD}{}", target.path, target.writer));
        let parts = Self {
            bucket: bucket.clone(),
            large,
            target: Arc::clone(target),
            id,
            record,
            begun: 0,
            sending: JoinSet::new(),
            sent: BTreeMap::new(),
        };
        let note = || bucket.objects.put(&parts.record, parts.id.clone().into());
        match patiently(ANSWER_WAIT_MAX, note).await {
            Ok(_) => Ok(Some(parts)),
            Err(error) => {
                parts.abort().await;
                Err(fails(error))
            }
        }
    }

    /// Sends the next part, beside one other.
    pub(super) async fn send(&mut self, payload: PutPayload) -> Result<(), Error> {
        while self.sending.len() >= PARTS_SENDING_MAX {
            self.join().await?;
        }
        let room = self.large.room().await;
        let (parts, target) = (Arc::clone(&self.large.carrying), Arc::clone(&self.target));
        let (id, n) = (self.id.clone(), self.begun);
        self.begun += 1;
        self.sending.spawn(async move {
            let _room = room;
            let bytes = payload.content_length();
            let send = || carrying(bytes, parts.put_part(&target.place, &id, n, payload.clone()));
            Ok((n, patiently(ANSWER_WAIT_MAX, send).await?))
        });
        Ok(())
    }

    /// Waits for all parts and makes them the object.
    pub(super) async fn complete(&mut self) -> Result<(), Error> {
        while !self.sending.is_empty() {
            self.join().await?;
        }
        let parts: Vec<PartId> = self.sent.values().cloned().collect();
        let (target, large) = (&self.target, &self.large);
        let store = if target.replaces { &large.parts } else { &large.creating };
        let completed = patiently(ANSWER_WAIT_MAX, || async {
            match store.complete_multipart(&target.place, &self.id, parts.clone()).await {
                Ok(_) => Ok(()),
                Err(error) if is_passing(&error) => Err(error),
                // An earlier try may have done it, and its answer was lost.
                Err(error) => self.bucket.settle(target, error).await,
            }
        });
        completed.await.map_err(|error| Error::from_bucket(&target.path, error))?;
        self.forget_record().await;
        Ok(())
    }

    /// Lets the server forget the parts, after those that are on their way have arrived.
    pub(super) async fn abort(mut self) {
        while self.sending.join_next().await.is_some() {}
        let abort = || self.large.parts.abort_multipart(&self.target.place, &self.id);
        match patiently(TIDY_WAIT_MAX, abort).await {
            Ok(()) | Err(Cause::NotFound { .. } | Cause::PermissionDenied { .. }) => self.forget_record().await,
            Err(error) => {
                let error = sentence(&error);
                tracing::warn!(path = self.target.path, error, "parts of an object are left behind");
            }
        }
    }

    async fn forget_record(&self) {
        match patiently(TIDY_WAIT_MAX, || self.bucket.objects.delete(&self.record)).await {
            Ok(()) | Err(Cause::NotFound { .. }) => {}
            Err(error) => {
                let error = sentence(&error);
                tracing::warn!(path = self.target.path, error, "the record of an upload is left behind");
            }
        }
    }

    async fn join(&mut self) -> Result<(), Error> {
        let fails = |error| Error::from_bucket(&self.target.path, error);
        if let Some(ended) = self.sending.join_next().await {
            let (n, part) = ended.map_err(|error| fails(error.into()))?.map_err(fails)?;
            self.sent.insert(n, part);
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests;
