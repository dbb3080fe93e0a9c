//! Processes that meet at a Redis, and what it can do to them: die, hang, be slow, forget, refuse.

use std::{
    sync::Arc,
    time::{Duration, Instant},
};

use tokio::{sync::broadcast::Receiver, time::timeout};
use vidstream_catalog::{Catalog, Edit, Error, Events, Hint, HintKind, limits::VIEW_SESSION_MS};
use vidstream_media::VideoId;
use vidstream_testkit::{postgres, redis};

use crate::{
    audience::{viewer, views, watch},
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
fn views_key(place: &impl Adapter) -> String {
    format!("{}:views", place.events_url().split_once("prefix=").unwrap().1)
}

/// Leaves a view with the server, as a process does that dies before it is in the catalog.
fn leave(server: &redis::Server, place: &impl Adapter, member: &str, at_ms: i64) {
    server.command(&["ZADD", &views_key(place), &at_ms.to_string(), member]).unwrap();
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
    let text = refusal(&place.events_url()).await.to_string();
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
    here.count_views().await.unwrap();
    assert_eq!(there.viewers(&[id]).await, [2]);
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
    server.pause().unwrap();
    // Whoever commits or watches does not wait for it, known or not known to hang.
    let began = Instant::now();
    here.note_viewer(viewer(id, "a")).unwrap();
    upload(&here).await;
    assert_eq!(here.viewers(&[id]).await, [1]);
    assert!(began.elapsed() < PROMPT, "{:?}", began.elapsed());
    // The server has this view too, and will say so when it goes on.
    here.count_views().await.unwrap();
    assert_eq!(views(&here, id).await, 1);
    until_there(&here, false).await;
    until_there(&there, false).await;
    let text = refusal(&place.events_url()).await.to_string();
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
            catalog.count_views().await.unwrap();
        }
    };
    timeout(WAIT_MAX, told).await.unwrap();
    assert_eq!((views(&catalog, id).await, catalog.viewers(&[id]).await), (20, vec![20]));
}

#[tokio::test(flavor = "multi_thread")]
async fn views_are_exact_over_a_server_that_comes_and_goes() {
    const ROUNDS: usize = 4;
    const SESSIONS: usize = 50;
    let server = server();
    let place = WithRedis::<Postgres>::on(&server);
    let (here, there) = (open(&place).await, open(&place).await);
    let id = queued(&here).await;
    let watching: Vec<_> = [here.clone(), there.clone()]
        .into_iter()
        .map(|catalog| {
            tokio::spawn(async move {
                for n in 0..ROUNDS * SESSIONS {
                    watch(&catalog, id, &format!("s{n}")).await;
                }
            })
        })
        .collect();
    let flapping = Arc::clone(&server);
    let flaps = tokio::task::spawn_blocking(move || {
        for _ in 0..ROUNDS {
            flapping.kill().unwrap();
            flapping.restart().unwrap();
        }
    });
    for watcher in watching {
        watcher.await.unwrap();
    }
    flaps.await.unwrap();
    until_there(&here, true).await;
    until_there(&there, true).await;
    here.finish_views().await.unwrap();
    there.finish_views().await.unwrap();
    assert_eq!(views(&here, id).await, (ROUNDS * SESSIONS) as u64);
}

#[tokio::test(flavor = "multi_thread")]
async fn views_wait_with_the_server_while_the_database_is_away() {
    let (server, database) = (server(), postgres::Server::start(None).unwrap());
    let events_url = server.url();
    let place = Postgres::on(&database);
    let connect = async || {
        let events = Events::open(&events_url).await.unwrap();
        Catalog::open(&place.url(), vidstream_catalog::Options { events, ..fixture::options(&place) }).await.unwrap()
    };
    let (dying, living) = (connect().await, connect().await);
    let id = queued(&living).await;
    database.kill().unwrap();
    dying.note_viewer(viewer(id, "a")).unwrap();
    assert!(matches!(dying.count_views().await, Err(Error::Unavailable(_))));
    drop(dying);
    database.restart().unwrap();
    // Another process counts what it knows nothing of.
    let counted = async { while !matches!(living.count_views().await, Ok(())) || views(&living, id).await == 0 {} };
    timeout(WAIT_MAX, counted).await.unwrap();
    assert_eq!(views(&living, id).await, 1);
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
        async move { catalog.finish_views().await }
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
    let connect = async |url: &str| {
        let events = Events::open(url).await.unwrap();
        Catalog::open(&place.url(), vidstream_catalog::Options { events, ..fixture::options(&place) }).await.unwrap()
    };
    let (here, there) = (connect(&server.tls_url(&roots)).await, connect(&server.tls_url(&roots)).await);
    let mut hints = there.hints();
    let id = upload(&here).await;
    all_until(&mut hints, id).await;
    let text = refusal(server.tls_url(&roots).split('?').next().unwrap()).await.to_string();
    assert!(text.contains("certificate") && text.contains("sslrootcert"), "{text}");
    for url in [server.url().replace("right", "wrong"), server.url().replace("default:right@", "")] {
        let error = refusal(&url).await;
        let text = error.to_string();
        assert!(matches!(error, Error::Events(_)), "{text}");
        assert!(!text.contains("wrong@") && !text.contains('\n'), "{text}");
    }
}
