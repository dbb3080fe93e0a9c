//! `export` and `import`: what one server has, another one goes on with.

use std::{path::Path, process::Command, time::Duration};

use vidstream_testkit::{Clip, Encoding, counters, postgres};

use crate::server::{Server, VIDSTREAM};

const READY_WAIT_MAX: Duration = Duration::from_mins(2);

/// Runs a command; gives its exit code and what it said.
fn run(args: &[&str]) -> (i32, String) {
    let output = Command::new(VIDSTREAM).args(args).output().unwrap();
    let said = [output.stdout, output.stderr].map(|text| String::from_utf8_lossy(&text).into_owned()).concat();
    (output.status.code().unwrap(), said)
}

/// A film that was playable when it was moved is made to its end elsewhere, from its first frame to its last.
#[tokio::test(flavor = "multi_thread")]
async fn what_a_server_has_goes_on_behind_another_database() {
    let folder = tempfile::tempdir().unwrap();
    let at = |name: &str| folder.path().join(name).display().to_string();
    let film = Clip::new((640, 360), 30, 40);
    let old = Server::with(Path::new(&at("old")), &[]).await;
    let id = old.upload(&film.cached(&Encoding::default(), "mp4").unwrap()).await;
    old.until(&id, "playable", READY_WAIT_MAX, |video| video["playable"] == true).await;
    let (code, said) = run(&["export", &at("export"), "--data", &at("old")]);
    assert_eq!(code, 0, "{said}");
    assert!(said.contains("objects (") && said.contains("rows and"), "{said}");
    let (code, said) = run(&["export", &at("export"), "--data", &at("old")]);
    assert_eq!((code, said.contains("has an export already")), (64, true), "{said}");
    drop(old);

    // Once from the export, once from the folder that the old server left.
    for source in ["export", "old"] {
        let catalog = format!("catalog.url={}", postgres::shared().database().unwrap());
        let new = at(&format!("new-{source}"));
        let import = ["import", &at(source), "--data", &new, "--set", &catalog].map(str::to_owned);
        let import: Vec<&str> = import.iter().map(String::as_str).collect();
        let (code, said) = run(&import);
        assert_eq!((code, said.contains(" came from ")), (0, true), "{said}");
        let (code, said) = run(&import);
        assert_eq!((code, said.contains("is not empty")), (64, true), "{said}");
        let server = Server::with(Path::new(&new), &["--set", &catalog]).await;
        server.until(&id, "ready", READY_WAIT_MAX, |video| video["state"] == "ready").await;
        let shown = counters(&["-i", &format!("{}/v/{id}/1/360p/index.m3u8", server.url)]).unwrap();
        assert!(shown == (0..film.frames).map(Some).collect::<Vec<_>>(), "{source}: the counters are not unbroken");
    }
}

#[test]
fn what_is_no_export_is_refused_in_one_sentence() {
    let folder = tempfile::tempdir().unwrap();
    let at = |name: &str| folder.path().join(name).display().to_string();
    for (name, file, text, wanted) in [
        ("nothing", "other", "", "neither catalog.jsonl of an export nor catalog.sqlite of a server"),
        ("part", "catalog.jsonl.part", "", "an export that was interrupted"),
        ("empty", "catalog.jsonl", "", "it ends too early"),
        ("other", "catalog.jsonl", "hello\n", "this is no export of a catalog"),
        ("cut", "catalog.jsonl", "{\"catalog\":{\"version\":1}}\n", "it ends too early"),
        ("database", "catalog.sqlite", "hello", "catalog"),
    ] {
        std::fs::create_dir(at(name)).unwrap();
        std::fs::write(Path::new(&at(name)).join(file), text).unwrap();
        let (code, said) = run(&["import", &at(name), "--data", &at(&format!("{name}-data"))]);
        assert_eq!((code, said.contains(wanted), said.lines().count()), (66, true, 1), "{name}: {said}");
    }
}
