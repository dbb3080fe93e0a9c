//! One read for all, no read lost with its asker, and no bytes of another length or checksum.

use vidstream_media::VideoId;
use vidstream_store::Access;
use vidstream_testkit::s3::{BUCKET, Fault, Server};

use super::*;

const SEGMENT: u64 = 1_000;

async fn objects(cache_bytes: u64) -> (tempfile::TempDir, Store, Objects) {
    let folder = tempfile::tempdir().unwrap();
    let store = Store::open(&format!("file://{}", folder.path().display())).await.unwrap();
    (folder, store.clone(), Objects::new(store, cache_bytes))
}

fn key(n: u128) -> Key {
    Key::Poster { id: VideoId::from_bits(n), generation: 1, token: 1 }
}

fn piece(n: u128, start: u64) -> Piece {
    Piece { key: key(n), range: Some(start..start + SEGMENT), bytes: Some(SEGMENT), crc32: None }
}

#[tokio::test]
async fn many_who_want_the_same_cause_one_read() {
    let (_folder, store, objects) = objects(1 << 20).await;
    store.put(&key(1), vec![7; 3_000].into()).await.unwrap();
    let wanted = piece(1, 500);
    let first = objects.join(&wanted).unwrap();
    let second = objects.join(&wanted).unwrap();
    assert!(first.same_channel(&second));
    assert_eq!(objects.get(&wanted).await.unwrap().len(), 1_000);
    // From memory now: the object itself is gone.
    store.delete(&key(1)).await.unwrap();
    assert_eq!(objects.get(&wanted).await.unwrap().len(), 1_000);
    assert!(objects.loading.lock().unwrap().is_empty());
}

#[tokio::test]
async fn a_read_goes_on_when_nobody_waits_for_it() {
    let (_folder, store, objects) = objects(1 << 20).await;
    store.put(&key(1), vec![7; 3_000].into()).await.unwrap();
    let mut wait = objects.join(&piece(1, 0)).unwrap();
    drop(Box::pin(objects.get(&piece(1, 0))));
    wait.wait_for(Option::is_some).await.unwrap();
    assert!(objects.hot.contains_key(&piece(1, 0)));
}

#[tokio::test]
async fn a_value_larger_than_a_share_is_served_and_not_kept() {
    for (cache_bytes, kept) in [(SEGMENT * CACHE_SHARES, true), (SEGMENT * CACHE_SHARES - 1, false)] {
        let (_folder, store, objects) = objects(cache_bytes).await;
        store.put(&key(1), vec![7; 3_000].into()).await.unwrap();
        assert_eq!(objects.get(&piece(1, 0)).await.unwrap().len(), 1_000);
        assert_eq!(objects.hot.contains_key(&piece(1, 0)), kept, "{cache_bytes}");
    }
}

#[tokio::test]
async fn so_many_reads_are_on_their_way_and_not_one_more() {
    let (_folder, _store, objects) = objects(1 << 20).await;
    let pieces = (0..).take(LOADS_MAX).map(|n| piece(n, 0));
    let waits: Vec<_> = pieces.map(|piece| objects.join(&piece).unwrap()).collect();
    let next = piece(u128::MAX, 0);
    assert!(matches!(objects.join(&next), Err(Missing::Busy)));
    assert!(objects.join(&piece(7, 0)).unwrap().same_channel(&waits[7]), "what is on its way needs no place");
    for mut wait in waits {
        wait.wait_for(Option::is_some).await.unwrap();
    }
    assert!(objects.join(&next).is_ok());
}

#[tokio::test(start_paused = true)]
async fn a_read_waits_ten_seconds_for_memory() {
    let (_folder, _store, objects) = objects(1 << 20).await;
    let units = u32::try_from(LOAD_BYTES_MAX / UNIT_BYTES).unwrap();
    let held = Arc::clone(&objects.budget).acquire_many_owned(units).await.unwrap();
    let began = tokio::time::Instant::now();
    assert_eq!(objects.get(&piece(1, 0)).await, Err(Missing::Failed));
    assert_eq!(began.elapsed().as_secs(), LOAD_WAIT_MAX.as_secs());
    drop(held);
    // Two units are free: what needs them is read (and there is nothing), what needs one more is not.
    let held = Arc::clone(&objects.budget).acquire_many_owned(units - 2).await.unwrap();
    let sized = |n, bytes| Piece { key: key(n), range: None, bytes: Some(bytes), crc32: None };
    assert_eq!(objects.get(&sized(2, 2 * UNIT_BYTES)).await, Err(Missing::Gone));
    assert_eq!(objects.get(&sized(3, 2 * UNIT_BYTES + 1)).await, Err(Missing::Failed));
    drop(held);
    // What is larger than all of it is read alone.
    assert_eq!(objects.get(&sized(4, 2 * LOAD_BYTES_MAX)).await, Err(Missing::Gone));
}

#[tokio::test]
async fn short_and_missing_objects_are_told() {
    let (_folder, store, objects) = objects(1 << 20).await;
    assert_eq!(objects.get(&piece(1, 0)).await, Err(Missing::Gone));
    store.put(&key(1), vec![7; 900].into()).await.unwrap();
    assert_eq!(objects.get(&piece(1, 0)).await, Err(Missing::Gone));
    let whole = Piece { key: key(1), range: None, bytes: Some(901), crc32: None };
    assert_eq!(objects.get(&whole).await, Err(Missing::Gone));
    let whole = Piece { key: key(1), range: None, bytes: Some(900), crc32: None };
    assert_eq!(objects.get(&whole).await.unwrap().len(), 900);
    assert!(objects.loading.lock().unwrap().is_empty());
}

#[tokio::test]
async fn bytes_that_come_damaged_are_read_twice_and_not_once_more() {
    let server = Server::start().unwrap();
    let variables = server.variables().into_iter();
    let store = Store::open_with(&format!("s3://{BUCKET}"), variables, Access::Write).await.unwrap();
    let objects = Objects::new(store.clone(), 1 << 20);
    store.put(&key(1), vec![7; 3_000].into()).await.unwrap();
    let right = Bytes::from(vec![7; 1_000]);
    let wanted = |start| Piece { crc32: Some(Crc32::of(&right)), ..piece(1, start) };
    // On the way.
    server.meet(" bytes=", Fault::DamageAnswer);
    assert_eq!(objects.get(&wanted(0)).await, Ok(right.clone()));
    assert!(server.faults_left() == 0 && objects.hot.contains_key(&wanted(0)));
    let is_due = |outcome| objects.told.is_due(key(1), outcome, Instant::now());
    assert!(!is_due(true), "it was told");
    // Where it lies: what came is not kept, and the next who asks may find it mended.
    for _ in 0..READS_MAX {
        server.meet(" bytes=", Fault::DamageAnswer);
    }
    assert_eq!(objects.get(&wanted(500)).await, Err(Missing::Damaged));
    assert!(server.faults_left() == 0 && !objects.hot.contains_key(&wanted(500)));
    assert!(!is_due(false), "it was told");
    assert_eq!(objects.get(&wanted(500)).await, Ok(right.clone()));
    // Of what was stored without a checksum nobody can tell.
    server.meet(" bytes=", Fault::DamageAnswer);
    assert_ne!(objects.get(&piece(1, 1_000)).await, Ok(right));
}
