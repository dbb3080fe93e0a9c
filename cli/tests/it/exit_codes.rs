//! Every failure that a user can cause ends with its exit code and one clear sentence.

use std::{
    collections::BTreeSet,
    fs,
    net::TcpListener,
    path::{Path, PathBuf},
    process::Command,
};

use vidstream_testkit::{
    postgres,
    s3::{BUCKET, Host},
};

use crate::server::{VIDSTREAM, ended, refused};

/// Nothing that fails at the start takes longer; a server that is silent is given up after 10 s.
const WAIT_MAX_S: &str = "60";

/// The one sentence of a refusal: it comes last, whatever a log says before it.
fn sentence_of(text: &str) -> &str {
    let mut told = text.lines().filter(|line| line.starts_with("vidstream: "));
    let (first, second, last) = (told.next(), told.next(), text.lines().last());
    assert!(first.is_some() && second.is_none() && first == last, "{text}");
    first.unwrap_or_default()
}

/// The program, which is ended with code 124 if it serves instead of failing.
fn bounded() -> Command {
    let mut command = Command::new("timeout");
    command.args([WAIT_MAX_S, VIDSTREAM]);
    command
}

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
        (&["packager", "--data", &data, "--admin-listen", &busy], 69, "in use: each process on a machine needs"),
        (&["serve", "--data", "/proc/nowhere"], 74, "/proc/nowhere"),
        (&["serve", "--data", &data, "--listen", "0.0.0.0:0"], 64, "loopback"),
        (&["serve", "--set", "tls.cert_file=/cert.pem"], 64, "set tls.key_file too"),
        (&["origin", "--set", "origin.trusted_proxies=10.0.0.1/8"], 64, "such as 10.0.0.0/8 or 127.0.0.1"),
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
        (&["fsck", "--data", "/nonexistent"], 66, "there is no catalog sqlite:///nonexistent/catalog.sqlite"),
        (&["fsck", "--data", &data, "--set", "catalog.url=postgres://u:secret@127.0.0.1:1/d"], 69, "127.0.0.1:1"),
        (&["export", "/nonexistent/to", "--data", "/nonexistent"], 66, "there is no catalog"),
        (&["import", "/nonexistent", "--data", &data], 66, "neither catalog.jsonl of an export nor"),
        (&["add", "/nonexistent.mp4"], 66, "cannot read /nonexistent.mp4"),
        (&["add", VIDSTREAM, "--server", "http://127.0.0.1:1"], 69, "is `vidstream serve` running?"),
        (&["plugins", "show", "nobody"], 64, "there is no plugin nobody"),
    ];
    for (args, code, sentence) in cases {
        let (ended, text) = refused(bounded().args(*args));
        assert_eq!(ended, Some(*code), "{args:?}: {text}");
        // Words that are none of ours are told with the usage of the command.
        let told = if *code == 0 || text.starts_with("error: ") { &text } else { sentence_of(&text) };
        assert!(told.contains(sentence), "{args:?}: {text}");
        assert!(!text.contains("secret"), "{args:?}: {text}");
    }
}

/// What a command says of itself.
fn help(command: &[String]) -> String {
    let output = Command::new(VIDSTREAM).args(command).arg("--help").output().unwrap();
    assert_eq!(output.status.code(), Some(0), "{command:?}");
    String::from_utf8(output.stdout).unwrap()
}

#[test]
fn the_help_of_every_command_has_an_example_and_the_exit_codes() {
    let mut left: Vec<Vec<String>> = vec![Vec::new()];
    let mut seen = BTreeSet::new();
    while let Some(command) = left.pop() {
        let text = help(&command);
        let name = ["vidstream".to_owned()].iter().chain(&command).cloned().collect::<Vec<_>>().join(" ");
        let example = format!("  {name} ");
        assert!(text.lines().any(|line| line.starts_with(&example)), "{name} has no example: {text}");
        for code in ["Exit codes: 0 done, 1 ", " 64 ", "66 ", " 69 ", " 70 ", " 74 "] {
            assert!(text.contains(code), "{name} does not say {code:?}: {text}");
        }
        let listed = text.lines().skip_while(|line| *line != "Commands:").skip(1).take_while(|line| !line.is_empty());
        let names = listed.filter_map(|line| line.strip_prefix("  ")?.split(' ').next());
        for word in names.filter(|word| !word.is_empty() && *word != "help") {
            left.push(command.iter().cloned().chain([word.to_owned()]).collect());
        }
        seen.insert(name);
    }
    for name in ["vidstream serve", "vidstream add", "vidstream plugins", "vidstream plugins check"] {
        assert!(seen.contains(name), "{seen:?}");
    }
}

/// Where Debian has the plugins of GStreamer.
fn gstreamer_plugins() -> Vec<PathBuf> {
    let folders = fs::read_dir("/usr/lib").unwrap().map(|entry| entry.unwrap().path().join("gstreamer-1.0"));
    let files = folders.filter(|folder| folder.is_dir()).flat_map(|folder| fs::read_dir(folder).unwrap());
    files.map(|entry| entry.unwrap().path()).collect()
}

#[test]
fn an_element_that_is_missing_is_named_with_its_package_at_the_start() {
    let folder = tempfile::tempdir().unwrap();
    let all = gstreamer_plugins();
    assert!(all.iter().any(|path| path.ends_with("libgstcoreelements.so")), "{all:?}");
    // Without which plugins, and what is said; none at all is there where GStreamer is installed without them.
    let cases: [(&str, &[&str], &str); 3] = [
        (
            "jpeg",
            &["libgstjpeg.so"],
            "vidstream: these GStreamer elements are not installed: jpegenc (Debian package gstreamer1.0-plugins-good)",
        ),
        (
            "encoders",
            &["libgstx264.so", "libgstopenh264.so"],
            "vidstream: no plugin makes h264 here; install one of these GStreamer elements: x264enc (Debian package gstreamer1.0-plugins-ugly), openh264enc (Debian package gstreamer1.0-plugins-bad)",
        ),
        (
            "all",
            &[],
            "vidstream: these GStreamer elements are not installed: capsfilter, fakesink, typefind (Debian package libgstreamer1.0-0), ",
        ),
    ];
    for (name, without, sentence) in cases {
        let (plugins, data) = (folder.path().join(name), folder.path().join(format!("{name}-data")));
        fs::create_dir(&plugins).unwrap();
        for path in all.iter().filter(|path| !without.is_empty() && !without.iter().any(|file| path.ends_with(file))) {
            std::os::unix::fs::symlink(path, plugins.join(path.file_name().unwrap())).unwrap();
        }
        let mut serve = bounded();
        serve.args(["serve", "--listen", "127.0.0.1:0", "--data"]).arg(data);
        let (code, text) = refused(serve.env("GST_PLUGIN_SYSTEM_PATH", &plugins).env_remove("GST_PLUGIN_PATH"));
        assert_eq!(code, Some(69), "{name}: {text}");
        assert!(sentence_of(&text).starts_with(sentence), "{name}: {text}");
    }
}

/// Something else must be installed: no other start, and no repair of what is there, would help.
#[test]
fn a_catalog_of_another_version_has_the_same_code_for_every_command() {
    let folder = tempfile::tempdir().unwrap();
    let at = |name: &str| folder.path().join(name).display().to_string();
    let (newer, good, other, copy) = (at("newer"), at("good"), at("other"), at("copy"));
    let url = postgres::shared().database().unwrap();
    let server = format!("catalog.url={url}");
    let (file, database) = (["--data", newer.as_str()], ["--data", other.as_str(), "--set", server.as_str()]);
    for place in [file.as_slice(), &["--data", good.as_str()], &database] {
        assert!(Command::new(VIDSTREAM).arg("migrate").args(place).status().unwrap().success());
    }
    let sqlite = rusqlite::Connection::open(Path::new(&newer).join("catalog.sqlite")).unwrap();
    sqlite.pragma_update(None, "user_version", 7).unwrap();
    let behind = |statement: &str| postgres::shared().execute(&url, statement).unwrap();
    behind("UPDATE vidstream_schema SET version = 7 WHERE version = (SELECT max(version) FROM vidstream_schema)");
    let assert_refused = |command: &[&str], place: &[&str], sentence: &str| {
        let (code, text) = refused(bounded().args(command).args(place));
        assert_eq!(code, Some(64), "{command:?} {place:?}: {text}");
        assert!(sentence_of(&text).contains(sentence), "{command:?} {place:?}: {text}");
    };
    let [serve, origin] = ["serve", "origin"].map(|command| [command, "--listen", "127.0.0.1:0"]);
    let [migrate, packager, fsck] = [["migrate"], ["packager"], ["fsck"]];
    let (export, import) = (["export", copy.as_str()], ["import", good.as_str()]);
    let alone: [&[&str]; 2] = [&fsck, &export];
    for place in [file.as_slice(), &database] {
        for command in [serve.as_slice(), &origin, &packager, &migrate, &import].into_iter().chain(alone) {
            assert_refused(command, place, "schema 7, made by a newer version");
        }
    }
    behind("DELETE FROM vidstream_schema WHERE version = 7");
    sqlite.pragma_update(None, "user_version", 2).unwrap();
    let sentence = "made by an older version of vidstream: `vidstream migrate` brings it up to date";
    for place in [file.as_slice(), &database] {
        for command in alone {
            assert_refused(command, place, sentence);
        }
    }
    assert_refused(&["import", &newer], &["--data", &good], sentence);
}

/// Whoever connects as a user who may read and write rows, and no more.
#[test]
fn a_database_that_refuses_is_told_with_what_to_do() {
    let folder = tempfile::tempdir().unwrap();
    let data = folder.path().display().to_string();
    let (database, url) = (postgres::shared(), postgres::shared().database().unwrap());
    let migrated = Command::new(VIDSTREAM).arg("migrate").env("VIDSTREAM_CATALOG_URL", &url).status().unwrap();
    assert!(migrated.success());
    let statements = "CREATE ROLE clerk LOGIN PASSWORD 'secret';
         GRANT SELECT, INSERT, UPDATE, DELETE ON ALL TABLES IN SCHEMA public TO clerk;
         DELETE FROM vidstream_schema WHERE version = (SELECT max(version) FROM vidstream_schema)";
    database.execute(&url, statements).unwrap();
    let name = url.rsplit('/').next().unwrap();
    let place = |user: &str, name: &str| {
        format!("catalog.url=postgres://{user}@127.0.0.1:{}/{name}?sslmode=disable", database.port())
    };
    let [wrong, none, known] = ["clerk:not-secret", "clerk", "clerk:secret"].map(|user| place(user, name));
    let nowhere = place("clerk:secret", "nowhere");
    let serve: &[&str] = &["serve", "--listen", "127.0.0.1:0"];
    let password = "give this user's password in catalog.url";
    let cases: [(&[&str], &str, i32, &str, &str); 8] = [
        (serve, &wrong, 69, "password authentication failed for user", password),
        (&["fsck"], &wrong, 69, "password authentication failed for user", password),
        (serve, &none, 69, "password missing", password),
        (serve, &nowhere, 69, "\"nowhere\" does not exist", "make it, as by createdb"),
        (&["migrate"], &nowhere, 69, "\"nowhere\" does not exist", "make it, as by createdb"),
        (serve, &known, 69, "could not be brought to", "(see `vidstream migrate`)"),
        (&["migrate"], &known, 69, "could not be brought to", "say it as a user who may change tables"),
        (&["fsck"], &known, 64, "made by an older version of vidstream", "`vidstream migrate` brings it up to date"),
    ];
    for (command, place, code, reason, advice) in cases {
        let (ended, text) = refused(bounded().args(command).args(["--data", &data, "--set", place]));
        assert_eq!(ended, Some(code), "{command:?} {reason}: {text}");
        let sentence = sentence_of(&text);
        assert!(sentence.contains(reason) && sentence.contains(advice), "{command:?} {reason}: {text}");
        assert!(!text.contains("secret"), "{command:?}: {text}");
    }
}

/// A folder of files that hold secrets.
struct Secrets(tempfile::TempDir);

impl Secrets {
    fn file(&self, name: &str, content: &str) -> String {
        let path = self.0.path().join(name);
        fs::write(&path, content).unwrap();
        path.display().to_string()
    }

    /// Starts an origin with these variables, which it cannot do, and gives its exit code and all that it says.
    fn refused(&self, variables: &[(&str, &str)]) -> (Option<i32>, String) {
        let mut command = bounded();
        command.args(["origin", "--data"]).arg(self.0.path()).env("RUST_LOG", "debug").envs(variables.iter().copied());
        ended(&mut command)
    }
}

#[test]
fn secrets_come_from_files_and_are_never_shown() {
    let secrets = Secrets(tempfile::tempdir().unwrap());
    let postgres = secrets.file("postgres", "postgres://u:hunter2@127.0.0.1:1/d\n");
    let redis = secrets.file("redis", "redis://u:hunter2@127.0.0.1:1/films\n");
    let (key, empty) = (secrets.file("key", "hunter2\n"), secrets.file("empty", "\n"));
    let (postgres, redis, key, empty) = (postgres.as_str(), redis.as_str(), key.as_str(), empty.as_str());
    let bucket = [
        ("VIDSTREAM_STORE_URL", "s3://films"),
        ("AWS_ENDPOINT_URL", "http://127.0.0.1:1"),
        ("AWS_ALLOW_HTTP", "true"),
        ("AWS_ACCESS_KEY_ID_FILE", key),
        ("AWS_SECRET_ACCESS_KEY_FILE", key),
    ];
    let with = |more: &[(&'static str, &'static str)]| [bucket.as_slice(), more].concat();
    let cases = [
        (vec![("VIDSTREAM_CATALOG_URL_FILE", postgres)], 69, "127.0.0.1:1"),
        (vec![("VIDSTREAM_EVENTS_URL_FILE", redis)], 64, "a number from 0 to 255"),
        (vec![("VIDSTREAM_EVENTS_URL_FILE", redis), ("VIDSTREAM_EVENTS_URL", "local:")], 64, "are both set"),
        (vec![("VIDSTREAM_CATALOG_URL_FILE", "/nonexistent")], 66, "catalog.url_file names /nonexistent"),
        (vec![("VIDSTREAM_CATALOG_URL_FILE", empty)], 64, "it is empty"),
        (vec![("VIDSTREAM_STORE_URL", "https://u:hunter2@host/films")], 64, "store.url must be"),
        (with(&[]), 69, "Connection refused"),
        (with(&[("AWS_SECRET_ACCESS_KEY", "hunter2")]), 64, "are both set"),
        (with(&[("AWS_SECRET_ACCESS_KEY_FILE", "/nonexistent")]), 66, "AWS_SECRET_ACCESS_KEY_FILE names /nonexistent"),
        (with(&[("AWS_ENDPOINT_URL", "https://u:hunter2@127.0.0.1:1")]), 64, "names a user"),
    ];
    for (variables, code, sentence) in cases {
        let (ended, text) = secrets.refused(&variables);
        assert_eq!(ended, Some(code), "{variables:?}: {text}");
        assert!(sentence_of(&text).contains(sentence) && !text.contains("hunter2"), "{variables:?}: {text}");
    }
}

#[test]
fn a_bucket_is_opened_with_keys_from_files() {
    let (secrets, bucket) = (Secrets(tempfile::tempdir().unwrap()), Host::start().unwrap());
    let migrated = Command::new(VIDSTREAM).args(["migrate", "--data"]).arg(secrets.0.path()).status().unwrap();
    assert!(migrated.success());
    let mut fsck = Command::new(VIDSTREAM);
    fsck.args(["fsck", "--set", &format!("store.url=s3://{BUCKET}"), "--data"]).arg(secrets.0.path());
    for (name, value) in bucket.variables() {
        if name.contains("KEY") {
            fsck.env(format!("{name}_FILE"), secrets.file(&name, &format!("{value}\n")));
        } else {
            fsck.env(name, value);
        }
    }
    let output = fsck.output().unwrap();
    assert!(output.status.success() && output.stdout.ends_with(b"nothing is wrong\n"), "{output:?}");
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
