//! What `vidstream add` shows meanwhile: a bar on a terminal, lines elsewhere; and the title that it gives.

use std::{
    collections::BTreeSet,
    fs,
    io::Read as _,
    path::{Path, PathBuf},
    process::{Command, Stdio},
};

use nix::{
    sys::signal::{Signal, kill},
    unistd::Pid,
};
use serde_json::Value;
use vidstream_testkit::{Clip, Encoding};

use crate::server::{Server, VIDSTREAM};

/// Many times what is read of the file at once, so that there is a middle of the upload.
const ROOM_BYTES: u32 = 16 << 20;
/// All of it has ended by then, in seconds.
const WAIT_MAX_S: &str = "60";

/// A film of two seconds with a large empty box behind it.
fn file(folder: &Path) -> PathBuf {
    let mut film = fs::read(Clip::new((320, 180), 25, 2).cached(&Encoding::default(), "mp4").unwrap()).unwrap();
    film.extend(ROOM_BYTES.to_be_bytes());
    film.extend(b"free");
    film.resize(film.len() + ROOM_BYTES as usize - 8, 0);
    let path = folder.join("holiday.mp4");
    fs::write(&path, film).unwrap();
    path
}

/// It, on a terminal of its own that is wide enough for a whole bar: script(1) is part of every Debian.
fn on_terminal(file: &Path, server: &str, title: &str) -> Command {
    let line = r#"stty cols 200 rows 50 && exec "$PROGRAM" add "$FILE" --server "$SERVER" --title "$TITLE""#;
    let mut script = Command::new("timeout");
    script.args(["--foreground", WAIT_MAX_S, "script", "-qec", line, "/dev/null"]);
    script.env("SHELL", "/bin/sh").env("TERM", "xterm").stdin(Stdio::null()).stdout(Stdio::piped());
    script.env("PROGRAM", VIDSTREAM).env("FILE", file).env("SERVER", server).env("TITLE", title);
    script
}

/// What was drawn of a bar, each time from its name on.
fn drawn<'a>(shown: &'a str, bar: &str) -> Vec<&'a str> {
    let parts = shown.split(['\r', '\n', '\x1b']);
    parts.filter_map(|part| part.find(bar).and_then(|at| part.get(at + bar.len()..))).collect()
}

/// Whether a bar of the upload shows bytes that are not all, a rate and the time left:
/// `====>    ] 4.25 MiB/16.07 MiB 80.13 MiB/s 2s left`.
fn is_in_the_middle(bar: &str) -> bool {
    let words: Vec<&str> = bar.split_once("] ").map_or("", |(_, words)| words).split_whitespace().collect();
    let [sent, unit_and_all, all_unit, rate, rate_unit, left, "left"] = words.as_slice() else { return false };
    let Some((unit, all)) = unit_and_all.split_once('/') else { return false };
    let are_numbers = [*sent, all, *rate].iter().all(|number| number.parse::<f64>().is_ok());
    let is_part = *sent != "0" && (*sent, unit) != (all, *all_unit);
    are_numbers && is_part && rate_unit.ends_with("B/s") && left.starts_with(|letter: char| letter.is_ascii_digit())
}

async fn titles(server: &Server) -> Vec<String> {
    let list: Value = server.http.get(format!("{}/v1/videos", server.url)).send().await.unwrap().json().await.unwrap();
    list["data"].as_array().unwrap().iter().map(|video| video["title"].as_str().unwrap().to_owned()).collect()
}

#[tokio::test]
async fn a_terminal_shows_bytes_rate_and_time_left_and_then_the_packaging() {
    let folder = tempfile::tempdir().unwrap();
    let server = Server::start(&folder.path().join("data")).await;
    let signal = |signal: Signal| kill(Pid::from_raw(server.child.id().try_into().unwrap()), signal).unwrap();
    // The server reads nothing until the bar was seen in the middle: what the kernel takes is a part of the file.
    signal(Signal::SIGSTOP);
    let mut add = on_terminal(&file(folder.path()), &server.url, "Two weeks by the sea").spawn().unwrap();
    let mut terminal = add.stdout.take().unwrap();
    let (mut bytes, mut piece, mut is_seen) = (Vec::new(), [0; 4096], false);
    loop {
        let read = terminal.read(&mut piece).unwrap();
        if read == 0 {
            break;
        }
        bytes.extend_from_slice(&piece[..read]);
        if !is_seen && drawn(&String::from_utf8_lossy(&bytes), "uploading [").into_iter().any(is_in_the_middle) {
            is_seen = true;
            signal(Signal::SIGCONT);
        }
    }
    let (status, shown) = (add.wait().unwrap(), String::from_utf8_lossy(&bytes));
    assert!(is_seen && status.success(), "{status}: {shown:?}");
    let packaging: BTreeSet<&str> = drawn(&shown, "packaging [")
        .into_iter()
        .filter_map(|bar| bar.split_once("] ")?.1.split_once(" %"))
        .map(|(percent, _)| percent)
        .collect();
    assert!(packaging.contains("100") && packaging.len() > 1, "{packaging:?}: {shown:?}");
    assert!(shown.find("uploading [") < shown.find("packaging ["), "{shown:?}");
    // The bar is taken away before the last word, which would stand behind it.
    let (_, last) = shown.rsplit_once("packaging [").unwrap();
    assert!(last.find('\x1b') < last.find("ready") && last.contains('\x1b'), "{last:?}");
    assert!(shown.contains("/master.m3u8") && shown.trim_end().ends_with("ready"), "{shown:?}");
    assert_eq!(titles(&server).await, ["Two weeks by the sea"]);
}

#[tokio::test]
async fn lines_are_shown_where_there_is_no_terminal() {
    let folder = tempfile::tempdir().unwrap();
    let server = Server::start(&folder.path().join("data")).await;
    let mut add = Command::new(VIDSTREAM);
    let output = add.arg("add").arg(file(folder.path())).args(["--server", &server.url]).output().unwrap();
    let (shown, errors) = (String::from_utf8_lossy(&output.stdout), String::from_utf8_lossy(&output.stderr));
    assert_eq!((output.status.code(), &*errors), (Some(0), ""), "{shown}");
    assert!(!shown.contains(['\r', '\x1b']), "{shown:?}");
    let percents = |bar: &str| -> Vec<u64> {
        let lines = shown.lines().filter_map(|line| line.strip_prefix(bar)?.strip_suffix(" %"));
        lines.map(|percent| percent.parse().unwrap()).collect()
    };
    assert_eq!(percents("uploading "), (1..=10).map(|tenth| tenth * 10).collect::<Vec<u64>>(), "{shown}");
    let packaging = percents("packaging ");
    assert!(packaging.is_sorted_by(|a, b| a < b) && packaging.last() == Some(&100), "{shown}");
    assert_eq!(titles(&server).await, ["holiday"], "the file's name where no title is given");
}
