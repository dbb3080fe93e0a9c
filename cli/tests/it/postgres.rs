//! Servers whose catalog is on Postgres.

use std::{
    path::Path,
    process::{Command, Output},
    time::Duration,
};

use vidstream_testkit::{Clip, Encoding, postgres};

use crate::server::{Server, VIDSTREAM};

const READY_WAIT_MAX: Duration = Duration::from_mins(2);
/// A playlist of a film that is known is answered within this, whatever the database does.
const PLAYLIST_WAIT_MAX: Duration = Duration::from_secs(5);

fn migrate(url: &str) -> Output {
    Command::new(VIDSTREAM).arg("migrate").env("VIDSTREAM_CATALOG_URL", url).output().unwrap()
}

#[test]
fn migrate_says_the_version_and_refuses_a_newer_one() {
    let url = postgres::shared().database().unwrap();
    for _ in 0..2 {
        let output = migrate(&url);
        assert_eq!(String::from_utf8_lossy(&output.stdout), "the catalog has schema 5\n", "{output:?}");
        assert_eq!(output.status.code(), Some(0));
    }
    postgres::shared().execute(&url, "UPDATE vidstream_schema SET version = 7 WHERE version = 5").unwrap();
    let folder = tempfile::tempdir().unwrap();
    let mut serve = Command::new(VIDSTREAM);
    serve.args(["serve", "--listen", "127.0.0.1:0", "--data"]).arg(folder.path()).env("VIDSTREAM_CATALOG_URL", &url);
    for output in [migrate(&url), serve.output().unwrap()] {
        let text = String::from_utf8_lossy(&output.stderr).into_owned();
        assert_eq!(output.status.code(), Some(64), "{text}");
        assert!(text.contains("schema 7, made by a newer version"), "{text}");
    }
    let data = folder.path().join("embedded");
    let output = Command::new(VIDSTREAM).args(["migrate", "--data"]).arg(&data).output().unwrap();
    assert!(output.status.success() && data.join("catalog.sqlite").exists(), "{output:?}");
}

/// Two servers that meet in database and folder: one takes the upload, both make it, each plays it.
#[tokio::test(flavor = "multi_thread")]
async fn two_servers_share_a_catalog() {
    let url = postgres::shared().database().unwrap();
    let folder = tempfile::tempdir().unwrap();
    let objects = folder.path().join("objects");
    std::fs::create_dir_all(&objects).unwrap();
    let (catalog, store) = (format!("catalog.url={url}"), format!("store.url=file://{}", objects.display()));
    let start = async |name: &str| {
        let data = folder.path().join(name);
        Server::with(&data, &["--set", &catalog, "--set", &store]).await
    };
    let (one, other) = (start("one").await, start("other").await);
    let clip = Clip::new((320, 180), 30, 12).cached(&Encoding::default(), "mp4").unwrap();
    let id = one.upload(&clip).await;
    for server in [&other, &one] {
        let video = server.until(&id, "ready", READY_WAIT_MAX, |video| video["state"] == "ready").await;
        let master = format!("{}{}", server.url, video["urls"]["hls"].as_str().unwrap());
        let answer = server.http.get(master).send().await.unwrap();
        assert_eq!(answer.status(), 200);
        assert!(answer.text().await.unwrap().contains("#EXT-X-STREAM-INF"));
    }
    assert!(!Path::new(&folder.path().join("one/catalog.sqlite")).exists());
}

/// The film is acknowledged, then the database dies: once while it is probed, once while it plays and is being made.
#[tokio::test(flavor = "multi_thread")]
async fn a_film_becomes_ready_although_its_database_is_killed() {
    let database = postgres::Server::start(None).unwrap();
    let catalog = format!("catalog.url={}", database.database().unwrap());
    let folder = tempfile::tempdir().unwrap();
    let server = Server::with(&folder.path().join("data"), &["--set", &catalog]).await;
    let film = Clip::new((640, 360), 30, 24);
    let id = server.upload(&film.cached(&Encoding::default(), "mp4").unwrap()).await;
    database.kill().unwrap();
    assert_eq!(server.video(&id).await["code"], "catalog_unavailable");
    database.restart().unwrap();
    let playable = server.until(&id, "playable", READY_WAIT_MAX, |video| video["playable"] == true).await;
    let master = format!("{}{}", server.url, playable["urls"]["hls"].as_str().unwrap());
    let playlist = async || server.http.get(&master).timeout(PLAYLIST_WAIT_MAX).send().await.unwrap().status();
    assert_eq!(playlist().await, 200);
    database.kill().unwrap();
    // Who plays does not notice.
    assert_eq!(playlist().await, 200);
    database.restart().unwrap();
    let ready = server.until(&id, "ready", READY_WAIT_MAX, |video| video["state"] == "ready").await;
    assert_eq!(
        (&ready["warnings"], &ready["progress"]["percent"]),
        (&serde_json::json!([]), &serde_json::json!(100.0))
    );
    server.assert_unbroken(&id, "360p", film.frames);
}
