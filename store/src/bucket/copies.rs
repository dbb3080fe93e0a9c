//! Copies of what was written of an object, which readers see before it is there.
//!
//! A bucket shows an object when it is complete, and a source is scanned while it uploads, maybe by
//! another machine. So each piece is an object of its own meanwhile, named by where it begins.

use std::time::Duration;

use object_store::{Error as Cause, ObjectStoreExt, PutPayload, path::Path};
use tokio::task::JoinSet;

use super::{
    Bucket, PART,
    patience::{ANSWER_WAIT_MAX, carrying, patiently},
    refusal::sentence,
};
use crate::Error;

/// Copies that are on their way at once, each of them in memory.
const COPIES_SENDING_MAX: usize = 2;
/// What is shown grows by at least one part in so many: a slow upload must not become a million copies.
const GROWTH_PARTS: u64 = 32;

/// The copies of an upload.
#[derive(Debug)]
pub(super) struct Copies {
    bucket: Bucket,
    path: String,
    bytes: u64,
    places: Vec<Path>,
    sending: JoinSet<Result<(), Cause>>,
}

// === impl Copies ===

impl Copies {
    pub(super) fn new(bucket: Bucket, path: &str) -> Self {
        Self { bucket, path: path.to_owned(), bytes: 0, places: Vec::new(), sending: JoinSet::new() }
    }

    /// Whether so many more bytes are worth a copy.
    pub(super) fn is_due(&self, bytes: u64) -> bool {
        bytes > self.bytes / GROWTH_PARTS
    }

    /// Sends the next piece.
    pub(super) async fn add(&mut self, piece: PutPayload) -> Result<(), Error> {
        while self.sending.len() >= COPIES_SENDING_MAX {
            self.join().await?;
        }
        let place = self.bucket.place(&name(&self.path, self.bytes));
        let bytes = piece.content_length();
        self.bytes += bytes as u64;
        self.places.push(place.clone());
        let room = match &self.bucket.large {
            Some(large) => large.room().await,
            None => None,
        };
        let objects = self.bucket.carrying.clone();
        self.sending.spawn(async move {
            let _room = room;
            let send = || carrying(bytes, objects.put(&place, piece.clone()));
            patiently(ANSWER_WAIT_MAX, send).await.map(|_| ())
        });
        Ok(())
    }

    /// Waits until readers see what was added.
    pub(super) async fn settle(&mut self) -> Result<(), Error> {
        while !self.sending.is_empty() {
            self.join().await?;
        }
        Ok(())
    }

    /// Removes all copies, after those that are on their way have arrived.
    pub(super) async fn remove(mut self, wait_max: Duration) {
        while self.sending.join_next().await.is_some() {}
        let deleted = patiently(wait_max, || self.bucket.delete_all(&self.places));
        if let Err(error) = deleted.await {
            tracing::warn!(path = self.path, error = sentence(&error), "copies of an upload are left behind");
        }
    }

    async fn join(&mut self) -> Result<(), Error> {
        let fails = |error| Error::from_bucket(&self.path, error);
        match self.sending.join_next().await {
            Some(ended) => ended.map_err(|error| fails(error.into()))?.map_err(fails),
            None => Ok(()),
        }
    }
}

/// The folder of an object's copies.
pub(super) fn folder(path: &str) -> String {
    format!("{path}{PART}")
}

/// The name of the copy that begins at `offset`; names are sorted as offsets are.
fn name(path: &str, offset: u64) -> String {
    format!("{}/{offset:016x}", folder(path))
}

/// The name after which the copy that begins at `offset` is the first.
pub(super) fn before(path: &str, offset: u64) -> String {
    name(path, offset.saturating_sub(1))
}

/// Where a copy of this name begins; `None` if it is something else.
pub(super) fn offset(place: &Path) -> Option<u64> {
    let name = place.filename().filter(|name| name.len() == 16)?;
    u64::from_str_radix(name, 16).ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn copies_are_sorted_as_their_bytes_are() {
        let names: Vec<String> = [0, 9, 10, 255, 1 << 40].map(|offset| name("v/source", offset)).to_vec();
        assert!(names.is_sorted());
        assert_eq!(offset(&Path::from(names[3].as_str())), Some(255));
        assert_eq!(offset(&Path::from("v/source.part/multipart-x")), None);
    }

    #[test]
    fn a_slow_upload_is_shown_in_few_copies() {
        let mut copies = Copies::new(Bucket::in_memory(), "v/source");
        let (mut written, mut made) = (0, 0);
        while written < 4 << 30 {
            written += 64 << 10;
            if copies.is_due(written - copies.bytes) {
                (copies.bytes, made) = (written, made + 1);
            }
            assert!(written - copies.bytes <= written / GROWTH_PARTS);
        }
        assert!((200..500).contains(&made), "{made}");
    }
}
