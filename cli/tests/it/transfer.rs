//! `export` and `import`: what one server has, another one goes on with.

use std::{
    collections::BTreeMap,
    path::{Path, PathBuf},
    process::Command,
    time::{Duration, SystemTime},
};

use vidstream_testkit::{
    Clip, Encoding, postgres,
    s3::{BUCKET, Fault, Server as Bucket},
};

use crate::{
    delivered::{assert_same, delivered},
    documented::{block, shell},
    server::{Server, VIDSTREAM, ended, small_clip, until},
};

const READY_WAIT_MAX: Duration = Duration::from_mins(2);

/// Runs a command; gives its exit code and what it said.
fn run(args: &[&str]) -> (i32, String) {
    let (code, said) = ended(Command::new(VIDSTREAM).args(args));
    (code.unwrap(), said)
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
    // Into the same folder it copies what is new.
    let (code, said) = run(&["export", &at("export"), "--data", &at("old")]);
    assert_eq!((code, said.contains(" more that were there")), (0, true), "{said}");
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
        server.assert_unbroken(&id, "360p", film.frames);
    }
}

/// A database and a bucket of its own.
struct Site {
    catalog: String,
    store: String,
    bucket: Bucket,
}

// === impl Site ===

impl Site {
    fn new() -> Self {
        let (catalog, bucket) = (postgres::shared().database().unwrap(), Bucket::start().unwrap());
        Self { catalog, store: format!("s3://{BUCKET}/site"), bucket }
    }

    /// A configuration file that names both.
    fn config(&self, file: &str) {
        let text = format!("[catalog]\nurl = \"{}\"\n[store]\nurl = \"{}\"\n", self.catalog, self.store);
        std::fs::write(file, text).unwrap();
    }

    async fn serve(&self, data: &str) -> Server {
        let (catalog, store) = (format!("catalog.url={}", self.catalog), format!("store.url={}", self.store));
        let flags = ["--set", &catalog, "--set", &store];
        Server::with_variables(Path::new(data), &flags, &self.bucket.variables()).await
    }
}

/// The one command, and from there on a backup and its restore at another place, as the documents have them.
#[tokio::test(flavor = "multi_thread")]
async fn a_folder_is_outgrown_by_one_command_and_what_took_its_place_is_backed_up_and_restored() {
    let folder = tempfile::tempdir().unwrap();
    let at = |name: &str| folder.path().join(name).display().to_string();
    let [old, config, backup] = ["old", "vidstream.toml", "backup"].map(at);
    let server = Server::start(Path::new(&old)).await;
    let id = server.upload(&small_clip()).await;
    server.until_made(&id).await;
    let list = async |server: &Server| {
        server.http.get(format!("{}/v1/videos", server.url)).send().await.unwrap().text().await.unwrap()
    };
    let before = (delivered(&server, &id).await, list(&server).await);
    drop(server);

    let [grown, restored] = [Site::new(), Site::new()];
    let says = |site: &Site, commands: &str, wanted: &str| {
        let (code, said) = shell(folder.path(), commands, &site.bucket.variables());
        assert_eq!((code, said.contains(wanted)), (Some(0), true), "{commands}: {said}");
    };
    let outgrown = [
        ("/var/lib/vidstream", old.as_str()),
        ("postgres://vidstream@db.example/vidstream", grown.catalog.as_str()),
        ("s3://media/vidstream", grown.store.as_str()),
    ];
    says(&grown, &block("vidstream import /var/lib", &outgrown), " came from ");
    assert!(!folder.path().join("data").exists(), "a command made a data folder that it does not need");
    let places = [("/etc/vidstream.toml", config.as_str()), ("/backup/2026-11-26", backup.as_str())];
    for (site, command, wanted) in
        [(&grown, "vidstream export", " are in "), (&restored, "vidstream import /backup", " came from ")]
    {
        site.config(&config);
        says(site, &block(command, &places), wanted);
        says(site, &block("vidstream fsck", &places[..1]), ": nothing is wrong\n");
    }
    for (site, name) in [(&grown, "grown"), (&restored, "restored")] {
        let server = site.serve(&at(name)).await;
        assert_same(&before.0, &delivered(&server, &id).await);
        assert_eq!(before.1, list(&server).await, "{name}");
    }
}

/// The files below a folder, with their bytes.
fn tree(folder: &Path) -> BTreeMap<PathBuf, Vec<u8>> {
    let (mut found, mut folders) = (BTreeMap::new(), vec![folder.to_owned()]);
    while let Some(next) = folders.pop() {
        for entry in std::fs::read_dir(next).unwrap().map(|entry| entry.unwrap().path()) {
            if entry.is_dir() {
                folders.push(entry);
            } else {
                found.insert(entry.strip_prefix(folder).unwrap().to_owned(), std::fs::read(&entry).unwrap());
            }
        }
    }
    found
}

/// An import that is killed on its way is said again, and nothing is lost on the way through a bucket.
#[tokio::test(flavor = "multi_thread")]
async fn a_film_goes_into_a_bucket_and_comes_out_as_it_was() {
    let (folder, bucket) = (tempfile::tempdir().unwrap(), Bucket::start().unwrap());
    let at = |name: &str| folder.path().join(name).display().to_string();
    let old = Server::with(Path::new(&at("old")), &[]).await;
    let film = Clip::new((320, 180), 25, 12).cached(&Encoding::default(), "mkv").unwrap();
    let id = old.upload(&film).await;
    old.until_made(&id).await;
    drop(old);
    assert_eq!(run(&["export", &at("first"), "--data", &at("old")]).0, 0);

    let store = format!("store.url=s3://{BUCKET}/site");
    let command = |args: &[&str]| {
        let mut command = Command::new(VIDSTREAM);
        command.args(args).args(["--data", &at("new"), "--set", &store]).envs(bucket.variables());
        command
    };
    bucket.meet("/poster-", Fault::Hang);
    let mut killed = command(&["import", &at("first")]).spawn().unwrap();
    until("a request that hangs", READY_WAIT_MAX, || bucket.faults_left() == 0).await;
    killed.kill().unwrap();
    killed.wait().unwrap();
    let (code, said) = ended(&mut command(&["import", &at("first")]));
    assert_eq!((code, said.contains(" came from ")), (Some(0), true), "{said}");
    let (code, said) = ended(&mut command(&["fsck"]));
    assert!(code == Some(0) && said.ends_with("nothing is wrong\n"), "{said}");
    let (code, said) = ended(&mut command(&["export", &at("second")]));
    assert_eq!(code, Some(0), "{said}");
    let objects = |name: &str| tree(&folder.path().join(name).join("objects"));
    assert!(objects("first") == objects("second"));

    // A reader of backups may not write into the bucket.
    let asked = bucket.requests();
    let written = asked.iter().rposition(|line| line.starts_with("PUT") || line.starts_with("POST")).unwrap();
    let listed = asked.iter().rposition(|line| line.starts_with("GET") && line.contains("list-type")).unwrap();
    assert!(written < listed, "{:?}", asked.get(written));
}

/// Films that the store has and the rows of an older export have not are kept as long as nobody sweeps, and deleted like
/// anything that no row names when they are old and somebody does.
#[tokio::test(flavor = "multi_thread")]
async fn a_film_that_is_newer_than_a_restored_catalog_is_kept_until_orphans_are_swept() {
    let folder = tempfile::tempdir().unwrap();
    let at = |name: &str| folder.path().join(name).display().to_string();
    let data = folder.path().join("data");
    let server = Server::with(&data, &["--set", "retention.orphans_after="]).await;
    let film = Clip::new((320, 180), 25, 12).cached(&Encoding::default(), "mp4").unwrap();
    let known = server.upload(&film).await;
    server.until(&known, "playable", READY_WAIT_MAX, |video| video["playable"] == true).await;
    assert_eq!(run(&["export", &at("export"), "--data", &at("data")]).0, 0);
    let newer = server.upload(&film).await;
    drop(server);
    for file in ["catalog.sqlite", "catalog.sqlite-wal", "catalog.sqlite-shm"] {
        // Not every end leaves all of them.
        drop(std::fs::remove_file(data.join(file)));
    }
    let (code, said) = run(&["import", &at("export"), "--data", &at("data")]);
    assert_eq!(code, 0, "{said}");
    let objects = data.join("objects").join(&newer);
    let long_ago = SystemTime::now() - Duration::from_hours(24 * 8);
    for path in tree(&objects).into_keys() {
        std::fs::File::options().append(true).open(objects.join(path)).unwrap().set_modified(long_ago).unwrap();
    }

    let server = Server::with(&data, &["--set", "retention.orphans_after="]).await;
    server.until(&known, "ready", READY_WAIT_MAX, |video| video["state"] == "ready").await;
    assert_eq!(server.video(&newer).await["code"], "not_found");
    assert!(objects.join("source").exists());
    drop(server);

    let server = Server::start(&data).await;
    until("without what no row names", READY_WAIT_MAX, || !objects.join("source").exists()).await;
    let master = server.http.get(format!("{}/v/{known}/master.m3u8", server.url)).send().await.unwrap();
    assert_eq!(master.status(), 200);
}

/// What rows name and is not there is no backup, and none to go on from.
#[tokio::test(flavor = "multi_thread")]
async fn what_lacks_objects_is_refused_with_a_list() {
    let folder = tempfile::tempdir().unwrap();
    let at = |name: &str| folder.path().join(name).display().to_string();
    let server = Server::with(Path::new(&at("old")), &[]).await;
    let film = Clip::new((320, 180), 25, 12).cached(&Encoding::default(), "mp4").unwrap();
    let id = server.upload(&film).await;
    server.until(&id, "playable", READY_WAIT_MAX, |video| video["playable"] == true).await;
    drop(server);
    let (exported, objects) = (folder.path().join("export"), folder.path().join("export/objects"));
    assert_eq!(run(&["export", &at("export"), "--data", &at("old")]).0, 0);
    let segment = tree(&objects).into_keys().find(|path| path.extension().is_some_and(|end| end == "m4s")).unwrap();
    let line = format!("{}: is missing\n", segment.display());
    let [from, old, new, another, other] = ["export", "old", "new", "another", "other"].map(at);
    // What is damaged is as good as missing.
    let whole = std::fs::read(objects.join(&segment)).unwrap();
    let mut damaged = whole.clone();
    damaged[whole.len() / 2] ^= 1;
    std::fs::write(objects.join(&segment), damaged).unwrap();
    let (code, said) = run(&["import", &from, "--data", &at("unmade")]);
    let reason = format!("{}: is damaged where it comes from, and is not copied\n", segment.display());
    assert!(code == 1 && said.contains(&reason) && said.contains(&line), "{said}");
    std::fs::write(objects.join(&segment), whole).unwrap();
    std::fs::rename(objects.join(&segment), at("aside")).unwrap();
    let import: [&str; 4] = ["import", &from, "--data", &new];
    for _ in 0..2 {
        let (code, said) = run(&import);
        assert!(code == 1 && said.contains(&line) && said.contains("1 objects are missing that rows name"), "{said}");
    }
    // Of a server that lost it there is no backup either, unless somebody says so.
    std::fs::remove_file(folder.path().join("old/objects").join(&segment)).unwrap();
    for (data, wanted) in [([old.as_str()].as_slice(), 1), (&[old.as_str(), "--allow-missing"], 0)] {
        let (code, said) = run(&[["export", other.as_str(), "--data"].as_slice(), data].concat());
        assert_eq!((code, said.contains(&line)), (wanted, true), "{said}");
        assert_eq!(Path::new(&other).join("catalog.jsonl").exists(), wanted == 0);
    }
    std::fs::rename(&objects, at("all")).unwrap();
    let (code, said) = run(&["import", &from, "--data", &another]);
    assert!(code == 1 && said.contains("/source: is missing"), "{said}");
    assert!(!objects.exists() && exported.exists(), "an import has made a folder in its source");
    std::fs::rename(at("all"), &objects).unwrap();
    std::fs::rename(at("aside"), objects.join(&segment)).unwrap();
    assert_eq!(run(&import).0, 0);
}

/// A folder that is not where the command looks is not made, and says so.
#[test]
fn a_place_that_is_not_there_is_not_made() {
    let folder = tempfile::tempdir().unwrap();
    let at = |name: &str| folder.path().join(name).display().to_string();
    let (data, backup) = (at("data"), at("backup"));
    for args in [["fsck", "--data", data.as_str(), "--repair"], ["export", backup.as_str(), "--data", data.as_str()]] {
        let (code, said) = run(&args);
        assert_eq!((code, said.contains("there is no catalog")), (66, true), "{said}");
        assert_eq!(std::fs::read_dir(folder.path()).unwrap().count(), 0, "{args:?}");
    }
    // A catalog without a store.
    let (catalog, nowhere) = (at("catalog"), format!("store.url=file://{}", at("nowhere")));
    assert_eq!(run(&["migrate", "--data", &catalog]).0, 0);
    let (code, said) = run(&["fsck", "--data", &catalog, "--set", &nowhere]);
    assert_eq!((code, said.contains("there is no store file://")), (66, true), "{said}");
    assert!(!Path::new(&at("nowhere")).exists());
    // Both, and no Redis.
    std::fs::create_dir(Path::new(&catalog).join("objects")).unwrap();
    let (code, said) = run(&["fsck", "--data", &catalog, "--set", "events.url=redis://127.0.0.1:1"]);
    assert!(code == 0 && said.ends_with("nothing is wrong\n"), "{said}");
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
