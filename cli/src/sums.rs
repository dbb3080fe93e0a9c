//! Stored media against the checksums in its index, for those who read all of it.

use futures_util::{StreamExt, TryStreamExt, stream};
use vidstream_media::{
    Presentation,
    index::{Segment, TrackChunk},
};
use vidstream_store::{Error, Key, Store};

/// Objects that are read side by side.
const OBJECTS_MAX: usize = 4;
/// Bytes that one read takes, unless a single segment has more.
const READ_BYTES: u64 = 4 << 20;
/// How often bytes are read that come damaged: the first time it may have been the way.
const READS_MAX: usize = 2;

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
fn media(presentation: &Presentation) -> impl Iterator<Item = (Key, &TrackChunk)> {
    let (id, generation) = (presentation.id, presentation.generation);
    presentation.chunks.values().flat_map(move |chunk| {
        let (first, token) = (chunk.segments.first, chunk.token);
        chunk.tracks.iter().map(move |part| (Key::Media { id, generation, track: part.track, first, token }, part))
    })
}

/// The number of the first segment of an object that is damaged.
async fn first_damaged(store: &Store, key: &Key, part: &TrackChunk) -> Result<Option<u64>, Error> {
    let (mut n, mut rest) = (part.first, part.segments.as_slice());
    while !rest.is_empty() {
        let (run, later) = rest.split_at(run_length(rest));
        if let Some(place) = damaged_of(store, key, run).await? {
            return Ok(Some(n.saturating_add(place)));
        }
        n = n.saturating_add(run.len() as u64);
        rest = later;
    }
    Ok(None)
}

/// How many segments, one at least, one read takes.
fn run_length(segments: &[Segment]) -> usize {
    let mut bytes = 0_u64;
    let fits = segments.iter().take_while(|segment| {
        bytes = bytes.saturating_add(segment.bytes());
        bytes <= READ_BYTES
    });
    fits.count().max(1)
}

/// The place in a run of segments of the first one that is damaged.
async fn damaged_of(store: &Store, key: &Key, run: &[Segment]) -> Result<Option<u64>, Error> {
    let (Some(first), Some(last)) = (run.first(), run.last()) else { return Ok(None) };
    let range = first.offset..last.offset.saturating_add(last.bytes());
    let mut damaged = None;
    for _ in 0..READS_MAX {
        let bytes = match store.range(key, range.clone()).await {
            Err(Error::NotFound { .. } | Error::Range { .. }) => return Ok(None),
            read => read?,
        };
        damaged = (0..).zip(run).find(|(_, segment)| !is_intact(segment, &bytes, range.start)).map(|(place, _)| place);
        if damaged.is_none() {
            break;
        }
    }
    Ok(damaged)
}

/// Whether a segment is intact in the bytes of its object from `start` on.
fn is_intact(segment: &Segment, bytes: &[u8], start: u64) -> bool {
    let from = usize::try_from(segment.offset.saturating_sub(start)).ok();
    let length = usize::try_from(segment.bytes()).ok();
    let stored = from.zip(length).and_then(|(from, length)| bytes.get(from..)?.get(..length));
    stored.is_some_and(|stored| segment.matches(stored))
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
        // Three reads: two small segments, one that is too large for a read, two small ones.
        let large = usize::try_from(READ_BYTES).unwrap() + 1;
        let (bytes, part) = object(&[100, 50, large, 10, 20]);
        assert_eq!([run_length(&part.segments), run_length(&part.segments[2..])], [2, 1]);
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
