//! `vidstream package`: a tree that any web server can host, or nothing at all.

use std::{
    collections::BTreeMap,
    fs,
    path::{Path, PathBuf},
    process::{Command, Output, Stdio},
    time::{Duration, Instant},
};

use nix::{
    sys::signal::{Signal, kill},
    unistd::Pid,
};
use vidstream_testkit::{Clip, Encoding, Schema, decode};

use crate::{
    delivered::uris,
    server::{Server, VIDSTREAM},
};

/// A packaging that was told to end is gone by then.
const END_WAIT_MAX: Duration = Duration::from_secs(10);
const RUNGS: [&str; 2] = ["--set", "ladder.heights=240,144"];

fn clip(seconds: u32) -> PathBuf {
    Clip::new((426, 240), 30, seconds).cached(&Encoding::default(), "mp4").unwrap()
}

fn package(input: &Path, out: &Path, more: &[&str]) -> Output {
    let mut command = Command::new(VIDSTREAM);
    command.arg("package").arg(input).arg("--out").arg(out).args(RUNGS).args(more);
    command.output().unwrap()
}

/// What lies in a folder, hidden names too.
fn names(folder: &Path) -> Vec<String> {
    let entries = fs::read_dir(folder).unwrap();
    let mut names: Vec<String> = entries.map(|entry| entry.unwrap().file_name().into_string().unwrap()).collect();
    names.sort();
    names
}

/// A number of an attribute list. What has commas of its own stands in quotes, and numbers do not.
fn number(attributes: &str, name: &str) -> u64 {
    let value = attributes.split(',').find_map(|part| part.strip_prefix(name)?.strip_prefix('='));
    value.unwrap_or_else(|| panic!("no {name} in {attributes}")).parse().unwrap()
}

/// There are lines of progress before the summary, at most one for each tenth.
fn assert_progress_is_told(told: &str) {
    let (before, _) = told.split_once("TRACK").unwrap();
    let percent = |line: &str| line.strip_prefix("packaging ")?.strip_suffix(" %")?.parse::<u32>().ok();
    let tenths: Vec<u32> = before.lines().filter_map(percent).map(|percent| percent / 10).collect();
    assert!(!tenths.is_empty() && tenths.iter().all(|tenth| (1..=10).contains(tenth)), "{told}");
    assert!(tenths.windows(2).all(|pair| pair[0] < pair[1]), "{told}");
    assert_eq!(told.matches(" %\n").count(), tenths.len(), "{told}");
}

/// The summary has the tracks of the multivariant playlist, with the same codecs, sizes and rates.
fn assert_told_as_written(told: &str, master: &str) {
    let lines: Vec<&str> = master.lines().collect();
    // Attributes of the variants, by the folder of their track.
    let variant = |pair: &[&str]| {
        let list = pair[0].strip_prefix("#EXT-X-STREAM-INF:")?;
        Some((pair[1].split('/').nth(1).unwrap().to_owned(), list.to_owned()))
    };
    let mut written: BTreeMap<String, String> = lines.windows(2).filter_map(variant).collect();
    // Rates of a variant are those of its video and of the audio together.
    let audio = written["audio"].clone();
    let iframes = lines.iter().find(|line| line.contains("URI=\"1/trick/iframes.m3u8\"")).unwrap();
    written.insert("trick".to_owned(), iframes.strip_prefix("#EXT-X-I-FRAME-STREAM-INF:").unwrap().to_owned());
    let table = told.lines().skip_while(|line| !line.starts_with("TRACK")).skip(1).take_while(|line| !line.is_empty());
    for row in table {
        let words: Vec<&str> = row.split_whitespace().collect();
        let (track, codec, size) = (words[0], words[1], words[2]);
        // The size of sound is two words.
        let [average, peak] = [3, 2].map(|place| words[words.len() - place].parse::<u64>().unwrap());
        let attributes = written.remove(track).unwrap_or_else(|| panic!("{track} is told, and not in {master}"));
        assert!(attributes.contains(codec), "{row}: {attributes}");
        let is_rung = !["audio", "trick"].contains(&track);
        assert!(track == "audio" || attributes.contains(&format!("RESOLUTION={size}")), "{row}: {attributes}");
        for (name, kbps) in [("AVERAGE-BANDWIDTH", average), ("BANDWIDTH", peak)] {
            let other = if is_rung { number(&audio, name) } else { 0 };
            assert_eq!((number(&attributes, name) - other) / 1000, kbps, "{name} of {row}: {attributes}");
        }
    }
    assert!(written.is_empty(), "{written:?} is not told: {told}");
}

#[tokio::test]
async fn the_tree_is_what_a_server_serves_and_every_link_leads_somewhere() {
    let folder = tempfile::tempdir().unwrap();
    let out = folder.path().join("films/tree");
    let input = clip(9);
    let output = package(&input, &out, &[]);
    let told = String::from_utf8_lossy(&output.stdout).into_owned();
    assert_eq!(output.status.code(), Some(0), "{}", String::from_utf8_lossy(&output.stderr));
    for part in ["240p", "144p", "trick", "audio", "avc1.", "times real time", "master.m3u8", "manifest.mpd"] {
        assert!(told.contains(part), "{told}");
    }
    assert_progress_is_told(&told);
    assert_told_as_written(&told, &fs::read_to_string(out.join("master.m3u8")).unwrap());
    assert_eq!(names(&folder.path().join("films")), ["tree"]);
    let mut open = vec![out.join("master.m3u8"), out.join("1/thumbnails.m3u8")];
    let mut seen = 0;
    while let Some(file) = open.pop() {
        let text = fs::read_to_string(&file).unwrap();
        for uri in uris(&text) {
            let named = file.parent().unwrap().join(&uri);
            assert!(fs::metadata(&named).is_ok_and(|meta| meta.len() > 0), "{uri} of {}", file.display());
            seen += 1;
            if named.extension().is_some_and(|extension| extension == "m3u8") {
                open.push(named);
            }
        }
    }
    assert!(seen > 20, "{seen}");
    if let Some(schema) = Schema::given("the MPD of a packaged film") {
        schema.check(&fs::read_to_string(out.join("manifest.mpd")).unwrap()).unwrap();
    }
    for name in ["master.m3u8", "manifest.mpd"] {
        let counters = decode::counters(&["-i", out.join(name).to_str().unwrap()]).unwrap();
        let expected: Vec<Option<u32>> = (0..270).map(Some).collect();
        assert_eq!(counters, expected, "{name}");
    }
    // What a server makes of the same file under the same plan: the promise and the configuration are the same.
    let server = Server::with(&folder.path().join("data"), &RUNGS).await;
    let id = server.upload(&input).await;
    server.until(&id, "ready", Duration::from_mins(1), |video| video["state"] == "ready").await;
    for name in [
        "240p/index.m3u8",
        "240p/init.mp4",
        "144p/init.mp4",
        "audio/index.m3u8",
        "trick/iframes.m3u8",
        "thumbnails.vtt",
    ] {
        let url = format!("{}/v/{id}/1/{name}", server.url);
        let body = server.http.get(url).send().await.unwrap().bytes().await.unwrap();
        assert_eq!(body, fs::read(out.join("1").join(name)).unwrap(), "{name}");
    }
}

#[test]
fn what_cannot_be_packaged_leaves_nothing_behind() {
    let folder = tempfile::tempdir().unwrap();
    let text = folder.path().join("text.mp4");
    fs::write(&text, "just words\n".repeat(100)).unwrap();
    let empty = folder.path().join("empty.mp4");
    fs::write(&empty, "").unwrap();
    let full = folder.path().join("full");
    fs::create_dir(&full).unwrap();
    fs::write(full.join("letter"), "dear").unwrap();
    let before = names(folder.path());
    let cases: [(&Path, &Path, i32, &str); 5] = [
        (&text, &folder.path().join("out"), 1, "not_media"),
        (&empty, &folder.path().join("out"), 66, "is empty"),
        (Path::new("/nonexistent.mp4"), &folder.path().join("out"), 66, "cannot read /nonexistent.mp4"),
        (&clip(9), &full, 64, "is not empty; --force replaces it"),
        (&clip(9), Path::new("/proc/nowhere/out"), 74, "cannot write"),
    ];
    for (input, out, code, sentence) in cases {
        let output = package(input, out, &[]);
        let told = String::from_utf8_lossy(&output.stderr).into_owned();
        assert_eq!(output.status.code(), Some(code), "{told}");
        assert!(told.contains(sentence), "{told}");
        assert_eq!(names(folder.path()), before, "{sentence}");
    }
    assert_eq!(package(&clip(9), &full, &["--force"]).status.code(), Some(0));
    assert_eq!(names(&full), ["1", "manifest.mpd", "master.m3u8"]);
    assert_eq!(names(folder.path()), before);
}

#[test]
fn a_packaging_that_is_told_to_end_leaves_nothing_behind() {
    let folder = tempfile::tempdir().unwrap();
    let input = Clip::new((1280, 720), 30, 45).cached(&Encoding::default(), "mp4").unwrap();
    let mut command = Command::new(VIDSTREAM);
    command.arg("package").arg(&input).arg("--out").arg(folder.path().join("out"));
    let mut child = command.stdout(Stdio::null()).stderr(Stdio::piped()).spawn().unwrap();
    let deadline = Instant::now() + END_WAIT_MAX;
    // Begun as soon as the first object is there.
    while !names(folder.path()).iter().any(|name| folder.path().join(name).join("data/objects").is_dir()) {
        assert!(child.try_wait().unwrap().is_none() && Instant::now() < deadline, "it does not begin");
        std::thread::yield_now();
    }
    kill(Pid::from_raw(i32::try_from(child.id()).unwrap()), Signal::SIGTERM).unwrap();
    let deadline = Instant::now() + END_WAIT_MAX;
    while child.try_wait().unwrap().is_none() {
        assert!(Instant::now() < deadline, "it does not end");
        std::thread::yield_now();
    }
    let output = child.wait_with_output().unwrap();
    assert_eq!(output.status.code(), Some(1), "{}", String::from_utf8_lossy(&output.stderr));
    assert_eq!(names(folder.path()), Vec::<String>::new());
}
