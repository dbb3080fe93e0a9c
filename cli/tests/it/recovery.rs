//! `kill -9` of children and of the server at random moments: it goes on where it was.

use std::{
    collections::{BTreeMap, BTreeSet},
    fs,
    time::{Duration, Instant, SystemTime, UNIX_EPOCH},
};

use nix::{
    sys::signal::{Signal, kill},
    unistd::Pid,
};
use serde_json::Value;
use vidstream_testkit::{
    Clip, Encoding, beep,
    decode::{self, SOUND_RATE},
};

use crate::server::{LOOK_EVERY, Server, after, alive, number, until};

/// Two jobs side by side, however many cores there are: then a film of that length outlasts the kills.
const FLAGS: [&str; 2] = ["--set", "worker.slots=2"];
const RUNGS: [&str; 4] = ["720p", "480p", "360p", "240p"];
/// The tracks whose objects are numbered by the first segment of their chunk.
const TRACKS: [&str; 5] = ["720p", "480p", "360p", "240p", "audio"];

/// A stored segment is answered well within this; one that is still to be made is not waited for.
const HEAD_WAIT_MAX: Duration = Duration::from_secs(1);
const STORED_WAIT_MAX: Duration = Duration::from_secs(10);
/// After a kill another child works, or more is finished, within this.
const GOES_ON_WAIT_MAX: Duration = Duration::from_secs(30);
/// A job that may be killed comes within this, behind one that may not.
const VICTIM_WAIT_MAX: Duration = Duration::from_mins(1);
/// The next chunk is finished within this, however slow the machine is.
const FURTHER_WAIT_MAX: Duration = Duration::from_mins(2);
/// With its third failure a job is given up, which is another test's.
const ATTEMPT_KILLED_MAX: u32 = 2;

/// One in so many kills waits until more is finished, so that the others find finished chunks: the third, …
const FURTHER_EVERY: u32 = 4;
const FURTHER_AT: u32 = 2;
const PAUSE_MS_MIN: u64 = 100;
const PAUSE_MS_MAX: u64 = 1_100;
/// From here on kills come without a pause, so that no machine is ready before the last of them.
const HURRY_PERCENT: f64 = 50.0;
/// A beep is heard this near to its second.
const BEEP_OFF_S_MAX: f64 = 0.05;
/// Sound ends with the pictures, but for the last frame of AAC and what a player adds.
const SOUND_OFF_S_MAX: f64 = 0.1;

/// How many kills, and of how long a film: a short row in every run, the long one by environment.
fn size() -> (u32, u32) {
    let or = |name, usual: u32| number(name).map_or(usual, |given| given.try_into().unwrap());
    (or("TEST_KILLS", 6), or("TEST_KILL_FILM_S", 45))
}

#[tokio::test]
async fn a_film_becomes_ready_although_everything_is_killed_again_and_again() {
    let (kills, seconds) = size();
    let mut random = Random::seeded();
    let folder = tempfile::tempdir().unwrap();
    let data = folder.path().join("data");
    let film = Clip::new((1280, 720), 30, seconds);
    let clip = film.cached(&Encoding::default(), "mp4").unwrap();
    let mut server = Server::of_known_children(&data, &FLAGS).await;
    let mut seen = Seen { id: server.upload(&clip).await, percent: 0.0, finished: BTreeMap::new() };
    for nth in 0..kills {
        let hurries = seen.percent >= HURRY_PERCENT;
        if nth % FURTHER_EVERY == FURTHER_AT && !hurries {
            let before = if nth < FURTHER_EVERY { 0.0 } else { seen.percent };
            let further = |video: &Value| video["playable"] == true && percent(video) > before;
            seen.until(&server, "further", FURTHER_WAIT_MAX, further).await;
        }
        if !hurries {
            after(Duration::from_millis(PAUSE_MS_MIN + random.below(PAUSE_MS_MAX - PAUSE_MS_MIN))).await;
        }
        let state = seen.look(&server).await["state"].clone();
        assert_ne!(state, "ready", "the film was ready before kill {nth} of {kills}: it is too short");
        let known = if nth % 2 == 0 {
            kill_child(&server, &mut random).await
        } else {
            let orphans = server.kill();
            until("without orphans", Duration::from_secs(5), || !orphans.iter().any(|pid| alive(*pid))).await;
            server = Server::of_known_children(&data, &FLAGS).await;
            Vec::new()
        };
        seen.goes_on(&server, &known).await;
        seen.note_finished(&server).await;
    }
    let wait = Duration::from_secs(60 + u64::from(seconds) * 2);
    let ready = seen.until(&server, "ready", wait, |video| video["state"] == "ready").await;
    assert_eq!((&ready["warnings"], percent(&ready)), (&serde_json::json!([]), 100.0), "{ready:#}");
    seen.is_still_there(&server).await;
    is_whole(&server, &seen.id, &ready, &film);
}

/// Kills a child in its work, once there is one whose job bears it; gives those that worked then.
async fn kill_child(server: &Server, random: &mut Random) -> Vec<u32> {
    let deadline = Instant::now() + VICTIM_WAIT_MAX;
    loop {
        let busy = server.busy();
        let victims: Vec<_> = busy.iter().filter(|busy| busy.attempt <= ATTEMPT_KILLED_MAX).collect();
        if !victims.is_empty() {
            let place = usize::try_from(random.below(victims.len() as u64)).unwrap();
            let pid = Pid::from_raw(victims[place].pid.try_into().unwrap());
            // It may have ended by itself just now: then it was none of the kills.
            if kill(pid, Signal::SIGKILL).is_ok() {
                return busy.iter().map(|busy| busy.pid).collect();
            }
        }
        assert!(Instant::now() < deadline, "no child works that may be killed: {busy:?}");
        after(LOOK_EVERY).await;
    }
}

/// Every picture of every rung, and all the sound.
fn is_whole(server: &Server, id: &str, ready: &Value, film: &Clip) {
    let artifacts = ready["artifacts"].as_object().unwrap();
    let made: BTreeSet<&str> = artifacts.keys().filter_map(|name| name.strip_prefix("rendition.")).collect();
    assert_eq!(made, BTreeSet::from(RUNGS));
    for rung in RUNGS {
        server.assert_unbroken(id, rung, film.frames);
    }
    let heard = decode::sound(&["-i", &format!("{}/v/{id}/1/audio/index.m3u8", server.url)]).unwrap();
    #[expect(clippy::cast_precision_loss, reason = "samples of a film stay below 2^53")]
    let heard_s = heard.len() as f64 / f64::from(SOUND_RATE);
    assert!((heard_s - film.seconds()).abs() < SOUND_OFF_S_MAX, "{heard_s} s of sound");
    let beeps = beep::onsets(&heard, SOUND_RATE);
    for second in (0..film.frames.div_ceil(film.fps.0)).map(f64::from) {
        assert!(beeps.iter().any(|at| (at - second).abs() < BEEP_OFF_S_MAX), "no beep at {second} s: {beeps:?}");
    }
}

fn percent(video: &Value) -> f64 {
    video["progress"]["percent"].as_f64().unwrap_or_else(|| panic!("{video:#}"))
}

/// What was seen of the film so far, and must stay.
struct Seen {
    id: String,
    percent: f64,
    /// The entity tags of the first segments of finished chunks, by track and number: they name the stored object,
    /// so they change when a chunk is encoded again.
    finished: BTreeMap<(&'static str, u64), String>,
}

impl Seen {
    /// The video, which is never less far than before.
    async fn look(&mut self, server: &Server) -> Value {
        let video = server.video(&self.id).await;
        let now = percent(&video);
        assert!(now >= self.percent, "percent fell from {} to {now}", self.percent);
        self.percent = now;
        video
    }

    async fn until(&mut self, server: &Server, what: &str, wait: Duration, test: impl Fn(&Value) -> bool) -> Value {
        let deadline = Instant::now() + wait;
        loop {
            let video = self.look(server).await;
            if test(&video) {
                return video;
            }
            assert!(Instant::now() < deadline, "not {what} within {wait:?}: {video:#}");
            after(LOOK_EVERY).await;
        }
    }

    /// A child works that was not known before the kill, or more is finished.
    async fn goes_on(&mut self, server: &Server, known: &[u32]) {
        let before = percent(&self.look(server).await);
        let works =
            |video: &Value| percent(video) > before || server.busy().iter().any(|busy| !known.contains(&busy.pid));
        self.until(server, "going on", GOES_ON_WAIT_MAX, works).await;
    }

    async fn note_finished(&mut self, server: &Server) {
        let folder = server.data.join("objects").join(&self.id).join("1").join(TRACKS[0]);
        let names = fs::read_dir(folder).into_iter().flatten().flatten().map(|entry| entry.file_name());
        let firsts: BTreeSet<u64> =
            names.filter_map(|name| name.to_str()?.strip_suffix(".m4s")?.split('-').next()?.parse().ok()).collect();
        for first in firsts {
            // An object of an attempt that was killed before it was published is answered when its chunk is made.
            for track in TRACKS {
                if self.finished.contains_key(&(track, first)) {
                    continue;
                }
                let Some(tag) = self.tag(server, track, first, HEAD_WAIT_MAX).await else { break };
                self.finished.insert((track, first), tag);
            }
        }
    }

    async fn is_still_there(&self, server: &Server) {
        let tracks: BTreeSet<&str> = self.finished.keys().map(|(track, _)| *track).collect();
        assert_eq!(tracks, BTreeSet::from(TRACKS), "kills found a finished chunk of each");
        for ((track, first), tag) in &self.finished {
            let last = self.tag(server, track, *first, STORED_WAIT_MAX).await;
            assert_eq!(last.as_ref(), Some(tag), "{track}: the finished chunk of segment {first} was encoded again");
        }
    }

    async fn tag(&self, server: &Server, track: &str, first: u64, wait: Duration) -> Option<String> {
        let url = format!("{}/v/{}/1/{track}/{first}.m4s", server.url, self.id);
        let answer = server.http.head(url).timeout(wait).send().await.ok()?;
        (answer.status() == 200).then(|| answer.headers()["etag"].to_str().unwrap().to_owned())
    }
}

/// A seeded generator: the moments are others in every run, and can be had again.
struct Random(u64);

impl Random {
    fn seeded() -> Self {
        let seed = number("TEST_SEED").unwrap_or_else(|| {
            let now = SystemTime::now().duration_since(UNIX_EPOCH).unwrap();
            now.as_secs() ^ (u64::from(now.subsec_nanos()) << 32)
        });
        println!("TEST_SEED={seed}");
        // The generator stands still at 0.
        Self(seed.max(1))
    }

    fn below(&mut self, end: u64) -> u64 {
        self.0 ^= self.0 << 13;
        self.0 ^= self.0 >> 7;
        self.0 ^= self.0 << 17;
        self.0 % end
    }
}
