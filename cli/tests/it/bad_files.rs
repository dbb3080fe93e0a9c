//! Files that cannot be played end in `failed` with a code and a sentence; odd ones that can, play.

use std::{fs, time::Duration};

use serde_json::Value;
use vidstream_testkit::odd::{self, Outcome};

use crate::server::Server;

/// A file that cannot be played is judged within this.
const VERDICT_WAIT_MAX: Duration = Duration::from_secs(10);
const MADE_WAIT_MAX: Duration = Duration::from_mins(1);

#[tokio::test]
async fn odd_files_play_or_fail_with_a_code_and_the_server_goes_on() {
    let folder = tempfile::tempdir().unwrap();
    let server = Server::start(&folder.path().join("data")).await;
    let text = folder.path().join("text.mp4");
    fs::write(&text, "just words, not a film\n".repeat(1000)).unwrap();
    let mut cases = odd::all(folder.path()).unwrap();
    cases.push(odd::Odd { name: "text", path: text, outcome: Outcome::Fails });
    for case in cases.iter().filter(|case| case.name != "empty") {
        let id = server.upload(&case.path).await;
        let ended = |video: &Value| video["state"] == "failed" || video["state"] == "ready";
        let wait = if case.outcome == Outcome::Plays { MADE_WAIT_MAX } else { VERDICT_WAIT_MAX };
        let video = server.until(&id, case.name, wait, ended).await;
        println!("{}: {} {} {}", case.name, video["state"], video["error"], video["warnings"]);
        if video["state"] == "ready" {
            plays(&server, &id, case.name, case.outcome, &video).await;
        } else {
            fails(&server, &id, case.name, case.outcome, &video).await;
        }
    }
}

async fn plays(server: &Server, id: &str, name: &str, outcome: Outcome, video: &Value) {
    assert_ne!(outcome, Outcome::Fails, "{name}: {video:#}");
    if outcome == Outcome::Either {
        assert_ne!(video["warnings"], serde_json::json!([]), "{name} is played without a warning");
    }
    for url in ["hls", "dash"] {
        let path = video["urls"][url].as_str().unwrap();
        assert_eq!(server.http.get(format!("{}{path}", server.url)).send().await.unwrap().status(), 200, "{name}");
    }
    let tracks = match name {
        "audio_only" => vec!["audio"],
        "picture_only" => vec!["180p", "trick"],
        _ => vec!["180p", "trick", "audio"],
    };
    for track in tracks {
        let segment = format!("{}/v/{id}/1/{track}/1.m4s", server.url);
        assert_eq!(server.http.get(segment).send().await.unwrap().status(), 200, "{name}: {track}");
    }
}

async fn fails(server: &Server, id: &str, name: &str, outcome: Outcome, video: &Value) {
    assert_ne!(outcome, Outcome::Plays, "{name}: {video:#}");
    let codes: &[&str] = match name {
        "garbage" | "text" => &["not_media"],
        "missing_index" => &["missing_index"],
        "truncated" => &["malformed", "missing_index"],
        "zero_duration" => &["too_short", "malformed"],
        "huge_dimensions" => &["unsupported_dimensions", "malformed"],
        _ => &[],
    };
    let code = video["error"]["code"].as_str().unwrap();
    assert!(codes.contains(&code), "{name}: {}", video["error"]);
    let detail = video["error"]["detail"].as_str().unwrap();
    assert!(detail.len() > 20 && !detail.contains("panicked"), "{name}: {detail}");
    let master = server.http.get(format!("{}/v/{id}/master.m3u8", server.url)).send().await.unwrap();
    assert_eq!(master.status(), 404, "{name}");
}
