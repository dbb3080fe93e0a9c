//! What a Redis does to an origin that has one: away at the start, slow, hung, coming and going, repeating itself, silent.

use std::{
    net::SocketAddr,
    time::{Duration, Instant},
};

use serde_json::json;
use tokio_util::sync::CancellationToken;
use vidstream_catalog::{Catalog, Edit, Wanted};
use vidstream_media::VideoId;
use vidstream_testkit::redis;

use crate::{
    client::get,
    events::Socket,
    fixture::{Place, Site, planned, ready, work},
    meeting::until_told,
    viewers::watch,
};

/// What takes no longer than this did not wait for Redis, which is given two seconds to answer.
const PROMPT: Duration = Duration::from_millis(1_500);
/// How late a slow Redis is, in milliseconds.
const SLOW_MS: u64 = 1_400;
/// How often Redis goes and comes.
const FLAPS: usize = 5;
/// What is heard of takes no longer than this.
const HEARD_MAX: Duration = Duration::from_millis(500);
/// What is not heard of is seen within a second, when the view is read again, and on a busy machine in another one.
const UNHEARD_MAX: Duration = Duration::from_secs(2);

/// Asks for what players ask for of a video of which everything is made: all of it is there, and promptly.
async fn play(addr: SocketAddr, id: VideoId) {
    for name in ["master.m3u8", "manifest.mpd", "1/360p/index.m3u8", "1/360p/init.mp4", "1/360p/2.m4s", "1/trick/3.m4s"]
    {
        let began = Instant::now();
        assert_eq!(get(addr, &format!("/v/{id}/{name}")).await.status, 200, "{name}");
        assert!(began.elapsed() < PROMPT, "{name}: {:?}", began.elapsed());
    }
}

/// Plays until it is told to stop; gives how often.
async fn play_on(addr: SocketAddr, id: VideoId, stop: CancellationToken) -> usize {
    let mut times = 0;
    while !stop.is_cancelled() {
        play(addr, id).await;
        times += 1;
    }
    times
}

async fn rename(catalog: &Catalog, id: VideoId, title: &str) {
    catalog.edit(id, Edit::title(title), None).await.unwrap();
}

/// A socket that hears of one video.
async fn listen(addr: SocketAddr, id: VideoId) -> Socket {
    let (mut socket, seq) = Socket::greeted(addr).await;
    let topics = [format!("video:{id}")];
    socket.subscribe(json!({ "op": "subscribe", "topics": topics, "after_seq": seq })).await;
    socket
}

/// Hears that a video got these titles, each once and in this order, and then nothing else.
async fn hear_titles(socket: &mut Socket, titles: &[String]) {
    let mut seqs = Vec::new();
    for title in titles {
        let frame = socket.hear().await;
        assert_eq!((&frame["type"], &frame["data"]["title"]), (&json!("video.updated"), &json!(title)));
        seqs.push(frame["seq"].as_i64().unwrap());
    }
    assert!(seqs.is_sorted_by(|before, after| before < after), "{seqs:?}");
    socket.say(json!({ "op": "ping" })).await;
    assert_eq!(socket.hear().await["op"], "pong");
}

#[tokio::test(flavor = "multi_thread")]
async fn what_is_made_plays_while_redis_is_away_from_the_start_slow_and_hung() {
    let server = redis::Server::start(redis::Settings::default()).unwrap();
    server.kill().unwrap();
    let site = Site::at(Place::meeting(server.url()), |_| {}).await;
    let id = ready(&site).await;
    until_told(&site, "/readyz", "ready, degraded: ").await;
    play(site.addr, id).await;
    watch(site.addr, id, "away").await;

    server.restart().unwrap();
    until_told(&site, "/readyz", "ready\n").await;
    play(site.addr, id).await;

    let (slow, pause) = (Instant::now(), Duration::from_millis(SLOW_MS));
    server.command(&["CLIENT", "PAUSE", &SLOW_MS.to_string(), "ALL"]).unwrap();
    play(site.addr, id).await;
    watch(site.addr, id, "slow").await;
    assert!(slow.elapsed() < pause, "somebody waited for it: {:?}", slow.elapsed());
    server.command(&["PING"]).unwrap();
    assert!(slow.elapsed() >= pause, "it was slow all the while: {:?}", slow.elapsed());
    // Late answers are answers.
    assert_eq!(get(site.admin, "/readyz").await.text(), "ready\n");

    // At first nobody knows that it hangs.
    server.pause().unwrap();
    play(site.addr, id).await;
    watch(site.addr, id, "hung").await;
    server.resume().unwrap();
}

#[tokio::test(flavor = "multi_thread")]
async fn a_redis_that_comes_and_goes_costs_no_answer_and_no_event_and_is_not_stormed() {
    let server = redis::Server::start(redis::Settings::default()).unwrap();
    let site = Site::at(Place::meeting(server.url()), |_| {}).await;
    let other = site.node(|_| {}).await;
    let id = ready(&site).await;
    let mut socket = listen(site.addr, id).await;
    let stop = CancellationToken::new();
    let players = [&site, &other].map(|site| tokio::spawn(play_on(site.addr, id, stop.clone())));
    let mut titles = Vec::new();
    for n in 0..FLAPS {
        let [away, back] = [format!("{n} away"), format!("{n} back")];
        server.kill().unwrap();
        rename(&other.catalog, id, &away).await;
        server.restart().unwrap();
        rename(&other.catalog, id, &back).await;
        titles.extend([away, back]);
    }
    hear_titles(&mut socket, &titles).await;
    for site in [&site, &other] {
        until_told(site, "/readyz", "ready\n").await;
    }
    stop.cancel();
    for player in players {
        assert!(player.await.unwrap() > 0);
    }
    // One of each origin, and that of who asks.
    let connections = server.command(&["CLIENT", "LIST"]).unwrap();
    assert_eq!(connections.lines().count(), 3, "{connections}");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_hint_that_comes_again_and_again_tells_of_each_event_once() {
    let (server, url) = (redis::shared(), redis::shared().url());
    let channel = format!("{}:0:hints", url.split_once("prefix=").unwrap().1);
    let site = Site::at(Place::meeting(url), |_| {}).await;
    let id = ready(&site).await;
    let mut socket = listen(site.addr, id).await;
    let other = site.other_process().await;
    let hint = format!("another\njob {id}\nmedia {id}\nevent {id}");
    let titles = ["One", "Two", "Three"].map(str::to_owned);
    for title in &titles {
        rename(&other, id, title).await;
        for _ in 0..2 {
            assert_eq!(server.command(&["PUBLISH", &channel, &hint]).unwrap(), "2", "both processes hear it");
        }
    }
    hear_titles(&mut socket, &titles).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn what_others_publish_ends_a_404_by_their_hint_and_without_one_within_the_age_of_a_view() {
    let site = Site::at(Place::meeting(redis::shared().url()), |_| {}).await;
    let urgent = Wanted { urgent: true, ..Wanted::default() };
    let (telling, silent) = (site.other_process().await, site.place.silent().await);
    for (publisher, limit) in [(&telling, HEARD_MAX), (&silent, UNHEARD_MAX)] {
        let id = planned(&site.catalog).await;
        let path = format!("/v/{id}/master.m3u8");
        assert_eq!(get(site.addr, &path).await.status, 404);
        let claim = work(&site, publisher, urgent).await.unwrap();
        assert_eq!(claim.video, id);
        let published = Instant::now();
        while get(site.addr, &path).await.status == 404 {
            assert!(published.elapsed() < limit, "{limit:?}");
        }
        assert_eq!(get(site.addr, &path).await.status, 200);
        // Sockets look at the log by themselves, whether or not Redis is there.
        let mut socket = listen(site.addr, id).await;
        let renamed = Instant::now();
        rename(publisher, id, "New").await;
        hear_titles(&mut socket, &["New".to_owned()]).await;
        assert!(renamed.elapsed() < UNHEARD_MAX, "{:?}", renamed.elapsed());
    }
}
