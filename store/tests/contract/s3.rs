//! What a bucket adds to the contract: a server that must prove itself, goes away, and is paid by the request.

use std::time::{Duration, Instant};

use bytes::Bytes;
use vidstream_store::{Access, Error, Key, Store};
use vidstream_testkit::s3::{BUCKET, Fault, Host, Server};

use crate::{
    Place,
    rows::{after, key, noise, source, until},
};

/// More than one part.
const LONG_BYTES: usize = 30 << 20;
/// Parts of all objects that a process sends at the same time.
const PARTS_AT_ONCE_MAX: usize = 16;

pub(crate) async fn open(server: &Server, url: &str, changed: &[(&str, &str)]) -> Result<Store, Error> {
    open_for(Access::Write, server, url, changed).await
}

pub(crate) async fn open_for(
    access: Access,
    server: &Server,
    url: &str,
    changed: &[(&str, &str)],
) -> Result<Store, Error> {
    let mut variables = server.variables();
    for (name, value) in changed {
        variables.retain(|(set, _)| set != name);
        variables.push(((*name).to_owned(), (*value).to_owned()));
    }
    Store::open_with(url, variables.into_iter(), access).await
}

pub(crate) async fn store() -> (Server, Store) {
    let server = Server::start().unwrap();
    let store = open(&server, &format!("s3://{BUCKET}"), &[]).await.unwrap();
    (server, store)
}

pub(crate) fn count(server: &Server, method: &str, text: &str) -> usize {
    server.requests().iter().filter(|line| line.starts_with(method) && line.contains(text)).count()
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
        (url, ("AWS_ENDPOINT_URL", "http://key:another@127.0.0.1:1"), true, "names a user"),
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
async fn without_keys_and_a_role_nothing_is_opened() {
    // Where a machine would ask for its role.
    let variables = [("AWS_METADATA_ENDPOINT", "http://127.0.0.1:1"), ("AWS_ENDPOINT_URL", "https://127.0.0.1:1")];
    let variables = variables.map(|(name, value)| (name.to_owned(), value.to_owned()));
    let error = Store::open_with(&format!("s3://{BUCKET}"), variables.into_iter(), Access::Write).await.unwrap_err();
    assert!(matches!(error, Error::Settings { .. }), "{error}");
    assert!(error.to_string().contains("there is no AWS_ACCESS_KEY_ID with its AWS_SECRET_ACCESS_KEY"), "{error}");
}

/// Time stands still while something is done, and jumps when everybody waits.
#[tokio::test(start_paused = true)]
async fn a_server_that_is_silent_is_not_waited_for_at_the_start() {
    let silent = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    let server = Server::start().unwrap();
    let endpoint = format!("http://{}", silent.local_addr().unwrap());
    let began = tokio::time::Instant::now();
    let opened = open(&server, &format!("s3://{BUCKET}"), &[("AWS_ENDPOINT_URL", &endpoint)]).await;
    let error = opened.unwrap_err();
    assert!(matches!(error, Error::Unavailable { .. }), "{error}");
    assert_eq!(began.elapsed().as_secs(), 20, "{error}");
}

#[tokio::test]
async fn a_server_that_is_full_says_so_at_once_and_keeps_nothing() {
    let (server, store) = store().await;
    for (key, line, bytes) in [
        (key(1), "PUT /", noise(1000)),
        (key(1), "partNumber=2", noise(LONG_BYTES)),
        (source(), "source.part/0000000000c00000", noise(LONG_BYTES)),
    ] {
        server.meet(line, Fault::Full);
        let began = Instant::now();
        let write = async {
            let mut writer = store.writer(&key).await?;
            writer.write(bytes).await?;
            writer.flush().await?;
            writer.finish().await
        };
        let refused = write.await;
        assert!(matches!(refused, Err(Error::Full { .. })), "{line}: {refused:?}");
        assert!(began.elapsed() < Duration::from_secs(10), "{line}: {:?}", began.elapsed());
        assert_eq!(server.faults_left(), 0, "{line}");
        until("nothing is left", async || server.left().is_empty()).await;
    }
}

#[tokio::test]
async fn a_server_that_is_full_is_read_from() {
    let (server, first) = store().await;
    first.put(&key(1), Bytes::from_static(b"x")).await.unwrap();
    for refusal in [Fault::Full, Fault::Refuse(400, "XMinioAdminBucketQuotaExceeded")] {
        server.meet("PUT ", refusal);
        let began = Instant::now();
        let store = open(&server, &format!("s3://{BUCKET}"), &[]).await.unwrap();
        assert_eq!((store.get(&key(1)).await.unwrap(), server.faults_left()), (Bytes::from_static(b"x"), 0));
        server.meet("PUT ", refusal);
        assert!(matches!(store.put(&key(2), Bytes::new()).await, Err(Error::Full { .. })));
        assert!(began.elapsed() < Duration::from_secs(10), "{refusal:?}: {:?}", began.elapsed());
    }
}

#[tokio::test]
async fn a_bucket_that_is_elsewhere_or_at_another_time_is_a_matter_of_settings() {
    let server = Server::start().unwrap();
    for (fault, part) in [
        (Fault::Refuse(301, "PermanentRedirect"), "AWS_REGION"),
        (Fault::Refuse(400, "AuthorizationHeaderMalformed"), "AWS_REGION"),
        (Fault::Refuse(403, "RequestTimeTooSkewed"), "the clock of this machine"),
    ] {
        server.meet("GET ", fault);
        let error = open(&server, &format!("s3://{BUCKET}"), &[]).await.unwrap_err();
        assert!(matches!(error, Error::Settings { .. }) && error.to_string().contains(part), "{fault:?}: {error}");
    }
}

#[tokio::test]
async fn who_takes_nothing_does_not_answer() {
    let (server, store) = store().await;
    for fault in [Fault::Refuse(403, "AccessDenied"), Fault::Full, Fault::Refuse(503, "SlowDown")] {
        server.meet("PUT ", fault);
        assert!(store.is_reachable().await, "{fault:?}");
        assert!(!store.answers().await, "{fault:?}");
        assert!(store.answers().await && server.faults_left() == 0);
    }
    assert_eq!(server.left(), [] as [&str; 0]);
}

#[tokio::test]
async fn who_shows_nothing_is_not_reachable() {
    let (server, store) = store().await;
    for fault in [Fault::Refuse(403, "AccessDenied"), Fault::Refuse(503, "SlowDown"), Fault::Hang] {
        server.meet("HEAD ", fault);
        assert!(!store.is_reachable().await, "{fault:?}");
        assert!(store.is_reachable().await && server.faults_left() == 0);
    }
    let before = server.requests().len();
    assert!(store.is_reachable().await);
    assert_eq!(server.requests().len(), before + 1);
}

#[tokio::test]
async fn an_object_that_is_refused_is_told_from_a_server_that_refuses_all() {
    let (server, store) = store().await;
    store.put(&key(1), Bytes::from_static(b"x")).await.unwrap();
    let refused = async || {
        server.meet("GET ", Fault::Refuse(403, "InvalidObjectState"));
        store.range(&key(1), 0..1).await.unwrap_err()
    };
    let told = store.unreadable(refused().await).await.unwrap();
    assert!(told.starts_with("cannot be read: "), "{told}");
    let error = refused().await;
    server.meet("HEAD ", Fault::Refuse(403, "AccessDenied"));
    assert!(matches!(store.unreadable(error).await, Err(Error::Io { .. })));
    assert_eq!(server.faults_left(), 0);
}

#[tokio::test]
async fn bytes_come_with_a_checksum_and_to_a_server_that_knows_none_without() {
    for (algorithm, sent) in [("", "sha256"), ("crc64nvme", "crc64nvme"), ("none", "")] {
        let server = Server::start().unwrap();
        let store = open(&server, &format!("s3://{BUCKET}"), &[("AWS_CHECKSUM_ALGORITHM", algorithm)]).await.unwrap();
        store.put(&key(1), noise(1000)).await.unwrap();
        store.put(&key(2), noise(LONG_BYTES)).await.unwrap();
        store.put(&source(), noise(LONG_BYTES)).await.unwrap();
        for (line, least) in
            [(key(1).path(), 1), (format!("{}?partNumber=", key(2).path()), 2), ("source.part/0".into(), 1)]
        {
            let lines: Vec<_> = server
                .requests()
                .into_iter()
                .filter(|asked| asked.starts_with("PUT") && asked.contains(&line))
                .collect();
            let says = |asked: &String| match sent {
                "" => !["sha256", "crc"].iter().any(|name| asked.contains(name)),
                sent => asked.ends_with(&format!(" {sent}")),
            };
            assert!(lines.len() >= least && lines.iter().all(says), "{algorithm}: {lines:?}");
        }
    }
    let server = Server::start().unwrap();
    let opened = open(&server, &format!("s3://{BUCKET}"), &[("AWS_CHECKSUM_ALGORITHM", "md5")]).await;
    assert!(matches!(opened, Err(Error::Settings { .. })), "{opened:?}");
}

/// A request that is silent is asked again, but not one whose bytes take their time.
#[tokio::test]
async fn a_request_that_hangs_is_asked_again_and_a_slow_one_is_not() {
    let server = Server::start().unwrap();
    let store = open(&server, &format!("s3://{BUCKET}"), &[("AWS_READ_TIMEOUT", "300ms")]).await.unwrap();
    store.put(&key(1), Bytes::from_static(b"x")).await.unwrap();
    server.meet("GET ", Fault::Hang);
    assert_eq!(store.get(&key(1)).await.unwrap(), "x");
    for (slow, line, bytes) in [
        (key(2), format!("PUT /{BUCKET}/{}", key(2).path()), noise(1000)),
        (key(3), "partNumber=2".to_owned(), noise(LONG_BYTES)),
        (source(), "source.part/0000000000000000".to_owned(), noise(LONG_BYTES)),
    ] {
        server.meet(&line, Fault::Late);
        store.put(&slow, bytes).await.unwrap();
        assert_eq!((count(&server, "PUT", &line), server.faults_left()), (1, 0), "{line}");
    }
}

#[tokio::test]
async fn a_look_at_a_growing_source_lists_what_is_new() {
    let (server, store) = store().await;
    let mut writer = store.writer(&source()).await.unwrap();
    let mut growing = None;
    for n in 1..=4 {
        writer.write(noise(6 << 20)).await.unwrap();
        writer.flush().await.unwrap();
        if growing.is_none() {
            growing = Some(store.growing(&source()).await.unwrap());
        }
        assert!(growing.as_ref().unwrap().len().await.unwrap() >= n * (6 << 20) - (1 << 20));
    }
    let mut lists = server.requests().into_iter().filter(|line| line.starts_with("GET") && line.contains("list-type"));
    let after = lists.next_back().unwrap();
    assert!(after.contains("start-after=") && !after.ends_with("%2F0000000000000000"), "{after}");
    let growing = growing.unwrap();
    writer.discard().await;
    assert_eq!(growing.len().await.unwrap(), 0);
}

#[tokio::test]
async fn large_objects_go_in_parts_and_are_read_in_pieces() {
    let (server, store) = store().await;
    for parts in ["partNumber", "source.part/0"] {
        server.meet(parts, Fault::Together(2));
    }
    let bytes = noise(42 << 20);
    store.put(&key(1), bytes.clone()).await.unwrap();
    store.put(&key(2), bytes.slice(..1_000_000)).await.unwrap();
    store.put(&source(), bytes.clone()).await.unwrap();
    // Less memory where it is known that small parts will do.
    let mut writer = store.writer(&key(3)).await.unwrap();
    writer.expect(42 << 20);
    writer.write(bytes.clone()).await.unwrap();
    writer.finish().await.unwrap();
    let parts = |key: Key| count(&server, "PUT", &format!("{}?partNumber=", key.path()));
    assert_eq!((parts(key(1)), parts(key(2)), parts(source()), parts(key(3))), (4, 0, 4, 9));
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
async fn so_many_parts_of_all_objects_are_on_their_way_and_not_one_more() {
    let (server, store) = store().await;
    for _ in 0..PARTS_AT_ONCE_MAX {
        server.meet("partNumber", Fault::Together(PARTS_AT_ONCE_MAX));
    }
    let bytes = noise(11 << 20);
    let all = (0..20).map(|token| {
        let (store, bytes) = (store.clone(), bytes.clone());
        async move {
            let mut writer = store.writer(&key(token)).await?;
            writer.expect(bytes.len() as u64);
            writer.write(bytes).await?;
            writer.finish().await
        }
    });
    let all = futures_util::future::join_all(all).await;
    assert!(all.iter().all(Result::is_ok), "{all:?}");
    assert_eq!(server.most_at_once("partNumber"), PARTS_AT_ONCE_MAX);
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
async fn an_answer_that_ends_early_is_asked_for_again() {
    let (server, store) = store().await;
    let bytes = noise(LONG_BYTES);
    store.put(&key(1), bytes.clone()).await.unwrap();
    for fault in [Fault::TruncateAnswer, Fault::LoseAnswer] {
        for range in [0..1_000_usize, 5..20 << 20] {
            server.meet(" bytes=", fault);
            let read = store.range(&key(1), range.start as u64..range.end as u64).await.unwrap();
            assert!(read == bytes.slice(range.clone()), "{fault:?} {range:?}: {} bytes", read.len());
            assert_eq!(server.faults_left(), 0, "{fault:?} {range:?}");
        }
    }
    // It was no answer to a range that is there in part.
    server.meet(" bytes=", Fault::TruncateAnswer);
    let end = LONG_BYTES as u64 + 1;
    let beyond = store.range(&key(1), end - 2..end).await;
    assert!(matches!(beyond, Err(Error::Range { .. })), "{beyond:?}");
}

#[tokio::test]
async fn on_s3_a_server_that_is_killed_is_waited_for() {
    let Place { store, home: server } = crate::s3().await;
    store.put(&key(1), noise(1000)).await.unwrap();
    let mut writer = store.writer(&source()).await.unwrap();
    writer.write(noise(LONG_BYTES / 2)).await.unwrap();
    assert!(store.answers().await && store.is_reachable().await);
    server.go_away().unwrap();
    assert!(!store.answers().await && !store.is_reachable().await);
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
        after(Duration::from_secs(2)).await;
        server.come_back().unwrap();
    };
    let ((read, put, written, deleted), ()) = tokio::join!(all, back);
    assert!(began.elapsed() >= Duration::from_secs(2));
    assert!(read.unwrap() == noise(1000));
    assert_eq!(written.unwrap(), LONG_BYTES as u64);
    put.unwrap();
    deleted.unwrap();
    assert!(store.get(&source()).await.unwrap() == noise(LONG_BYTES));
    // It may have carried out what it was asked while it went away; the next look removes that object.
    assert!(store.answers().await);
    assert_eq!(server.left().len(), 3, "{:?}", server.left());
}

/// A place of writers whose process was killed: nobody tidies up after them.
async fn killed_writers() -> Place<Host> {
    let place = crate::s3().await;
    let Place { store, home: server } = &place;
    let id = source().video();
    for key in [source(), Key::Remux { id, generation: 1 }] {
        let mut writer = store.writer(&key).await.unwrap();
        writer.write(noise(LONG_BYTES)).await.unwrap();
        writer.flush().await.unwrap();
        std::mem::forget(writer);
    }
    // What is still on its way is done first, as after a kill.
    let is_part = |name: &&String| name.contains(".part-") || name.contains("/multipart/");
    until("the parts are there", async || server.left().iter().filter(is_part).count() == 4).await;
    place
}

#[tokio::test]
async fn on_s3_what_a_killed_process_left_goes_with_its_video() {
    let Place { store, home: server } = killed_writers().await;
    let id = source().video();
    store.delete_video(id).await.unwrap();
    assert_eq!(server.left(), [] as [&str; 0]);
    assert_eq!(store.list_video(id).await.unwrap(), []);
}

/// As one by one those go that no row of the catalog names.
#[tokio::test]
async fn on_s3_what_a_killed_process_left_goes_with_its_records() {
    let Place { store, home: server } = killed_writers().await;
    let id = source().video();
    for (path, _) in store.list_video(id).await.unwrap() {
        store.delete_listed(id, &path).await.unwrap();
    }
    assert_eq!(server.left(), [] as [&str; 0]);
}
