//! What a bucket adds to the contract: a server that must prove itself, goes away, and is paid by the request.

use std::time::{Duration, Instant};

use bytes::Bytes;
use tokio::time::sleep;
use vidstream_media::VideoId;
use vidstream_store::{Error, Key, Store};
use vidstream_testkit::s3::{BUCKET, Fault, Server};

use crate::rows::{key, noise, source};

/// More than one part.
const LONG_BYTES: usize = 30 << 20;

async fn open(server: &Server, url: &str, changed: &[(&str, &str)]) -> Result<Store, Error> {
    let mut variables = server.variables();
    for (name, value) in changed {
        variables.retain(|(set, _)| set != name);
        variables.push(((*name).to_owned(), (*value).to_owned()));
    }
    Store::open_with(url, variables.into_iter()).await
}

async fn store() -> (Server, Store) {
    let server = Server::start().unwrap();
    let store = open(&server, &format!("s3://{BUCKET}"), &[]).await.unwrap();
    (server, store)
}

fn count(server: &Server, method: &str, text: &str) -> usize {
    server.requests().iter().filter(|line| line.starts_with(method) && line.contains(text)).count()
}

#[tokio::test]
async fn a_server_proves_itself_and_keeps_nothing_of_it() {
    let (server, store) = store().await;
    assert_eq!(server.left(), [] as [&str; 0]);
    assert_eq!(count(&server, "PUT", "*"), 2);
    store.put(&key(1), Bytes::from_static(b"x")).await.unwrap();
    assert_eq!(server.left(), [format!("{BUCKET}/{}", key(1).path())], "the names in a bucket are those of files");
}

#[tokio::test]
async fn what_cannot_be_used_is_one_sentence_at_the_start() {
    let server = Server::start().unwrap();
    let url = format!("s3://{BUCKET}/p");
    let other = ("AWS_SECRET_ACCESS_KEY", "another");
    let nobody = ("AWS_ENDPOINT_URL", "http://127.0.0.1:1");
    let url = url.as_str();
    for (url, changed, is_settings, part) in [
        ("s3://missing/p", ("AWS_REGION", "us-east-1"), true, "there is no such bucket"),
        (url, other, true, "refuses these credentials"),
        (url, ("AWS_ACCESS_KEY_ID", "nobody"), true, "refuses these credentials"),
        (url, ("AWS_SECRET_ACCESS_KEY", ""), true, "SecretAccessKey"),
        (url, ("AWS_ALLOW_HTTP", "false"), true, "set AWS_ALLOW_HTTP=true"),
        (url, ("AWS_ENDPOINT_URL", "localhost:9000"), true, "must begin with https://"),
        (url, nobody, false, "Connection refused"),
    ] {
        let error = open(&server, url, &[changed]).await.unwrap_err();
        let sentence = error.to_string();
        assert_eq!(matches!(error, Error::Settings { .. }), is_settings, "{sentence}");
        assert!(is_settings || matches!(error, Error::Unavailable { .. }), "{sentence}");
        assert!(sentence.contains(part) && sentence.contains(url) && !sentence.contains('\n'), "{sentence}");
    }
}

#[tokio::test]
async fn a_server_that_overwrites_is_not_used() {
    // The second conditional create, of an object and of parts.
    for (request, skipped) in [("PUT", 1), ("POST", 0)] {
        let server = Server::start().unwrap();
        let line = format!("{request} /{BUCKET}/proof-");
        for _ in 0..=skipped {
            server.meet(&line, Fault::IgnoreCondition);
        }
        if request == "POST" {
            // The first of them begins the parts.
            server.meet(&line, Fault::IgnoreCondition);
        }
        let error = open(&server, &format!("s3://{BUCKET}"), &[]).await.unwrap_err();
        assert!(matches!(error, Error::Unavailable { .. }), "{error}");
        assert!(error.to_string().contains("overwrites an object that is there"), "{error}");
        assert_eq!((server.left(), server.faults_left()), (vec![], 0), "{request}");
    }
}

#[tokio::test]
async fn large_objects_go_in_parts_and_are_read_in_pieces() {
    let (server, store) = store().await;
    let bytes = noise(42 << 20);
    store.put(&key(1), bytes.clone()).await.unwrap();
    store.put(&key(2), bytes.slice(..1_000_000)).await.unwrap();
    store.put(&source(), bytes.clone()).await.unwrap();
    let parts = |key: Key| count(&server, "PUT", &format!("{}?partNumber=", key.path()));
    assert_eq!((parts(key(1)), parts(key(2)), parts(source())), (4, 0, 4));
    assert_eq!(count(&server, "PUT", "source.part/0"), 3, "the rest is there a moment later");
    assert_eq!((server.most_at_once("partNumber"), server.most_at_once("source.part/0")), (2, 2));

    let before = server.requests().len();
    assert!(store.get(&key(1)).await.unwrap() == bytes);
    let read = server.requests().split_off(before);
    let pieces = read.iter().filter(|line| line.starts_with("GET") && line.contains(" bytes=")).count();
    assert!(pieces == 6 && server.most_at_once(" bytes=") <= 4, "{read:?}");
    store.range(&key(1), 20_000_000..20_000_100).await.unwrap();
    assert!(server.requests().last().unwrap().ends_with("bytes=20000000-20000099"));
}

#[tokio::test]
async fn an_answer_that_is_lost_is_no_conflict() {
    let (server, store) = store().await;
    let path = key(1).path();
    for (key, line, bytes) in [
        (key(1), format!("PUT /{BUCKET}/{path}"), noise(1000)),
        (key(2), format!("POST /{BUCKET}/{}?uploadId", key(2).path()), noise(LONG_BYTES)),
        (key(3), format!("PUT /{BUCKET}/{}?partNumber=2", key(3).path()), noise(LONG_BYTES)),
    ] {
        server.meet(&line, Fault::LoseAnswer);
        store.put(&key, bytes.clone()).await.unwrap();
        assert_eq!(server.faults_left(), 0, "{line}");
        assert!(store.get(&key).await.unwrap() == bytes, "{line}");
        assert!(matches!(store.put(&key, bytes).await, Err(Error::Exists { .. })), "{line}");
    }
    assert_eq!(server.left().len(), 3);
}

#[tokio::test]
async fn bytes_that_are_damaged_on_the_way_are_sent_again() {
    let (server, store) = store().await;
    for (key, line) in [(key(1), "PUT /"), (key(2), "partNumber=2"), (source(), "source.part/0000000000000000")] {
        let bytes = noise(LONG_BYTES).slice(..if line == "PUT /" { 1000 } else { LONG_BYTES });
        server.meet(line, Fault::DamageBody);
        let mut writer = store.writer(&key).await.unwrap();
        writer.write(bytes.clone()).await.unwrap();
        writer.flush().await.unwrap();
        if key == source() {
            assert!(store.growing(&key).await.unwrap().read(0, 1000).await.unwrap() == bytes.slice(..1000));
        }
        writer.finish().await.unwrap();
        assert_eq!(server.faults_left(), 0, "{line}");
        assert!(store.get(&key).await.unwrap() == bytes, "{line}");
    }
}

#[tokio::test]
async fn a_server_that_goes_away_is_waited_for() {
    let (server, store) = store().await;
    store.put(&key(1), noise(1000)).await.unwrap();
    let mut writer = store.writer(&source()).await.unwrap();
    writer.write(noise(LONG_BYTES / 2)).await.unwrap();
    server.go_away();
    let (there, new, missing) = (key(1), key(2), key(3));
    let began = Instant::now();
    let all = async {
        let write = async {
            writer.write(noise(LONG_BYTES).slice(LONG_BYTES / 2..)).await?;
            writer.finish().await
        };
        tokio::join!(store.get(&there), store.put(&new, noise(1000)), write, store.delete(&missing))
    };
    let back = async {
        sleep(Duration::from_secs(2)).await;
        server.come_back();
    };
    let ((read, put, written, deleted), ()) = tokio::join!(all, back);
    assert!(began.elapsed() >= Duration::from_secs(2));
    assert!(read.unwrap() == noise(1000));
    assert_eq!(written.unwrap(), LONG_BYTES as u64);
    put.unwrap();
    deleted.unwrap();
    assert_eq!(server.left().len(), 3, "{:?}", server.left());
}

#[tokio::test]
async fn what_a_killed_process_left_goes_with_its_video() {
    let (server, store) = store().await;
    let id = source().video();
    for key in [source(), Key::Remux { id, generation: 1 }] {
        let mut writer = store.writer(&key).await.unwrap();
        writer.write(noise(LONG_BYTES)).await.unwrap();
        writer.flush().await.unwrap();
        // Nobody tidies up after it.
        std::mem::forget(writer);
    }
    let uploads = || server.left().iter().filter(|name| name.starts_with(".upload-")).count();
    assert_eq!(uploads(), 2);
    // What is still on its way is done first, as after a kill.
    crate::rows::until("the parts have arrived", async || count(&server, "PUT", "partNumber=2") == 2).await;
    store.delete_video(id).await.unwrap();
    assert_eq!(server.left(), [] as [&str; 0]);
    assert_eq!(store.list_video(VideoId::from_bits(9)).await.unwrap(), []);
}
