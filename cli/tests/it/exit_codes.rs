//! Every failure that a user can cause ends with its exit code and one clear sentence.

use std::{net::TcpListener, process::Command};

use crate::server::VIDSTREAM;

#[test]
fn failures_have_their_code_and_a_sentence() {
    let folder = tempfile::tempdir().unwrap();
    let data = folder.path().display().to_string();
    let taken = TcpListener::bind("127.0.0.1:0").unwrap();
    let busy = taken.local_addr().unwrap().to_string();
    // It takes connections and never says a word.
    let silent = format!("catalog.url=postgres://u:secret@{busy}/d");
    let missing = "tls.cert_file=/nonexistent.pem".to_owned();
    let garbage = format!("tls.cert_file={}/Cargo.toml", env!("CARGO_MANIFEST_DIR"));
    let cases: &[(&[&str], i32, &str)] = &[
        (&["--help"], 0, ""),
        (&["serve", "--help"], 0, ""),
        (&["bogus"], 64, "unrecognized subcommand"),
        (&["serve", "--bogus"], 64, "unexpected argument"),
        (&["serve", "--listen", "nonsense"], 64, "an address such as"),
        (&["serve", "--set", "ladder.hights=1"], 64, "did you mean ladder.heights"),
        (&["serve", "--config", "/nonexistent.toml"], 64, "cannot read the configuration file"),
        (&["serve", "--data", &data, "--listen", &busy], 69, "in use"),
        (&["serve", "--data", "/proc/nowhere"], 74, "/proc/nowhere"),
        (&["serve", "--data", &data, "--listen", "0.0.0.0:0"], 64, "loopback"),
        (&["serve", "--set", "tls.cert_file=/cert.pem"], 64, "set tls.key_file too"),
        (
            &["serve", "--data", &data, "--set", &missing, "--set", "tls.key_file=/x.pem"],
            66,
            "cannot read /nonexistent.pem",
        ),
        (&["serve", "--data", &data, "--set", &garbage, "--set", "tls.key_file=/x.pem"], 64, "it holds no certificate"),
        (&["serve", "--data", &data, "--set", "catalog.url=mysql://h/d"], 64, "postgres://user@host/database"),
        (&["serve", "--data", &data, "--set", "catalog.url=postgres://h"], 64, "it names no database"),
        (&["origin", "--data", &data, "--set", "catalog.url=postgres://u:secret@127.0.0.1:1/d"], 69, "127.0.0.1:1"),
        (&["serve", "--data", &data, "--set", &silent], 69, "does not answer"),
        (&["serve", "--data", &data, "--set", "events.url=amqp://u:secret@h"], 64, "redis://host:6379/0"),
        (&["serve", "--data", &data, "--set", "events.url=redis://"], 64, "it names no host"),
        (&["serve", "--data", &data, "--set", "events.url=redis://u:secret@h/x"], 64, "a number from 0 to 255"),
        (&["serve", "--data", &data, "--set", "events.url=redis://u:secret@h?colour=red"], 64, "colour"),
        (&["serve", "--data", &data, "--set", "events.url=rediss://h?sslrootcert=/dev/null"], 64, "no certificate"),
        (&["migrate", "--set", "catalog.url=postgres://h/d?colour=red"], 64, "cannot be read"),
        (&["migrate", "--set", "catalog.url=postgres://u@%2Fnonexistent/d"], 69, "/nonexistent"),
        (&["migrate", "--set", "catalog.url=sqlite:///proc/nowhere/c.db"], 74, "catalog"),
        (&["migrate", "--set", "catalog.connections=0"], 64, "from 1 to 1000"),
        (&["migrate", "--set", "catalog.connections=1001"], 64, "from 1 to 1000"),
        (&["add", "/nonexistent.mp4"], 66, "cannot read /nonexistent.mp4"),
        (&["add", VIDSTREAM, "--server", "http://127.0.0.1:1"], 69, "is `vidstream serve` running?"),
        (&["plugins", "show", "nobody"], 64, "there is no plugin nobody"),
    ];
    for (args, code, sentence) in cases {
        let output = Command::new(VIDSTREAM).args(*args).output().unwrap();
        let text = String::from_utf8_lossy(&output.stderr).into_owned();
        assert_eq!(output.status.code(), Some(*code), "{args:?}: {text}");
        assert!(text.contains(sentence), "{args:?}: {text}");
        assert!(!text.contains("secret"), "{args:?}: {text}");
    }
}

#[test]
fn plugins_are_listed_with_their_state() {
    let output = Command::new(VIDSTREAM).args(["plugins", "list"]).output().unwrap();
    let text = String::from_utf8_lossy(&output.stdout).into_owned();
    for part in ["x264enc", "openh264enc", "avenc_aac", "available"] {
        assert!(text.contains(part), "{text}");
    }
    let output = Command::new(VIDSTREAM).args(["plugins", "show", "x264"]).output().unwrap();
    assert!(String::from_utf8_lossy(&output.stdout).contains("speed-preset = veryfast"));
}
