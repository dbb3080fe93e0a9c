//! Plain uploads: whatever the client does, either the whole file is stored or nothing.

use std::time::{Duration, Instant};

use tokio::{
    io::{AsyncReadExt, AsyncWriteExt},
    net::TcpStream,
};
use vidstream_catalog::{Failure, ListQuery, State, Wanted};
use vidstream_store::Key;

use crate::{
    client::{raw, read, send},
    fixture::{Site, hasty, worker},
};

fn head(site: &Site, target: &str, headers: &str) -> String {
    format!("PUT {target} HTTP/1.1\r\nhost: {}\r\nconnection: close\r\n{headers}\r\n", site.addr)
}

async fn begin(site: &Site, target: &str, headers: &str) -> TcpStream {
    let mut stream = TcpStream::connect(site.addr).await.unwrap();
    stream.write_all(head(site, target, headers).as_bytes()).await.unwrap();
    stream
}

/// Waits until the catalog has exactly so many videos.
async fn until_videos(site: &Site, count: usize) {
    let began = Instant::now();
    loop {
        let videos = site.catalog.list(ListQuery::default()).await.unwrap().videos.len();
        if videos == count {
            return;
        }
        assert!(began.elapsed() < Duration::from_secs(5), "there are {videos} videos, not {count}");
    }
}

async fn assert_nothing_kept(site: &Site) {
    until_videos(site, 0).await;
    // What was staged is gone with the writer; the delete job that cleans up behind it finds nothing.
    while let Some(claim) = site.catalog.claim(&worker(), Wanted::ALL).await.unwrap() {
        let began = Instant::now();
        while !site.objects(claim.video).await.is_empty() {
            assert!(began.elapsed() < Duration::from_secs(5), "{:?}", site.objects(claim.video).await);
        }
        site.catalog.finish_delete(&claim).await.unwrap();
    }
}

#[tokio::test]
async fn a_body_becomes_a_video() {
    let site = Site::start().await;
    let file: Vec<u8> = (0..300_000_u32).map(|n| n.to_le_bytes()[0]).collect();
    for (method, title, content_type) in
        [("PUT", "A%20film", "video/mp4"), ("POST", "B", "application/x-www-form-urlencoded"), ("PUT", "C", "")]
    {
        let headers = if content_type.is_empty() { vec![] } else { vec![("content-type", content_type)] };
        let answer = send(site.addr, method, &format!("/v1/videos?title={title}"), &headers, &file).await;
        assert_eq!(answer.status, 202, "{}", answer.text());
        let video = answer.json();
        assert_eq!(video["title"], title.replace("%20", " "));
        assert_eq!((&video["state"], &video["playable"]), (&"queued".into(), &false.into()));
        let sha256 = "5576a58a474142a55f619be58eea2c14d7d7937cb99d5ef600a704fcde5ddbd8";
        assert_eq!(video["source"], serde_json::json!({ "bytes": 300_000, "sha256": sha256 }));
        assert_eq!(video["urls"]["hls"], serde_json::Value::Null);
        let id = video["id"].as_str().unwrap();
        assert_eq!(answer.header("location"), Some(format!("/v1/videos/{id}").as_str()));
        let key = Key::Source { id: id.parse().unwrap() };
        assert_eq!(site.store.get(&key).await.unwrap(), file);
    }
}

#[tokio::test]
async fn a_chunked_body_is_read_along_while_it_arrives() {
    let site = Site::start().await;
    let headers = "transfer-encoding: chunked\r\nexpect: 100-continue\r\n";
    let mut stream = begin(&site, "/v1/videos?title=", headers).await;
    let mut go_ahead = [0; 25];
    stream.read_exact(&mut go_ahead).await.unwrap();
    assert_eq!(&go_ahead, b"HTTP/1.1 100 Continue\r\n\r\n");
    assert!(site.catalog.list(ListQuery::default()).await.unwrap().videos.is_empty(), "no video before the first byte");
    stream.write_all(b"5\r\nhello\r\n").await.unwrap();
    until_videos(&site, 1).await;
    let video = site.catalog.list(ListQuery::default()).await.unwrap().videos.remove(0);
    assert_eq!((video.state, video.title.as_str()), (State::Uploading, "Untitled"));
    let began = Instant::now();
    let growing = loop {
        match site.store.growing(&Key::Source { id: video.id }).await {
            Ok(growing) if growing.len().await.unwrap() == 5 => break growing,
            _ => assert!(began.elapsed() < Duration::from_secs(5)),
        }
    };
    assert_eq!(growing.read(0, 100).await.unwrap(), "hello");
    // A few bytes more are seen without waiting for a full buffer.
    stream.write_all(b"6\r\n world\r\n").await.unwrap();
    while growing.len().await.unwrap() < 11 {
        assert!(began.elapsed() < Duration::from_secs(5));
    }
    stream.write_all(b"0\r\n\r\n").await.unwrap();
    let answer = read(&mut stream).await;
    assert_eq!((answer.status, answer.json()["id"].as_str()), (202, Some(video.id.to_string().as_str())));
    // Of the bytes alone, and not of what marks the chunks.
    let sha256 = "b94d27b9934d3e08a52e52d7da7dabfac484efe37a5380ee9088f7ace2efcde9";
    assert_eq!(answer.json()["source"]["sha256"], sha256);
    assert_eq!(video.sha256, None, "while bytes arrive there is none");
    assert_eq!(site.store.get(&Key::Source { id: video.id }).await.unwrap(), "hello world");
}

#[tokio::test]
async fn an_empty_body_makes_no_video() {
    let site = Site::start().await;
    for headers in ["content-length: 0\r\n\r\n", "transfer-encoding: chunked\r\n\r\n0\r\n\r\n", "\r\n"] {
        let request =
            format!("PUT /v1/videos?title=T HTTP/1.1\r\nhost: {}\r\nconnection: close\r\n{headers}", site.addr);
        let answer = raw(site.addr, request.as_bytes()).await;
        assert_eq!((answer.status, answer.code()), (400, "empty_body".to_owned()), "{headers:?}");
    }
    assert_nothing_kept(&site).await;
}

#[tokio::test]
async fn a_broken_upload_leaves_nothing() {
    let site = Site::start().await;
    // The client goes away in the middle of a body of known length, and of a chunk.
    for (headers, sent) in
        [("content-length: 1000000\r\n", &b"some bytes"[..]), ("transfer-encoding: chunked\r\n", b"20\r\nsome bytes")]
    {
        let mut stream = begin(&site, "/v1/videos", headers).await;
        stream.write_all(sent).await.unwrap();
        until_videos(&site, 1).await;
        drop(stream);
        assert_nothing_kept(&site).await;
    }
    // A chunk that is none.
    let mut stream = begin(&site, "/v1/videos", "transfer-encoding: chunked\r\n").await;
    stream.write_all(b"5\r\nhello\r\nzz\r\n").await.unwrap();
    let answer = read(&mut stream).await;
    assert_eq!((answer.status, answer.code()), (400, "body_broken".to_owned()));
    assert_nothing_kept(&site).await;
}

#[tokio::test]
async fn a_stalled_upload_is_given_up() {
    let site = Site::with(|config| config.patience = hasty()).await;
    for sent in [&b""[..], b"first bytes"] {
        let mut stream = begin(&site, "/v1/videos", "content-length: 1000\r\n").await;
        stream.write_all(sent).await.unwrap();
        let answer = read(&mut stream).await;
        assert_eq!((answer.status, answer.code()), (408, "body_timeout".to_owned()));
        assert_nothing_kept(&site).await;
    }
}

#[tokio::test]
async fn an_upload_that_is_too_large_is_refused_early_or_late() {
    let site = Site::with(|config| config.upload_bytes_max = 1_000).await;
    let announced = send(site.addr, "PUT", "/v1/videos", &[], &[0; 1_001]).await;
    assert_eq!((announced.status, announced.code()), (413, "too_large".to_owned()));
    // Without a go-ahead nothing was sent, and the answer comes at once.
    let mut patient = begin(&site, "/v1/videos", "content-length: 5000\r\nexpect: 100-continue\r\n").await;
    assert_eq!(read(&mut patient).await.status, 413);
    // Without a length the byte that is too many is seen when it comes.
    let chunked = async |last: usize| {
        let mut stream = begin(&site, "/v1/videos", "transfer-encoding: chunked\r\n").await;
        for bytes in [500, last] {
            let chunk = [format!("{bytes:x}\r\n").as_bytes(), &vec![0; bytes], b"\r\n"].concat();
            stream.write_all(&chunk).await.unwrap();
        }
        stream.write_all(b"0\r\n\r\n").await.unwrap();
        read(&mut stream).await
    };
    assert_eq!(chunked(501).await.code(), "too_large");
    assert_nothing_kept(&site).await;
    assert_eq!(chunked(500).await.status, 202);
    assert_eq!(send(site.addr, "PUT", "/v1/videos", &[], &[0; 1_000]).await.status, 202);
}

#[tokio::test]
async fn so_many_uploads_run_at_once_and_not_one_more() {
    let site = Site::start().await;
    let mut uploads = Vec::new();
    for _ in 0..64 {
        let headers = "transfer-encoding: chunked\r\nexpect: 100-continue\r\n";
        let mut stream = begin(&site, "/v1/videos", headers).await;
        // The go-ahead is given to one that has its place.
        let mut go_ahead = [0; 25];
        stream.read_exact(&mut go_ahead).await.unwrap();
        assert_eq!(&go_ahead, b"HTTP/1.1 100 Continue\r\n\r\n");
        uploads.push(stream);
    }
    let refused = send(site.addr, "PUT", "/v1/videos", &[], b"bytes").await;
    assert_eq!((refused.status, refused.code()), (503, "busy".to_owned()));
    // A client that goes away leaves its place to the next.
    drop(uploads.pop());
    let began = Instant::now();
    while send(site.addr, "PUT", "/v1/videos", &[], b"bytes").await.status != 202 {
        assert!(began.elapsed() < Duration::from_secs(5));
    }
}

#[tokio::test]
async fn wrapped_bodies_and_bad_titles_are_refused() {
    let site = Site::start().await;
    for content_type in ["application/json", "multipart/form-data; boundary=x"] {
        let answer = send(site.addr, "POST", "/v1/videos", &[("content-type", content_type)], b"{}").await;
        assert_eq!((answer.status, answer.code()), (415, "unsupported_media_type".to_owned()));
    }
    for query in [format!("title={}", "x".repeat(501)), "title=a%0ab".to_owned()] {
        let answer = send(site.addr, "PUT", &format!("/v1/videos?{query}"), &[], b"bytes").await;
        assert_eq!((answer.status, answer.code()), (400, "invalid_title".to_owned()));
    }
    assert_nothing_kept(&site).await;
}

#[tokio::test]
async fn an_upload_whose_probe_failed_is_told_why() {
    let site = Site::start().await;
    let mut stream = begin(&site, "/v1/videos", "content-length: 10\r\n").await;
    stream.write_all(b"not a").await.unwrap();
    until_videos(&site, 1).await;
    let probe = Wanted { probe: true, ..Wanted::default() };
    let claim = site.catalog.claim(&worker(), probe).await.unwrap().unwrap();
    let failure = Failure {
        code: "not_media".to_owned(),
        title: "Not media".to_owned(),
        detail: "this is text".to_owned(),
        retryable: false,
    };
    site.catalog.fail(&claim, failure).await.unwrap();
    stream.write_all(b" film").await.unwrap();
    let answer = read(&mut stream).await;
    // The whole body arrived, so the answer is the same as for a file that is judged a moment later.
    assert_eq!(answer.status, 202);
    assert_eq!((&answer.json()["state"], &answer.json()["error"]["code"]), (&"failed".into(), &"not_media".into()));
    assert_eq!(answer.json()["error"]["detail"], "this is text");
}

#[tokio::test]
async fn a_stop_lets_uploads_end_or_cleans_up_behind_them() {
    let site = Site::with(|config| config.patience.drain = Duration::from_millis(500)).await;
    let mut quick = begin(&site, "/v1/videos?title=quick", "content-length: 10\r\n").await;
    let mut endless = begin(&site, "/v1/videos?title=endless", "content-length: 10\r\n").await;
    quick.write_all(b"hello").await.unwrap();
    endless.write_all(b"hello").await.unwrap();
    until_videos(&site, 2).await;
    site.begin_stop();
    quick.write_all(b"world").await.unwrap();
    assert_eq!(read(&mut quick).await.status, 202);
    let catalog = site.catalog.clone();
    site.stop().await;
    let videos = catalog.list(ListQuery::default()).await.unwrap().videos;
    let titles: Vec<(&str, State)> = videos.iter().map(|video| (video.title.as_str(), video.state)).collect();
    assert_eq!(titles, [("quick", State::Queued)]);
}
