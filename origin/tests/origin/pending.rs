//! Segments that are not made yet: waiting for them, and how many may.

use std::time::{Duration, Instant};

use tokio::{io::AsyncWriteExt, net::TcpStream, task::JoinSet, time::timeout};
use vidstream_catalog::{Claim, Wanted, Work};
use vidstream_media::{Track, VideoId};

use crate::{
    client::{Answer, ask, get, read},
    fixture::{Site, finish, hasty, planned, playable, segment_bytes, worker},
};

/// A lost hint costs this much.
const LOOK_AGAIN: Duration = Duration::from_millis(20);
const URGENT: Wanted = Wanted { probe: false, urgent: true, background: false };
const ANY_CHUNK: Wanted = Wanted { probe: false, urgent: true, background: true };

async fn begin(site: &Site, path: &str) -> TcpStream {
    begin_with(site, path, "").await
}

/// With more lines in its head.
async fn begin_with(site: &Site, path: &str, lines: &str) -> TcpStream {
    let mut stream = TcpStream::connect(site.addr).await.unwrap();
    let request = format!("GET {path} HTTP/1.1\r\nhost: x\r\nconnection: close\r\n{lines}\r\n");
    stream.write_all(request.as_bytes()).await.unwrap();
    stream
}

/// Waits until the queue knows that somebody waits for a segment, and claims its chunk.
async fn claim_raised(site: &Site, segment: u64) -> Claim {
    let began = Instant::now();
    let mut hints = site.catalog.hints();
    loop {
        if let Some(claim) = site.catalog.claim(&worker(), URGENT).await.unwrap() {
            let run = match claim.work {
                Work::Encode { segments, deadline_ms: Some(_), .. } => Some(segments),
                _ => None,
            };
            if run.is_some_and(|run| run.first == segment) {
                return claim;
            }
            site.catalog.release(&claim).await.unwrap();
        }
        assert!(began.elapsed() < Duration::from_secs(5), "segment {segment} was not raised");
        // Giving back hints as well; a raise that is drained with it is found at the next look.
        while hints.try_recv().is_ok() {}
        let _ = timeout(LOOK_AGAIN, hints.recv()).await;
    }
}

fn assert_pending(answer: &Answer) {
    assert_eq!((answer.status, answer.header("cache-control")), (503, Some("no-store")), "{answer:?}");
    assert_eq!(answer.header("retry-after"), Some("1"));
    assert_eq!(answer.header("access-control-allow-origin"), Some("*"));
}

fn segment(id: VideoId, n: u64) -> String {
    format!("/v/{id}/1/360p/{n}.m4s")
}

#[tokio::test]
async fn a_request_brings_its_chunk_forward_and_gets_it() {
    let site = Site::start().await;
    let id = playable(&site).await;
    let mut waiting = begin(&site, &segment(id, 5)).await;
    let claim = claim_raised(&site, 5).await;
    finish(&site, &site.catalog, &claim).await;
    let published = Instant::now();
    let answer = read(&mut waiting).await;
    assert_eq!((answer.status, answer.body), (200, segment_bytes(Track::Rung(360), 5)));
    assert!(
        published.elapsed() < Duration::from_millis(150),
        "woken by the hint, not by the poll: {:?}",
        published.elapsed()
    );
}

#[tokio::test]
async fn what_another_process_publishes_is_seen_by_polling() {
    let site = Site::start().await;
    let id = playable(&site).await;
    let mut waiting = begin(&site, &segment(id, 4)).await;
    let claim = claim_raised(&site, 4).await;
    let other = site.other_process().await;
    finish(&site, &other, &claim).await;
    let published = Instant::now();
    let answer = read(&mut waiting).await;
    assert_eq!((answer.status, answer.body), (200, segment_bytes(Track::Rung(360), 4)));
    assert!(published.elapsed() < Duration::from_secs(1), "{:?}", published.elapsed());
    // A document that came with it is there at once, though the view may be a second old.
    assert_eq!(get(site.addr, &format!("/v/{id}/1/trick/10.m4s")).await.status, 200);
}

#[tokio::test]
async fn the_wait_ends() {
    let site = Site::with(|config| config.patience = hasty()).await;
    let id = planned(&site.catalog).await;
    let began = Instant::now();
    let answer = get(site.addr, &segment(id, 2)).await;
    assert_pending(&answer);
    assert_eq!(answer.code(), "segment_pending");
    let waited = began.elapsed();
    assert!(waited >= hasty().segment_wait && waited < hasty().segment_wait * 3, "{waited:?}");
}

#[tokio::test]
async fn a_client_has_four_places_and_gets_them_back() {
    let site = Site::start().await;
    let id = playable(&site).await;
    let (mut waiting, mut claims) = (Vec::new(), Vec::new());
    for n in 2..=5 {
        waiting.push(begin(&site, &segment(id, n)).await);
        claims.push(claim_raised(&site, n).await);
    }
    let refused = get(site.addr, &segment(id, 6)).await;
    assert_pending(&refused);
    assert_eq!(refused.code(), "too_many_waiting");
    // What is there needs no place.
    assert_eq!(get(site.addr, &segment(id, 1)).await.status, 200);
    // A client that goes away leaves its place to the next.
    drop(waiting.pop());
    let (mut last, claim) = loop {
        let mut stream = begin(&site, &segment(id, 6)).await;
        tokio::select! {
            claim = claim_raised(&site, 6) => break (stream, claim),
            answer = read(&mut stream) => assert_pending(&answer),
        }
    };
    claims.push(claim);
    for claim in &claims {
        finish(&site, &site.catalog, claim).await;
    }
    assert_eq!(read(&mut last).await.status, 200);
    for mut stream in waiting {
        assert_eq!(read(&mut stream).await.status, 200);
    }
}

/// Five requests for a segment that is not made yet, as a proxy passes them on for a client that writes of others each
/// time. One is refused, whichever came last; gives the others, which wait.
async fn crowd(site: &Site, path: &str, client: &str) -> JoinSet<Answer> {
    let mut asking = JoinSet::new();
    for n in 1..=5 {
        let lines = format!("x-forwarded-for: 203.0.113.{n}\r\nx-forwarded-for: 127.0.0.1, {client}\r\n");
        let mut stream = begin_with(site, path, &lines).await;
        asking.spawn(async move { read(&mut stream).await });
    }
    let refused = asking.join_next().await.unwrap().unwrap();
    assert_pending(&refused);
    assert_eq!(refused.code(), "too_many_waiting");
    asking
}

#[tokio::test]
async fn clients_behind_a_proxy_that_is_trusted_have_four_places_each() {
    let site = Site::with(|config| config.trusted_proxies = vec!["127.0.0.1/32".parse().unwrap()]).await;
    let id = playable(&site).await;
    let mut waiting = Vec::new();
    for client in ["192.0.2.1", "192.0.2.2:4711", "[2001:db8::1]:4711"] {
        waiting.push(crowd(&site, &segment(id, 2), client).await);
    }
    // Another address of the same prefix.
    let refused = ask(site.addr, "GET", &segment(id, 2), &[("x-forwarded-for", "2001:db8::2")]).await;
    assert_eq!(refused.code(), "too_many_waiting");
    let claim = claim_raised(&site, 2).await;
    finish(&site, &site.catalog, &claim).await;
    for answers in waiting {
        let answers = answers.join_all().await;
        assert_eq!(answers.iter().map(|answer| answer.status).collect::<Vec<_>>(), [200; 4]);
    }
}

#[tokio::test]
async fn who_is_no_trusted_proxy_gets_no_more_places_by_naming_others() {
    for trusted in [vec![], vec!["192.0.2.0/24".parse().unwrap(), "::1/128".parse().unwrap()]] {
        let site = Site::with(|config| config.trusted_proxies = trusted).await;
        let id = playable(&site).await;
        let waiting = crowd(&site, &segment(id, 2), "192.0.2.1").await;
        let refused = ask(site.addr, "GET", &segment(id, 2), &[("x-forwarded-for", "192.0.2.2")]).await;
        assert_eq!(refused.code(), "too_many_waiting");
        let claim = claim_raised(&site, 2).await;
        finish(&site, &site.catalog, &claim).await;
        assert!(waiting.join_all().await.iter().all(|answer| answer.status == 200));
    }
}

#[tokio::test]
async fn a_wait_ends_at_once_when_there_is_nothing_to_wait_for_any_more() {
    let site = Site::start().await;
    let id = playable(&site).await;
    let mut waiting = begin(&site, &segment(id, 3)).await;
    claim_raised(&site, 3).await;
    let began = Instant::now();
    site.catalog.delete(id).await.unwrap();
    assert_eq!(read(&mut waiting).await.status, 404);
    assert!(began.elapsed() < Duration::from_secs(1));

    let id = playable(&site).await;
    let mut waiting = begin(&site, &segment(id, 3)).await;
    claim_raised(&site, 3).await;
    let began = Instant::now();
    site.begin_stop();
    let answer = read(&mut waiting).await;
    assert_eq!((answer.status, answer.code()), (503, "shutting_down".to_owned()));
    assert!(began.elapsed() < Duration::from_secs(1));
    site.stop().await;
}

#[tokio::test]
async fn a_viewer_of_stored_segments_pulls_the_next_chunks_forward() {
    let site = Site::start().await;
    let id = playable(&site).await;
    // Another video's chunks would come first otherwise.
    planned(&site.catalog).await;
    assert_eq!(get(site.addr, &segment(id, 1)).await.status, 200);
    let began = Instant::now();
    loop {
        let claim = site.catalog.claim(&worker(), ANY_CHUNK).await.unwrap().unwrap();
        let mine = claim.video == id;
        site.catalog.release(&claim).await.unwrap();
        if mine {
            assert!(matches!(claim.work, Work::Encode { segments, .. } if segments.first == 2), "{claim:?}");
            return;
        }
        assert!(began.elapsed() < Duration::from_secs(5));
    }
}
