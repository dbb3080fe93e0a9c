//! Two processes on one catalog: this test program starts itself again.

use std::{
    process::{Child, Command, Stdio},
    sync::Arc,
};

use vidstream_catalog::{Catalog, Error, Options, State, Wanted, Work};

use crate::fixture::{self, Adapter};

/// Where the other process finds the catalog.
const URL: &str = "CATALOG_TEST_URL";
/// What the other process does.
const ROLE: &str = "CATALOG_TEST_ROLE";

/// The time that it takes to be now, in milliseconds.
const NOW: &str = "CATALOG_TEST_NOW";

fn start(place: &dyn Adapter, role: &str) -> Child {
    Command::new(std::env::current_exe().unwrap())
        .args(["--exact", "processes::the_other_process", "--nocapture"])
        .env(URL, place.url())
        .env(NOW, fixture::now(place).to_string())
        .env(ROLE, role)
        .stdout(Stdio::null())
        .spawn()
        .unwrap()
}

/// Not a test of its own: what the others start, by this name. Alone it has nothing to do.
#[tokio::test(flavor = "multi_thread")]
async fn the_other_process() {
    let (Ok(url), Ok(role)) = (std::env::var(URL), std::env::var(ROLE)) else { return };
    let now: i64 = std::env::var(NOW).unwrap().parse().unwrap();
    let catalog =
        Catalog::open(&url, Options { clock: Some(Arc::new(move || now)), ..Options::default() }).await.unwrap();
    match role.as_str() {
        "work" => {
            while let Some(claim) = catalog.claim(&fixture::worker("other"), Wanted::ALL).await.unwrap() {
                fixture::work(&catalog, &claim).await.unwrap();
            }
        }
        "claim_and_die" => {
            catalog.claim(&fixture::worker("dead"), Wanted::ALL).await.unwrap().unwrap();
            // No destructor runs, as after kill -9.
            std::process::abort();
        }
        "claim" => claim_with(&catalog, "theirs").await,
        other => panic!("no such role: {other}"),
    }
}

/// Eight workers that claim whatever there is and do nothing of it.
async fn claim_with(catalog: &Catalog, name: &str) {
    let tasks: Vec<_> = (0..8)
        .map(|at| {
            let (catalog, worker) = (catalog.clone(), fixture::worker(&format!("{name}-{at}")));
            tokio::spawn(async move { while catalog.claim(&worker, Wanted::ALL).await.unwrap().is_some() {} })
        })
        .collect();
    for task in tasks {
        task.await.unwrap();
    }
}

pub async fn two_processes_claim_a_thousand_jobs_once(place: &dyn Adapter) {
    const JOBS: usize = 1_000;
    let catalog = fixture::open(place).await;
    let id = fixture::planned(&catalog, fixture::plan(5 * 3_600, &[1; JOBS - 1])).await;
    let before = catalog.last_seq().await.unwrap();
    // One by this process for certain: who waits for SQLite's lock stands in no queue, and the other may have it each time.
    fixture::claim_any(&catalog).await.unwrap();
    let first = catalog.last_seq().await.unwrap();
    let mut other = start(place, "claim");
    // The other has begun, so both claim at the same time.
    while catalog.last_seq().await.unwrap() == first {
        assert!(other.try_wait().unwrap().is_none(), "the other process ended and did nothing");
    }
    claim_with(&catalog, "ours").await;
    assert!(other.wait().unwrap().success());
    let mut jobs = std::collections::BTreeSet::new();
    let mut tokens = std::collections::BTreeSet::new();
    let mut of_others = 0;
    let mut after = before;
    loop {
        let events = catalog.video_events(id, after, 1_000).await.unwrap();
        let Some(last) = events.last() else { break };
        after = last.seq;
        for event in &events {
            assert_eq!(event.kind, "job.started");
            assert!(jobs.insert(event.data["job"].as_i64().unwrap()), "claimed twice: {}", event.data);
            assert!(tokens.insert(event.data["token"].as_u64().unwrap()));
            of_others += usize::from(event.data["worker"].as_str().unwrap().starts_with("theirs"));
        }
    }
    assert_eq!(jobs.len(), JOBS);
    assert!(of_others > 0 && of_others < JOBS, "both had some: {of_others}");
    fixture::assert_sound(&catalog).await;
}

/// How many jobs a worker was given.
async fn started(catalog: &Catalog, videos: &[vidstream_media::VideoId], worker: &str) -> usize {
    let mut count = 0;
    for &id in videos {
        let events = catalog.video_events(id, 0, 1_000).await.unwrap();
        count += events.iter().filter(|event| event.kind == "job.started" && event.data["worker"] == worker).count();
    }
    count
}

pub async fn two_processes_share_the_work(place: &dyn Adapter) {
    let catalog = fixture::open(place).await;
    let mut videos = Vec::new();
    for _ in 0..6 {
        videos.push(fixture::queued(&catalog).await);
    }
    // One by this process for certain, and the next by the other, however slowly it starts.
    let first = fixture::claim_any(&catalog).await.unwrap();
    fixture::work(&catalog, &first).await.unwrap();
    let mut mine = 1;
    let mut other = start(place, "work");
    loop {
        let over = other.try_wait().unwrap().is_some();
        if started(&catalog, &videos, "other").await > 0 {
            break;
        }
        assert!(!over, "the other process ended and did nothing");
    }
    while other.try_wait().unwrap().is_none() {
        if let Some(claim) = fixture::claim_any(&catalog).await {
            fixture::work(&catalog, &claim).await.unwrap();
            mine += 1;
        }
    }
    assert!(other.wait().unwrap().success());
    fixture::work_all(&catalog).await;
    for &id in &videos {
        assert_eq!(fixture::video(&catalog, id).await.state, State::Ready);
        let events = catalog.video_events(id, 0, 1_000).await.unwrap();
        assert!(events.is_sorted_by_key(|event| event.seq));
    }
    // Probe, four chunks, three sheets, finalize: each was done once, by one of the two.
    let others = started(&catalog, &videos, "other").await;
    assert!(others > 0);
    assert_eq!(started(&catalog, &videos, "w").await + others, 6 * 9);
    assert!(mine + others <= 6 * 9);
    fixture::assert_sound(&catalog).await;
}

pub async fn a_killed_process_costs_one_attempt(place: &dyn Adapter) {
    let catalog = fixture::open(place).await;
    let id = fixture::planned(&catalog, fixture::plan(60, &[1, 2, 4])).await;
    assert!(!start(place, "claim_and_die").wait().unwrap().success());
    let taken = fixture::claim_any(&catalog).await.unwrap();
    assert_ne!(fixture::segments(&taken).first, 1, "the dead hold the first chunk until their lease ends");
    fixture::advance(place, 15_000);
    assert_eq!(catalog.sweep().await.unwrap().leases_expired, 2);
    fixture::advance(place, 100);
    let claim = fixture::claim_any(&catalog).await.unwrap();
    assert_eq!((fixture::segments(&claim).first, claim.attempt), (1, 2));
    catalog.release(&claim).await.unwrap();
    fixture::work_all(&catalog).await;
    assert_eq!(fixture::video(&catalog, id).await.state, State::Ready);
    // With the same stable id it need not wait.
    let id = fixture::queued(&catalog).await;
    assert!(!start(place, "claim_and_die").wait().unwrap().success());
    assert!(fixture::claim_any(&catalog).await.is_none());
    assert_eq!(catalog.release_worker("dead").await.unwrap(), 1);
    let claim = fixture::claim_any(&catalog).await.unwrap();
    assert_eq!((claim.video, claim.attempt, &claim.work), (id, 1, &Work::Probe));
}

pub async fn what_was_acknowledged_is_there_after_a_restart(place: &dyn Adapter) {
    let catalog = fixture::open(place).await;
    let id = fixture::queued(&catalog).await;
    let claim = fixture::claim_any(&catalog).await.unwrap();
    drop(catalog);
    let catalog = fixture::open(place).await;
    assert_eq!(fixture::video(&catalog, id).await.state, State::Probing);
    catalog.renew(&claim).await.unwrap();
    fixture::work(&catalog, &claim).await.unwrap();
    drop(catalog);
    let catalog = fixture::open(place).await;
    fixture::work_all(&catalog).await;
    assert_eq!(fixture::video(&catalog, id).await.state, State::Ready);
}

#[tokio::test]
async fn what_is_no_catalog_is_refused() {
    let folder = tempfile::tempdir().unwrap();
    let text = folder.path().join("text.db");
    std::fs::write(&text, "this is not a database, and it is long enough to be read as one ".repeat(100)).unwrap();
    let other = folder.path().join("other.db");
    rusqlite::Connection::open(&other).unwrap().execute_batch("PRAGMA user_version = 3; CREATE TABLE t (a)").unwrap();
    for file in [&text, &other] {
        let opened = Catalog::open(&format!("sqlite://{}", file.display()), Options::default()).await;
        assert!(matches!(opened, Err(Error::Corrupt(_))), "{opened:?}");
    }
    for url in ["", "sqlite://", "/tmp/x.db", "sqlite:///a\0b"] {
        assert!(matches!(Catalog::open(url, Options::default()).await, Err(Error::Invalid(_))), "{url}");
    }
    let inside = format!("sqlite://{}/x.db", text.display());
    assert!(matches!(Catalog::open(&inside, Options::default()).await, Err(Error::Unavailable(_))));
}
