//! What the child of one claim may read and write: its own video, its own generation, its own token.

use std::{
    collections::{BTreeMap, BTreeSet},
    sync::{Arc, Mutex, MutexGuard, PoisonError},
};

use bytes::Bytes;
use tokio_util::sync::CancellationToken;
use vidstream_catalog::{Catalog, Claim, Error as CatalogError, Published, Work};
use vidstream_media::{Track, chunks::Segments, index::Chunk};
use vidstream_store::{Error as StoreError, Key, Store, Writer};

use super::{
    patience::{is_certain, patiently},
    service::Backend,
    source::Source,
    strides::Strides,
};
use crate::protocol::{Failure, Input, Level, Output, Part, Progress, Refusal, RefusalKind, Warning};

/// The backend of one claim's child.
#[derive(Clone)]
pub(crate) struct ClaimBackend {
    inner: Arc<Inner>,
}

struct Inner {
    store: Store,
    catalog: Catalog,
    claim: Claim,
    source: Source,
    strides: Arc<Strides>,
    /// Cancelled when the catalog says that the claim is lost.
    lost: CancellationToken,
    state: Mutex<State>,
}

#[derive(Default)]
struct State {
    /// Sizes of complete inputs.
    sizes: BTreeMap<Input, u64>,
    /// Finished outputs that nothing in the catalog names yet, with their sizes.
    loose: BTreeMap<Output, u64>,
    /// Outputs that are open now.
    open: BTreeSet<Output>,
    /// The last segment that was published.
    published: Option<u64>,
    /// Why publishing was refused, for the failure of the attempt.
    refused: Option<Failure>,
}

/// An output of a child on its way to the store.
pub(crate) struct Open {
    output: Output,
    writer: Writer,
}

// === impl ClaimBackend ===

impl ClaimBackend {
    pub(crate) fn new(store: &Store, catalog: &Catalog, claim: &Claim, lost: &CancellationToken) -> Self {
        let strides = Arc::new(Strides::new(store.stride_bytes()));
        let inner = Inner {
            store: store.clone(),
            catalog: catalog.clone(),
            claim: claim.clone(),
            source: Source::new(store.clone(), claim.video, Arc::clone(&strides)),
            strides,
            lost: lost.clone(),
            state: Mutex::default(),
        };
        Self { inner: Arc::new(inner) }
    }

    /// The source that the child reads.
    pub(crate) fn source(&self) -> &Source {
        &self.inner.source
    }

    /// Whether the job's last segment was published.
    pub(crate) fn is_all_published(&self) -> bool {
        let published = self.state().published;
        matches!(&self.inner.claim.work, Work::Encode { segments, .. } if published == Some(segments.last))
    }

    /// Why publishing was refused, if it was: the better reason of a failed attempt.
    pub(crate) fn refused(&self) -> Option<Failure> {
        self.state().refused.clone()
    }

    /// The catalog names this output now, or may.
    pub(crate) fn keep(&self, output: Output) {
        self.state().loose.remove(&output);
    }

    fn take_loose(&self, outputs: &[Output]) -> Vec<(Output, u64)> {
        let mut state = self.state();
        outputs.iter().filter_map(|output| state.loose.remove_entry(output)).collect()
    }

    /// Deletes finished outputs that the catalog does not name. What fails here is left to the
    /// orphan sweep at the end of the video.
    pub(crate) async fn delete_loose(&self) {
        let loose = std::mem::take(&mut self.state().loose);
        for output in loose.into_keys() {
            // Packets and stream copies are the same whoever writes them.
            if matches!(output, Output::Packets | Output::Remux) {
                continue;
            }
            if let Err(error) = self.inner.store.delete(&self.output_key(output)).await {
                tracing::warn!(%error, "an object of a failed attempt is left behind");
            }
        }
    }

    fn state(&self) -> MutexGuard<'_, State> {
        self.inner.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// The key of an input, if this kind of job may read it.
    fn input_key(&self, object: Input) -> Result<Key, Refusal> {
        let Claim { video: id, generation, work, .. } = &self.inner.claim;
        let (id, generation) = (*id, *generation);
        match (work, object) {
            (Work::Probe | Work::Encode { .. }, Input::Source) => Ok(Key::Source { id }),
            (Work::Probe | Work::Encode { .. }, Input::Packets) => Ok(Key::Packets { id, generation }),
            (Work::Probe | Work::Encode { .. }, Input::Remux) => Ok(Key::Remux { id, generation }),
            (
                Work::Sheet { .. } | Work::Finalize { .. } | Work::Encode { filler: true, .. },
                Input::Media { track, first, token },
            ) => Ok(Key::Media { id, generation, track, first, token }),
            _ => Err(invalid("this job may not read that object")),
        }
    }

    /// Whether this job may write the output.
    fn may_write(&self, output: Output) -> bool {
        match (&self.inner.claim.work, output) {
            (Work::Probe, Output::Packets | Output::Remux) | (Work::Finalize { .. }, Output::Poster) => true,
            (Work::Encode { segments, plan, .. }, Output::Media { track, first }) => {
                segments.contains(first) && plan.tracks().contains(&track)
            }
            (Work::Sheet { n, .. }, Output::Sheet { n: written }) => *n == written,
            _ => false,
        }
    }

    fn output_key(&self, output: Output) -> Key {
        let Claim { video: id, generation, token, .. } = self.inner.claim;
        match output {
            Output::Packets => Key::Packets { id, generation },
            Output::Remux => Key::Remux { id, generation },
            Output::Media { track, first } => Key::Media { id, generation, track, first, token },
            Output::Sheet { n } => Key::Sheet { id, generation, n, token },
            Output::Poster => Key::Poster { id, generation, token },
        }
    }

    /// The size of a complete input, looked up once.
    async fn complete_size(&self, object: Input) -> Result<u64, Refusal> {
        let known = self.state().sizes.get(&object).copied();
        if let Some(bytes) = known {
            return Ok(bytes);
        }
        let key = self.input_key(object)?;
        let bytes = self.inner.store.size(&key).await.map_err(|error| of_store(&error))?;
        self.state().sizes.insert(object, bytes);
        Ok(bytes)
    }

    /// Checks a run against the job and against what was stored, before the catalog sees it.
    fn check(&self, part: &Part) -> Result<(), Refusal> {
        let Work::Encode { segments: job, plan, .. } = &self.inner.claim.work else {
            return Err(invalid("this job has nothing to publish"));
        };
        let state = self.state();
        let expected = state.published.map_or(job.first, |last| last + 1);
        let Segments { first, last } = part.segments;
        if first != expected || last < first || last > job.last || part.last != (last == job.last) {
            return Err(invalid("the run is not the next one of this job"));
        }
        let published: BTreeSet<Track> = part.tracks.iter().map(|part| part.track).collect();
        if part.tracks.len() != published.len() || published != plan.tracks().into_iter().collect() {
            return Err(invalid("the run has other tracks than the plan"));
        }
        for track in &part.tracks {
            let stored = state.loose.get(&Output::Media { track: track.track, first });
            if stored != Some(&track.bytes()) {
                return Err(invalid("an object of the run is missing or has another size"));
            }
        }
        Ok(())
    }

    /// What a refusal of the catalog means for the child and the attempt.
    fn refuse(&self, error: &CatalogError) -> Refusal {
        let failure = match error {
            CatalogError::Stale | CatalogError::NotFound => {
                self.inner.lost.cancel();
                return Refusal { kind: RefusalKind::Conflict, detail: error.to_string() };
            }
            CatalogError::Conflict(_) => {
                Failure::retryable("decoder_config", "the encoder's configuration changed between chunks", error)
            }
            CatalogError::Invalid(_) => Failure::retryable("internal", "the chunk's index was refused", error),
            _ => Failure::retryable("catalog", "the catalog could not be written", error),
        };
        self.state().refused = Some(failure);
        Refusal { kind: RefusalKind::Conflict, detail: error.to_string() }
    }
}

impl Backend for ClaimBackend {
    type Writer = Open;

    async fn read(&self, object: Input, offset: u64, bytes: u32) -> Result<Bytes, Refusal> {
        let key = self.input_key(object)?;
        if object == Input::Source {
            return self.inner.source.read(offset, bytes).await.map_err(|error| of_store(&error));
        }
        let size = self.complete_size(object).await?;
        let range = offset.min(size)..offset.saturating_add(u64::from(bytes)).min(size);
        let read = |range| self.inner.store.range(&key, range);
        self.inner.strides.read(object, range, size, read).await.map_err(|error| of_store(&error))
    }

    async fn size(&self, object: Input) -> Result<Option<u64>, Refusal> {
        if object == Input::Source {
            self.input_key(object)?;
            return self.inner.source.size().await.map_err(|error| of_store(&error));
        }
        self.complete_size(object).await.map(Some)
    }

    async fn open(&self, output: Output) -> Result<Open, Refusal> {
        if !self.may_write(output) || !self.state().open.insert(output) {
            return Err(invalid("this job may not write that object"));
        }
        match self.inner.store.writer(&self.output_key(output)).await {
            Ok(writer) => Ok(Open { output, writer }),
            Err(error) => {
                self.state().open.remove(&output);
                Err(of_store(&error))
            }
        }
    }

    async fn write(&self, open: &mut Open, bytes: Bytes) -> Result<(), Refusal> {
        open.writer.write(bytes).await.map_err(|error| of_store(&error))
    }

    async fn finish(&self, open: Open) -> Result<u64, Refusal> {
        let Open { output, writer } = open;
        let bytes = writer.finish().await.map_err(|error| of_store(&error))?;
        let mut state = self.state();
        state.open.remove(&output);
        state.loose.insert(output, bytes);
        if let Some(input) = output.input(self.inner.claim.token) {
            state.sizes.remove(&input);
        }
        Ok(bytes)
    }

    async fn discard(&self, open: Open) {
        self.state().open.remove(&open.output);
        open.writer.discard().await;
    }

    async fn publish(&self, part: Part) -> Result<(), Refusal> {
        self.check(&part)?;
        let Part { segments, tracks, configs, warnings, last } = part;
        let outputs: Vec<Output> =
            tracks.iter().map(|part| Output::Media { track: part.track, first: segments.first }).collect();
        let chunk = Chunk { segments, token: self.inner.claim.token, tracks };
        let warnings = warnings.into_iter().map(Warning::into).collect();
        let published = Published { chunk, configs, warnings, last };
        // From here on the catalog may name these objects, even if this call is cancelled half-way.
        let named = self.take_loose(&outputs);
        match patiently(|| self.inner.catalog.publish(&self.inner.claim, published.clone())).await {
            Ok(()) => {
                self.state().published = Some(segments.last);
                Ok(())
            }
            Err(error) => {
                if is_certain(&error) {
                    self.state().loose.extend(named);
                }
                Err(self.refuse(&error))
            }
        }
    }

    fn progress(&self, progress: Progress) {
        tracing::trace!(done = progress.done, total = progress.total, "progress");
    }

    fn log(&self, level: Level, text: &str) {
        match level {
            Level::Debug => tracing::debug!(text, "child"),
            Level::Info => tracing::info!(text, "child"),
            Level::Warn => tracing::warn!(text, "child"),
        }
    }
}

fn of_store(error: &StoreError) -> Refusal {
    let kind = match error {
        StoreError::NotFound { .. } => RefusalKind::NotFound,
        StoreError::Range { .. } => RefusalKind::Invalid,
        StoreError::Full { .. } => RefusalKind::Full,
        _ => RefusalKind::Io,
    };
    Refusal { kind, detail: error.to_string() }
}

fn invalid(text: &str) -> Refusal {
    Refusal { kind: RefusalKind::Invalid, detail: text.to_owned() }
}
