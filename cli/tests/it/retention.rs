//! What a running server deletes by itself: a film whose time is over, and objects that nobody knows.

use std::{
    fs,
    path::Path,
    process::Command,
    time::{Duration, SystemTime},
};

use bytes::Bytes;
use serde_json::json;
use vidstream_media::{Track, VideoId};
use vidstream_store::{Key, Store};
use vidstream_testkit::{Clip, Encoding};

use crate::server::{LOOK_EVERY, Server, VIDSTREAM, after, until};

const WAIT_MAX: Duration = Duration::from_mins(2);

fn fsck(data: &Path) -> String {
    let output = Command::new(VIDSTREAM).args(["fsck", "--data"]).arg(data).output().unwrap();
    String::from_utf8_lossy(&output.stdout).into_owned()
}

/// The time in some seconds, as the API takes it.
fn in_seconds(seconds: u32) -> String {
    let when = format!("+{seconds} seconds");
    let output = Command::new("date").args(["--utc", "--date", &when, "+%Y-%m-%dT%H:%M:%SZ"]).output().unwrap();
    String::from_utf8(output.stdout).unwrap().trim().to_owned()
}

#[tokio::test(flavor = "multi_thread")]
async fn a_server_deletes_what_nobody_knows_and_what_is_over() {
    let folder = tempfile::tempdir().unwrap();
    let data = folder.path().join("data");
    // A server that is told not to look leaves the turn to the next.
    let server = Server::with(&data, &["--set", "retention.orphans_after="]).await;
    let clip = Clip::new((320, 180), 25, 12).cached(&Encoding::default(), "mp4").unwrap();
    let id: VideoId = server.upload(&clip).await.parse().unwrap();
    let name = id.to_string();
    server.until_made(&name).await;
    drop(server);

    let store = Store::open(&format!("file://{}", data.display())).await.unwrap();
    let lost = |token| Key::Media { id, generation: 1, track: Track::Rung(180), first: 1, token };
    let (old, unknown, young) = (lost(1_000_000), Key::Source { id: VideoId::from_bits(7) }, lost(1_000_001));
    for key in [&old, &unknown, &young] {
        store.put(key, Bytes::from_static(b"x")).await.unwrap();
    }
    let place = |key: &Key| data.join("objects").join(key.path());
    for entry in store
        .list_video(id)
        .await
        .unwrap()
        .iter()
        .map(|(path, _)| data.join("objects").join(path))
        .chain([place(&unknown)])
    {
        if entry != place(&young) {
            let file = fs::File::options().append(true).open(entry).unwrap();
            file.set_modified(SystemTime::now() - Duration::from_hours(24 * 8)).unwrap();
        }
    }
    let server = Server::start(&data).await;
    until("without its orphans", WAIT_MAX, || !place(&old).exists() && !place(&unknown).exists()).await;
    let text = fsck(&data);
    assert!(text.starts_with(&young.path()) && text.ends_with(": 1 wrong\n"), "{text}");

    let url = format!("{}/v1/videos/{id}", server.url);
    let body = json!({ "expires_at": in_seconds(2) });
    let changed = server.http.patch(&url).body(body.to_string()).send().await.unwrap();
    assert_eq!(changed.status(), 200);
    let over = async {
        while server.http.get(&url).send().await.unwrap().status() != 410 {
            after(LOOK_EVERY).await;
        }
    };
    tokio::time::timeout(WAIT_MAX, over).await.unwrap();
    let master = format!("{}/v/{id}/master.m3u8", server.url);
    assert_eq!(server.http.get(&master).send().await.unwrap().status(), 404);
    assert!(!data.join("objects").join(&name).exists());
}
