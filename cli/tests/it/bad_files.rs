//! Files that cannot be played end in `failed` with a code and a sentence; odd ones that can, play. Each has one end.

use std::{
    collections::BTreeSet,
    fs,
    path::{Path, PathBuf},
    time::Duration,
};

use serde_json::Value;
use vidstream_testkit::odd;

use crate::server::Server;

/// A file is refused for good within this from the last byte of its upload on.
const END_WAIT_MAX: Duration = Duration::from_secs(10);
/// One of a few seconds is made whole within this, beside tests that encode longer ones on the same two cores.
const MADE_WAIT_MAX: Duration = Duration::from_secs(30);

/// What becomes of a file.
enum End {
    /// It is never stored: the upload is answered with this code and sentence.
    Refused(&'static str, &'static str),
    /// It fails with a code and a sentence that begins with the cause and ends with what to do.
    Fails { code: &'static str, cause: &'static str, action: &'static str },
    /// It plays in these tracks, with these warnings: the code, and what the sentence says.
    Plays { tracks: &'static [&'static str], warnings: &'static [(&'static str, &'static [&'static str])] },
}

const ALL_TRACKS: &[&str] = &["180p", "trick", "audio"];
const NOT_MEDIA: End = End::Fails {
    code: "not_media",
    cause: "The file is not a video or audio file that is known here: ",
    action: " Upload a video file such as MP4, MOV, MKV, WebM or MPEG-TS.",
};
const ENDS: [(&str, End); 10] = [
    ("empty", End::Refused("empty_body", "send the bytes of a file as the body")),
    ("garbage", NOT_MEDIA),
    ("text", NOT_MEDIA),
    (
        "missing_index",
        End::Fails {
            code: "missing_index",
            cause: "The file has no index (moov box), so that nothing in it can be found: it was not finished by the recorder, or it was cut off while it was copied.",
            action: " Repair it with the recording software or upload the complete file.",
        },
    ),
    (
        "zero_duration",
        End::Fails {
            code: "too_short",
            cause: "The file lasts no time at all: it has no complete picture or sound.",
            action: " Export it again.",
        },
    ),
    (
        "truncated",
        End::Plays {
            tracks: ALL_TRACKS,
            warnings: &[("truncated", &["The file ends before the last ", "; what is there is played."])],
        },
    ),
    (
        "huge_dimensions",
        End::Plays {
            tracks: ALL_TRACKS,
            warnings: &[(
                "dimensions_corrected",
                &["The header of the file says 65535x65535 pixels, its pictures are 320x180; their own size is used."],
            )],
        },
    ),
    ("wrong_extension", End::Plays { tracks: ALL_TRACKS, warnings: &[] }),
    ("picture_only", End::Plays { tracks: &["180p", "trick"], warnings: &[] }),
    ("audio_only", End::Plays { tracks: &["audio"], warnings: &[] }),
];

#[tokio::test]
async fn each_odd_file_plays_or_fails_in_its_one_way_and_soon() {
    let folder = tempfile::tempdir().unwrap();
    let server = Server::start(&folder.path().join("data")).await;
    let text = folder.path().join("text.mp4");
    fs::write(&text, "just words, not a film\n".repeat(1000)).unwrap();
    let made = odd::all(folder.path()).unwrap().into_iter().map(|odd| (odd.name, odd.path));
    let files: Vec<(&str, PathBuf)> = made.chain([("text", text)]).collect();
    let names: BTreeSet<&str> = files.iter().map(|(name, _)| *name).collect();
    let rows: BTreeSet<&str> = ENDS.iter().map(|(name, _)| *name).collect();
    assert_eq!(names, rows, "each file has its row");
    for (name, end) in &ENDS {
        let path = files.iter().find_map(|(made, path)| (made == name).then_some(path)).unwrap();
        match end {
            End::Refused(code, sentence) => refused(&server, name, fs::read(path).unwrap(), code, sentence).await,
            End::Fails { code, cause, action } => {
                let video = fails(&server, name, path).await;
                assert_eq!(video["error"]["code"], *code, "{name}: {}", video["error"]);
                let detail = video["error"]["detail"].as_str().unwrap();
                assert!(detail.starts_with(cause) && detail.ends_with(action), "{name}: {detail}");
            }
            End::Plays { tracks, warnings } => {
                let video = plays(&server, name, path, tracks).await;
                let found = video["warnings"].as_array().unwrap();
                let codes: Vec<&str> = found.iter().map(|warning| warning["code"].as_str().unwrap()).collect();
                let wanted: Vec<&str> = warnings.iter().map(|(code, _)| *code).collect();
                assert_eq!(codes, wanted, "{name}: {}", video["warnings"]);
                for (warning, (_, parts)) in found.iter().zip(*warnings) {
                    let detail = warning["detail"].as_str().unwrap();
                    assert!(parts.iter().all(|part| detail.contains(part)), "{name}: {detail}");
                }
            }
        }
    }
}

/// Uploads a file and waits for its end.
async fn end(server: &Server, name: &str, path: &Path, wait: Duration) -> (String, Value) {
    let id = server.upload(path).await;
    let ended = |video: &Value| video["state"] == "failed" || video["state"] == "ready";
    let video = server.until(&id, name, wait, ended).await;
    (id, video)
}

async fn refused(server: &Server, name: &str, bytes: Vec<u8>, code: &str, sentence: &str) {
    let answer = server.http.put(format!("{}/v1/videos?title=test", server.url)).body(bytes).send().await.unwrap();
    let (status, problem): (_, Value) = (answer.status(), answer.json().await.unwrap());
    assert_eq!((status.as_u16(), &problem["code"]), (400, &Value::from(code)), "{name}: {problem}");
    assert_eq!(problem["detail"], sentence, "{name}");
}

async fn plays(server: &Server, name: &str, path: &Path, tracks: &[&str]) -> Value {
    let (id, video) = end(server, name, path, MADE_WAIT_MAX).await;
    assert_eq!(video["state"], "ready", "{name}: {video:#}");
    for url in ["hls", "dash"] {
        let path = video["urls"][url].as_str().unwrap();
        assert_eq!(server.http.get(format!("{}{path}", server.url)).send().await.unwrap().status(), 200, "{name}");
    }
    for track in tracks {
        let segment = format!("{}/v/{id}/1/{track}/1.m4s", server.url);
        assert_eq!(server.http.get(segment).send().await.unwrap().status(), 200, "{name}: {track}");
    }
    video
}

async fn fails(server: &Server, name: &str, path: &Path) -> Value {
    let (id, video) = end(server, name, path, END_WAIT_MAX).await;
    assert_eq!(video["state"], "failed", "{name}: {video:#}");
    let master = server.http.get(format!("{}/v/{id}/master.m3u8", server.url)).send().await.unwrap();
    assert_eq!(master.status(), 404, "{name}");
    video
}
