//! Two origins that meet at a Postgres and a Redis.

use serde_json::json;
use tokio::time::timeout;
use vidstream_testkit::{postgres, redis};

use crate::{
    client::{ANSWER_MAX, get, send},
    events::Socket,
    fixture::{Place, Site, playable},
    viewers::{until_views, watch},
};

/// Waits until the admin listener of a site says so.
pub(crate) async fn until_told(site: &Site, path: &str, wanted: &str) {
    let told = async {
        loop {
            let answer = get(site.admin, path).await;
            assert_eq!(answer.status, 200, "an origin without Redis is ready all the same");
            if answer.text().contains(wanted) {
                return;
            }
        }
    };
    timeout(ANSWER_MAX, told).await.unwrap_or_else(|_| panic!("{path} does not say {wanted}"));
}

#[tokio::test(flavor = "multi_thread")]
async fn two_origins_tell_each_other_and_lose_nothing_when_redis_dies() {
    let server = redis::Server::start(redis::Settings::default()).unwrap();
    let place = Place::on(postgres::shared().database().unwrap(), server.url());
    let one = Site::at(place.clone(), |_| {}).await;
    let other = Site::at(place, |_| {}).await;
    let id = playable(&one).await;
    let (mut socket, _) = Socket::greeted(other.addr).await;
    socket.subscribe(json!({ "op": "subscribe", "topics": [format!("video:{id}"), format!("viewers:{id}")] })).await;
    assert_eq!(socket.hear().await, json!({ "op": "viewers", "video": id, "viewers": 0 }));
    let rename = async |title: &str| {
        let body = json!({ "title": title }).to_string();
        let answer = send(one.addr, "PATCH", &format!("/v1/videos/{id}"), &[], body.as_bytes()).await;
        assert_eq!(answer.status, 200, "{}", answer.text());
    };
    rename("Together").await;
    let frame = socket.hear().await;
    assert_eq!((&frame["type"], &frame["data"]["title"]), (&json!("video.updated"), &json!("Together")));
    // One session is seen by both, as behind a proxy.
    watch(one.addr, id, "a").await;
    watch(other.addr, id, "a").await;
    watch(other.addr, id, "b").await;
    for site in [&one, &other] {
        until_views(site.addr, id, 2, 2).await;
    }
    while socket.hear().await != json!({ "op": "viewers", "video": id, "viewers": 2 }) {}
    until_told(&one, "/readyz", "ready\n").await;
    until_told(&one, "/metrics", "vidstream_redis_connected 1").await;

    server.kill().unwrap();
    for site in [&one, &other] {
        until_told(site, "/readyz", "ready, degraded: ").await;
    }
    until_told(&one, "/metrics", "vidstream_redis_connected 0").await;
    rename("Apart").await;
    while socket.hear().await["data"]["title"] != "Apart" {}
    assert_eq!(get(other.addr, &format!("/v/{id}/master.m3u8")).await.status, 200);
    for (site, session) in [(&one, "a"), (&one, "c"), (&other, "a"), (&other, "b"), (&other, "c")] {
        watch(site.addr, id, session).await;
    }
    // Each knows its own viewers only; the views are all there.
    until_views(one.addr, id, 3, 2).await;
    until_views(other.addr, id, 3, 3).await;

    server.restart().unwrap();
    for site in [&one, &other] {
        until_told(site, "/readyz", "ready\n").await;
    }
    for session in ["a", "b", "c"] {
        watch(one.addr, id, session).await;
    }
    for site in [&one, &other] {
        until_views(site.addr, id, 3, 3).await;
    }
    until_told(&one, "/metrics", "vidstream_redis_connected 1").await;
    rename("Again").await;
    while socket.hear().await["data"]["title"] != "Again" {}
    watch(one.addr, id, "d").await;
    until_views(other.addr, id, 4, 4).await;
    one.stop().await;
    other.stop().await;
}
