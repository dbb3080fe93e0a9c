//! What every store must do.

use std::time::{Duration, SystemTime};

use bytes::{Bytes, BytesMut};
use tokio::time::{Instant, interval_at, timeout};
use vidstream_media::{Track, VideoId};
use vidstream_store::{Error, Key, Store};

/// More than any adapter stores, sends or reads in one piece, and no multiple of it.
const LONG_BYTES: usize = (27 << 20) + 12_345;
/// What was begun has ended, or was taken back, within this.
const END_WAIT_MAX: Duration = Duration::from_secs(10);

pub(crate) fn key(token: u64) -> Key {
    Key::Media { id: VideoId::from_bits(7), generation: 1, track: Track::Rung(720), first: 1, token }
}

pub(crate) fn source() -> Key {
    Key::Source { id: VideoId::from_bits(9) }
}

/// Bytes that differ wherever one looks.
pub(crate) fn noise(length: usize) -> Bytes {
    let mut state = 0x9e37_79b9_7f4a_7c15_u64;
    let mut bytes = BytesMut::with_capacity(length + 8);
    while bytes.len() < length {
        state ^= state << 13;
        state ^= state >> 7;
        state ^= state << 17;
        bytes.extend_from_slice(&state.to_le_bytes());
    }
    bytes.truncate(length);
    bytes.freeze()
}

async fn listed(store: &Store, key: &Key) -> Vec<(String, u64)> {
    store.list_video(key.video()).await.unwrap()
}

/// Looks again and again until nothing, or only what `is_fine`, is left.
pub(crate) async fn until(what: &str, is_fine: impl AsyncFn() -> bool) {
    let end = Instant::now() + END_WAIT_MAX;
    while !is_fine().await {
        assert!(Instant::now() < end, "{what} within {END_WAIT_MAX:?}");
        after(Duration::from_millis(20)).await;
    }
}

/// A tick after that long: for looking again, and for how long a server is away.
pub(crate) async fn after(length: Duration) {
    interval_at(Instant::now() + length, length).tick().await;
}

pub(crate) async fn ranges_are_exact_or_refused(store: &Store) {
    store.put(&key(1), Bytes::from_static(b"0123456789")).await.unwrap();
    for (range, expected) in [(2..5, "234"), (0..10, "0123456789"), (9..10, "9"), (4..4, ""), (10..10, "")] {
        assert_eq!(store.range(&key(1), range).await.unwrap(), expected);
    }
    assert_eq!(store.get(&key(1)).await.unwrap(), "0123456789");
    assert_eq!(store.size(&key(1)).await.unwrap(), 10);
    #[expect(clippy::reversed_empty_ranges, reason = "a range from an index that is wrong")]
    for range in [8..11, 10..11, 11..12, 11..11, 5..4, 0..u64::MAX] {
        let read = store.range(&key(1), range.clone()).await;
        assert!(matches!(read, Err(Error::Range { .. })), "{range:?}: {read:?}");
    }
    assert!(matches!(store.get(&key(2)).await, Err(Error::NotFound { .. })));
    assert!(matches!(store.range(&key(2), 0..1).await, Err(Error::NotFound { .. })));
    assert!(matches!(store.size(&key(2)).await, Err(Error::NotFound { .. })));
}

pub(crate) async fn an_object_says_when_it_was_written(store: &Store) {
    // Servers tell whole seconds.
    let began = SystemTime::now() - Duration::from_secs(1);
    store.put(&key(1), Bytes::from_static(b"x")).await.unwrap();
    let id = key(1).video();
    let modified = store.modified_listed(id, &key(1).path()).await.unwrap();
    assert!(modified >= began && modified <= SystemTime::now(), "{modified:?}");
    for other in [key(2).path(), source().path(), format!("{id}/../{}", source().path()), String::new()] {
        let missing = store.modified_listed(id, &other).await;
        assert!(matches!(missing, Err(Error::NotFound { .. })), "{other}: {missing:?}");
    }
}

pub(crate) async fn a_long_object_comes_back_as_it_was(store: &Store) {
    let bytes = noise(LONG_BYTES);
    let mut writer = store.writer(&key(1)).await.unwrap();
    for piece in bytes.chunks(1_000_003) {
        writer.write(bytes.slice_ref(piece)).await.unwrap();
    }
    assert_eq!(writer.bytes(), LONG_BYTES as u64);
    assert!(matches!(store.size(&key(1)).await, Err(Error::NotFound { .. })), "it is there before its end");
    assert_eq!(writer.finish().await.unwrap(), LONG_BYTES as u64);
    assert!(store.get(&key(1)).await.unwrap() == bytes);
    let middle = 5 << 20..25 << 20;
    assert!(store.range(&key(1), middle.start as u64..middle.end as u64).await.unwrap() == bytes.slice(middle));
    assert_eq!(listed(store, &key(1)).await, [(key(1).path(), LONG_BYTES as u64)]);
}

pub(crate) async fn an_object_that_is_there_is_not_replaced(store: &Store) {
    store.put(&key(1), Bytes::from_static(b"first")).await.unwrap();
    for second in [Bytes::from_static(b"second"), noise(LONG_BYTES)] {
        let refused = store.put(&key(1), second).await;
        assert!(matches!(refused, Err(Error::Exists { .. })), "{refused:?}");
        assert_eq!(store.get(&key(1)).await.unwrap(), "first");
        assert_eq!(listed(store, &key(1)).await, [(key(1).path(), 5)]);
    }
}

pub(crate) async fn one_of_many_writers_at_once_is_first(store: &Store) {
    let all = (0..8_u8).map(|n| async move { store.put(&key(1), Bytes::from(vec![n; 1000])).await });
    let all = futures_util::future::join_all(all).await;
    let first: Vec<u8> = (0..8).zip(&all).filter(|(_, put)| put.is_ok()).map(|(n, _)| n).collect();
    assert_eq!(first.len(), 1, "{all:?}");
    assert!(all.iter().all(|put| matches!(put, Ok(()) | Err(Error::Exists { .. }))), "{all:?}");
    assert_eq!(store.get(&key(1)).await.unwrap(), vec![first[0]; 1000]);
}

pub(crate) async fn packets_may_be_written_again(store: &Store) {
    let id = VideoId::from_bits(7);
    for key in [Key::Packets { id, generation: 1 }, Key::Remux { id, generation: 1 }] {
        for bytes in [Bytes::from_static(b"first"), noise(LONG_BYTES), Bytes::from_static(b"third")] {
            store.put(&key, bytes.clone()).await.unwrap();
            assert!(store.get(&key).await.unwrap() == bytes);
        }
    }
}

pub(crate) async fn a_discarded_writer_leaves_nothing(store: &Store) {
    for key in [key(1), source()] {
        for length in [0, 300_000, LONG_BYTES] {
            let mut writer = store.writer(&key).await.unwrap();
            writer.write(noise(length)).await.unwrap();
            writer.flush().await.unwrap();
            assert!(matches!(store.size(&key).await, Err(Error::NotFound { .. })));
            writer.discard().await;
            assert_eq!(listed(store, &key).await, []);
        }
    }
}

pub(crate) async fn a_dropped_writer_leaves_nothing(store: &Store) {
    for key in [key(1), source()] {
        let mut writer = store.writer(&key).await.unwrap();
        writer.write(noise(LONG_BYTES)).await.unwrap();
        drop(writer);
        until("nothing is left", async || listed(store, &key).await.is_empty()).await;
    }
}

pub(crate) async fn a_finish_that_is_cancelled_leaves_all_or_nothing(store: &Store) {
    let short = (0..40).map(|n| (n, 300_000, Duration::from_micros(50 * n)));
    let long = (40..46).map(|n| (n, LONG_BYTES, Duration::from_millis(6 * (n - 40))));
    for (n, length, wait) in short.chain(long) {
        for key in [key(n), Key::Source { id: VideoId::from_bits(100 + u128::from(n)) }] {
            let mut writer = store.writer(&key).await.unwrap();
            writer.write(noise(length)).await.unwrap();
            writer.flush().await.unwrap();
            // Given up at whatever it is just doing.
            let finished = timeout(wait, writer.finish()).await;
            let whole = (key.path(), length as u64);
            // What is staged begins as the object does.
            let stem = whole.0.trim_end_matches(".m4s").to_owned();
            let is_fine = async || {
                let own: Vec<_> =
                    listed(store, &key).await.into_iter().filter(|(path, _)| path.starts_with(&stem)).collect();
                own == [whole.clone()] || (own.is_empty() && finished.is_err())
            };
            until("it is whole or not there", is_fine).await;
        }
    }
}

pub(crate) async fn a_source_is_read_while_it_grows_and_after(store: &Store) {
    let key = source();
    assert!(matches!(store.growing(&key).await, Err(Error::NotFound { .. })));
    let mut writer = store.writer(&key).await.unwrap();
    writer.write(Bytes::from_static(b"abc")).await.unwrap();
    writer.flush().await.unwrap();
    let growing = store.growing(&key).await.unwrap();
    assert_eq!(growing.read(1, 100).await.unwrap(), "bc");
    assert_eq!(growing.read(3, 100).await.unwrap(), "");
    writer.write(Bytes::from_static(b"def")).await.unwrap();
    writer.flush().await.unwrap();
    assert_eq!(growing.len().await.unwrap(), 6);
    assert_eq!(growing.read(1, 4).await.unwrap(), "bcde");
    writer.write(Bytes::from_static(b"g")).await.unwrap();
    assert_eq!(writer.finish().await.unwrap(), 7);
    assert_eq!(growing.read(2, 3).await.unwrap(), "cde");
    assert_eq!(growing.read(5, 100).await.unwrap(), "fg");
    assert_eq!(store.growing(&key).await.unwrap().len().await.unwrap(), 7);
    assert_eq!(listed(store, &key).await, [(key.path(), 7)]);
}

pub(crate) async fn a_source_of_many_pieces_is_read_while_it_grows(store: &Store) {
    let (key, bytes) = (source(), noise(LONG_BYTES));
    let mut writer = store.writer(&key).await.unwrap();
    let mut written = 0;
    let mut seen = 0;
    let mut growing = None;
    for piece in bytes.chunks(3 << 20) {
        writer.write(bytes.slice_ref(piece)).await.unwrap();
        writer.flush().await.unwrap();
        written += piece.len();
        let reader = match &growing {
            Some(reader) => reader,
            None => growing.insert(store.growing(&key).await.unwrap()),
        };
        let now = usize::try_from(reader.len().await.unwrap()).unwrap();
        assert!((seen..=written).contains(&now) && now + (written >> 4) >= written, "{seen} {now} {written}");
        while seen < now {
            let read = reader.read(seen as u64, now - seen).await.unwrap();
            assert!(!read.is_empty() && read == bytes.slice(seen..seen + read.len()), "from {seen}");
            seen += read.len();
        }
    }
    writer.finish().await.unwrap();
    assert!(store.get(&key).await.unwrap() == bytes);
    let tail = growing.unwrap().read(LONG_BYTES as u64 - 5_000_000, 6_000_000).await.unwrap();
    assert!(tail == bytes.slice(LONG_BYTES - 5_000_000..));
}

pub(crate) async fn the_room_of_a_discarded_writer_is_free_although_a_reader_has_it_open(store: &Store) {
    let mut writer = store.writer(&source()).await.unwrap();
    writer.write(noise(300_000)).await.unwrap();
    writer.flush().await.unwrap();
    let growing = store.growing(&source()).await.unwrap();
    assert_eq!(growing.len().await.unwrap(), 300_000);
    writer.discard().await;
    assert_eq!(growing.len().await.unwrap(), 0);
    assert!(growing.read(0, 10).await.unwrap().is_empty());
}

pub(crate) async fn videos_of_which_anything_is_there_are_listed(store: &Store) {
    assert_eq!(store.list_videos().await.unwrap(), []);
    store.put(&key(1), Bytes::from_static(b"x")).await.unwrap();
    store.put(&key(2), Bytes::from_static(b"y")).await.unwrap();
    let mut unfinished = store.writer(&source()).await.unwrap();
    unfinished.write(Bytes::from_static(b"z")).await.unwrap();
    unfinished.flush().await.unwrap();
    let mut found = store.list_videos().await.unwrap();
    found.sort();
    assert_eq!(found, [key(1).video(), source().video()]);
}

pub(crate) async fn a_store_is_reachable_with_and_without_objects(store: &Store) {
    assert!(store.is_reachable().await);
    store.put(&key(1), Bytes::from_static(b"x")).await.unwrap();
    assert!(store.is_reachable().await);
}

pub(crate) async fn deleting_a_video_leaves_no_object_of_it(store: &Store) {
    let other = Key::Source { id: VideoId::from_bits(8) };
    store.put(&other, Bytes::from_static(b"x")).await.unwrap();
    for token in 1..4 {
        store.put(&key(token), Bytes::from_static(b"y")).await.unwrap();
    }
    let mut unfinished = store.writer(&Key::Source { id: VideoId::from_bits(7) }).await.unwrap();
    unfinished.write(noise(LONG_BYTES)).await.unwrap();
    unfinished.flush().await.unwrap();
    assert!(listed(store, &key(1)).await.len() >= 4);
    store.delete(&key(3)).await.unwrap();
    store.delete(&key(3)).await.unwrap();
    let id = VideoId::from_bits(7);
    assert!(listed(store, &key(1)).await.contains(&(key(2).path(), 1)));
    store.delete_listed(id, &key(2).path()).await.unwrap();
    assert!(!listed(store, &key(1)).await.contains(&(key(2).path(), 1)));
    for outside in ["../secret".to_owned(), format!("{id}/../secret"), other.path()] {
        assert!(store.delete_listed(id, &outside).await.is_err());
    }
    store.delete_video(id).await.unwrap();
    store.delete_video(id).await.unwrap();
    assert_eq!(listed(store, &key(1)).await, []);
    assert_eq!(store.get(&other).await.unwrap(), "x");
    drop(unfinished);
    store.delete(&other).await.unwrap();
    assert!(matches!(store.get(&other).await, Err(Error::NotFound { .. })));
}
