//! What every store must do, run on each adapter.

use bytes::Bytes;
use vidstream_media::{Track, VideoId};
use vidstream_store::{Error, Key, Store};

fn key(token: u64) -> Key {
    Key::Media { id: VideoId::from_bits(7), generation: 1, track: Track::Rung(720), first: 1, token }
}

async fn local() -> (tempfile::TempDir, Store) {
    let folder = tempfile::tempdir().unwrap();
    let store = Store::open(&format!("file://{}", folder.path().display())).await.unwrap();
    (folder, store)
}

#[tokio::test]
async fn ranges_are_exact_or_refused() {
    let (_folder, store) = local().await;
    store.put(&key(1), Bytes::from_static(b"0123456789")).await.unwrap();
    assert_eq!(store.range(&key(1), 2..5).await.unwrap(), "234");
    assert_eq!(store.get(&key(1)).await.unwrap().len(), 10);
    assert_eq!(store.size(&key(1)).await.unwrap(), 10);
    for range in [8..11, 11..12, 0..u64::MAX] {
        assert!(matches!(store.range(&key(1), range).await, Err(Error::Range { .. })));
    }
    assert!(matches!(store.get(&key(2)).await, Err(Error::NotFound { .. })));
}

#[tokio::test]
async fn a_dropped_writer_leaves_nothing() {
    let (_folder, store) = local().await;
    let mut writer = store.writer(&key(1)).await.unwrap();
    writer.write(Bytes::from(vec![1; 300_000])).await.unwrap();
    assert!(matches!(store.size(&key(1)).await, Err(Error::NotFound { .. })));
    drop(writer);
    assert_eq!(store.list_video(VideoId::from_bits(7)).await.unwrap(), []);
}

#[tokio::test]
async fn a_source_is_read_while_it_grows_and_after() {
    let (_folder, store) = local().await;
    let key = Key::Source { id: VideoId::from_bits(9) };
    assert!(matches!(store.growing(&key).await, Err(Error::NotFound { .. })));
    let mut writer = store.writer(&key).await.unwrap();
    writer.write(Bytes::from_static(b"abc")).await.unwrap();
    writer.flush().await.unwrap();
    let growing = store.growing(&key).await.unwrap();
    assert_eq!(growing.read(1, 100).await.unwrap(), "bc");
    assert_eq!(growing.read(3, 100).await.unwrap(), "");
    writer.write(Bytes::from_static(b"def")).await.unwrap();
    assert_eq!(writer.finish().await.unwrap(), 6);
    assert_eq!(growing.read(2, 3).await.unwrap(), "cde");
    assert_eq!(store.growing(&key).await.unwrap().len().await.unwrap(), 6);
}

#[tokio::test]
async fn the_room_of_a_dropped_writer_is_free_although_a_reader_has_it_open() {
    let (_folder, store) = local().await;
    let key = Key::Source { id: VideoId::from_bits(9) };
    let mut writer = store.writer(&key).await.unwrap();
    writer.write(Bytes::from(vec![1; 300_000])).await.unwrap();
    let growing = store.growing(&key).await.unwrap();
    assert_eq!(growing.len().await.unwrap(), 300_000);
    drop(writer);
    assert_eq!(growing.len().await.unwrap(), 0);
}

#[tokio::test]
async fn deleting_a_video_leaves_no_object_of_it() {
    let (_folder, store) = local().await;
    let other = Key::Source { id: VideoId::from_bits(8) };
    store.put(&other, Bytes::from_static(b"x")).await.unwrap();
    for token in 1..4 {
        store.put(&key(token), Bytes::from_static(b"y")).await.unwrap();
    }
    assert_eq!(store.list_video(VideoId::from_bits(7)).await.unwrap().len(), 3);
    let (listed, bytes) = store.list_video(VideoId::from_bits(7)).await.unwrap().remove(0);
    assert_eq!(bytes, 1);
    store.delete_listed(VideoId::from_bits(7), &listed).await.unwrap();
    assert!(store.delete_listed(VideoId::from_bits(7), "../secret").await.is_err());
    store.delete_video(VideoId::from_bits(7)).await.unwrap();
    store.delete_video(VideoId::from_bits(7)).await.unwrap();
    assert_eq!(store.list_video(VideoId::from_bits(7)).await.unwrap(), []);
    assert_eq!(store.get(&other).await.unwrap(), "x");
    store.delete(&other).await.unwrap();
    store.delete(&other).await.unwrap();
}

#[tokio::test]
async fn other_urls_are_refused() {
    for url in ["s3://bucket", "file://relative", "/tmp", ""] {
        assert!(matches!(Store::open(url).await, Err(Error::Url { .. })), "{url}");
    }
}
