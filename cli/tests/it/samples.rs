//! Samples of configurations, started as they are but for places and ports.

use std::{fs, path::Path};

use vidstream_media::VideoId;
use vidstream_testkit::{
    postgres, redis,
    s3::{BUCKET, Server as Bucket},
};

use crate::server::{Server, small_clip};

/// A port that the sample pins, and one that is free.
const ADMIN: (&str, &str) = ("127.0.0.1:9090", "127.0.0.1:0");

/// Starts the server of a sample in which some words are replaced, each of which it must have.
async fn start(folder: &Path, name: &str, words: &[(&str, &str)], variables: &[(String, String)]) -> Server {
    let samples = concat!(env!("CARGO_MANIFEST_DIR"), "/../config/samples");
    let mut text = fs::read_to_string(Path::new(samples).join(name)).unwrap();
    for (from, to) in words {
        assert!(text.contains(from), "{name} does not say {from}");
        text = text.replace(from, to);
    }
    let config = folder.join(name);
    fs::write(&config, text).unwrap();
    Server::configured(&config, &folder.join("data"), variables).await
}

async fn assert_ready(server: &Server) {
    let admin = fs::read_to_string(server.data.join("admin.addr")).unwrap();
    let answer = server.http.get(format!("http://{}/readyz", admin.trim())).send().await.unwrap();
    assert_eq!((answer.status().as_u16(), answer.text().await.unwrap().as_str()), (200, "ready\n"));
}

#[tokio::test]
async fn the_embedded_sample_serves() {
    let folder = tempfile::tempdir().unwrap();
    let data = folder.path().join("data").display().to_string();
    let words = [("127.0.0.1:8080", "127.0.0.1:0"), ADMIN, ("/var/lib/vidstream", data.as_str())];
    let server = start(folder.path(), "embedded.toml", &words, &[]).await;
    assert_ready(&server).await;
    assert_eq!(server.http.get(format!("{}/v1/videos", server.url)).send().await.unwrap().status(), 200);
    assert!(server.data.join("catalog.sqlite").exists());
}

#[tokio::test]
async fn the_server_sample_serves_over_https_and_asks_for_its_token() {
    let folder = tempfile::tempdir().unwrap();
    let pair = rcgen::generate_simple_self_signed(["127.0.0.1".to_owned()]).unwrap();
    for (name, text) in [
        ("fullchain.pem", pair.cert.pem()),
        ("privkey.pem", pair.signing_key.serialize_pem()),
        ("write_token", "s3cret\n".to_owned()),
    ] {
        fs::write(folder.path().join(name), text).unwrap();
    }
    let [etc, data] = [folder.path().to_owned(), folder.path().join("data")].map(|path| path.display().to_string());
    let words =
        [("0.0.0.0:443", "127.0.0.1:0"), ADMIN, ("/etc/vidstream", etc.as_str()), ("/srv/vidstream", data.as_str())];
    let server = start(folder.path(), "server.toml", &words, &[]).await;
    assert_ready(&server).await;
    let root = reqwest::Certificate::from_pem(pair.cert.pem().as_bytes()).unwrap();
    let https = reqwest::Client::builder().tls_certs_only([root]).build().unwrap();
    let videos = format!("{}/v1/videos", server.url.replace("http:", "https:"));
    assert_eq!(https.get(&videos).send().await.unwrap().status(), 200);
    for (token, status) in [("wrong", 401), ("s3cret", 404)] {
        let nobody = format!("{videos}/{}", VideoId::from_bits(7));
        assert_eq!(https.delete(nobody).bearer_auth(token).send().await.unwrap().status(), status, "{token}");
    }
}

/// Each of its three servers is there, and none is left out: the film is in all of them.
#[tokio::test(flavor = "multi_thread")]
async fn the_cluster_sample_is_on_postgres_redis_and_a_bucket() {
    let folder = tempfile::tempdir().unwrap();
    let pair = rcgen::generate_simple_self_signed(["localhost".to_owned()]).unwrap();
    let (certificate, key) = (pair.cert.pem(), pair.signing_key.serialize_pem());
    let database = postgres::Server::start(Some((&certificate, &key))).unwrap();
    let certified = redis::Settings { certificate: Some((&certificate, &key)), ..redis::Settings::default() };
    let (cache, bucket) = (redis::Server::start(certified).unwrap(), Bucket::start().unwrap());
    let authority = certificate.as_str();
    for (name, text) in [("db-ca.pem", authority), ("cache-ca.pem", authority), ("write_token", "s3cret\n")] {
        fs::write(folder.path().join(name), text).unwrap();
    }
    let url = database.database().unwrap();
    database.execute(&url, "ALTER ROLE vidstream PASSWORD 'right'").unwrap();
    let name = url.rsplit('/').next().unwrap();
    let rows = format!("postgres://vidstream:right@localhost:{}/{name}?", database.port());
    let hints = cache.tls_url(folder.path());
    let objects = format!("s3://{BUCKET}/vidstream");
    let [etc, data] = [folder.path().to_owned(), folder.path().join("data")].map(|path| path.display().to_string());
    let words = [
        ("0.0.0.0:8080", "127.0.0.1:0"),
        ADMIN,
        ("/etc/vidstream", etc.as_str()),
        ("/var/lib/vidstream", data.as_str()),
        ("postgres://vidstream@db.example/vidstream?", rows.as_str()),
        ("cache.example:6379", hints.split('/').nth(2).unwrap()),
        ("s3://films/vidstream", objects.as_str()),
    ];
    let server = start(folder.path(), "cluster.toml", &words, &bucket.variables()).await;
    assert_ready(&server).await;
    let film = fs::read(small_clip()).unwrap();
    let sent = server.http.put(format!("{}/v1/videos", server.url)).bearer_auth("s3cret").body(film);
    let sent: serde_json::Value = sent.send().await.unwrap().json().await.unwrap();
    let id = sent["id"].as_str().unwrap_or_else(|| panic!("{sent}"));
    server.until_made(id).await;

    let encrypted = "SELECT id FROM videos WHERE EXISTS
         (SELECT FROM pg_stat_ssl JOIN pg_stat_activity USING (pid) WHERE ssl AND application_name = 'vidstream')";
    assert_eq!(database.execute(&url, encrypted).unwrap().trim(), id);
    assert_eq!(cache.command(&["PUBSUB", "CHANNELS"]).unwrap(), "vidstream:0:hints");
    let left = bucket.left();
    let place = format!("{BUCKET}/vidstream/{id}/");
    assert!(left.contains(&format!("{place}source")), "{left:?}");
    assert!(left.iter().all(|name| name.starts_with(&place)), "{left:?}");
    assert!(!server.data.join("catalog.sqlite").exists() && !server.data.join("objects").exists());
}
