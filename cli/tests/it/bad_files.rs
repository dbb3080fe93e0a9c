//! Files that cannot be played end in `failed` with a code and a sentence; odd ones that can, play.

use std::{path::Path, time::Duration};

use vidstream_testkit::odd;

use crate::server::Server;

/// A bad file is judged within this.
const VERDICT_WAIT_MAX: Duration = Duration::from_secs(10);

type Maker = fn(&Path) -> anyhow::Result<()>;

#[tokio::test]
async fn bad_files_fail_with_a_code_and_the_server_goes_on() {
    let folder = tempfile::tempdir().unwrap();
    let server = Server::start(&folder.path().join("data")).await;
    let cases: [(&str, Maker, &[&str]); 6] = [
        ("garbage.mp4", odd::garbage, &["not_media"]),
        ("truncated.mp4", odd::truncated, &["missing_index", "malformed", "not_media"]),
        ("noindex.mp4", odd::missing_index, &["missing_index"]),
        ("zero.mp4", odd::zero_duration, &["too_short", "malformed", "no_video_stream", "no_streams"]),
        ("huge.mp4", odd::huge_dimensions, &["unsupported_dimensions", "malformed", "unsupported_codec"]),
        ("text.mp4", |path| Ok(std::fs::write(path, "just words, not a film\n".repeat(1000))?), &["not_media"]),
    ];
    for (name, make, codes) in cases {
        let file = folder.path().join(name);
        make(&file).unwrap();
        let id = server.upload(&file).await;
        let ended = |video: &serde_json::Value| video["state"] == "failed" || video["state"] == "ready";
        let video = server.until(&id, "judged", VERDICT_WAIT_MAX, ended).await;
        if video["state"] == "ready" {
            assert_ne!(video["warnings"], serde_json::json!([]), "{name} is played without a warning");
            continue;
        }
        let code = video["error"]["code"].as_str().unwrap();
        assert!(codes.contains(&code), "{name}: {}", video["error"]);
        let detail = video["error"]["detail"].as_str().unwrap();
        assert!(detail.len() > 20 && !detail.contains("panicked"), "{name}: {detail}");
        let master = server.http.get(format!("{}/v/{id}/master.m3u8", server.url)).send().await.unwrap();
        assert_eq!(master.status(), 404, "{name}");
    }
}

#[tokio::test]
async fn odd_files_that_can_be_played_become_ready() {
    let folder = tempfile::tempdir().unwrap();
    let server = Server::start(&folder.path().join("data")).await;
    let cases: [(&str, Maker, &[&str]); 3] = [
        ("sound.mp4", odd::audio_only, &["audio"]),
        ("silent.mp4", odd::picture_only, &["trick"]),
        ("wrong-extension.avi", odd::wrong_extension, &["trick", "audio"]),
    ];
    for (name, make, artifacts) in cases {
        let file = folder.path().join(name);
        make(&file).unwrap();
        let id = server.upload(&file).await;
        let ended = |video: &serde_json::Value| video["state"] == "failed" || video["state"] == "ready";
        let video = server.until(&id, "made", Duration::from_secs(60), ended).await;
        assert_eq!(video["state"], "ready", "{name}: {video:#}");
        for artifact in artifacts {
            assert_eq!(video["artifacts"][artifact]["state"], "ready", "{name}: {video:#}");
        }
        for url in ["hls", "dash"] {
            let path = video["urls"][url].as_str().unwrap();
            assert_eq!(server.http.get(format!("{}{path}", server.url)).send().await.unwrap().status(), 200, "{name}");
        }
    }
}
