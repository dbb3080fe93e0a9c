//! Servers whose processes meet at a Redis.

use std::{fs, process::Command, time::Duration};

use tokio::time::timeout;
use vidstream_testkit::redis;

use crate::server::{Server, VIDSTREAM, refused};

/// A server connects again, and says so, within this.
const WAIT_MAX: Duration = Duration::from_secs(30);

#[tokio::test(flavor = "multi_thread")]
async fn a_server_begins_while_redis_is_away_and_not_with_a_wrong_password() {
    let settings = redis::Settings { password: Some("right"), ..redis::Settings::default() };
    let redis = redis::Server::start(settings).unwrap();
    let folder = tempfile::tempdir().unwrap();
    let set = format!("events.url={}", redis.url());
    let mut origin = Command::new(VIDSTREAM);
    origin.args(["origin", "--set", &set.replace("right", "hunter2"), "--data"]).arg(folder.path());
    let (code, text) = refused(&mut origin);
    assert_eq!(code, Some(69), "{text}");
    assert!(text.contains("WRONGPASS") && !text.contains("hunter2"), "{text}");

    redis.kill().unwrap();
    let server = Server::with(folder.path(), &["--set", &set]).await;
    let admin = fs::read_to_string(folder.path().join("admin.addr")).unwrap();
    let ready = async || {
        let answer = server.http.get(format!("http://{}/readyz", admin.trim())).send().await.unwrap();
        (answer.status().as_u16(), answer.text().await.unwrap())
    };
    let (status, text) = ready().await;
    assert_eq!(status, 200, "{text}");
    assert!(text.starts_with("ready, degraded: the Redis server at 127.0.0.1:"), "{text}");
    redis.restart().unwrap();
    let back = async { while ready().await != (200, "ready\n".to_owned()) {} };
    timeout(WAIT_MAX, back).await.unwrap();
    server.kill();
}
