//! Who watches: counted over HTTP and the WebSocket, and told.

use std::{
    net::SocketAddr,
    ops::Range,
    time::{Duration, Instant},
};

use serde_json::{Value, json};
use tokio::time::timeout;
use vidstream_catalog::Edit;
use vidstream_media::VideoId;
use vidstream_testkit::postgres;

use crate::{
    client::{get, send},
    events::Socket,
    fixture::{Place, Site, fresh_id, planned, playable, work_all},
};

/// Says that a session watches.
pub(crate) async fn watch(addr: SocketAddr, id: VideoId, session: &str) {
    let body = json!({ "session": session }).to_string();
    let answer = send(addr, "POST", &format!("/v1/videos/{id}/views"), &[], body.as_bytes()).await;
    assert_eq!((answer.status, answer.json()), (202, json!({})), "{}", answer.text());
}

/// Views are counted every second; a disk that many wait for takes its time.
const COUNTED_MAX: Duration = Duration::from_mins(1);

/// Looks at the views of a video until there are so many, and as many who watch.
pub(crate) async fn until_views(addr: SocketAddr, id: VideoId, views: u64, viewers: u64) {
    let path = format!("/v1/videos/{id}/views");
    let wanted = json!({ "views": views, "viewers": viewers });
    let mut last = Value::Null;
    let seen = async {
        while last != wanted {
            last = get(addr, &path).await.json();
        }
    };
    let in_time = timeout(COUNTED_MAX, seen).await.is_ok();
    assert!(in_time, "{last} and not {wanted}");
}

#[tokio::test]
async fn a_session_counts_once_however_often_it_is_seen() {
    let site = Site::with(|config| config.patience.last_views = COUNTED_MAX).await;
    let id = playable(&site).await;
    until_views(site.addr, id, 0, 0).await;
    for session in ["a", "a", "b", "a"] {
        watch(site.addr, id, session).await;
    }
    until_views(site.addr, id, 2, 2).await;
    assert_eq!(get(site.addr, &format!("/v1/videos/{id}")).await.json()["views"], 2);
    // What was answered last is counted before an origin ends.
    watch(site.addr, id, "c").await;
    let (catalog, _place) = (site.other_process().await, site.place.clone());
    site.stop().await;
    assert_eq!(catalog.video(id).await.unwrap().unwrap().views, 3);
}

#[tokio::test]
async fn what_is_no_view_is_refused() {
    let site = Site::start().await;
    let gone = playable(&site).await;
    site.catalog.delete(gone).await.unwrap();
    work_all(&site).await;
    let id = playable(&site).await;
    let pending = planned(&site.catalog).await;
    let path = |id: VideoId| format!("/v1/videos/{id}/views");
    let good = r#"{"session":"a"}"#;
    let longest = format!(r#"{{"session":"{}"}}"#, "x".repeat(64));
    let longer = longest.replace('x', "xy");
    for (path, headers, body, status, code) in [
        (path(fresh_id()), vec![], good, 404, "not_found"),
        (path(gone), vec![], good, 410, "deleted"),
        (path(pending), vec![], good, 409, "conflict"),
        (path(id), vec![], "", 400, "invalid_json"),
        (path(id), vec![], "{}", 400, "invalid_parameter"),
        (path(id), vec![], longer.as_str(), 400, "invalid_parameter"),
        (path(id), vec![], r#"{"session":"a","from":0}"#, 400, "unknown_field"),
        (path(id), vec![("origin", "https://evil.example")], good, 403, "write_not_allowed"),
    ] {
        let answer = send(site.addr, "POST", &path, &headers, body.as_bytes()).await;
        assert_eq!((answer.status, answer.code().as_str()), (status, code), "{path} {body}");
        assert_eq!(answer.header("access-control-allow-origin"), None);
    }
    assert_eq!(send(site.addr, "POST", &path(id), &[], longest.as_bytes()).await.status, 202);
    let wrong = send(site.addr, "DELETE", &path(id), &[], b"").await;
    assert_eq!((wrong.status, wrong.header("allow")), (405, Some("GET, HEAD, POST")));
    for (id, status) in [(fresh_id(), 404), (gone, 410), (pending, 200)] {
        assert_eq!(get(site.addr, &path(id)).await.status, status);
    }
    until_views(site.addr, id, 1, 1).await;
}

#[tokio::test]
async fn viewers_need_no_token_and_an_origin_that_only_reads_counts_none() {
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("token");
    std::fs::write(&file, "s3cret\n").unwrap();
    let site = Site::with(|config| config.token_file = Some(file.clone())).await;
    let id = playable(&site).await;
    let path = format!("/v1/videos/{id}/views");
    // As through a proxy.
    let headers = [("x-forwarded-for", "192.0.2.1"), ("host", "videos.example"), ("origin", "https://videos.example")];
    assert_eq!(send(site.addr, "POST", &path, &headers, br#"{"session":"a"}"#).await.status, 202);
    until_views(site.addr, id, 1, 1).await;
    let reader = site.node(|config| config.read_only = true).await;
    let refused = send(reader.addr, "POST", &path, &[], br#"{"session":"b"}"#).await;
    assert_eq!((refused.status, refused.code()), (403, "read_only".to_owned()));
    let (mut socket, _) = Socket::greeted(reader.addr).await;
    socket.say(json!({ "op": "view", "video": id, "session": "b" })).await;
    assert_eq!(socket.hear().await["problem"]["code"], "read_only");
    assert_eq!(get(reader.addr, &path).await.json(), json!({ "views": 1, "viewers": 0 }));
}

/// Several times what one client may bring in a second.
const FLOOD: u64 = 2_000;
/// A flood is that much within one second, which a busy machine needs some tries for.
const FLOOD_WAIT_MAX: Duration = Duration::from_mins(1);

/// Says over a socket that new sessions watch; gives how many of them were refused.
async fn flood(socket: &mut Socket, id: VideoId, sessions: Range<u64>) -> u64 {
    for n in sessions {
        socket.say(json!({ "op": "view", "video": id, "session": format!("s{n}") })).await;
    }
    socket.say(json!({ "op": "ping" })).await;
    let mut refused = 0;
    loop {
        let frame = socket.hear().await;
        if frame["op"] == "pong" {
            return refused;
        }
        assert_eq!((&frame["problem"]["code"], &frame["problem"]["status"]), (&json!("busy"), &json!(503)));
        refused += 1;
    }
}

#[tokio::test]
async fn a_flood_of_one_client_behind_a_trusted_proxy_refuses_no_other() {
    let site = Site::with(|config| config.trusted_proxies = vec!["127.0.0.0/8".parse().unwrap()]).await;
    let id = playable(&site).await;
    let mut socket = Socket::forwarded(site.addr, "203.0.113.9, 192.0.2.1").await;
    let path = format!("/v1/videos/{id}/views");
    let mut posted = 0_u64;
    let mut post = async |client: &str| {
        posted += 1;
        let body = format!(r#"{{"session":"p{posted}"}}"#);
        let headers = [("x-forwarded-for", client)];
        send(site.addr, "POST", &path, &headers, body.as_bytes()).await.status
    };
    let mut sent = 0;
    let flooded = async {
        loop {
            flood(&mut socket, id, sent..sent + FLOOD).await;
            sent += FLOOD;
            let before = post("192.0.2.1").await;
            assert_eq!(post("192.0.2.2").await, 202);
            // Otherwise the next second has begun.
            if [before, post("198.51.100.1, 192.0.2.1").await] == [503; 2] {
                break;
            }
        }
    };
    timeout(FLOOD_WAIT_MAX, flooded).await.expect("no second had a whole flood in it");
}

#[tokio::test]
async fn a_flood_of_new_sessions_is_refused_and_ends_no_socket() {
    let site = Site::start().await;
    let id = playable(&site).await;
    let (mut socket, _) = Socket::greeted(site.addr).await;
    let path = format!("/v1/videos/{id}/views");
    let (mut sent, mut refused, mut posted) = (0_u64, 0_u64, 0_u64);
    let began = Instant::now();
    let flooded = async {
        loop {
            refused += flood(&mut socket, id, sent..sent + FLOOD).await;
            sent += FLOOD;
            // By the other way it is the same client, unless the next second has begun.
            let body = format!(r#"{{"session":"p{posted}"}}"#);
            let status = send(site.addr, "POST", &path, &[], body.as_bytes()).await.status;
            posted += 1;
            // One that is known goes on.
            watch(site.addr, id, "s0").await;
            // More than the bad messages that end a socket: what a server cannot take is nobody's fault.
            if refused > 100 && status == 503 {
                break;
            }
        }
    };
    timeout(FLOOD_WAIT_MAX, flooded).await.expect("no second had a whole flood in it");
    assert!(sent - refused <= 500 * (2 + began.elapsed().as_secs()), "{refused} of {sent}");
}

#[tokio::test]
async fn a_page_whose_name_points_here_counts_nothing() {
    let site = Site::start().await;
    let id = playable(&site).await;
    let path = format!("/v1/videos/{id}/views");
    let post = async |headers: &[(&str, &str)]| send(site.addr, "POST", &path, headers, br#"{"session":"a"}"#).await;
    let rebound = post(&[("host", "evil.example"), ("origin", "http://evil.example")]).await;
    assert_eq!((rebound.status, rebound.code().as_str()), (403, "write_not_allowed"));
    // Viewers behind a proxy of this machine may say that they watch, though they may not write.
    assert_eq!(post(&[("x-forwarded-for", "192.0.2.1")]).await.status, 202);
    let edit = send(site.addr, "DELETE", &format!("/v1/videos/{id}"), &[("x-forwarded-for", "192.0.2.1")], b"").await;
    assert_eq!(edit.status, 403);
}

#[tokio::test(flavor = "multi_thread")]
async fn who_watches_is_told_while_counting_waits_for_the_database() {
    let database = postgres::shared();
    let url = database.database().unwrap();
    let site = Site::at(Place::on(url.clone(), "local:".to_owned()), |_| {}).await;
    let id = playable(&site).await;
    let (mut socket, _) = Socket::greeted(site.addr).await;
    socket.subscribe(json!({ "op": "subscribe", "topics": [format!("viewers:{id}")] })).await;
    let told = |viewers: u64| json!({ "op": "viewers", "video": id, "viewers": viewers });
    assert_eq!(socket.hear().await, told(0));
    let locked = url.clone();
    let locking = tokio::task::spawn_blocking(move || {
        database.execute(&locked, "BEGIN; LOCK TABLE view_sessions IN ACCESS EXCLUSIVE MODE; SELECT pg_sleep(60)")
    });
    let held = "SELECT count(*) FROM pg_locks JOIN pg_database ON pg_database.oid = database WHERE datname = current_database()
         AND relation = 'view_sessions'::regclass AND mode = 'AccessExclusiveLock' AND granted";
    while database.execute(&url, held).unwrap().trim() == "0" {}
    let began = Instant::now();
    for (session, viewers) in [("a", 1), ("b", 2), ("c", 3)] {
        watch(site.addr, id, session).await;
        assert_eq!(socket.hear().await, told(viewers));
    }
    // A wait for the lock takes five seconds, and there were three looks.
    assert!(began.elapsed() < Duration::from_secs(10), "{:?}", began.elapsed());
    assert_eq!(get(site.addr, &format!("/v1/videos/{id}")).await.json()["views"], 0);
    database
        .execute(&url, "SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE query LIKE '%pg_sleep(60)'")
        .unwrap();
    drop(locking.await);
    until_views(site.addr, id, 3, 3).await;
}

#[tokio::test]
async fn sockets_say_who_watches_and_hear_how_many_do() {
    let site = Site::start().await;
    let (id, other) = (playable(&site).await, playable(&site).await);
    let (mut socket, _) = Socket::greeted(site.addr).await;
    let (mut watcher, _) = Socket::greeted(site.addr).await;
    socket.subscribe(json!({ "op": "subscribe", "topics": [format!("viewers:{id}")] })).await;
    let told = |viewers: u64| json!({ "op": "viewers", "video": id, "viewers": viewers });
    assert_eq!(socket.hear().await, told(0));
    // Once, and only of what was asked about.
    watcher.say(json!({ "op": "view", "video": other, "session": "z" })).await;
    for _ in 0..3 {
        watcher.say(json!({ "op": "view", "video": id, "session": "a" })).await;
    }
    assert_eq!(socket.hear().await, told(1));
    watch(site.addr, id, "b").await;
    assert_eq!(socket.hear().await, told(2));
    until_views(site.addr, id, 2, 2).await;
    // Events come beside it, and asking again tells it again.
    socket.say(json!({ "op": "subscribe", "topics": [format!("viewers:{id}"), format!("video:{id}")] })).await;
    assert_eq!(socket.hear().await["topics"], json!([format!("viewers:{id}"), format!("video:{id}")]));
    assert_eq!(socket.hear().await, told(2));
    site.catalog.edit(id, Edit::title("New"), None).await.unwrap();
    assert_eq!(socket.hear().await["type"], "video.updated");
    socket.say(json!({ "op": "unsubscribe", "topics": [format!("viewers:{id}"), format!("video:{id}")] })).await;
    assert_eq!(socket.hear().await["op"], "unsubscribed");
    watch(site.addr, id, "c").await;
    until_views(site.addr, id, 3, 3).await;
    socket.say(json!({ "op": "ping" })).await;
    assert_eq!(socket.hear().await["op"], "pong");
    // What is no view is answered as such.
    socket.say(json!({ "op": "view", "video": fresh_id(), "session": "a" })).await;
    assert_eq!(socket.hear().await["problem"]["code"], "not_found");
}
