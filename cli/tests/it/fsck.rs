//! `vidstream fsck`: catalog and store that were made to disagree, on files and on servers.

use std::{path::Path, process::Command};

use bytes::Bytes;
use vidstream_media::{Track, VideoId};
use vidstream_store::{Access, Key, Store};
use vidstream_testkit::{
    Clip, Encoding, postgres,
    s3::{BUCKET, Host},
};

use crate::server::{Server, VIDSTREAM, ended};

/// Where catalog and store are.
struct Site<'a> {
    data: &'a Path,
    flags: Vec<String>,
    variables: Vec<(String, String)>,
    store: Store,
    /// The database behind the catalog's back, where it has a server.
    database: Option<&'a str>,
}

// === impl Site ===

impl Site<'_> {
    async fn serve(&self) -> Server {
        let flags: Vec<&str> = self.flags.iter().map(String::as_str).collect();
        Server::with_variables(self.data, &flags, &self.variables).await
    }

    /// Exit code and output of `fsck`.
    fn fsck(&self, more: &[&str]) -> (Option<i32>, String) {
        let mut command = Command::new(VIDSTREAM);
        command.args(["fsck", "--data"]).arg(self.data).args(&self.flags).args(more);
        ended(command.envs(self.variables.iter().cloned()))
    }

    /// The object of a film whose path has this part.
    async fn media(&self, id: VideoId, part: &str) -> Key {
        let paths = self.paths(id).await;
        Key::parse(paths.iter().find(|path| path.contains(part)).unwrap()).unwrap()
    }

    async fn paths(&self, id: VideoId) -> Vec<String> {
        let listed = self.store.list_video(id).await.unwrap();
        listed.into_iter().map(|(path, _)| path).collect()
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn files_and_sqlite_agree_after_a_repair() {
    let folder = tempfile::tempdir().unwrap();
    let data = folder.path().join("data");
    let store = Store::open(&format!("file://{}", data.display())).await.unwrap();
    they_agree_after_a_repair(Site { data: &data, flags: vec![], variables: vec![], store, database: None }).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_bucket_and_postgres_agree_after_a_repair() {
    let (folder, bucket) = (tempfile::tempdir().unwrap(), Host::start().unwrap());
    let url = format!("s3://{BUCKET}/site");
    let store = Store::open_with(&url, bucket.variables().into_iter(), Access::Write).await.unwrap();
    let catalog = postgres::shared().database().unwrap();
    let set = |pair: String| ["--set".to_owned(), pair];
    let flags = [set(format!("store.url={url}")), set(format!("catalog.url={catalog}"))].concat();
    let database = Some(catalog.as_str());
    they_agree_after_a_repair(Site { data: folder.path(), flags, variables: bucket.variables(), store, database })
        .await;
}

async fn they_agree_after_a_repair(site: Site<'_>) {
    let server = site.serve().await;
    let clip = Clip::new((320, 180), 25, 12).cached(&Encoding::default(), "mp4").unwrap();
    let id: VideoId = server.upload(&clip).await.parse().unwrap();
    server.until_made(&id.to_string()).await;
    let whole = site.paths(id).await;
    let right = format!("1 videos, 0 of them in work and passed over, {} objects: nothing is wrong\n", whole.len());
    assert_eq!(site.fsck(&[]), (Some(0), right));
    drop(server);
    sheets_may_be_coming(&site, id).await;

    // Of an attempt that was lost, of an upload that nobody knows, and a part of the film.
    let track = Track::Rung(180);
    let lost = Key::Media { id, generation: 1, track, first: 1, token: 1_000_000 };
    let unknown = Key::Source { id: VideoId::from_bits(7) };
    for key in [lost, unknown] {
        site.store.put(&key, Bytes::from_static(b"x")).await.unwrap();
    }
    let gone = whole.iter().find(|path| path.contains(".m4s")).unwrap();
    site.store.delete_listed(id, gone).await.unwrap();
    let found = [
        format!("{}: 1 bytes that no row names", lost.path()),
        format!("{}: 1 bytes that no row names", unknown.path()),
        format!("{gone}: is missing"),
    ];
    for _ in 0..2 {
        let (code, text) = site.fsck(&[]);
        assert!(code == Some(1) && text.ends_with(": 3 wrong\n") && text.lines().count() == 4, "{text}");
        assert!(found.iter().all(|line| text.lines().any(|said| said == line)), "{text}");
    }

    nothing_is_deleted_for_another_catalog(&site);
    // A film that came after a backup is not deleted unless somebody says so.
    let (code, text) = site.fsck(&["--repair"]);
    assert!(code == Some(1) && text.ends_with(": 3 wrong, 2 repaired\n"), "{text}");
    assert!(text.contains(&format!("{id}: will be made again")) && text.contains("row names: kept, since"), "{text}");
    let (code, text) = site.fsck(&["--repair", "--delete-unknown"]);
    assert!(code == Some(0) && text.ends_with(": 1 wrong, 1 repaired\n"), "{text}");
    let left = whole.len() - 1;
    let nothing = format!("1 videos, 1 of them in work and passed over, {left} objects: nothing is wrong\n");
    assert_eq!(site.fsck(&[]), (Some(0), nothing));

    let server = site.serve().await;
    server.until_made(&id.to_string()).await;
    assert_eq!(server.video(&id.to_string()).await["generation"], 2);
    // What is left of the first generation, all but its source.
    let (code, text) = site.fsck(&["--repair"]);
    let old = left - 1;
    assert!(code == Some(0) && text.ends_with(&format!(": {old} wrong, {old} repaired\n")), "{text}");
    let (code, text) = site.fsck(&["--repair"]);
    assert!(code == Some(0) && text.ends_with(": nothing is wrong\n"), "{text}");
    let rung = whole.iter().find_map(|path| path.split('/').find(|part| part.ends_with("0p"))).unwrap();
    let url = format!("{}/v/{id}/2/{rung}/index.m3u8", server.url);
    assert_eq!(vidstream_testkit::counters(&["-i", &url]).unwrap().len(), 300);

    pictures_are_no_reason_to_make_a_film_again(&site, id).await;
    assert_eq!(server.video(&id.to_string()).await["generation"], 2);
}

/// It knows nothing of all this, and that is no reason.
fn nothing_is_deleted_for_another_catalog(site: &Site<'_>) {
    let other = tempfile::tempdir().unwrap();
    let catalog = format!("catalog.url=sqlite://{}", other.path().join("other.sqlite").display());
    assert!(Command::new(VIDSTREAM).args(["migrate", "--set", &catalog]).status().unwrap().success());
    let (code, text) = site.fsck(&["--repair", "--set", &catalog]);
    assert!(code == Some(64) && text.contains("do not belong together"), "{text}");
}

async fn pictures_are_no_reason_to_make_a_film_again(site: &Site<'_>, id: VideoId) {
    let paths = site.paths(id).await;
    let named = |part: &str| Key::parse(paths.iter().find(|path| path.contains(part)).unwrap()).unwrap();
    let (poster, sheet) = (named("/poster-"), named("/thumbnails/"));
    site.store.delete(&poster).await.unwrap();
    site.store.delete(&sheet).await.unwrap();
    site.store.put(&sheet, Bytes::from_static(b"x")).await.unwrap();
    for more in [[].as_slice(), &["--repair"]] {
        let (code, text) = site.fsck(more);
        let lines =
            [format!("{}: is missing\n", poster.path()), format!("{}: has 1 bytes, and its row says ", sheet.path())];
        assert!(lines.iter().all(|line| text.contains(line)), "{text}");
        assert!(code == Some(1) && text.ends_with(": 2 wrong\n"), "{text}");
        assert_eq!(text.contains("is not made again"), !more.is_empty(), "{text}");
    }

    // Nothing can be made of nothing.
    site.store.delete(&Key::Source { id }).await.unwrap();
    for more in [[].as_slice(), &["--repair"]] {
        let (code, text) = site.fsck(more);
        assert!(code == Some(1) && text.contains("/source: is missing") && text.ends_with(": 3 wrong\n"), "{text}");
    }
}

/// Where a sheet was given up, others may still be on their way.
async fn sheets_may_be_coming(site: &Site<'_>, id: VideoId) {
    let Some(database) = site.database else { return };
    let sheet = Key::Sheet { id, generation: 1, n: 99, token: 1 };
    site.store.put(&sheet, Bytes::from_static(b"x")).await.unwrap();
    for (statement, code) in [
        ("UPDATE videos SET sheets = sheets + 2, sheets_failed = 1", 0),
        ("UPDATE videos SET sheets = sheets - 2, sheets_failed = 0", 1),
    ] {
        postgres::shared().execute(database, statement).unwrap();
        let (ended, text) = site.fsck(&[]);
        assert_eq!((ended, text.contains(&sheet.path())), (Some(code), code == 1), "{text}");
    }
    site.store.delete(&sheet).await.unwrap();
}

/// A bit that has turned over after a film was ready: nobody gets it, who reads all of it finds it, and it is mended.
#[tokio::test(flavor = "multi_thread")]
async fn a_bit_that_has_turned_over_is_found_and_mended() {
    let folder = tempfile::tempdir().unwrap();
    let data = folder.path().join("data");
    let store = Store::open(&format!("file://{}", data.display())).await.unwrap();
    let site = Site { data: &data, flags: vec![], variables: vec![], store, database: None };
    let server = site.serve().await;
    let clip = Clip::new((320, 180), 25, 12).cached(&Encoding::default(), "mp4").unwrap();
    let id: VideoId = server.upload(&clip).await.parse().unwrap();
    server.until_made(&id.to_string()).await;
    let (code, text) = site.fsck(&["--bytes"]);
    assert!(code == Some(0) && text.ends_with(": nothing is wrong\n"), "{text}");

    let key = site.media(id, "/1/180p/1-").await;
    let path = key.path();
    turn_a_bit(&site, &key).await;
    let status = async |rest: &str| {
        let answer = server.http.get(format!("{}/v/{id}/{rest}", server.url)).send().await.unwrap();
        (answer.status().as_u16(), answer.headers().get("cache-control").unwrap().to_str().unwrap().to_owned())
    };
    let unkept = (503, "no-store".to_owned());
    assert_eq!(status("1/180p/1.m4s").await, unkept);
    assert_eq!((status("1/180p/3.m4s").await.0, status("1/audio/1.m4s").await.0), (200, 200));

    let (code, text) = site.fsck(&[]);
    assert!(code == Some(0) && text.ends_with(": nothing is wrong\n"), "{text}");
    let line = format!("{path}: has other bytes than were written, first in segment 1\n");
    let (code, text) = site.fsck(&["--bytes"]);
    assert!(code == Some(1) && text.contains(&line) && text.ends_with(": 1 wrong\n"), "{text}");
    let (code, text) = site.fsck(&["--bytes", "--repair"]);
    assert!(code == Some(0) && text.contains(&line) && text.ends_with(": 1 wrong, 1 repaired\n"), "{text}");
    server.until_made(&id.to_string()).await;
    assert_eq!(status("2/180p/1.m4s").await.0, 200);
    let (code, text) = site.fsck(&["--bytes", "--repair"]);
    assert!(code == Some(0) && text.contains("row names: removed"), "{text}");
    let (code, text) = site.fsck(&["--bytes"]);
    assert!(code == Some(0) && text.ends_with(": nothing is wrong\n"), "{text}");

    // Of what was uploaded: nothing can mend it, and the film plays on.
    turn_a_bit(&site, &Key::Source { id }).await;
    let line = format!("{}: has other bytes than were uploaded\n", Key::Source { id }.path());
    assert_eq!(site.fsck(&[]).0, Some(0));
    for more in [["--bytes"].as_slice(), &["--bytes", "--repair"]] {
        let (code, text) = site.fsck(more);
        assert!(code == Some(1) && text.contains(&line) && text.ends_with(": 1 wrong\n"), "{text}");
        assert_eq!(text.contains("is left as it is"), more.len() > 1, "{text}");
    }
    assert_eq!(status("2/180p/1.m4s").await.0, 200);
    // With damaged media as well: what is left of it is not given away for what the source has become.
    turn_a_bit(&site, &site.media(id, "/2/180p/1-").await).await;
    let (code, text) = site.fsck(&["--bytes", "--repair"]);
    assert!(code == Some(1) && text.contains("is left as it is") && text.ends_with(": 2 wrong\n"), "{text}");
    assert_eq!(status("2/180p/3.m4s").await.0, 200);
}

async fn turn_a_bit(site: &Site<'_>, key: &Key) {
    let mut bytes = site.store.get(key).await.unwrap().to_vec();
    bytes[1_000] ^= 1;
    site.store.delete(key).await.unwrap();
    site.store.put(key, bytes.into()).await.unwrap();
}
