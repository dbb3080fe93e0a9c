//! Stored media against the checksums in its index, for those who read all of it.

use futures_util::{StreamExt, TryStreamExt, stream};
use vidstream_media::{
    Crc32, Presentation,
    index::{Segment, TrackChunk},
};
use vidstream_store::{Error, Key, Store};

/// Objects that are read side by side.
const OBJECTS_MAX: usize = 4;
/// Bytes that one read takes.
const READ_BYTES: u64 = 4 << 20;
/// How often bytes are read that come damaged: the first time it may have been the way.
pub(crate) const READS_MAX: usize = 2;

/// The bytes of a media object as they pass, held against its index.
#[derive(Debug)]
pub(crate) struct Passing<'a> {
    /// The segments that have not passed whole; they lie back to back.
    rest: &'a [Segment],
    /// The number of the first of them.
    n: u64,
    /// How many bytes of it have passed, and their checksum.
    passed_bytes: u64,
    sum: Crc32,
    damaged: Option<u64>,
}

/// The objects of a film in which bytes are not as they were written, each with a sentence's end that says so. What is
/// missing or too short is for others to find.
pub(crate) async fn damaged(store: &Store, presentation: &Presentation) -> Result<Vec<(Key, String)>, Error> {
    let parts = media(presentation).filter(|(_, part)| part.segments.iter().any(|segment| segment.crc32.is_some()));
    let judged = stream::iter(parts).map(|(key, part)| judge(store, key, part));
    let all: Vec<Option<(Key, String)>> = judged.buffered(OBJECTS_MAX).try_collect().await?;
    Ok(all.into_iter().flatten().collect())
}

async fn judge(store: &Store, key: Key, part: &TrackChunk) -> Result<Option<(Key, String)>, Error> {
    let first = first_damaged(store, &key, part).await?;
    Ok(first.map(|n| (key, format!("has other bytes than were written, first in segment {n}"))))
}

/// The media objects of a film, with what the index says of each.
pub(crate) fn media(presentation: &Presentation) -> impl Iterator<Item = (Key, &TrackChunk)> {
    let (id, generation) = (presentation.id, presentation.generation);
    presentation.chunks.values().flat_map(move |chunk| {
        let (first, token) = (chunk.segments.first, chunk.token);
        chunk.tracks.iter().map(move |part| (Key::Media { id, generation, track: part.track, first, token }, part))
    })
}

/// The number of the first segment of an object that is damaged.
async fn first_damaged(store: &Store, key: &Key, part: &TrackChunk) -> Result<Option<u64>, Error> {
    let mut damaged = None;
    for _ in 0..READS_MAX {
        let (mut passing, mut at) = (Passing::new(part), 0_u64);
        while at < part.bytes() && passing.damaged().is_none() {
            let end = at.saturating_add(READ_BYTES).min(part.bytes());
            match store.range(key, at..end).await {
                Ok(piece) => passing.pass(&piece),
                Err(Error::NotFound { .. } | Error::Range { .. }) => return Ok(None),
                Err(error) => return Err(error),
            }
            at = end;
        }
        damaged = passing.damaged();
        if damaged.is_none() {
            break;
        }
    }
    Ok(damaged)
}

// === impl Passing ===

impl<'a> Passing<'a> {
    pub(crate) fn new(part: &'a TrackChunk) -> Self {
        Self { rest: &part.segments, n: part.first, passed_bytes: 0, sum: Crc32::EMPTY, damaged: None }
    }

    /// Takes the next bytes.
    pub(crate) fn pass(&mut self, bytes: &[u8]) {
        let mut bytes = bytes;
        while let (Some((segment, later)), false) = (self.rest.split_first(), bytes.is_empty()) {
            let left = segment.bytes().saturating_sub(self.passed_bytes);
            let (now, after) = bytes.split_at(usize::try_from(left).unwrap_or(usize::MAX).min(bytes.len()));
            self.sum = self.sum.and(now);
            self.passed_bytes += now.len() as u64;
            bytes = after;
            if self.passed_bytes < segment.bytes() {
                return;
            }
            if self.damaged.is_none() && segment.crc32.is_some_and(|sum| sum != self.sum) {
                self.damaged = Some(self.n);
            }
            (self.rest, self.n, self.passed_bytes, self.sum) = (later, self.n.saturating_add(1), 0, Crc32::EMPTY);
        }
    }

    /// The number of the first segment that has passed whole and is damaged.
    pub(crate) fn damaged(&self) -> Option<u64> {
        self.damaged
    }
}

#[cfg(test)]
mod tests {
    use bytes::Bytes;
    use vidstream_media::{Track, VideoId, index::Fragment};
    use vidstream_store::Access;
    use vidstream_testkit::s3::{BUCKET, Fault, Server};

    use super::*;

    /// An object of segments of these sizes, and its index.
    fn object(sizes: &[usize]) -> (Vec<u8>, TrackChunk) {
        let (mut bytes, mut segments) = (Vec::new(), Vec::new());
        for (n, &size) in (1_u8..).zip(sizes) {
            let fragment = Fragment { bytes: u32::try_from(size).unwrap(), first_sample_end: 8 };
            let mut segment = Segment::new(bytes.len() as u64);
            segment.push(fragment, &vec![n; size]);
            bytes.extend(vec![n; size]);
            segments.push(segment);
        }
        (bytes, TrackChunk { track: Track::Audio, first: 7, segments })
    }

    fn key(token: u64) -> Key {
        Key::Media { id: VideoId::from_bits(7), generation: 1, track: Track::Audio, first: 1, token }
    }

    #[tokio::test]
    async fn the_first_damaged_segment_of_an_object_is_found_wherever_it_is() {
        // The third one and the last lie in two reads each, since a read ends where it ends.
        let read = usize::try_from(READ_BYTES).unwrap();
        let (bytes, part) = object(&[100, 50, read, 10, read - 180, 40]);
        let store = Store::open("memory://").await.unwrap();
        store.put(&key(0), bytes.clone().into()).await.unwrap();
        assert_eq!(first_damaged(&store, &key(0), &part).await.unwrap(), None);
        let starts: Vec<usize> = part.segments.iter().map(|one| usize::try_from(one.offset).unwrap()).collect();
        for (token, (n, start)) in (1..).zip((7..).zip(starts)) {
            let mut other = bytes.clone();
            other[start] ^= 0x80;
            store.put(&key(token), other.into()).await.unwrap();
            assert_eq!(first_damaged(&store, &key(token), &part).await.unwrap(), Some(n));
        }
        // Of what was stored without checksums nobody can tell, and what is missing is for others to find.
        let mut without = part.clone();
        without.segments[0].crc32 = None;
        assert_eq!(first_damaged(&store, &key(1), &without).await.unwrap(), None);
        assert_eq!(first_damaged(&store, &key(99), &part).await.unwrap(), None);
        store.put(&key(98), Bytes::from_static(b"short")).await.unwrap();
        assert_eq!(first_damaged(&store, &key(98), &part).await.unwrap(), None);
    }

    #[tokio::test]
    async fn what_comes_damaged_is_read_twice_and_not_once_more() {
        let server = Server::start().unwrap();
        let variables = server.variables().into_iter();
        let store = Store::open_with(&format!("s3://{BUCKET}"), variables, Access::Write).await.unwrap();
        let (bytes, part) = object(&[1_000]);
        store.put(&key(1), bytes.into()).await.unwrap();
        for (times, found) in [(READS_MAX - 1, None), (READS_MAX, Some(7))] {
            for _ in 0..times {
                server.meet(" bytes=", Fault::DamageAnswer);
            }
            assert_eq!(first_damaged(&store, &key(1), &part).await.unwrap(), found);
            assert_eq!(server.faults_left(), 0);
        }
    }
}
