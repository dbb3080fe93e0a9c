//! One read for all, no read lost with its asker, and no bytes of another length.

use vidstream_media::VideoId;

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
    Piece { key: key(n), range: Some(start..start + SEGMENT), bytes: Some(SEGMENT) }
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
    let (_folder, store, objects) = objects(4_000).await;
    store.put(&key(1), vec![7; 3_000].into()).await.unwrap();
    assert_eq!(objects.get(&piece(1, 0)).await.unwrap().len(), 1_000);
    assert!(!objects.hot.contains_key(&piece(1, 0)));
}

#[tokio::test]
async fn short_and_missing_objects_are_told() {
    let (_folder, store, objects) = objects(1 << 20).await;
    assert_eq!(objects.get(&piece(1, 0)).await, Err(Missing::Gone));
    store.put(&key(1), vec![7; 900].into()).await.unwrap();
    assert_eq!(objects.get(&piece(1, 0)).await, Err(Missing::Gone));
    let whole = Piece { key: key(1), range: None, bytes: Some(901) };
    assert_eq!(objects.get(&whole).await, Err(Missing::Gone));
    let whole = Piece { key: key(1), range: None, bytes: Some(900) };
    assert_eq!(objects.get(&whole).await.unwrap().len(), 900);
    assert!(objects.loading.lock().unwrap().is_empty());
}
