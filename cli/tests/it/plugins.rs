//! `vidstream plugins`: plugins are found, judged, and seen through when they lie.

use std::{
    fs,
    path::{Path, PathBuf},
    process::{Command, Output},
    time::Duration,
};

use serde_json::Value;
use vidstream_catalog::{Catalog, Options};
use vidstream_testkit::{Clip, Encoding};

use crate::server::{Server, VIDSTREAM, refused};

/// A folder of plugins, each in a folder of its own.
struct Folder(tempfile::TempDir);

impl Folder {
    fn new() -> Self {
        Self(tempfile::tempdir().unwrap())
    }

    fn path(&self) -> &Path {
        self.0.path()
    }

    /// Installs a manifest, and the library that it names.
    fn add(&self, name: &str, manifest: &str) {
        let folder = self.path().join(name);
        fs::create_dir(&folder).unwrap();
        fs::write(folder.join("plugin.toml"), manifest).unwrap();
        for library in ["libvidstream_example.so", "libvidstream_liar.so"] {
            if manifest.contains(library) {
                fs::copy(built(library), folder.join(library)).unwrap();
            }
        }
    }

    fn run(&self, args: &[&str]) -> Output {
        Command::new(VIDSTREAM).arg("plugins").args(args).arg("--folder").arg(self.path()).output().unwrap()
    }
}

/// A plugin library as cargo built it, beside this test.
fn built(library: &str) -> PathBuf {
    std::env::current_exe().unwrap().parent().unwrap().join(library)
}

/// The manifest of a plugin that makes these promises and tells a lie.
fn manifest(lie: &str, head: &str, settings: &str, promises: &[&str]) -> String {
    format!(
        r#"
name = "liar-{lie}"
version = "1"
rank = 1
library = "libvidstream_liar.so"
{head}

[settings]
wrong = "{lie}"
{settings}

[promises]
{} = true
"#,
        promises.join(" = true\n")
    )
}

/// The manifest of one that promises everything.
fn liar(lie: &str) -> String {
    let head = r#"
kind = "video_encoder"
codec = "h264"
element = "liarh264enc""#;
    let settings = r#"
bitrate = "{cap_kbps}"
bframes = "{bframes}"
key-int-max = "{key_frames_max}"
quantizer = "{quality}"
threads = "{threads}"
vbv-buf-capacity = "{buffer_ms}"

[intra]
bframes = "0"
key-int-max = "1"
wrong = "none""#;
    manifest(lie, head, settings, ALL)
}

/// The manifest of one that promises all that can be of sound.
fn liar_of_sound(lie: &str) -> String {
    let head = r#"
kind = "audio_encoder"
codec = "aac"
element = "liaraacenc""#;
    manifest(lie, head, r#"bitrate = "{target_bps}""#, OF_SOUND)
}

/// The manifest of the example plugin.
fn example() -> String {
    fs::read_to_string(Path::new(env!("CARGO_MANIFEST_DIR")).join("../plugins/example/plugin.toml")).unwrap()
}

/// The promises with this outcome, and the reason of each.
fn with_outcome<'a>(report: &'a Value, outcome: &str) -> Vec<(&'a str, &'a str)> {
    let verdicts = report["verdicts"].as_array().unwrap().iter();
    let found = verdicts.filter(|verdict| verdict["outcome"] == outcome);
    found.map(|verdict| (verdict["promise"].as_str().unwrap(), verdict["reason"].as_str().unwrap())).collect()
}

/// The report of one plugin, and the exit code.
fn check(folder: &Folder, name: &str) -> (Value, Option<i32>) {
    let output = folder.run(&["check", name, "--json"]);
    let reports: Value = serde_json::from_slice(&output.stdout)
        .unwrap_or_else(|error| panic!("{error}: {}", String::from_utf8_lossy(&output.stderr)));
    (reports[0].clone(), output.status.code())
}

/// Whether all is judged that there is, which takes minutes.
fn is_long() -> bool {
    std::env::var("TEST_LIES").as_deref() == Ok("all")
}

/// The manifest; without the promise for which many more chunks are made, unless the lie is about that.
fn short(manifest: String, promise: &str, companions: &[&str]) -> String {
    if is_long() || promise == MEMORY || companions.contains(&MEMORY) {
        return manifest;
    }
    manifest.replace(&format!("{MEMORY} = true\n"), "")
}

/// Lies that break a promise in another way than one that is always told.
fn more<const N: usize>(lies: [Lie; N]) -> Vec<Lie> {
    if is_long() { lies.into() } else { Vec::new() }
}

/// A lie, the promise that it breaks, a part of the reason, and the promises that may break with it.
type Lie = (&'static str, &'static str, &'static str, &'static [&'static str]);

/// The promise that is judged only where it is made.
const MEMORY: &str = "bounded_memory";
/// What cannot be judged when chunk jobs refuse what they are given.
const UNSTORED: &[&str] = &["closed_gop", "clean_joins", "cap_kept"];
/// All that can be promised, none of which can be judged when nothing comes to its end.
const ALL: &[&str] = &[
    "idr_on_grid",
    "closed_gop",
    "exact_frames",
    "true_times",
    "same_decoder_config",
    "clean_joins",
    "cap_kept",
    MEMORY,
    "clean_abort",
];
/// What can be promised of sound.
const OF_SOUND: &[&str] = &["exact_frames", "true_times", "same_decoder_config", "clean_joins", MEMORY, "clean_abort"];

/// Each lie breaks its promise, and no other but its companions.
fn sees_through(manifest: impl Fn(&str) -> String, lies: &[Lie]) {
    let folder = Folder::new();
    for (lie, promise, _, companions) in lies {
        folder.add(lie, &short(manifest(lie), promise, companions));
    }
    for (lie, promise, part, companions) in lies {
        let (report, code) = check(&folder, &format!("liar-{lie}"));
        assert_eq!(code, Some(1), "{lie}: {report:#}");
        let failed = with_outcome(&report, "fail");
        let reason = failed.iter().find(|(failed, _)| failed == promise).map(|(_, reason)| *reason);
        assert!(reason.is_some_and(|reason| reason.contains(part)), "{lie}: {report:#}");
        let others = failed.iter().filter(|(failed, _)| failed != promise && !companions.contains(failed));
        assert_eq!(others.count(), 0, "{lie}: {report:#}");
        let mut unsaid = with_outcome(&report, "not_promised").into_iter();
        let is_left_out =
            |(of, reason): (&str, &str)| of == MEMORY && reason.starts_with("it cannot be judged: that takes");
        assert!(unsaid.all(is_left_out), "{lie}: {report:#}");
    }
}

/// A plugin keeps all that it promises.
fn believes(name: &str, manifest: &str, promises: usize) {
    let folder = Folder::new();
    folder.add(name, manifest);
    let (report, code) = check(&folder, name);
    assert_eq!((code, with_outcome(&report, "pass").len()), (Some(0), promises), "{report:#}");
}

#[test]
fn without_a_lie_every_promise_is_kept() {
    believes("liar-none", &liar("none"), ALL.len());
    believes("liar-none", &liar_of_sound("none"), OF_SOUND.len());
    // It is x264 behind another name, and that is judged in any case.
    if is_long() {
        believes("calm-x264", &example(), ALL.len());
    }
}

#[test]
fn lies_about_the_grid_are_seen() {
    sees_through(
        liar,
        &[
            // Key pictures that nobody asked for take their bits.
            ("more-keys", "idr_on_grid", "where none was asked for", &["cap_kept"]),
            ("open-gop", "closed_gop", "with which the next GOP begins", &["idr_on_grid", "clean_joins", "cap_kept"]),
            ("drop", "exact_frames", "1 of 48 frames do not come", UNSTORED),
        ],
    );
}

#[test]
fn lies_about_samples_are_seen() {
    sees_through(
        liar,
        &[
            ("late", "true_times", "off by 12.0 ms", &[]),
            ("config", "same_decoder_config", "differs from that of the first chunk", &[]),
            ("bad-start", "clean_joins", "dB below the same frames made in one go", &[]),
        ],
    );
}

#[test]
fn lies_about_resources_are_seen() {
    sees_through(
        liar,
        &[
            ("no-cap", "cap_kept", "kbit/s", &[]),
            ("leak", MEMORY, "memory grows by", &[]),
            // A thread has a stack.
            ("thread", "clean_abort", "threads are still there", &[MEMORY]),
        ],
    );
    let more = more([
        ("deaf", "idr_on_grid", "no IDR picture comes where one was asked for", UNSTORED),
        ("twice", "exact_frames", "comes twice", UNSTORED),
        ("hang", "exact_frames", "hung", ALL),
    ]);
    sees_through(liar, &more);
}

#[test]
fn lies_about_sound_are_seen() {
    sees_through(
        liar_of_sound,
        &[
            ("shift", "true_times", "dB or less like the source at their time", &[]),
            ("no-pre-roll", "clean_joins", "dB below the same frames made in one go", &[]),
            // All that follows the hole is heard too early.
            ("drop", "exact_frames", "ms after the one before, a frame lasts", &["true_times"]),
        ],
    );
    let more = more([
        ("config", "same_decoder_config", "differs from that of the first chunk", &[]),
        ("no-post-roll", "clean_joins", "dB below the same frames made in one go", &[]),
        ("bad-start", "clean_joins", "dB below the same frames made in one go", &[]),
        ("leak", MEMORY, "memory grows by", &[]),
        ("thread", "clean_abort", "threads are still there", &[MEMORY]),
        ("hang", "exact_frames", "hung", ALL),
    ]);
    sees_through(liar_of_sound, &more);
}

#[test]
fn the_bundled_plugins_keep_what_they_promise() {
    let folder = Folder::new();
    folder.add("filter", "name = \"soft\"\nversion = \"1\"\nkind = \"filter\"\nelement = \"videobalance\"\nrank = 1\n");
    folder.add("absent", "name = \"absent\"\nversion = \"1\"\nkind = \"video_encoder\"\ncodec = \"h264\"\nelement = \"noenc\"\nrank = 1\n");
    let output = folder.run(&["check", "--all", "--json"]);
    let reports: Value = serde_json::from_slice(&output.stdout).unwrap();
    assert_eq!(output.status.code(), Some(0), "{reports:#}");
    let states: Vec<(&str, &str)> = reports
        .as_array()
        .unwrap()
        .iter()
        .map(|report| (report["plugin"].as_str().unwrap(), report["state"].as_str().unwrap()))
        .collect();
    let expected = [
        ("absent", "unavailable"),
        ("avenc-aac", "judged"),
        ("openh264", "judged"),
        ("soft", "nothing_to_judge"),
        ("x264", "judged"),
    ];
    assert_eq!(states, expected);
    for report in reports.as_array().unwrap().iter().filter(|report| report["state"] == "judged") {
        assert!(with_outcome(report, "pass").len() >= 6, "{report:#}");
    }
}

#[test]
fn a_plugin_that_is_not_there_has_its_exit_code() {
    let folder = Folder::new();
    folder.add("absent", "name = \"absent\"\nversion = \"1\"\nkind = \"video_encoder\"\ncodec = \"h264\"\nelement = \"noenc\"\nrank = 1\n");
    let cases: [(&[&str], i32, &str); 4] = [
        (&["check", "x246"], 64, "did you mean x264?"),
        (&["check", "something-else"], 64, "`vidstream plugins list` names them"),
        (&["check", "absent"], 69, "the GStreamer element noenc is not installed here"),
        (&["check"], 64, "required"),
    ];
    for (args, code, sentence) in cases {
        let output = folder.run(args);
        let told = String::from_utf8_lossy(&output.stderr).into_owned();
        assert_eq!(output.status.code(), Some(code), "{args:?}: {told}");
        assert!(told.contains(sentence), "{args:?}: {told}");
    }
}

#[test]
fn the_example_is_listed_and_shown() {
    let folder = Folder::new();
    folder.add("example", &example());
    let text = |args: &[&str]| String::from_utf8_lossy(&folder.run(args).stdout).into_owned();
    let listed = text(&["list"]);
    let line = listed.lines().find(|line| line.starts_with("calm-x264")).unwrap();
    assert!(line.ends_with("available"), "{line}");
    let shown = text(&["show", "calm-x264"]);
    for part in ["library   libvidstream_example.so", "calmx264enc (available)", "calm = 6"] {
        assert!(shown.contains(part), "{shown}");
    }
}

#[tokio::test]
async fn a_plugin_of_a_folder_is_pinned_by_a_plan_and_encodes_in_a_child() {
    let (folder, data) = (Folder::new(), tempfile::tempdir().unwrap());
    folder.add("example", &example());
    let folders = format!("plugins.folders={}", folder.path().display());
    let tracks = "plugins.tracks=240p=calm-x264,trick=openh264";
    let flags = ["--set", &folders, "--set", tracks, "--set", "ladder.heights=240,144"];
    let server = Server::with(data.path(), &flags).await;
    let clip = Clip::new((426, 240), 30, 9).cached(&Encoding::default(), "mp4").unwrap();
    let id = server.upload(&clip).await;
    server.until(&id, "ready", Duration::from_mins(1), |video| video["state"] == "ready").await;

    let url = format!("sqlite://{}", data.path().join("catalog.sqlite").display());
    let catalog = Catalog::open(&url, Options::default()).await.unwrap();
    let snapshot = catalog.snapshot(id.parse().unwrap()).await.unwrap().unwrap();
    let plan = snapshot.presentation.unwrap().plan;
    let videos = plan.rungs.iter().chain(&plan.trick);
    let pinned: Vec<_> = videos.map(|video| (video.track.to_string(), video.encoder.plugin.as_str())).collect();
    let expected = [("240p", "calm-x264"), ("144p", "x264"), ("trick", "openh264")];
    assert_eq!(pinned, expected.map(|(track, plugin)| (track.to_owned(), plugin)));
    assert_eq!(plan.rungs[0].encoder.settings["calm"], "6");
}

#[test]
fn a_track_cannot_ask_for_a_plugin_that_does_not_fit() {
    let (folder, data) = (Folder::new(), tempfile::tempdir().unwrap());
    folder.add("absent", &liar("none").replace("liarh264enc", "noenc").replace("liar-none", "absent"));
    folder.add("vague", &liar("none").replace("closed_gop = true", "closed_gop = false").replace("liar-none", "vague"));
    let folders = format!("plugins.folders={}", folder.path().display());
    let cases = [
        ("720p", "such as 720p=x264"),
        ("top=x264", "a height such as 720p"),
        ("720p=nobody", "there is no such plugin"),
        ("720p=avenc-aac", "it does not make h264"),
        ("720p=absent", "noenc is not installed"),
        ("trick=vague", "it does not promise closed_gop"),
    ];
    for (pair, sentence) in cases {
        let tracks = format!("plugins.tracks={pair}");
        let mut command = Command::new(VIDSTREAM);
        command.args(["packager", "--set", &folders, "--set", &tracks, "--data"]).arg(data.path());
        let (code, told) = refused(&mut command);
        assert_eq!(code, Some(64), "{pair}: {told}");
        assert!(told.contains(sentence), "{pair}: {told}");
    }
}
