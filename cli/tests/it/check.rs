//! `vidstream check`: every rule passes on our own streams, and fails when what is served breaks it.

mod bytes;
mod fixtures;
mod proxy;
mod rows;
mod shaka;
mod site;
mod unusual;

use std::{
    collections::BTreeSet,
    fs,
    path::{Path, PathBuf},
    process::{Command, Output},
    sync::OnceLock,
    time::Duration,
};

use serde_json::Value;
use vidstream_testkit::{Clip, Encoding, Schema};

use crate::server::{Server, VIDSTREAM};
use site::Site;

const RUNGS: [&str; 2] = ["--set", "ladder.heights=240,144"];

/// A packaged clip, made once.
fn tree() -> &'static Path {
    static TREE: OnceLock<PathBuf> = OnceLock::new();
    TREE.get_or_init(|| {
        let tree = Path::new(env!("CARGO_TARGET_TMPDIR")).join("check-tree");
        let mut command = Command::new(VIDSTREAM);
        command.arg("package").arg(clip()).arg("--force").arg("--out").arg(&tree);
        let output = command.args(RUNGS).output().unwrap();
        assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
        tree
    })
}

fn clip() -> PathBuf {
    Clip::new((426, 240), 30, 9).cached(&Encoding::default(), "mp4").unwrap()
}

/// A server with the clip, of which all is made, and the clip's id.
async fn served(folder: &Path) -> (Server, String) {
    let server = Server::with(folder, &RUNGS).await;
    let id = server.upload(&clip()).await;
    server.until_made(&id).await;
    (server, id)
}

/// Holds the MPD that is served now against the schema, if there is one; if not, that is said once.
async fn assert_valid_mpd(server: &Server, id: &str) {
    static SCHEMA: OnceLock<Option<Schema>> = OnceLock::new();
    let Some(schema) = SCHEMA.get_or_init(|| Schema::given("the MPDs of a running server")) else { return };
    let answer = server.http.get(format!("{}/v/{id}/manifest.mpd", server.url)).send().await.unwrap();
    assert_eq!(answer.status(), 200);
    schema.check(&answer.text().await.unwrap()).unwrap();
}

fn check(stream: &str, more: &[&str]) -> Output {
    Command::new(VIDSTREAM).arg("check").arg(stream).args(more).output().unwrap()
}

/// The verdicts on a stream, and that the exit code is that of its failed MUSTs.
fn verdicts(stream: &str) -> Vec<Value> {
    let output = check(stream, &["--json"]);
    let report: Value = serde_json::from_slice(&output.stdout)
        .unwrap_or_else(|_| panic!("{stream}: {}", String::from_utf8_lossy(&output.stderr)));
    let rules = report["rules"].as_array().unwrap().clone();
    let numbers: Vec<u64> = rules.iter().map(|rule| rule["rule"].as_u64().unwrap()).collect();
    assert_eq!(numbers, (1..=76).collect::<Vec<u64>>());
    let is_ok = !rules.iter().any(|rule| rule["verdict"] == "fail" && rule["level"] == "MUST");
    assert_eq!(report["ok"], is_ok);
    assert_eq!(output.status.code(), Some(i32::from(!is_ok)));
    rules
}

fn with_verdict(rules: &[Value], verdict: &str) -> BTreeSet<u64> {
    rules.iter().filter(|rule| rule["verdict"] == verdict).map(|rule| rule["rule"].as_u64().unwrap()).collect()
}

/// The level of a rule: that of its gravest finding, else its own.
fn level(rules: &[Value], number: u64) -> &str {
    let outcome = rules.iter().find(|rule| rule["rule"] == number).unwrap();
    outcome["level"].as_str().unwrap()
}

fn failed(rules: &[Value]) -> Vec<&Value> {
    rules.iter().filter(|rule| rule["verdict"] == "fail").collect()
}

/// What a stream of ours does not keep, at the level of a SHOULD: there is no loudness in it (rule 33). It is known when all
/// sound is encoded, and the initialisation segment that would hold it is served from the first chunk on.
const OURS: [u64; 1] = [33];

/// Rules about what a ready stream of ours lacks, and what that is.
const ABSENT: [(u64, &str); 16] = [
    (17, "no EXT-X-BITRATE"),
    (25, "finished"),
    (31, "no second group of a type"),
    (34, "no subtitles"),
    (44, "no encryption"),
    (47, "no motion JPEG"),
    (48, "no parts"),
    (57, "no segment index"),
    (58, "no encryption"),
    (65, "no on-demand addressing"),
    (70, "no encryption and no captions in the MPD"),
    (72, "no subtitles"),
    (73, "no subtitles"),
    (74, "no subtitles"),
    (75, "no parts"),
    (76, "no low-latency segments"),
];

/// The rules that do not apply, each with what the stream lacks.
fn absent(rules: &[Value]) -> Vec<(u64, &str)> {
    let absent = rules.iter().filter(|rule| rule["verdict"] == "not_applicable");
    absent.map(|rule| (rule["rule"].as_u64().unwrap(), rule["reason"].as_str().unwrap())).collect()
}

#[tokio::test]
async fn each_rule_fails_when_what_is_served_breaks_it() {
    let folder = tempfile::tempdir().unwrap();
    let (server, id) = served(folder.path()).await;
    let mut tested = BTreeSet::new();
    let mut wrong = Vec::new();
    // The verdicts before a change, of each base once.
    let mut bases: Vec<(rows::Change, Vec<Value>)> = Vec::new();
    for row in rows::ALL {
        let mut site = Site::of(&server, &id);
        (row.base)(&mut site);
        let known = bases.iter().position(|(base, _)| std::ptr::fn_addr_eq(*base, row.base));
        let place = known.unwrap_or_else(|| {
            bases.push((row.base, verdicts(&site.clone().serve())));
            bases.len() - 1
        });
        let before = &bases[place].1;
        (row.change)(&mut site);
        let after = verdicts(&site.serve());
        let broken: BTreeSet<u64> =
            with_verdict(&after, "fail").difference(&with_verdict(before, "fail")).copied().collect();
        let mut expected: BTreeSet<u64> = row.with.iter().map(|(rule, _)| *rule).collect();
        expected.insert(row.rule);
        let is_clean = with_verdict(before, "fail").iter().all(|rule| OURS.contains(rule));
        let level = level(&after, row.rule);
        if broken != expected || level != row.level || !with_verdict(before, "pass").contains(&row.rule) || !is_clean {
            let news: Vec<&Value> =
                failed(&after).into_iter().filter(|rule| broken.contains(&rule["rule"].as_u64().unwrap())).collect();
            wrong.push(format!(
                "rule {} ({}): fails {broken:?} at {level}, expected it at {} with {:?}; before: {:?}\n{news:#?}",
                row.rule,
                row.what,
                row.level,
                row.with,
                failed(before)
            ));
        }
        tested.insert(row.rule);
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
    assert_eq!(tested, (1..=76).collect::<BTreeSet<u64>>());
}

#[test]
fn a_tree_of_ours_passes_as_files() {
    let rules = verdicts(tree().to_str().unwrap());
    let broken = with_verdict(&rules, "fail");
    assert!(broken.iter().all(|rule| OURS.contains(rule)), "{:#?}", failed(&rules));
    // Beside what needs a server, the same rules apply as over HTTP.
    let mut expected = vec![(4, "files, not a server")];
    expected.extend(ABSENT);
    assert_eq!(absent(&rules), expected);
}

#[tokio::test]
async fn a_video_of_a_server_passes() {
    let folder = tempfile::tempdir().unwrap();
    let (server, id) = served(folder.path()).await;
    assert_valid_mpd(&server, &id).await;
    // With and without the slash.
    for path in [format!("{}/v/{id}", server.url), format!("{}/v/{id}/", server.url)] {
        let rules = verdicts(&path);
        assert!(failed(&rules).iter().all(|rule| rule["level"] == "SHOULD"), "{:#?}", failed(&rules));
        assert_eq!(with_verdict(&rules, "fail"), BTreeSet::from(OURS), "{:#?}", failed(&rules));
        assert_eq!(absent(&rules), ABSENT);
    }
}

#[tokio::test]
async fn a_video_in_the_making_passes() {
    let folder = tempfile::tempdir().unwrap();
    let server = Server::with(folder.path(), &RUNGS).await;
    // Long enough that most of it is made because it is asked for.
    let file = Clip::new((426, 240), 30, 120).cached(&Encoding::default(), "mp4").unwrap();
    let id = server.upload(&file).await;
    server.until(&id, "playable", Duration::from_mins(1), |video| video["playable"] == true).await;
    assert_valid_mpd(&server, &id).await;
    let rules = verdicts(&format!("{}/v/{id}/", server.url));
    // It was not ready: its rates are no measured ones (22), and were enough for all that came (25).
    assert!(with_verdict(&rules, "not_applicable").contains(&22), "{}", rules[21]);
    assert!(with_verdict(&rules, "pass").contains(&25), "{}", rules[24]);
    assert!(failed(&rules).iter().all(|rule| rule["level"] == "SHOULD"), "{:#?}", failed(&rules));
    // I-frame playlists of the rungs are listed when all is made.
    let known = |rule: &u64| *rule == 46 || OURS.contains(rule);
    assert!(with_verdict(&rules, "fail").iter().all(known), "{:#?}", failed(&rules));
}

#[tokio::test]
async fn what_cannot_be_checked_has_its_exit_code_and_a_sentence() {
    let (data, folder) = (tempfile::tempdir().unwrap(), tempfile::tempdir().unwrap());
    let (server, id) = served(data.path()).await;
    let page = format!("{}/v/{id}/1/240p/index.m3u8", server.url);
    let nowhere = format!("{}/v/{id}/nowhere/", server.url);
    let empty = folder.path().to_str().unwrap();
    let cases: [(&str, i32, &str); 6] = [
        ("http://127.0.0.1:1/v/x/", 69, "onnection refused"),
        (&nowhere, 66, "404"),
        (&page, 66, "neither a multivariant playlist nor an MPD"),
        ("/nonexistent", 66, "cannot read /nonexistent"),
        (empty, 66, "no such file"),
        ("http://[", 64, "no URL"),
    ];
    for (stream, code, sentence) in cases {
        let output = check(stream, &[]);
        let told = String::from_utf8_lossy(&output.stderr).into_owned();
        assert_eq!(output.status.code(), Some(code), "{stream}: {told}");
        assert!(told.contains(sentence), "{stream}: {told}");
    }
}

#[test]
fn a_document_alone_can_be_checked() {
    for (name, absent) in [("master.m3u8", "no MPD"), ("manifest.mpd", "no multivariant playlist")] {
        let rules = verdicts(tree().join(name).to_str().unwrap());
        assert!(rules.iter().any(|rule| rule["reason"] == absent), "{name}");
        assert!(with_verdict(&rules, "fail").iter().all(|rule| OURS.contains(rule)), "{name} {:#?}", failed(&rules));
    }
}

#[test]
fn nothing_outside_of_a_tree_is_read() {
    let folder = tempfile::tempdir().unwrap();
    let root = folder.path().join("tree");
    fs::create_dir(&root).unwrap();
    fs::write(folder.path().join("secret.m3u8"), "#EXTM3U\n#EXT-X-TARGETDURATION:4\n#EXT-X-ENDLIST\n").unwrap();
    let master = "#EXTM3U\n#EXT-X-STREAM-INF:BANDWIDTH=1\n../secret.m3u8\n";
    fs::write(root.join("master.m3u8"), master).unwrap();
    let rules = verdicts(root.to_str().unwrap());
    assert_eq!(rules[5]["verdict"], "fail");
    assert!(rules[5]["reason"].as_str().unwrap().contains("no such file"), "{}", rules[5]);
}
