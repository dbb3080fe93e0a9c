//! What children of the contract suite are served: the made-up film to read, and room for what they make.

use std::{
    collections::BTreeMap,
    sync::{Arc, Mutex, MutexGuard, PoisonError},
    time::Instant,
};

use bytes::Bytes;
use tokio_util::sync::CancellationToken;
use vidstream_media::{Track, chunks::Segments};

use super::film::Film;
use crate::{
    protocol::{Input, Level, Output, Part, Progress, Refusal, RefusalKind},
    record::Record,
    worker::service::Backend,
};

/// Room for what one child makes: the film at four times its cap has a tenth of that.
const OBJECT_BYTES_MAX: usize = 128 << 20;

/// Stored objects of all children of a check, by the names that a replay reads them by.
pub(super) type Objects = Arc<Mutex<BTreeMap<Input, Bytes>>>;

/// Serves one child. Clones share everything.
#[derive(Clone)]
pub(super) struct Studio {
    shared: Arc<Shared>,
}

struct Shared {
    film: Arc<Film>,
    objects: Objects,
    /// Tells apart the objects of different ways to make the same segments.
    token: u64,
    /// Where the source ends before its end, in bytes, and how.
    ends: Option<(u64, SourceEnd)>,
    /// Cancelled when the child reads where the source ends.
    ended: CancellationToken,
    heard: Mutex<Heard>,
}

#[derive(Default)]
struct Heard {
    parts: Vec<Part>,
    rounds: Vec<Round>,
    bytes: usize,
    ended_at: Option<Instant>,
}

/// What whoever reads a source beyond its end is told.
#[derive(Clone, Copy, Debug)]
pub(super) enum SourceEnd {
    /// That it cannot be read.
    Breaks,
    /// Nothing: the reader waits, and is there when it is killed however late that comes.
    Hangs,
}

/// One run of segments on trial.
#[derive(Clone, Debug)]
pub(super) struct Round {
    /// The segments.
    pub(super) segments: Segments,
    /// What the encoders gave; `None` for what cannot be read.
    pub(super) records: Vec<(Track, Option<Record>)>,
}

/// An unfinished object.
pub(super) struct Sheet {
    output: Output,
    bytes: Vec<u8>,
}

// === impl Studio ===

impl Studio {
    /// For one child, whose objects get this token.
    pub(super) fn new(film: &Arc<Film>, objects: &Objects, token: u64) -> Self {
        Self::cut_short(film, objects, token, None)
    }

    /// With a source that cannot be read from this byte on.
    pub(super) fn cut_short(film: &Arc<Film>, objects: &Objects, token: u64, ends: Option<(u64, SourceEnd)>) -> Self {
        let shared = Shared {
            film: Arc::clone(film),
            objects: Arc::clone(objects),
            token,
            ends,
            ended: CancellationToken::new(),
            heard: Mutex::default(),
        };
        Self { shared: Arc::new(shared) }
    }

    /// Cancelled when the child reads where the source ends.
    pub(super) fn ended(&self) -> CancellationToken {
        self.shared.ended.clone()
    }

    /// When the child first read where the source ends.
    pub(super) fn ended_at(&self) -> Option<Instant> {
        self.heard().ended_at
    }

    /// The published runs, in order.
    pub(super) fn parts(&self) -> Vec<Part> {
        std::mem::take(&mut self.heard().parts)
    }

    /// The rounds of a trial, in order.
    pub(super) fn rounds(&self) -> Vec<Round> {
        std::mem::take(&mut self.heard().rounds)
    }

    fn heard(&self) -> MutexGuard<'_, Heard> {
        self.shared.heard.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn object(&self, object: Input) -> Option<Bytes> {
        self.shared.objects.lock().unwrap_or_else(PoisonError::into_inner).get(&object).cloned()
    }

    /// Takes the records of a published round away from the objects.
    fn round(&self, part: &Part) -> Round {
        let mut objects = self.shared.objects.lock().unwrap_or_else(PoisonError::into_inner);
        let mut take = |track: Track| {
            let name = Input::Media { track, first: part.segments.first, token: self.shared.token };
            (track, objects.remove(&name).and_then(|bytes| Record::read(&bytes)))
        };
        let records = part.tracks.iter().map(|chunk| take(chunk.track)).collect();
        Round { segments: part.segments, records }
    }
}

impl Backend for Studio {
    type Writer = Sheet;

    async fn read(&self, object: Input, offset: u64, bytes: u32) -> Result<Bytes, Refusal> {
        let slice = |whole: &[u8]| {
            let start = usize::try_from(offset).unwrap_or(usize::MAX).min(whole.len());
            let end = start.saturating_add(usize::try_from(bytes).unwrap_or(usize::MAX)).min(whole.len());
            Bytes::copy_from_slice(whole.get(start..end).unwrap_or_default())
        };
        let end = self.shared.ends.filter(|&(at, _)| offset.saturating_add(bytes.into()) > at);
        match object {
            Input::Source if let Some((_, end)) = end => {
                self.heard().ended_at.get_or_insert_with(Instant::now);
                self.shared.ended.cancel();
                match end {
                    SourceEnd::Breaks => Err(refusal(RefusalKind::Io, "the source breaks off here, on purpose")),
                    SourceEnd::Hangs => std::future::pending().await,
                }
            }
            Input::Source => Ok(self.shared.film.read(offset, bytes).into()),
            Input::Packets => Ok(slice(&self.shared.film.packets)),
            other => self.object(other).map(|whole| slice(&whole)).ok_or_else(|| missing(other)),
        }
    }

    async fn size(&self, object: Input) -> Result<Option<u64>, Refusal> {
        match object {
            Input::Source => Ok(Some(self.shared.film.bytes())),
            Input::Packets => Ok(Some(self.shared.film.packets.len() as u64)),
            other => self.object(other).map(|whole| Some(whole.len() as u64)).ok_or_else(|| missing(other)),
        }
    }

    async fn open(&self, output: Output) -> Result<Sheet, Refusal> {
        Ok(Sheet { output, bytes: Vec::new() })
    }

    async fn write(&self, sheet: &mut Sheet, bytes: Bytes) -> Result<(), Refusal> {
        let mut heard = self.heard();
        heard.bytes += bytes.len();
        if heard.bytes > OBJECT_BYTES_MAX {
            return Err(refusal(RefusalKind::Full, "it makes far more bytes than were asked for"));
        }
        sheet.bytes.extend_from_slice(&bytes);
        Ok(())
    }

    async fn finish(&self, sheet: Sheet) -> Result<u64, Refusal> {
        let size = sheet.bytes.len() as u64;
        let name = sheet.output.input(self.shared.token);
        let name = name.ok_or_else(|| refusal(RefusalKind::Invalid, "nobody asked for this object"))?;
        let mut objects = self.shared.objects.lock().unwrap_or_else(PoisonError::into_inner);
        objects.insert(name, sheet.bytes.into());
        Ok(size)
    }

    async fn discard(&self, _: Sheet) {}

    async fn publish(&self, part: Part) -> Result<(), Refusal> {
        let on_trial = part.tracks.iter().all(|chunk| chunk.segments.is_empty());
        if on_trial {
            let round = self.round(&part);
            self.heard().rounds.push(round);
        }
        self.heard().parts.push(part);
        Ok(())
    }

    fn progress(&self, _: Progress) {}

    fn log(&self, _: Level, text: &str) {
        tracing::debug!(text, "child");
    }
}

fn refusal(kind: RefusalKind, detail: &str) -> Refusal {
    Refusal { kind, detail: detail.to_owned() }
}

fn missing(object: Input) -> Refusal {
    refusal(RefusalKind::NotFound, &format!("{object:?} was not made"))
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;

    /// A child that is told of the end may be gone before it is killed, which is then no proof of anything.
    #[tokio::test(start_paused = true)]
    async fn whoever_reads_beyond_the_end_is_told_of_it_or_waits() {
        let film = Arc::new(Film { packets: Vec::new(), unit_bytes: 8192, units: 3, is_sound: true });
        for (end, waits) in [(SourceEnd::Breaks, false), (SourceEnd::Hangs, true)] {
            let studio = Studio::cut_short(&film, &Objects::default(), 0, Some((8192, end)));
            assert!(studio.read(Input::Source, 0, 8192).await.is_ok());
            assert!(studio.ended_at().is_none() && !studio.ended().is_cancelled());
            let beyond = tokio::time::timeout(Duration::from_mins(10), studio.read(Input::Source, 1, 8192)).await;
            assert!(if waits { beyond.is_err() } else { matches!(beyond, Ok(Err(_))) }, "{end:?}");
            assert!(studio.ended_at().is_some() && studio.ended().is_cancelled());
        }
    }
}
