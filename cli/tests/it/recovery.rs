//! `kill -9` of children and of the server at random moments: it goes on where it was.

use std::{collections::BTreeMap, process::Command, time::Duration};

use vidstream_testkit::{Clip, Encoding};

use crate::server::{Server, after, alive, until};

/// A stored segment is answered well within this.
const HEAD_WAIT_MAX: Duration = Duration::from_secs(1);

/// Kills that may come before anything is finished.
const KILLS_BEFORE_PLAYABLE: u32 = 2;
const PLAYABLE_WAIT_MAX: Duration = Duration::from_mins(2);

/// How many kills, and of how long a film: a short row in every run, the long one by environment.
fn size() -> (u32, u32) {
    let number = |name: &str| std::env::var(name).ok().and_then(|text| text.parse().ok());
    (number("TEST_KILLS").unwrap_or(6), number("TEST_KILL_FILM_S").unwrap_or(45))
}

#[tokio::test]
async fn a_film_becomes_ready_although_everything_is_killed_again_and_again() {
    let (kills, seconds) = size();
    let folder = tempfile::tempdir().unwrap();
    let data = folder.path().join("data");
    let film = Clip::new((1280, 720), 30, seconds);
    let clip = film.cached(&Encoding::default(), "mp4").unwrap();
    let mut server = Server::start(&data).await;
    let id = server.upload(&clip).await;
    let mut random = Random(0x9e37_79b9_7f4a_7c15);
    let mut percent = 0.0;
    let mut finished = BTreeMap::new();
    for kill in 0..kills {
        if kill == KILLS_BEFORE_PLAYABLE {
            // The others find finished chunks, however slow the machine is.
            server.until(&id, "playable", PLAYABLE_WAIT_MAX, |video| video["playable"] == true).await;
        }
        let pause = Duration::from_millis(100 + random.next() % 2_000);
        after(pause).await;
        if server.video(&id).await["state"] == "ready" {
            break;
        }
        if kill % 2 == 0 {
            if let Some(child) = server.children().first() {
                Command::new("kill").args(["-9", &child.to_string()]).status().unwrap();
            }
        } else {
            let orphans = server.kill();
            until("without orphans", Duration::from_secs(5), || !orphans.iter().any(|pid| alive(*pid))).await;
            server = Server::start(&data).await;
        }
        let video = server.video(&id).await;
        let now = video["progress"]["percent"].as_f64().unwrap();
        assert!(now >= percent, "percent fell from {percent} to {now}");
        percent = now;
        for (first, tag) in tags(&server, &id).await {
            finished.entry(first).or_insert(tag);
        }
    }
    let ready = server
        .until(&id, "ready", Duration::from_secs(60 + u64::from(seconds) * 2), |video| video["state"] == "ready")
        .await;
    assert_eq!(ready["warnings"], serde_json::json!([]), "{ready:#}");
    assert_eq!(ready["progress"]["percent"], 100.0);
    assert!(!finished.is_empty(), "no kill found a finished chunk");
    let last = tags(&server, &id).await;
    for (first, tag) in &finished {
        assert_eq!(last.get(first), Some(tag), "the finished chunk of segment {first} was encoded again");
    }
    for height in ["720p", "240p"] {
        let playlist = format!("{}/v/{id}/1/{height}/index.m3u8", server.url);
        let shown = vidstream_testkit::counters(&["-i", &playlist]).unwrap();
        let wanted: Vec<Option<u32>> = (0..film.frames).map(Some).collect();
        assert!(shown == wanted, "{height}: the counters are not unbroken");
    }
}

/// The entity tags of the first segments of the finished chunks: they name the stored object, so they
/// change when a chunk is encoded again.
async fn tags(server: &Server, id: &str) -> BTreeMap<u64, String> {
    let mut tags = BTreeMap::new();
    for entry in std::fs::read_dir(server.data.join("objects").join(id).join("1/720p")).into_iter().flatten().flatten()
    {
        let name = entry.file_name().to_string_lossy().into_owned();
        let Some(first) = name.strip_suffix(".m4s").and_then(|stem| stem.split('-').next()?.parse().ok()) else {
            continue;
        };
        // An object of an attempt that was killed before it was published is answered when its chunk is made.
        let head = server.http.head(format!("{}/v/{id}/1/720p/{first}.m4s", server.url)).timeout(HEAD_WAIT_MAX).send();
        if let Ok(answer) = head.await
            && answer.status() == 200
        {
            tags.insert(first, answer.headers()["etag"].to_str().unwrap().to_owned());
        }
    }
    tags
}

/// A seeded generator: the moments are random, and the same in every run.
struct Random(u64);

impl Random {
    fn next(&mut self) -> u64 {
        self.0 ^= self.0 << 13;
        self.0 ^= self.0 >> 7;
        self.0 ^= self.0 << 17;
        self.0
    }
}
