//! Writing an object: small ones in one request, large ones in parts, and a source also as copies that
//! are read meanwhile.

use std::sync::Arc;

use bytes::Bytes;
use object_store::{
    Attribute, AttributeValue, Attributes, Error as Cause, PutMode, PutOptions, PutPayload, path::Path,
};
use tokio::runtime::Handle;
use uuid::Uuid;

use super::{
    Bucket,
    copies::Copies,
    gathered::Gathered,
    parts::Parts,
    patience::{ANSWER_WAIT_MAX, TIDY_WAIT_MAX, carrying, patiently},
};
use crate::{Error, Key};

/// The metadata of an object that names its writer: a request whose answer was lost is asked again, and
/// then the object that is in the way may be one's own.
pub(super) const WRITER: &str = "vidstream-writer";

/// An object being written.
#[derive(Debug)]
pub(crate) struct Upload {
    /// Absent once it was finished or discarded.
    state: Option<State>,
}

#[derive(Debug)]
struct State {
    bucket: Bucket,
    target: Arc<Target>,
    /// What arrived since the last cut.
    gathered: Gathered,
    /// What was cut off and was not sent yet.
    cut: Vec<Bytes>,
    cut_bytes: usize,
    bytes: u64,
    /// How many are to come, as far as somebody has said so.
    bytes_expected: u64,
    /// Bytes of each part but the last.
    part_bytes: usize,
    parts: Option<Parts>,
    copies: Option<Copies>,
}

/// Where an object goes, and how.
#[derive(Debug)]
pub(super) struct Target {
    pub(super) path: String,
    pub(super) place: Path,
    pub(super) replaces: bool,
    pub(super) attributes: Attributes,
    /// Tells this writer from all others.
    pub(super) writer: String,
}

// === impl Upload ===

impl Upload {
    pub(super) fn new(bucket: Bucket, key: &Key) -> Self {
        let target = Target::new(&bucket, key);
        let part_bytes = bucket.part_bytes(None);
        let copies = key.is_read_while_written().then(|| Copies::new(bucket.clone(), &target.path));
        let state = State {
            bucket,
            target: Arc::new(target),
            gathered: Gathered::default(),
            cut: Vec::new(),
            cut_bytes: 0,
            bytes: 0,
            bytes_expected: 0,
            part_bytes,
            parts: None,
            copies,
        };
        Self { state: Some(state) }
    }

    pub(crate) fn expect(&mut self, bytes: u64) {
        if let Some(state) = &mut self.state
            && state.bytes == 0
        {
            state.bytes_expected = bytes;
            state.part_bytes = state.bucket.part_bytes(Some(bytes));
        }
    }

    pub(crate) fn bytes(&self) -> u64 {
        self.state.as_ref().map_or(0, |state| state.bytes)
    }

    pub(crate) async fn write(&mut self, bytes: Bytes) -> Result<(), Error> {
        match &mut self.state {
            Some(state) => state.write(bytes).await,
            None => Ok(()),
        }
    }

    pub(crate) async fn flush(&mut self) -> Result<(), Error> {
        match &mut self.state {
            Some(state) => state.flush().await,
            None => Ok(()),
        }
    }

    pub(crate) async fn finish(mut self) -> Result<u64, Error> {
        let Some(state) = &mut self.state else { return Ok(0) };
        if let Err(error) = state.complete().await {
            self.discard().await;
            return Err(error);
        }
        let bytes = state.bytes;
        // From here on it is there, and nothing is given up. Copies go although the caller may go first.
        if let Some(State { copies: Some(copies), .. }) = self.state.take()
            && let Err(error) = tokio::spawn(copies.remove(ANSWER_WAIT_MAX)).await
        {
            tracing::warn!(%error, "copies of an upload may be left behind");
        }
        Ok(bytes)
    }

    pub(crate) async fn discard(mut self) {
        if let Some(state) = self.state.take() {
            state.give_up().await;
        }
    }
}

impl Drop for Upload {
    fn drop(&mut self) {
        // Without a runtime the process is ending; what is left is found when the video is deleted.
        if let (Some(state), Ok(runtime)) = (self.state.take(), Handle::try_current()) {
            runtime.spawn(state.give_up());
        }
    }
}

// === impl State ===

impl State {
    async fn write(&mut self, mut bytes: Bytes) -> Result<(), Error> {
        self.bytes += bytes.len() as u64;
        let Some(large) = &self.bucket.large else {
            self.gathered.extend(&bytes);
            return Ok(());
        };
        // What will be too large is refused before its first part is sent.
        if self.bytes.max(self.bytes_expected) > (self.part_bytes as u64).saturating_mul(large.sizes.parts_max) {
            return Err(Error::from_io(&self.target.path, std::io::ErrorKind::FileTooLarge.into()));
        }
        while !bytes.is_empty() {
            let room = self.part_bytes.saturating_sub(self.cut_bytes + self.gathered.len());
            self.gathered.extend(&bytes.split_to(room.min(bytes.len())));
            if self.cut_bytes + self.gathered.len() >= self.part_bytes {
                self.cut().await?;
                self.send_part().await?;
            }
        }
        Ok(())
    }

    async fn flush(&mut self) -> Result<(), Error> {
        if self.copies.as_ref().is_some_and(|copies| copies.is_due(self.gathered.len() as u64)) {
            self.cut().await?;
        }
        match &mut self.copies {
            Some(copies) => copies.settle().await,
            None => Ok(()),
        }
    }

    /// Cuts off what was gathered; from now on readers see it too, if this object has any.
    async fn cut(&mut self) -> Result<(), Error> {
        let blocks = self.gathered.take();
        if blocks.is_empty() {
            return Ok(());
        }
        let piece: PutPayload = blocks.iter().cloned().collect();
        self.cut_bytes += piece.content_length();
        self.cut.extend(blocks);
        match &mut self.copies {
            Some(copies) => copies.add(piece).await,
            None => Ok(()),
        }
    }

    async fn send_part(&mut self) -> Result<(), Error> {
        let payload = self.payload();
        if self.parts.is_none() {
            self.parts = Parts::begin(&self.bucket, &self.target).await?;
        }
        match &mut self.parts {
            Some(parts) => parts.send(payload).await,
            None => Ok(()),
        }
    }

    fn payload(&mut self) -> PutPayload {
        self.cut_bytes = 0;
        PutPayload::from_iter(std::mem::take(&mut self.cut))
    }

    async fn complete(&mut self) -> Result<(), Error> {
        self.cut_bytes += self.gathered.len();
        self.cut.extend(self.gathered.take());
        if self.parts.is_none() {
            let payload = self.payload();
            return self.bucket.create(&self.target, payload).await;
        }
        if self.cut_bytes > 0 {
            self.send_part().await?;
        }
        match &mut self.parts {
            Some(parts) => parts.complete().await,
            None => Ok(()),
        }
    }

    /// Removes what was sent. What fails here is found when the video is deleted.
    async fn give_up(self) {
        if let Some(parts) = self.parts {
            parts.abort().await;
        }
        if let Some(copies) = self.copies {
            copies.remove(TIDY_WAIT_MAX).await;
        }
    }
}

// === impl Target ===

impl Target {
    fn new(bucket: &Bucket, key: &Key) -> Self {
        let (path, writer) = (key.path(), Uuid::now_v7().to_string());
        let attributes = Attributes::from_iter([
            (Attribute::ContentType, AttributeValue::from(key.content_type())),
            (Attribute::Metadata(WRITER.into()), writer.clone().into()),
        ]);
        Self { place: bucket.place(&path), path, replaces: key.is_replaceable(), attributes, writer }
    }
}

impl Bucket {
    fn part_bytes(&self, expected_bytes: Option<u64>) -> usize {
        self.large.as_ref().map_or(usize::MAX, |large| large.sizes.part_bytes(expected_bytes))
    }

    /// Stores an object in one request.
    async fn create(&self, target: &Target, payload: PutPayload) -> Result<(), Error> {
        let mode = if target.replaces { PutMode::Overwrite } else { PutMode::Create };
        let options = PutOptions { mode, attributes: target.attributes.clone(), ..PutOptions::default() };
        let stored = patiently(ANSWER_WAIT_MAX, || async {
            let put = self.carrying.put_opts(&target.place, payload.clone(), options.clone());
            match carrying(payload.content_length(), put).await {
                Ok(_) => Ok(()),
                Err(error @ Cause::AlreadyExists { .. }) => self.settle(target, error).await,
                Err(error) => Err(error),
            }
        });
        stored.await.map_err(|error| Error::from_bucket(&target.path, error))
    }

    /// What it means that a server refuses to make an object: it is done if the object is our own, from
    /// a request whose answer was lost.
    pub(super) async fn settle(&self, target: &Target, refusal: Cause) -> Result<(), Cause> {
        match self.writer_of(&target.place).await {
            Ok(writer) if writer.as_ref() == Some(&target.writer) => Ok(()),
            // S3 refuses all of several requests at the same time (409); one of them must come again.
            Err(Cause::NotFound { .. }) if matches!(refusal, Cause::AlreadyExists { .. }) => {
                Err(Cause::Generic { store: "S3", source: Box::new(refusal) })
            }
            Ok(_) | Err(Cause::NotFound { .. }) => Err(refusal),
            Err(error) => Err(error),
        }
    }
}
