//! Backups by the tools of the databases, made and brought back as docs/operating.md says.

use std::{fs, io::Write as _, net::TcpStream, path::Path, process::Command, time::Duration};

use vidstream_testkit::postgres;

use crate::{
    delivered::{assert_same, delivered},
    documented::{block, shell},
    server::{Server, VIDSTREAM, ended, small_clip, until},
};

/// An upload that has begun is in the catalog within this.
const BEGUN_WAIT_MAX: Duration = Duration::from_secs(20);
const UPLOADING: &str = "SELECT id FROM videos WHERE state = 'uploading'";

fn say(folder: &Path, begins: &str, words: &[(&str, &str)]) {
    let (code, said) = shell(folder, &block(begins, words), &[]);
    assert_eq!(code, Some(0), "{begins}: {said}");
}

/// What is said to a database before servers start; its lines for the other one end with that one's name.
fn statements(other: &str) -> String {
    let all = block("DELETE FROM jobs", &[]);
    let (others, ours): (Vec<&str>, Vec<&str>) = all.lines().partition(|line| line.ends_with(other));
    assert_eq!(others.len(), 1, "{all}");
    ours.join("\n")
}

fn fsck(data: &Path, flags: &[&str]) -> (Option<i32>, String) {
    ended(Command::new(VIDSTREAM).args(["fsck", "--data"]).arg(data).args(flags))
}

/// Sends the first half of the film, and no more; the upload lasts as long as the connection.
fn begin_upload(server: &Server) -> TcpStream {
    let bytes = fs::read(small_clip()).unwrap();
    let mut socket = TcpStream::connect(server.url.trim_start_matches("http://")).unwrap();
    let head = format!("POST /v1/videos HTTP/1.1\r\nHost: 127.0.0.1\r\nContent-Length: {}\r\n\r\n", bytes.len());
    socket.write_all(head.as_bytes()).unwrap();
    socket.write_all(&bytes[..bytes.len() / 2]).unwrap();
    socket
}

/// The store survives, with a film that is newer than the dump and with half of an upload.
#[tokio::test(flavor = "multi_thread")]
async fn a_lost_postgres_comes_back_from_its_dump() {
    let folder = tempfile::tempdir().unwrap();
    let [data, backup] = ["data", "backup"].map(|name| folder.path().join(name));
    fs::create_dir(&backup).unwrap();
    let (database, url) = (postgres::shared(), postgres::shared().database().unwrap());
    let catalog = format!("catalog.url={url}");
    let flags = ["--set", &catalog, "--set", "retention.orphans_after="];
    let server = Server::with(&data, &flags).await;
    let id = server.upload(&small_clip()).await;
    server.until_made(&id).await;
    let before = delivered(&server, &id).await;
    let uploading = begin_upload(&server);
    let begun = || database.execute(&url, UPLOADING).unwrap().trim().to_owned();
    until("an upload", BEGUN_WAIT_MAX, || !begun().is_empty()).await;
    let begun = begun();

    let (place, objects) = (backup.display().to_string(), data.join("objects").display().to_string());
    let server_of = ("postgres://vidstream@db.example/vidstream", url.as_str());
    let words = [server_of, ("/srv/vidstream/objects", objects.as_str()), ("/backup", place.as_str())];
    say(folder.path(), "pg_dump", &words);
    let newer = server.upload(&small_clip()).await;
    server.kill();
    drop(uploading);
    let (all, name) = (database.url("postgres"), url.rsplit('/').next().unwrap());
    for statement in [format!("DROP DATABASE {name} WITH (FORCE)"), format!("CREATE DATABASE {name}")] {
        database.execute(&all, &statement).unwrap();
    }
    say(folder.path(), "pg_restore", &[server_of, ("/backup", place.as_str())]);
    assert_eq!(begun, database.execute(&url, UPLOADING).unwrap().trim());
    database.execute(&url, &statements("-- SQLite")).unwrap();

    // The film is whole, and what came after it is told and kept.
    let (code, said) = fsck(&data, &flags);
    let (found, sum) = said.trim_end().rsplit_once('\n').unwrap();
    assert!(code == Some(1) && sum.ends_with(" wrong"), "{said}");
    for line in found.lines() {
        let is_newer = [&newer, &begun].iter().any(|id| line.starts_with(id.as_str()));
        assert!(is_newer && line.ends_with(" bytes that no row names"), "{said}");
    }
    let server = Server::with(&data, &flags).await;
    assert_same(&before, &delivered(&server, &id).await);
    for unknown in [&newer, &begun] {
        assert_eq!(server.video(unknown).await["code"], "not_found", "{unknown}");
    }
    assert!(data.join("objects").join(&newer).join("source").exists());
    // Names of new objects are none that the store may have.
    let token = database.execute(&url, "SELECT last_value >= 4294967296 FROM tokens").unwrap();
    assert_eq!(token.trim(), "t");
}

/// Everything is lost but what a killed server leaves beside its file.
#[tokio::test(flavor = "multi_thread")]
async fn a_lost_file_comes_back_from_its_copy_with_the_objects() {
    let folder = tempfile::tempdir().unwrap();
    let [data, backup] = ["data", "backup"].map(|name| folder.path().join(name));
    fs::create_dir(&backup).unwrap();
    let server = Server::start(&data).await;
    let id = server.upload(&small_clip()).await;
    server.until_made(&id).await;
    let before = delivered(&server, &id).await;
    let [place, own] = [&backup, &data].map(|path| path.display().to_string());
    let words = [("/var/lib/vidstream", own.as_str()), ("/backup", place.as_str())];
    say(folder.path(), "sqlite3", &words);
    server.kill();
    fs::remove_dir_all(data.join("objects")).unwrap();
    let file = data.join("catalog.sqlite");
    fs::remove_file(&file).unwrap();
    assert!(data.join("catalog.sqlite-wal").exists(), "nothing is beside the file");

    say(folder.path(), "rm -f", &words);
    say(folder.path(), "cp --archive /backup/objects", &words);
    rusqlite::Connection::open(&file).unwrap().execute_batch(&statements("-- Postgres")).unwrap();
    let (code, said) = fsck(&data, &["--bytes"]);
    assert!(code == Some(0) && said.starts_with("1 videos, ") && said.ends_with(": nothing is wrong\n"), "{said}");
    let server = Server::start(&data).await;
    assert_same(&before, &delivered(&server, &id).await);
}
