//! An origin whose database is killed, or hangs: what it knows plays, and nothing is denied of which it cannot know.

use futures_util::future::join_all;
use tokio::time::timeout;
use vidstream_testkit::postgres;

use crate::{
    client::{ANSWER_MAX, get},
    fixture::{Place, Site, fresh_id, planned, ready},
};

#[tokio::test(flavor = "multi_thread")]
async fn without_its_database_the_known_plays_and_the_unknown_is_503_and_never_404() {
    plays_without(|database| database.kill().unwrap()).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn while_its_database_hangs_the_known_plays_and_the_unknown_is_503_and_never_404() {
    plays_without(|database| database.pause().unwrap()).await;
}

async fn plays_without(strike: impl FnOnce(&postgres::Server)) {
    let database = postgres::Server::start(None).unwrap();
    let site = Site::at(Place::on(database.database().unwrap(), "local:".to_owned()), |_| {}).await;
    let id = ready(&site).await;
    let parts = ["master.m3u8", "manifest.mpd", "1/360p/index.m3u8", "1/360p/init.mp4", "1/360p/1.m4s"];
    let mut known = Vec::new();
    for path in parts.map(|part| format!("/v/{id}/{part}")) {
        let answer = get(site.addr, &path).await;
        assert_eq!(answer.status, 200, "{path}");
        known.push((path, answer.body));
    }
    let absent = format!("/v/{}/master.m3u8", fresh_id());
    // Of a film in the making.
    let making = planned(&site.catalog).await;
    let pending = ["master.m3u8", "1/360p/init.mp4", "1/poster.jpg", "1/thumbnails/1.jpg"];
    let pending = pending.map(|part| format!("/v/{making}/{part}"));
    for path in pending.iter().chain([&absent]) {
        assert_eq!(get(site.addr, path).await.status, 404, "{path}");
    }

    strike(&database);
    // Said again for a second, in which nobody asks the catalog.
    join_all(pending.iter().chain([&absent]).map(async |path| {
        let asked_again = async { while get(site.addr, path).await.status == 404 {} };
        timeout(ANSWER_MAX, asked_again).await.unwrap();
    }))
    .await;
    let unknown = fresh_id();
    let delivered = parts.map(|part| format!("/v/{unknown}/{part}"));
    let api = [String::new(), format!("/{id}"), format!("/{id}/events"), format!("/{unknown}")];
    let api = api.map(|rest| format!("/v1/videos{rest}"));
    // Of a generation that another origin may have seen begin.
    let newer = format!("/v/{id}/2/360p/1.m4s");
    // All at once: one that hangs is waited for.
    join_all(delivered.iter().chain(&api).chain(&pending).chain([&absent, &newer]).map(async |path| {
        let answer = get(site.addr, path).await;
        assert_eq!((answer.status, answer.code().as_str()), (503, "catalog_unavailable"), "{path}");
        assert_eq!(answer.header("retry-after"), Some("1"), "{path}");
        assert_eq!(answer.header("cache-control"), Some("no-store"), "{path}");
        assert_eq!(answer.json()["retry_after_s"], 1, "{path}");
    }))
    .await;
    for (path, body) in known {
        let answer = get(site.addr, &path).await;
        assert!(answer.status == 200 && answer.body == body, "{path}: {}", answer.status);
    }
}
