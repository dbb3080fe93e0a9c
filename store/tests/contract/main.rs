//! One contract, run unchanged on every adapter: local files, memory, and a bucket of a real S3 server.

#![expect(clippy::unwrap_used, clippy::indexing_slicing, reason = "a test fails by panicking")]

mod proof;
mod rows;
mod s3;

use vidstream_store::{Access, Error, Store};
use vidstream_testkit::s3::{BUCKET, Host};

/// A store, and what it lives in.
struct Place<T> {
    store: Store,
    home: T,
}

async fn local() -> Place<tempfile::TempDir> {
    let folder = tempfile::tempdir().unwrap();
    let store = Store::open(&format!("file://{}", folder.path().display())).await.unwrap();
    Place { store, home: folder }
}

async fn memory() -> Place<()> {
    Place { store: Store::open("memory://").await.unwrap(), home: () }
}

async fn s3() -> Place<Host> {
    let server = Host::start().unwrap();
    let url = format!("s3://{BUCKET}/some/where");
    let store = Store::open_with(&url, server.variables().into_iter(), Access::Write).await.unwrap();
    Place { store, home: server }
}

/// Each row on each adapter.
macro_rules! suite {
    ($($row:ident)*) => {
        mod on_local_files { $(#[tokio::test] async fn $row() { super::rows::$row(&super::local().await.store).await })* }
        mod on_memory { $(#[tokio::test] async fn $row() { super::rows::$row(&super::memory().await.store).await })* }
        mod on_s3 { $(#[tokio::test] async fn $row() { super::rows::$row(&super::s3().await.store).await })* }
    };
}

suite! {
    ranges_are_exact_or_refused
    a_long_object_comes_back_as_it_was
    an_object_that_is_there_is_not_replaced
    one_of_many_writers_at_once_is_first
    packets_may_be_written_again
    a_discarded_writer_leaves_nothing
    a_dropped_writer_leaves_nothing
    a_finish_that_is_cancelled_leaves_all_or_nothing
    a_source_is_read_while_it_grows_and_after
    a_source_of_many_pieces_is_read_while_it_grows
    the_room_of_a_discarded_writer_is_free_although_a_reader_has_it_open
    an_object_says_when_it_was_written
    videos_of_which_anything_is_there_are_listed
    a_store_is_reachable_with_and_without_objects
    deleting_a_video_leaves_no_object_of_it
}

/// Who only looks must not be told that an empty place is all there is.
#[tokio::test]
async fn a_folder_is_made_for_who_writes() {
    let folder = tempfile::tempdir().unwrap();
    let url = format!("file://{}", folder.path().join("data").display());
    let reader = Store::open_with(&url, std::iter::empty(), Access::Read).await.unwrap();
    assert!(matches!(reader.list_videos().await, Err(vidstream_store::Error::NotFound { .. })));
    assert!(!folder.path().join("data").exists());
    Store::open(&url).await.unwrap();
    assert_eq!(reader.list_videos().await.unwrap(), []);
}

#[tokio::test]
async fn a_folder_that_went_away_is_not_reachable() {
    let Place { store, home } = local().await;
    std::fs::remove_dir_all(home.path().join("objects")).unwrap();
    assert!(!store.is_reachable().await);
}

#[tokio::test]
async fn an_object_that_cannot_be_read_is_told_from_a_store_that_is_not_there() {
    let Place { store, home } = local().await;
    let key = rows::key(1);
    std::fs::create_dir_all(home.path().join("objects").join(key.path())).unwrap();
    let [error, again] = [store.get(&key).await.unwrap_err(), store.get(&key).await.unwrap_err()];
    let told = store.unreadable(error).await.unwrap();
    assert!(told.starts_with("cannot be read: Is a directory"), "{told}");
    let missing = store.get(&rows::key(2)).await.unwrap_err();
    assert!(matches!(store.unreadable(missing).await, Err(Error::NotFound { .. })));
    std::fs::remove_dir_all(home.path().join("objects")).unwrap();
    assert!(matches!(store.unreadable(again).await, Err(Error::Io { .. })));
}

#[tokio::test]
async fn other_urls_are_refused() {
    for url in [
        "s3://",
        "s3:///prefix",
        "s3://bucket/a//b",
        "s3://key:hunter2@bucket",
        "s3://key:hunter2/more@bucket",
        "https://key:hunter2@host/bucket",
        "file://relative",
        "memory://x",
        "/tmp",
        "",
    ] {
        let opened = Store::open_with(url, std::iter::empty(), Access::Write).await;
        assert!(matches!(opened, Err(vidstream_store::Error::Url { .. })), "{url}: {opened:?}");
        let text = opened.unwrap_err().to_string();
        assert!(!text.contains("hunter2"), "{text}");
    }
}
