//! The worker with a real catalog, a real store and real child processes; only their media is made up.

#![expect(clippy::unwrap_used, clippy::indexing_slicing, reason = "a test fails by panicking")]

use std::{
    fs,
    path::{Path, PathBuf},
    sync::{
        Arc,
        atomic::{AtomicI64, AtomicU64, Ordering},
    },
    time::{Duration, UNIX_EPOCH},
};

use bytes::Bytes;
use tokio::{task::JoinHandle, time::timeout};
use tokio_util::sync::CancellationToken;
use vidstream_catalog::{Catalog, NewUpload, Options, State, Video};
use vidstream_media::{VideoId, ladder, timeline};
use vidstream_packager::{
    child,
    worker::{Config, Identity, Parts, Slots, Worker, process::ChildConfig, watch::Watch},
};
use vidstream_plugins::Registry;
use vidstream_store::{Key, Store};

mod fake;

/// Which part to play when started again.
const ROLE: &str = "VIDSTREAM_TEST_ROLE";
/// Where the orders to the children lie.
const ORDERS: &str = "VIDSTREAM_TEST_ORDERS";
/// Nothing here takes that long unless it hangs.
const PATIENCE: Duration = Duration::from_mins(1);

/// Not a test by itself: what workers start as their children, and a worker that is to be killed.
#[test]
fn role() {
    match std::env::var(ROLE).as_deref() {
        Ok("child") => {
            let orders = PathBuf::from(std::env::var_os(ORDERS).unwrap());
            assert_eq!(child::main_with(|io, job| fake::run(io, job, &orders)), child::EXIT_DONE);
        }
        Ok("worker") => {
            let dir = PathBuf::from(std::env::var_os("SITE").unwrap());
            let runtime = tokio::runtime::Builder::new_multi_thread().enable_all().build().unwrap();
            runtime.block_on(async { Site::open(&dir, Options::default()).await.worker().await.task.await.unwrap() });
        }
        _ => {}
    }
}

/// A catalog and a store in a folder, and the workers on it.
struct Site {
    dir: PathBuf,
    _temp: Option<tempfile::TempDir>,
    catalog: Catalog,
    store: Store,
}

struct Running {
    stop: CancellationToken,
    task: JoinHandle<()>,
}

impl Site {
    async fn new() -> Self {
        Self::with(Options::default()).await
    }

    async fn with(options: Options) -> Self {
        let temp = tempfile::tempdir().unwrap();
        fs::create_dir(temp.path().join("orders")).unwrap();
        let opened = Self::open(temp.path(), options).await;
        Self { _temp: Some(temp), ..opened }
    }

    async fn open(dir: &Path, options: Options) -> Self {
        let url = format!("sqlite://{}", dir.join("catalog.sqlite").display());
        let catalog = Catalog::open(&url, options).await.unwrap();
        let store = Store::open(&format!("file://{}", dir.display())).await.unwrap();
        Self { dir: dir.to_owned(), _temp: None, catalog, store }
    }

    fn orders(&self) -> PathBuf {
        self.dir.join("orders")
    }

    fn order(&self, what: &str, times: u32) {
        fs::write(self.orders().join(what), times.to_string()).unwrap();
    }

    async fn worker(&self) -> Running {
        self.worker_with(Duration::from_secs(3)).await
    }

    async fn worker_with(&self, silence: Duration) -> Running {
        let identity = Identity::take(&self.dir, None).unwrap();
        let mut child = ChildConfig::new(
            std::env::current_exe().unwrap(),
            ["role", "--exact", "--nocapture", "--test-threads=1"].map(Into::into).to_vec(),
        );
        child.env = vec![(ROLE.into(), "child".into()), (ORDERS.into(), self.orders().into())];
        child.watch = Watch { silence, ..Watch::default() };
        let config = Config {
            data: self.dir.clone(),
            slots: Slots { work: 2, urgent: 1, probes: 2 },
            child,
            ladder: ladder::Config::default(),
            timeline: timeline::Config::default(),
            overrides: Vec::new(),
        };
        let parts = Parts {
            catalog: self.catalog.clone(),
            store: self.store.clone(),
            plugins: Arc::new(Registry::load(&[]).unwrap()),
        };
        let worker = Worker::start(config, parts, identity).await.unwrap();
        let stop = CancellationToken::new();
        let task = tokio::spawn(worker.run(stop.clone()));
        Running { stop, task }
    }

    async fn begin(&self) -> VideoId {
        static NEXT: AtomicU64 = AtomicU64::new(1);
        let bits = u128::from(std::process::id()) << 64 | u128::from(NEXT.fetch_add(1, Ordering::Relaxed));
        let id = VideoId::from_bits(bits);
        let new = NewUpload { id, title: "film".to_owned(), bytes_expected: None, expires_at_ms: None };
        self.catalog.create_upload(new).await.unwrap();
        id
    }

    async fn upload(&self, seconds: u64) -> VideoId {
        let id = self.begin().await;
        let bytes = vec![7; usize::try_from(seconds * fake::BYTES_PER_SECOND).unwrap()];
        let length = bytes.len() as u64;
        self.store.put(&Key::Source { id }, Bytes::from(bytes)).await.unwrap();
        self.catalog.finish_upload(id, length, None).await.unwrap();
        id
    }

    /// Waits until the video is as wanted; hints wake, and a poll makes up for lost ones.
    async fn until(&self, id: VideoId, wanted: impl Fn(&Video) -> bool) -> Video {
        let mut hints = self.catalog.hints();
        let mut last = None;
        let seen = timeout(PATIENCE, async {
            loop {
                let video = self.catalog.video(id).await.unwrap();
                if let Some(video) = video.as_ref().filter(|video| wanted(video)) {
                    return video.clone();
                }
                last = video;
                drop(timeout(Duration::from_millis(100), hints.recv()).await);
            }
        })
        .await;
        seen.unwrap_or_else(|_| panic!("{last:#?}"))
    }

    async fn until_file(&self, name: &str) -> String {
        let path = self.orders().join(name);
        timeout(PATIENCE, async {
            loop {
                match tokio::fs::read_to_string(&path).await {
                    Ok(text) if !text.is_empty() => return text,
                    _ => tokio::task::yield_now().await,
                }
            }
        })
        .await
        .unwrap()
    }

    async fn paths(&self, id: VideoId) -> Vec<String> {
        self.store.list_video(id).await.unwrap().into_iter().map(|(path, _)| path).collect()
    }
}

impl Running {
    /// Stops the worker; it must end in time.
    async fn stop(self) {
        self.stop.cancel();
        timeout(Duration::from_secs(5), self.task).await.unwrap().unwrap();
    }
}

async fn until_gone(pid: &str, patience: Duration) {
    let gone = async {
        while !is_gone(pid) {
            tokio::task::yield_now().await;
        }
    };
    timeout(patience, gone).await.unwrap();
}

fn is_gone(pid: &str) -> bool {
    !Path::new(&format!("/proc/{}", pid.trim())).exists()
}

#[tokio::test]
async fn an_upload_becomes_ready_and_is_what_its_index_says() {
    let site = Site::new().await;
    let worker = site.worker().await;
    let id = site.upload(90).await;
    let video = site.until(id, |video| video.state == State::Ready).await;
    assert_eq!(video.warnings, []);
    let presentation = site.catalog.snapshot(id).await.unwrap().unwrap().presentation.unwrap();
    assert!(presentation.ready && presentation.complete());
    assert!(presentation.measured.values().all(|rates| rates.peak_bps > 0));
    let poster = Key::Poster { id, generation: 1, token: presentation.poster.unwrap().token };
    assert_eq!(site.store.get(&poster).await.unwrap(), "jpeg");
    assert_eq!(presentation.sheets.len(), 2);
    worker.stop().await;
}

#[tokio::test]
async fn a_source_is_scanned_while_it_grows() {
    let site = Site::new().await;
    let worker = site.worker().await;
    let id = site.begin().await;
    let mut writer = site.store.writer(&Key::Source { id }).await.unwrap();
    writer.write(Bytes::from(vec![1; 1500])).await.unwrap();
    writer.flush().await.unwrap();
    writer.write(Bytes::from(vec![1; 1500])).await.unwrap();
    let bytes = writer.finish().await.unwrap();
    site.catalog.finish_upload(id, bytes, None).await.unwrap();
    let video = site.until(id, |video| video.state == State::Ready).await;
    assert_eq!(video.facts.unwrap().bytes, 3000);
    worker.stop().await;
}

#[tokio::test]
async fn a_crash_costs_one_attempt_and_leaves_no_object_behind() {
    let site = Site::new().await;
    site.order("encode-crashes", 2);
    let worker = site.worker().await;
    let id = site.upload(30).await;
    let video = site.until(id, |video| video.state == State::Ready).await;
    assert_eq!(video.warnings, []);
    let events = site.catalog.video_events(id, 0, 1000).await.unwrap();
    let failed: Vec<_> = events.iter().filter(|event| event.kind == "job.failed").collect();
    assert_eq!(failed.len(), 2, "{failed:#?}");
    let presentation = site.catalog.snapshot(id).await.unwrap().unwrap().presentation.unwrap();
    let objects = presentation.chunks.len() * presentation.plan.tracks().len();
    let media = site.paths(id).await.into_iter().filter(|path| path.contains(".m4s")).count();
    assert_eq!(media, objects);
    worker.stop().await;
}

#[tokio::test]
async fn a_hung_child_is_killed_and_its_chunk_made_again() {
    let site = Site::new().await;
    site.order("encode-hangs", 1);
    let worker = site.worker().await;
    let id = site.upload(6).await;
    site.until(id, |video| video.state == State::Ready).await;
    assert!(is_gone(&site.until_file("hanging").await));
    worker.stop().await;
}

#[tokio::test]
async fn a_chunk_that_cannot_be_made_shows_what_is_stored_before_it() {
    let site = Site::new().await;
    site.order("last-chunk-cannot-be-made", 1);
    let worker = site.worker().await;
    let id = site.upload(400).await;
    let video = site.until(id, |video| video.state == State::Ready).await;
    assert_eq!(video.warnings.iter().map(|warning| warning.code.as_str()).collect::<Vec<_>>(), ["damaged_range"]);
    worker.stop().await;
}

#[tokio::test]
async fn a_file_that_is_no_media_fails_with_its_reason() {
    let site = Site::new().await;
    site.order("probe-fails", 1);
    let worker = site.worker().await;
    let id = site.upload(6).await;
    let video = site.until(id, |video| video.state == State::Failed).await;
    assert_eq!(video.error.unwrap().code, "not_media");
    worker.stop().await;
}

#[tokio::test]
async fn a_deletion_ends_the_child_and_removes_everything() {
    let site = Site::new().await;
    site.order("encode-hangs", 9);
    let worker = site.worker().await;
    let id = site.upload(6).await;
    let pid = site.until_file("hanging").await;
    site.catalog.delete(id).await.unwrap();
    let gone = timeout(Duration::from_secs(2), async {
        while !is_gone(&pid) || !site.paths(id).await.is_empty() {
            tokio::task::yield_now().await;
        }
    });
    gone.await.unwrap();
    worker.stop().await;
}

#[tokio::test]
async fn a_worker_that_ends_gives_its_job_back_and_another_finishes_it() {
    let site = Site::new().await;
    site.order("encode-hangs", 1);
    let first = site.worker().await;
    let id = site.upload(6).await;
    let pid = site.until_file("hanging").await;
    first.stop().await;
    assert!(is_gone(&pid));
    let second = site.worker().await;
    let video = site.until(id, |video| video.state == State::Ready).await;
    assert_eq!(video.warnings, []);
    second.stop().await;
}

#[tokio::test]
async fn a_killed_worker_costs_no_lease_when_it_comes_back() {
    let site = Site::new().await;
    site.order("encode-hangs", 1);
    let mut worker = std::process::Command::new(std::env::current_exe().unwrap())
        .args(["role", "--exact", "--nocapture", "--test-threads=1"])
        .env(ROLE, "worker")
        .env("SITE", &site.dir)
        .spawn()
        .unwrap();
    let id = site.upload(6).await;
    site.until_file("hanging").await;
    worker.kill().unwrap();
    worker.wait().unwrap();
    let started = std::time::Instant::now();
    // It has the same id, whose lock the kernel has let go of.
    let again = site.worker().await;
    let video = site.until(id, |video| video.state == State::Ready).await;
    assert_eq!(video.warnings, []);
    assert!(started.elapsed() < Duration::from_secs(10), "{:?}", started.elapsed());
    again.stop().await;
}

#[tokio::test]
async fn a_lost_lease_ends_the_child_whose_job_is_done_again() {
    let ahead_ms = Arc::new(AtomicI64::new(0));
    let ahead = Arc::clone(&ahead_ms);
    let now_ms = || i64::try_from(UNIX_EPOCH.elapsed().unwrap().as_millis()).unwrap();
    let clock = Arc::new(move || now_ms() + ahead.load(Ordering::SeqCst));
    let site = Site::with(Options { clock: Some(clock), ..Options::default() }).await;
    site.order("encode-hangs", 1);
    let worker = site.worker_with(PATIENCE * 2).await;
    let id = site.upload(6).await;
    let pid = site.until_file("hanging").await;
    ahead_ms.fetch_add(20_000, Ordering::SeqCst);
    let swept = site.catalog.sweep().await.unwrap();
    assert!(swept.leases_expired > 0, "{swept:?}");
    let video = site.until(id, |video| video.state == State::Ready).await;
    assert_eq!(video.warnings, []);
    // Its holder finds out when it renews, every five seconds; its objects would not be named anyway.
    until_gone(&pid, Duration::from_secs(7)).await;
    worker.stop().await;
}

#[tokio::test]
async fn paused_uploads_do_not_keep_others_from_being_scanned() {
    let site = Site::new().await;
    let worker = site.worker().await;
    let mut paused = Vec::new();
    // As many as there are children for probes.
    for _ in 0..2 {
        let id = site.begin().await;
        let mut writer = site.store.writer(&Key::Source { id }).await.unwrap();
        writer.write(Bytes::from(vec![1; 300])).await.unwrap();
        writer.flush().await.unwrap();
        site.catalog.hold_upload(id, i64::MAX / 2).await.unwrap();
        paused.push((id, writer));
    }
    let id = site.upload(6).await;
    site.until(id, |video| video.state == State::Ready).await;
    for (id, mut writer) in paused {
        writer.write(Bytes::from(vec![1; 300])).await.unwrap();
        let bytes = writer.finish().await.unwrap();
        site.catalog.finish_upload(id, bytes, None).await.unwrap();
        site.until(id, |video| video.state == State::Ready).await;
    }
    worker.stop().await;
}

#[tokio::test]
async fn lost_bytes_are_made_again_before_a_video_is_ready() {
    let site = Site::new().await;
    let gate = site.orders().join("last-chunk-waits");
    nix::unistd::mkfifo(&gate, nix::sys::stat::Mode::S_IRWXU).unwrap();
    let worker = site.worker().await;
    let id = site.upload(60).await;
    site.until(id, |video| video.playable).await;
    let snapshot = site.catalog.snapshot(id).await.unwrap().unwrap().presentation.unwrap();
    let token = snapshot.chunks[&1].token;
    let key = Key::Media { id, generation: 1, track: vidstream_media::Track::Audio, first: 1, token };
    site.store.delete(&key).await.unwrap();
    tokio::task::spawn_blocking(move || {
        let opened = fs::OpenOptions::new().write(true).open(&gate).unwrap();
        // Jobs that come later find no gate.
        fs::remove_file(&gate).unwrap();
        drop(opened);
    })
    .await
    .unwrap();
    site.until(id, |video| video.state == State::Ready).await;
    let presentation = site.catalog.snapshot(id).await.unwrap().unwrap().presentation.unwrap();
    assert!(presentation.complete());
    let token = presentation.chunks[&1].token;
    let key = Key::Media { id, generation: 1, track: vidstream_media::Track::Audio, first: 1, token };
    assert!(site.store.size(&key).await.unwrap() > 0);
    worker.stop().await;
}
