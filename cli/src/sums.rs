//! Stored objects against the checksums that rows have of them, for those who read all of it.

use futures_util::{StreamExt, TryStreamExt, stream};
use vidstream_media::{Crc32, Presentation};
use vidstream_store::{Error, Key, Store};

mod damage;
pub(crate) mod source;

pub(crate) use damage::Damage;
use damage::{lasting, read};

/// Objects that are read side by side.
const OBJECTS_MAX: usize = 4;
/// Bytes that one read takes.
pub(crate) const READ_BYTES: u64 = 4 << 20;
/// How often bytes are read that come damaged: the first time it may have been the way.
pub(crate) const READS_MAX: usize = 2;

/// What rows know of the bytes of an object.
#[derive(Clone, Debug)]
pub(crate) struct Sums {
    /// The number of its first segment; absent of a picture.
    first: Option<u64>,
    /// Its segments back to back, or the picture.
    pieces: Vec<Piece>,
}

#[derive(Clone, Copy, Debug)]
struct Piece {
    /// How many bytes it has; absent where that is all of the object, however many.
    bytes: Option<u64>,
    /// Their checksum; absent of what was stored before there were any.
    crc32: Option<Crc32>,
}

/// The bytes of an object as they pass.
#[derive(Debug)]
pub(crate) struct Passing<'a> {
    /// The pieces that have not passed whole.
    rest: &'a [Piece],
    /// The place of the first of them.
    place: u64,
    /// How many bytes of it have passed, and their checksum.
    passed_bytes: u64,
    sum: Crc32,
    /// The place of the first piece that was damaged.
    damaged: Option<u64>,
}

/// The objects of a film in which bytes are not as they were written or cannot be read, each with a sentence's end that says
/// so. What is missing or too short is for others to find.
///
/// # Errors
/// Those of the store; also when none of them can be read, which says nothing of any of them.
pub(crate) async fn damaged(store: &Store, presentation: &Presentation) -> Result<Vec<(Key, String)>, Error> {
    let known = named(presentation).filter(|(_, sums)| sums.pieces.iter().any(|piece| piece.crc32.is_some()));
    all_damaged(store, &known.collect::<Vec<_>>()).await
}

async fn all_damaged(store: &Store, known: &[(Key, Sums)]) -> Result<Vec<(Key, String)>, Error> {
    let is_lost = |damages: &[Option<Damage<u64>>]| {
        damages.len() > 1 && damages.iter().all(|damage| matches!(damage, Some(Damage::Unreadable(_))))
    };
    let mut damages = look(store, known).await?;
    if is_lost(&damages) {
        // It is what they lie on, which may be there again.
        damages = look(store, known).await?;
    }
    if is_lost(&damages) {
        // No reason to make any of them again.
        for (key, sums) in known {
            read_once(store, key, sums).await?;
        }
    }
    let found = known.iter().zip(damages);
    Ok(found.filter_map(|((key, sums), damage)| Some((*key, damage?.sentence(sums)))).collect())
}

/// The first damage of each.
async fn look(store: &Store, known: &[(Key, Sums)]) -> Result<Vec<Option<Damage<u64>>>, Error> {
    let judged = stream::iter(known).map(|(key, sums)| first_damage(store, key, sums));
    judged.buffered(OBJECTS_MAX).try_collect().await
}

/// The objects of a film, with what its rows know of each.
pub(crate) fn named(presentation: &Presentation) -> impl Iterator<Item = (Key, Sums)> {
    Key::named_by(presentation).map(|(key, bytes)| (key, Sums::of(presentation, &key, bytes)))
}

/// What is wrong with an object, or with the first piece of it that is damaged, by its place.
async fn first_damage(store: &Store, key: &Key, sums: &Sums) -> Result<Option<Damage<u64>>, Error> {
    lasting(store, async || read_once(store, key, sums).await).await
}

async fn read_once(store: &Store, key: &Key, sums: &Sums) -> Result<Option<u64>, Error> {
    let mut passing = Passing::new(sums);
    let take = |bytes: &[u8]| {
        passing.pass(bytes);
        passing.damaged.is_none()
    };
    read(store, key, take).await?;
    Ok(passing.finish())
}

// === impl Damage ===

impl Damage<u64> {
    /// The end of one, after the name of the object.
    fn sentence(self, sums: &Sums) -> String {
        match self {
            Self::Unreadable(text) => text,
            Self::Other(place) => {
                let place = sums.first.map(|first| format!(", first in segment {}", first.saturating_add(place)));
                format!("has other bytes than were written{}", place.unwrap_or_default())
            }
        }
    }
}

// === impl Sums ===

impl Sums {
    /// Those of an object that a film names, which has so many bytes, as far as it is known.
    fn of(presentation: &Presentation, key: &Key, bytes: Option<u64>) -> Self {
        let picture = |crc32| Self { first: None, pieces: vec![Piece { bytes, crc32 }] };
        match *key {
            Key::Media { track, first, .. } => {
                let part = presentation.chunks.get(&first).and_then(|chunk| chunk.track(track));
                let segments = part.into_iter().flat_map(|part| &part.segments);
                let pieces = segments.map(|segment| Piece { bytes: Some(segment.bytes()), crc32: segment.crc32 });
                Self { first: part.map(|part| part.first), pieces: pieces.collect() }
            }
            Key::Sheet { n, .. } => picture(presentation.sheets.get(&n).and_then(|sheet| sheet.crc32)),
            _ => picture(presentation.poster.and_then(|poster| poster.crc32)),
        }
    }
}

// === impl Passing ===

impl<'a> Passing<'a> {
    pub(crate) fn new(sums: &'a Sums) -> Self {
        Self { rest: &sums.pieces, place: 0, passed_bytes: 0, sum: Crc32::EMPTY, damaged: None }
    }

    /// Takes the next bytes.
    pub(crate) fn pass(&mut self, bytes: &[u8]) {
        let mut bytes = bytes;
        while let (Some((piece, later)), false) = (self.rest.split_first(), bytes.is_empty()) {
            let left = piece.bytes.map_or(u64::MAX, |length| length.saturating_sub(self.passed_bytes));
            let (now, after) = bytes.split_at(usize::try_from(left).unwrap_or(usize::MAX).min(bytes.len()));
            self.sum = self.sum.and(now);
            self.passed_bytes += now.len() as u64;
            bytes = after;
            if piece.bytes.is_none_or(|length| self.passed_bytes < length) {
                return;
            }
            self.judge(piece.crc32);
            (self.rest, self.place, self.passed_bytes, self.sum) = (later, self.place + 1, 0, Crc32::EMPTY);
        }
    }

    /// Says that this was all of it; gives the place of the first piece that is damaged. Of one that is cut nothing is
    /// said.
    pub(crate) fn finish(mut self) -> Option<u64> {
        if let Some(Piece { bytes: None, crc32 }) = self.rest.first() {
            self.judge(*crc32);
        }
        self.damaged
    }

    fn judge(&mut self, crc32: Option<Crc32>) {
        if self.damaged.is_none() && crc32.is_some_and(|sum| sum != self.sum) {
            self.damaged = Some(self.place);
        }
    }
}

#[cfg(test)]
mod tests {
    use vidstream_media::VideoId;
    use vidstream_store::Access;
    use vidstream_testkit::s3::{BUCKET, Fault, Server};

    use super::*;

    /// An object of pieces of these sizes, and what rows know of it.
    fn object(sizes: &[usize]) -> (Vec<u8>, Sums) {
        let (mut bytes, mut pieces) = (Vec::new(), Vec::new());
        for (n, &size) in (1_u8..).zip(sizes) {
            let piece = vec![n; size];
            pieces.push(Piece { bytes: Some(size as u64), crc32: Some(Crc32::of(&piece)) });
            bytes.extend(piece);
        }
        (bytes, Sums { first: Some(7), pieces })
    }

    /// One whose answers can be damaged or refused.
    pub(super) async fn bucket() -> (Server, Store) {
        let server = Server::start().unwrap();
        let variables = server.variables().into_iter();
        let store = Store::open_with(&format!("s3://{BUCKET}"), variables, Access::Write).await.unwrap();
        (server, store)
    }

    fn key(token: u64) -> Key {
        Key::Poster { id: VideoId::from_bits(7), generation: 1, token }
    }

    #[tokio::test]
    async fn the_first_damaged_piece_of_an_object_is_found_wherever_it_is() {
        // The third one and the last lie in two reads each, since a read ends where it ends.
        let read = usize::try_from(READ_BYTES).unwrap();
        let sizes = [100, 50, read, 10, read - 180, 40];
        let (bytes, sums) = object(&sizes);
        let store = Store::open("memory://").await.unwrap();
        store.put(&key(0), bytes.clone().into()).await.unwrap();
        assert_eq!(first_damage(&store, &key(0), &sums).await.unwrap(), None);
        let mut end = 0;
        for (place, size) in (0..).zip(sizes) {
            end += size;
            let mut other = bytes.clone();
            other[end - 1] ^= 0x80;
            store.put(&key(place + 1), other.into()).await.unwrap();
            assert_eq!(first_damage(&store, &key(place + 1), &sums).await.unwrap(), Some(Damage::Other(place)));
        }
        // Of what was stored without checksums nobody can tell, and what is missing is for others to find.
        let mut without = sums.clone();
        without.pieces[0].crc32 = None;
        assert_eq!(first_damage(&store, &key(1), &without).await.unwrap(), None);
        assert_eq!(first_damage(&store, &key(99), &sums).await.unwrap(), None);
        store.put(&key(98), bytes[..60].to_vec().into()).await.unwrap();
        assert_eq!(first_damage(&store, &key(98), &sums).await.unwrap(), None);
    }

    #[tokio::test]
    async fn a_picture_is_held_against_its_checksum_however_many_bytes_it_has() {
        let store = Store::open("memory://").await.unwrap();
        let sums = Sums { first: None, pieces: vec![Piece { bytes: None, crc32: Some(Crc32::of(b"jpeg")) }] };
        for (token, bytes, is_damaged) in [(1, "jpeg", false), (2, "jpeh", true), (3, "jpegs", true), (4, "", true)] {
            store.put(&key(token), bytes.into()).await.unwrap();
            let told = all_damaged(&store, &[(key(token), sums.clone())]).await.unwrap();
            let expected = is_damaged.then(|| (key(token), "has other bytes than were written".to_owned()));
            assert_eq!(told, Vec::from_iter(expected), "{bytes}");
        }
    }

    #[tokio::test]
    async fn what_cannot_be_read_is_damaged_and_ends_nothing_while_the_store_is_there() {
        let folder = tempfile::tempdir().unwrap();
        let store = Store::open(&format!("file://{}", folder.path().display())).await.unwrap();
        let (objects, sums) = (folder.path().join("objects"), object(&[1_000]).1);
        // A folder with something in it has a size on every file system.
        std::fs::create_dir_all(objects.join(key(1).path()).join("inside")).unwrap();
        store.put(&key(3), object(&[1_000]).0.into()).await.unwrap();
        let known = |token| (key(token), sums.clone());
        for others in [vec![], vec![known(3)]] {
            let found = all_damaged(&store, &[vec![known(1)], others].concat()).await.unwrap();
            let [(found, text)] = &found[..] else { panic!("{found:?}") };
            assert!(*found == key(1) && text.starts_with("cannot be read: Is a directory"), "{text}");
        }
        // With none of several it is the disk, and other failures say nothing of bytes either.
        std::fs::create_dir_all(objects.join(key(4).path()).join("inside")).unwrap();
        assert!(matches!(all_damaged(&store, &[known(1), known(4)]).await, Err(Error::Io { .. })));
        let loops = objects.join(key(2).path());
        std::os::unix::fs::symlink(&loops, &loops).unwrap();
        assert!(matches!(all_damaged(&store, &[known(2), known(3)]).await, Err(Error::Io { .. })));
    }

    #[tokio::test]
    async fn what_nobody_can_read_for_a_while_is_not_damaged() {
        let (server, store) = bucket().await;
        let (bytes, sums) = object(&[1_000]);
        let known = [1, 2].map(|token| (key(token), sums.clone()));
        for (key, _) in &known {
            store.put(key, bytes.clone().into()).await.unwrap();
        }
        // How often each of them is refused, and whether the first is left so.
        for (first, second, is_left) in [(2, 2, false), (4, 2, true)] {
            for (key, times) in [(key(1), first), (key(2), second)] {
                for _ in 0..times {
                    server.meet(&format!("{} bytes=", key.path()), Fault::Refuse(403, "AccessDenied"));
                }
            }
            let found = all_damaged(&store, &known).await.unwrap();
            assert_eq!(found.iter().map(|(key, _)| *key).collect::<Vec<_>>(), Vec::from_iter(is_left.then(|| key(1))));
            assert_eq!(server.faults_left(), 0);
        }
    }

    #[tokio::test]
    async fn what_comes_damaged_is_read_twice_and_not_once_more() {
        let (server, store) = bucket().await;
        let (bytes, sums) = object(&[1_000]);
        store.put(&key(1), bytes.into()).await.unwrap();
        for (times, found) in [(READS_MAX - 1, None), (READS_MAX, Some(Damage::Other(0)))] {
            for _ in 0..times {
                server.meet(" bytes=", Fault::DamageAnswer);
            }
            assert_eq!(first_damage(&store, &key(1), &sums).await.unwrap(), found);
            assert_eq!(server.faults_left(), 0);
        }
    }
}
