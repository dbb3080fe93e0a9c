//! Samples of configurations for one machine, started as they are but for places and ports.

use std::{fs, path::Path};

use vidstream_media::VideoId;

use crate::server::Server;

/// A port that the sample pins, and one that is free.
const ADMIN: (&str, &str) = ("127.0.0.1:9090", "127.0.0.1:0");

/// Starts the server of a sample in which some words are replaced, each of which it must have.
async fn start(folder: &Path, name: &str, words: &[(&str, &str)]) -> Server {
    let samples = concat!(env!("CARGO_MANIFEST_DIR"), "/../config/samples");
    let mut text = fs::read_to_string(Path::new(samples).join(name)).unwrap();
    for (from, to) in words {
        assert!(text.contains(from), "{name} does not say {from}");
        text = text.replace(from, to);
    }
    let config = folder.join(name);
    fs::write(&config, text).unwrap();
    Server::configured(&config, &folder.join("data")).await
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
    let server = start(folder.path(), "embedded.toml", &words).await;
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
    let server = start(folder.path(), "server.toml", &words).await;
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
