//! Processes that meet at a Redis, and what it can do to them: die, hang, be slow, forget, refuse.

use std::{
    io::Write as _,
    sync::Arc,
    time::{Duration, Instant},
};

use tokio::{
    sync::{Barrier, broadcast::Receiver},
    time::timeout,
};
use vidstream_catalog::{
    Catalog, Edit, Error, Events, Hint, HintKind, Options,
    limits::{VIEW_SESSION_MS, VIEWERS_ANSWER_MS, VIEWS_LATE_MS},
};
use vidstream_media::VideoId;
use vidstream_testkit::{postgres, redis};

use crate::{
    audience::{until_views, viewer, views, watch},
    faults::lock,
    fixture::{self, Adapter, Postgres, Sqlite, WithRedis, open, queued, upload},
};

type Place = WithRedis<Sqlite>;

/// What takes no longer than this did not wait for the server.
const PROMPT: Duration = Duration::from_millis(1_500);
/// Whatever is waited for happens within this.
const WAIT_MAX: Duration = Duration::from_secs(30);

fn server() -> Arc<redis::Server> {
    Arc::new(redis::Server::start(redis::Settings::default()).unwrap())
}

/// Hears until the hints of an upload have come, and gives all of them.
async fn all_until(hints: &mut Receiver<Hint>, last: VideoId) -> Vec<Hint> {
    let wanted = [HintKind::Job, HintKind::Event].map(|kind| Hint { video: Some(last), kind });
    let mut heard = Vec::new();
    while !wanted.iter().all(|hint| heard.contains(hint)) {
        heard.push(timeout(WAIT_MAX, hints.recv()).await.unwrap().unwrap());
    }
    heard
}

/// Waits until a process knows whether the server is there.
async fn until_there(catalog: &Catalog, is_there: bool) {
    let known = async {
        while catalog.events_trouble().is_none() != is_there {
            tokio::task::yield_now().await;
        }
    };
    timeout(WAIT_MAX, known).await.unwrap();
}

/// The name of the views that wait with the server.
fn views_key(place: &dyn Adapter) -> String {
    format!("{}:views", place.events_url().split_once("prefix=").unwrap().1)
}

/// Leaves a view with the server, as a process does that dies before it is in the catalog.
fn leave(server: &redis::Server, place: &dyn Adapter, member: &str, at_ms: i64) {
    server.command(&["ZADD", &views_key(place), &at_ms.to_string(), member]).unwrap();
}

/// A process on a place of which only the database is known there.
async fn connect(place: &dyn Adapter, events_url: &str) -> Catalog {
    let events = Events::open(events_url).await.unwrap();
    Catalog::open(&place.url(), Options { events, ..fixture::options(place) }).await.unwrap()
}

async fn refusal(url: &str) -> Error {
    match Events::open(url).await {
        Ok(_) => panic!("{url} was opened"),
        Err(error) => error,
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_hint_is_heard_by_everybody_and_once() {
    let place = Place::new();
    let (here, there) = (open(&place).await, open(&place).await);
    let (mut own, mut others) = (here.hints(), there.hints());
    let (first, last) = (upload(&here).await, upload(&here).await);
    let mut at_there = all_until(&mut others, last).await;
    // What the other tells comes after anything that the server could send back.
    let marker = upload(&there).await;
    at_there.extend(all_until(&mut others, marker).await);
    for heard in [all_until(&mut own, marker).await, at_there] {
        let of = |id| heard.iter().filter(|hint| hint.video == Some(id)).count();
        assert_eq!([of(first), of(last), of(marker)], [2, 2, 2], "{heard:?}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn catalogs_that_share_a_server_do_not_meet() {
    let server = redis::shared();
    let [one, other] = [Place::on(server), Place::on(server)];
    let (here, there) = (open(&one).await, open(&other).await);
    let mut hints = there.hints();
    let id = upload(&here).await;
    watch(&here, id, "a").await;
    let marker = upload(&there).await;
    all_until(&mut hints, marker).await;
    assert!(hints.try_recv().is_err());
    assert_eq!((here.viewers(&[id]).await, there.viewers(&[id]).await), (vec![1], vec![0]));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_killed_server_costs_hints_and_nothing_else() {
    let server = server();
    let place = Place::on(&server);
    let (here, there) = (open(&place).await, open(&place).await);
    let id = queued(&here).await;
    watch(&here, id, "before").await;
    server.kill().unwrap();
    until_there(&here, false).await;
    // Who begins now begins without it, and says so.
    let late = open(&place).await;
    let text = late.events_trouble().unwrap();
    let port = server.port();
    assert!(text.starts_with(&format!("the Redis server at 127.0.0.1:{port}: Connection refused")), "{text}");
    let began = Instant::now();
    watch(&here, id, "meanwhile").await;
    watch(&there, id, "meanwhile").await;
    let missed = upload(&here).await;
    assert!(began.elapsed() < PROMPT, "{:?}", began.elapsed());
    assert_eq!(views(&here, id).await, 2);
    // What this process saw itself is still known.
    assert_eq!(here.viewers(&[id]).await, [2]);
    let mut hints = there.hints();
    server.restart().unwrap();
    // They come back by themselves, and look at everything: what was missed could have been about anything.
    until_there(&here, true).await;
    let anything = async { while hints.recv().await.unwrap().video.is_some() {} };
    timeout(WAIT_MAX, anything).await.unwrap();
    assert!(there.video(missed).await.unwrap().is_some());
    let told = upload(&here).await;
    all_until(&mut hints, told).await;
    // The server has forgotten who watches, and is told again.
    here.tell_viewers().await;
    assert_eq!(there.viewers(&[id]).await, [2]);
    until_there(&late, true).await;
    assert_eq!(late.viewers(&[id]).await, [2]);
    watch(&there, id, "after").await;
    assert_eq!((views(&here, id).await, here.viewers(&[id]).await), (3, vec![3]));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_server_that_hangs_is_given_up_and_what_it_kept_counts_nothing_twice() {
    let server = server();
    let place = Place::on(&server);
    let (here, there) = (open(&place).await, open(&place).await);
    let id = queued(&here).await;
    leave(&server, &place, &viewer(id, "a").to_string(), fixture::now(&place));
    here.note_viewer(viewer(id, "a")).unwrap();
    server.pause().unwrap();
    // Who has been told of viewers goes on with what was told, and is not told of this process alone.
    let began = Instant::now();
    assert_eq!(here.viewers_in_time(&[id]).await, None);
    let waited = began.elapsed();
    assert!((Duration::from_millis(VIEWERS_ANSWER_MS)..PROMPT).contains(&waited), "{waited:?}");
    // Whoever commits or watches does not wait for it, known or not known to hang.
    let began = Instant::now();
    upload(&here).await;
    assert_eq!(here.viewers(&[id]).await, [1]);
    assert!(began.elapsed() < PROMPT, "{:?}", began.elapsed());
    // The server has this view too, and will say so when it goes on.
    here.count_views().await.unwrap();
    assert_eq!(views(&here, id).await, 1);
    until_there(&here, false).await;
    until_there(&there, false).await;
    assert_eq!(here.viewers_in_time(&[id]).await, Some(vec![1]));
    let text = open(&place).await.events_trouble().unwrap();
    assert!(text.contains("does not answer"), "{text}");
    let began = Instant::now();
    watch(&there, id, "b").await;
    watch(&there, id, "a").await;
    assert!(began.elapsed() < PROMPT, "{:?}", began.elapsed());
    let mut hints = there.hints();
    server.resume().unwrap();
    until_there(&here, true).await;
    until_there(&there, true).await;
    for catalog in [&here, &there] {
        catalog.count_views().await.unwrap();
    }
    assert_eq!(views(&here, id).await, 2);
    let told = upload(&here).await;
    all_until(&mut hints, told).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_server_that_is_slow_holds_up_nobody() {
    let server = server();
    let place = Place::on(&server);
    let catalog = open(&place).await;
    let id = queued(&catalog).await;
    server.command(&["CLIENT", "PAUSE", "5000", "ALL"]).unwrap();
    let began = Instant::now();
    for n in 0..20 {
        catalog.note_viewer(viewer(id, &format!("s{n}"))).unwrap();
        catalog.edit(id, Edit::title(format!("{n}")), None).await.unwrap();
    }
    assert!(began.elapsed() < PROMPT, "{:?}", began.elapsed());
    catalog.count_views().await.unwrap();
    assert_eq!(views(&catalog, id).await, 20);
    let present = views_key(&place).replace("views", &format!("present:{id}"));
    let told = async {
        while server.command(&["ZCARD", &present]).unwrap() != "20" {
            catalog.tell_viewers().await;
        }
    };
    timeout(WAIT_MAX, told).await.unwrap();
    assert_eq!((views(&catalog, id).await, catalog.viewers(&[id]).await), (20, vec![20]));
}

#[tokio::test(flavor = "multi_thread")]
async fn views_are_exact_though_servers_and_processes_come_and_go() {
    const ROUNDS: usize = 4;
    const SESSIONS: usize = 40;
    let (server, database) = (server(), Arc::new(postgres::Server::start(None).unwrap()));
    let (place, events_url) = (Postgres::on(&database), server.url());
    let views_key = format!("{}:views", events_url.split_once("prefix=").unwrap().1);
    let staying = connect(&place, &events_url).await;
    let id = queued(&staying).await;
    let mut wanted = 0;
    for round in 0..ROUNDS {
        // Of what the process knows that dies, either the copies of its views survive, or another process knows it too.
        let redis_dies = round % 2 == 1;
        let leaving = connect(&place, &events_url).await;
        until_there(&staying, true).await;
        let middle = Arc::new(Barrier::new(3));
        let watching =
            [(staying.clone(), "s"), (leaving.clone(), if redis_dies { "s" } else { "l" })].map(|(catalog, name)| {
                let middle = Arc::clone(&middle);
                tokio::spawn(async move {
                    for n in 0..SESSIONS {
                        if n == SESSIONS / 4 || n == SESSIONS / 2 {
                            middle.wait().await;
                        }
                        catalog.note_viewer(viewer(id, &format!("{name}{round}-{n}"))).unwrap();
                        catalog.tell_viewers().await;
                        drop(catalog.count_views().await);
                    }
                })
            });
        // Some were counted, some are being told while it dies, and some come after.
        middle.wait().await;
        let dying = Arc::clone(&database);
        tokio::task::spawn_blocking(move || dying.kill().unwrap()).await.unwrap();
        middle.wait().await;
        for watcher in watching {
            watcher.await.unwrap();
        }
        fixture::advance(&place, VIEWS_LATE_MS);
        leaving.tell_viewers().await;
        let copies: usize = server.command(&["ZCARD", &views_key]).unwrap().parse().unwrap();
        assert!((SESSIONS / 2..=SESSIONS).contains(&copies), "{copies}");
        drop(leaving);
        if redis_dies {
            server.kill().unwrap();
            server.restart().unwrap();
        }
        database.restart().unwrap();
        wanted += if redis_dies { SESSIONS } else { 2 * SESSIONS };
        until_there(&staying, true).await;
        until_views(&[&staying], id, wanted as u64).await;
        assert_eq!(server.command(&["ZCARD", &views_key]).unwrap(), "0");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn the_last_views_are_left_with_the_server_if_the_database_does_not_take_them() {
    let (server, database) = (server(), postgres::Server::start(None).unwrap());
    let (place, events_url) = (Postgres::on(&database), server.url());
    let living = connect(&place, &events_url).await;
    let (id, changing) = (queued(&living).await, queued(&living).await);
    let ending = connect(&place, &events_url).await;
    let alone = connect(&place, "local:").await;
    // A video that somebody changes for longer than the end may take.
    let locker = lock(&place.url(), changing).await;
    ending.note_viewer(viewer(changing, "a")).unwrap();
    let limit = Duration::from_millis(300);
    let began = Instant::now();
    ending.finish_views(limit).await.unwrap();
    let waited = began.elapsed();
    assert!((limit..limit + PROMPT).contains(&waited), "{waited:?}");
    locker.batch_execute("COMMIT").await.unwrap();
    until_views(&[&living], changing, 1).await;
    database.kill().unwrap();
    for (catalog, session) in [(&ending, "b"), (&alone, "c")] {
        catalog.note_viewer(viewer(id, session)).unwrap();
    }
    ending.finish_views(limit).await.unwrap();
    // Nobody has these.
    assert!(matches!(alone.finish_views(WAIT_MAX).await, Err(Error::Unavailable(_))));
    drop(ending);
    database.restart().unwrap();
    until_views(&[&living], id, 1).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn viewers_are_told_while_the_database_is_away() {
    let (server, database) = (server(), postgres::Server::start(None).unwrap());
    let (place, events_url) = (Postgres::on(&database), server.url());
    let (here, there) = (connect(&place, &events_url).await, connect(&place, &events_url).await);
    let id = queued(&here).await;
    database.kill().unwrap();
    here.note_viewer(viewer(id, "a")).unwrap();
    here.tell_viewers().await;
    assert!(matches!(here.count_views().await, Err(Error::Unavailable(_))));
    assert_eq!(there.viewers(&[id]).await, [1]);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_server_that_only_reads_is_as_good_as_none_and_says_so() {
    let server = server();
    let place = Place::on(&server);
    let (here, there) = (open(&place).await, open(&place).await);
    let id = queued(&here).await;
    watch(&there, id, "a").await;
    watch(&here, id, "b").await;
    assert_eq!(here.viewers(&[id]).await, [2]);
    for (refuse, reason, take) in [
        (&["CONFIG", "SET", "maxmemory", "1"][..], "OOM", &["CONFIG", "SET", "maxmemory", "0"][..]),
        (&["REPLICAOF", "127.0.0.1", "1"], "READONLY", &["REPLICAOF", "NO", "ONE"]),
    ] {
        server.command(refuse).unwrap();
        here.tell_viewers().await;
        let text = here.events_trouble().unwrap();
        assert!(text.starts_with("the Redis server at ") && text.contains(reason), "{text}");
        // Its own, and not what nobody can change any more.
        assert_eq!(here.viewers_in_time(&[id]).await, Some(vec![1]));
        watch(&here, id, "b").await;
        server.command(take).unwrap();
        here.tell_viewers().await;
        assert_eq!((here.events_trouble(), here.viewers(&[id]).await), (None, vec![2]));
    }
    assert_eq!(views(&here, id).await, 2);
}

#[tokio::test(flavor = "multi_thread")]
async fn what_is_no_such_server_is_refused() {
    let listener = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    let url = format!("redis://{}", listener.local_addr().unwrap());
    let web = std::thread::spawn(move || {
        let (mut stream, _) = listener.accept().unwrap();
        stream.write_all(b"HTTP/1.1 400 Bad Request\r\n\r\n").unwrap();
        stream
    });
    assert!(matches!(refusal(&url).await, Error::Events(_)));
    drop(web.join());
}

#[tokio::test(flavor = "multi_thread")]
async fn views_outlive_a_server_that_keeps_them() {
    let settings = redis::Settings { durable: true, ..redis::Settings::default() };
    let server = redis::Server::start(settings).unwrap();
    let place = Place::on(&server);
    let catalog = open(&place).await;
    let id = queued(&catalog).await;
    leave(&server, &place, &viewer(id, "a").to_string(), fixture::now(&place));
    server.kill().unwrap();
    until_there(&catalog, false).await;
    watch(&catalog, id, "b").await;
    assert_eq!(views(&catalog, id).await, 1);
    server.restart().unwrap();
    until_there(&catalog, true).await;
    catalog.count_views().await.unwrap();
    assert_eq!(views(&catalog, id).await, 2);
    assert_eq!(server.command(&["ZCARD", &views_key(&place)]).unwrap(), "0");
}

#[tokio::test(flavor = "multi_thread")]
async fn what_others_write_there_is_left_out() {
    let server = redis::shared();
    let place = Place::on(server);
    let catalog = open(&place).await;
    let id = queued(&catalog).await;
    let now_ms = fixture::now(&place);
    leave(server, &place, "garbage", now_ms);
    leave(server, &place, "vid_x a", now_ms);
    // The catalog no longer knows whether it counted this one.
    leave(server, &place, &viewer(id, "old").to_string(), now_ms - VIEW_SESSION_MS);
    leave(server, &place, &viewer(id, "late").to_string(), now_ms - VIEW_SESSION_MS + 1);
    let mut hints = catalog.hints();
    for text in ["", "x", "x\nnews", "x\njob ../../x", "x\nmedia"] {
        server.command(&["PUBLISH", &views_key(&place).replace("views", "0:hints"), text]).unwrap();
    }
    let hint = timeout(WAIT_MAX, hints.recv()).await.unwrap().unwrap();
    assert_eq!(hint, Hint { video: None, kind: HintKind::Media });
    watch(&catalog, id, "a").await;
    assert_eq!(views(&catalog, id).await, 2);
    assert_eq!(server.command(&["ZCARD", &views_key(&place)]).unwrap(), "0");
    // A key of another type is as good as no server.
    server.command(&["SET", &views_key(&place), "taken"]).unwrap();
    watch(&catalog, id, "b").await;
    assert_eq!(views(&catalog, id).await, 3);
}

#[tokio::test(flavor = "multi_thread")]
async fn the_last_views_are_counted_although_the_server_hangs() {
    let server = server();
    let place = Place::on(&server);
    let catalog = open(&place).await;
    let id = queued(&catalog).await;
    server.pause().unwrap();
    catalog.note_viewer(viewer(id, "a")).unwrap();
    let finishing = tokio::spawn({
        let catalog = catalog.clone();
        async move { catalog.finish_views(WAIT_MAX).await }
    });
    let counted = async { while views(&catalog, id).await == 0 {} };
    timeout(PROMPT, counted).await.unwrap();
    finishing.await.unwrap().unwrap();
}

#[tokio::test(flavor = "multi_thread")]
async fn tls_is_verified_and_passwords_are_asked_for() {
    let certified = rcgen::generate_simple_self_signed(vec!["localhost".to_owned()]).unwrap();
    let (certificate, key) = (certified.cert.pem(), certified.signing_key.serialize_pem());
    let settings =
        redis::Settings { certificate: Some((&certificate, &key)), password: Some("right"), ..Default::default() };
    let server = redis::Server::start(settings).unwrap();
    let folder = tempfile::tempdir().unwrap();
    let roots = folder.path().join("roots.pem");
    std::fs::write(&roots, &certificate).unwrap();
    let place = Sqlite::new();
    let tls_url = server.tls_url(&roots);
    let (here, there) = (connect(&place, &tls_url).await, connect(&place, &tls_url).await);
    let mut hints = there.hints();
    let id = upload(&here).await;
    all_until(&mut hints, id).await;
    let text = refusal(server.tls_url(&roots).split('?').next().unwrap()).await.to_string();
    assert!(text.contains("certificate") && text.contains("sslrootcert"), "{text}");
    // The certificate is known, and another server's.
    let text = refusal(&tls_url.replace("localhost", "127.0.0.1")).await.to_string();
    assert!(text.contains("certificate"), "{text}");
    for url in [server.url().replace("right", "wrong"), server.url().replace("default:right@", "")] {
        let error = refusal(&url).await;
        let text = error.to_string();
        assert!(matches!(error, Error::Events(_)), "{text}");
        assert!(!text.contains("wrong@") && !text.contains('\n'), "{text}");
    }
}
