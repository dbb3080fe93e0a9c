//! What a server can do to its clients: die, be busy, be silent, run out of connections.

use std::{
    sync::{
        Arc,
        atomic::{AtomicI64, Ordering},
    },
    time::Duration,
};

use tokio::{
    task::{JoinHandle, JoinSet},
    time::timeout,
};
use tokio_postgres::{Client, NoTls};
use vidstream_catalog::{
    Catalog, Edit, Error, Options, State, Video, Wanted,
    limits::{QUEUE_WAIT_MS, VIEW_SESSION_MS},
};
use vidstream_media::VideoId;
use vidstream_testkit::postgres;

use crate::{
    audience::{viewer, views, watch},
    fixture::{self, Adapter, Postgres},
};

/// A connection of the test's own.
async fn connect(url: &str) -> Client {
    let (client, connection) = tokio_postgres::connect(url, NoTls).await.unwrap();
    tokio::spawn(connection);
    client
}

/// Waits until so many connections to a database wait for a lock.
pub async fn wait_for_lock(place: &Postgres, connections: usize) {
    // Not in the transaction that has the lock: one sees the connections that were there at its first look.
    let client = connect(&place.url()).await;
    let waits = "SELECT 1 FROM pg_stat_activity WHERE datname = current_database() AND wait_event_type = 'Lock'";
    let asking = async { while client.query(waits, &[]).await.unwrap().len() < connections {} };
    timeout(Duration::from_millis(QUEUE_WAIT_MS), asking).await.expect("not all wait for the lock");
}

/// Does something until the database lets it: what a worker and an uploader do while it is away.
macro_rules! patiently {
    ($done:expr) => {
        loop {
            match $done.await {
                Err(Error::Unavailable(_) | Error::Busy) => tokio::task::yield_now().await,
                other => break other,
            }
        }
    };
}

#[tokio::test(flavor = "multi_thread")]
async fn a_server_that_is_killed_again_and_again_loses_nothing() {
    const KILLS: usize = 3;
    const WORKERS: usize = 4;
    let server = Arc::new(postgres::Server::start(None).unwrap());
    let place = Postgres::on(&server);
    let catalog = fixture::open(&place).await;
    let mut videos = Vec::new();
    for _ in 0..6 {
        videos.push(fixture::queued(&catalog).await);
    }
    let busy = Arc::new(AtomicI64::new(0));
    let started = catalog.last_seq().await.unwrap();
    let workers: Vec<_> = (0..WORKERS)
        .map(|at| {
            let (catalog, videos) = (catalog.clone(), videos.clone());
            let (clock, busy) = (Arc::clone(place.clock()), Arc::clone(&busy));
            tokio::spawn(async move {
                work(&catalog, &videos, &format!("w{at}"), (&clock, &busy)).await;
            })
        })
        .collect();
    let killer = Arc::clone(&server);
    let watched = catalog.clone();
    let kills = tokio::spawn(async move {
        let mut seen = started;
        for _ in 0..KILLS {
            // In the middle of work: some was done since the last time.
            while patiently!(watched.last_seq()).unwrap() < seen + 8 {}
            seen = patiently!(watched.last_seq()).unwrap();
            killer.kill().unwrap();
            let server = Arc::clone(&killer);
            tokio::task::spawn_blocking(move || server.restart().unwrap()).await.unwrap();
        }
    });
    kills.await.unwrap();
    for worker in workers {
        worker.await.unwrap();
    }
    let mut numbers = Vec::new();
    for &id in &videos {
        assert_eq!(fixture::video(&catalog, id).await.state, State::Ready);
        numbers.extend(catalog.video_events(id, 0, 1_000).await.unwrap().iter().map(|event| event.seq));
    }
    numbers.sort_unstable();
    assert_eq!(numbers, (1..=catalog.last_seq().await.unwrap()).collect::<Vec<_>>(), "the log has no gap");
    fixture::assert_sound(&catalog).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_claim_that_was_given_outlives_the_server() {
    let server = Arc::new(postgres::Server::start(None).unwrap());
    // A commit that does not wait stays in the server's memory for so long.
    for statement in ["ALTER SYSTEM SET wal_writer_delay = '10s'", "SELECT pg_reload_conf()"] {
        server.execute(&server.url("postgres"), statement).unwrap();
    }
    let place = Postgres::on(&server);
    let catalog = fixture::open(&place).await;
    fixture::planned(&catalog, fixture::plan(100, &[1, 2, 4])).await;
    let claim = fixture::claim_any(&catalog).await.unwrap();
    let told = catalog.last_seq().await.unwrap();
    let killed = Arc::clone(&server);
    let dying = move || killed.kill().and_then(|()| killed.restart()).unwrap();
    tokio::task::spawn_blocking(dying).await.unwrap();
    assert_eq!(patiently!(catalog.last_seq()).unwrap(), told, "no event takes the place of one that was read");
    let next = patiently!(catalog.claim(&fixture::worker("w"), Wanted::ALL)).unwrap().unwrap();
    assert!(next.job != claim.job && next.token > claim.token, "{next:?} after {claim:?}");
    patiently!(fixture::work(&catalog, &claim)).unwrap();
    fixture::assert_sound(&catalog).await;
}

/// A worker that goes on until all videos are ready, whatever the server does meanwhile.
async fn work(catalog: &Catalog, videos: &[VideoId], name: &str, (clock, busy): (&AtomicI64, &AtomicI64)) {
    let worker = fixture::worker(name);
    loop {
        busy.fetch_add(1, Ordering::SeqCst);
        let claim = patiently!(catalog.claim(&worker, Wanted::ALL)).unwrap();
        if let Some(claim) = &claim {
            // Whether a commit happened whose answer was lost is found out by doing it again.
            let outcome = patiently!(fixture::work(catalog, claim));
            assert!(matches!(outcome, Ok(()) | Err(Error::Stale)), "{outcome:?}");
        }
        let others = busy.fetch_sub(1, Ordering::SeqCst) - 1;
        if claim.is_none() && all_ready(catalog, videos).await {
            return;
        }
        if claim.is_none() && others == 0 {
            // Nobody has a job, and yet one is missing: it was claimed, and the server's answer was lost with it.
            clock.fetch_add(1_000, Ordering::SeqCst);
        }
    }
}

async fn all_ready(catalog: &Catalog, videos: &[VideoId]) -> bool {
    for &id in videos {
        if patiently!(catalog.video(id)).unwrap().unwrap().state != State::Ready {
            return false;
        }
    }
    true
}

/// Somebody else's transaction that keeps a video locked.
pub async fn lock(url: &str, id: VideoId) -> Client {
    let client = connect(url).await;
    client.batch_execute(&format!("BEGIN; SELECT 1 FROM videos WHERE id = '{id}' FOR UPDATE")).await.unwrap();
    client
}

pub async fn open(place: &Postgres, parameters: &str, connections: usize) -> Catalog {
    let url = format!("{}?options={}", place.url(), parameters.replace(' ', "%20").replace('=', "%3D"));
    Catalog::open(&url, Options { connections, ..fixture::options(place) }).await.unwrap()
}

/// A catalog on whose connections the server ends no wait, and a video that somebody else has locked.
pub struct Locked {
    pub place: Postgres,
    pub catalog: Catalog,
    pub id: VideoId,
    pub locker: Client,
}

impl Locked {
    /// With one connection.
    pub async fn new() -> Self {
        Self::with(1).await
    }

    pub async fn with(connections: usize) -> Self {
        let place = Postgres::new();
        let catalog = open(&place, "-c lock_timeout=0 -c statement_timeout=0", connections).await;
        let id = fixture::queued(&catalog).await;
        let locker = lock(&place.url(), id).await;
        Self { place, catalog, id, locker }
    }
}

/// Begins to rename a video that somebody has locked.
pub fn rename(catalog: &Catalog, id: VideoId) -> JoinHandle<Result<Video, Error>> {
    let catalog = catalog.clone();
    tokio::spawn(async move { catalog.edit(id, Edit::title("patient"), None).await })
}

#[tokio::test(flavor = "multi_thread")]
async fn a_claim_passes_over_jobs_that_others_are_claiming() {
    let place = Postgres::new();
    let catalog = open(&place, "-c lock_timeout=200", 4).await;
    let id = fixture::planned(&catalog, fixture::plan(100, &[1, 2, 4])).await;
    let client = connect(&place.url()).await;
    client.batch_execute("BEGIN; SELECT 1 FROM jobs WHERE kind = 'encode' AND first = 1 FOR UPDATE").await.unwrap();
    let claim = fixture::claim_any(&catalog).await.unwrap();
    assert_eq!((claim.video, fixture::segments(&claim).first), (id, 2));
    client.batch_execute("COMMIT").await.unwrap();
    assert_eq!(fixture::segments(&fixture::claim_any(&catalog).await.unwrap()).first, 1);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_claim_locks_the_job_that_it_takes_and_no_other() {
    let place = Postgres::new();
    let catalog = open(&place, "-c lock_timeout=200", 4).await;
    let mut videos = Vec::new();
    for _ in 0..3 {
        videos.push(fixture::planned(&catalog, fixture::plan(100, &[1, 2, 4])).await);
    }
    for _ in &videos {
        let first = fixture::claim(&catalog, fixture::URGENT).await.unwrap();
        fixture::work(&catalog, &first).await.unwrap();
    }
    place.behind(
        "CREATE FUNCTION count_locks() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN
             IF (SELECT count(*) FROM jobs WHERE CAST(CAST(xmax AS TEXT) AS BIGINT) = txid_current()) > 1
             THEN RAISE EXCEPTION 'more than one job is locked'; END IF;
             RETURN NEW;
         END $$;
         CREATE TRIGGER count_locks BEFORE UPDATE ON jobs FOR EACH ROW EXECUTE FUNCTION count_locks()",
    );
    // First the chunks of idle videos, then of those that are worked for.
    for id in videos.iter().chain(&videos) {
        assert_eq!(fixture::claim(&catalog, fixture::BACKGROUND).await.unwrap().video, *id);
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_claim_that_splits_waits_for_its_video_and_not_for_ever() {
    let place = Postgres::new();
    let catalog = open(&place, "-c lock_timeout=200", 4).await;
    let id = fixture::planned(&catalog, fixture::plan(100, &[1])).await;
    catalog.raise(id, 1, 9, fixture::now(&place) + 8_000).await.unwrap();
    let locker = lock(&place.url(), id).await;
    let busy = catalog.claim(&fixture::worker("w"), fixture::URGENT).await;
    assert!(matches!(busy, Err(Error::Busy)), "{busy:?}");
    // The job was not kept meanwhile: whoever changes the video could end it.
    locker.batch_execute("SELECT 1 FROM jobs WHERE kind = 'encode' FOR UPDATE NOWAIT; COMMIT").await.unwrap();
    let claim = fixture::claim(&catalog, fixture::URGENT).await.unwrap();
    assert_eq!(fixture::segments(&claim).first, 9);
    fixture::assert_sound(&catalog).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_statement_that_no_longer_fits_is_prepared_again() {
    let place = Postgres::new();
    let catalog = open(&place, "-c lock_timeout=200", 1).await;
    let id = fixture::queued(&catalog).await;
    assert!(catalog.video(id).await.unwrap().is_some());
    // As a newer version might while this one still runs.
    place.behind("ALTER TABLE videos ADD COLUMN colour TEXT");
    assert!(matches!(catalog.video(id).await, Err(Error::Unavailable(_))));
    assert!(catalog.video(id).await.unwrap().is_some());
}

#[tokio::test(flavor = "multi_thread")]
async fn counting_views_waits_for_nobody_who_changes_a_video() {
    let place = Postgres::new();
    let catalog = open(&place, "-c lock_timeout=200", 4).await;
    let (busy, free) = (fixture::queued(&catalog).await, fixture::queued(&catalog).await);
    let locker = lock(&place.url(), busy).await;
    // As a sweeper has it.
    locker.batch_execute(&format!("SELECT pg_advisory_xact_lock({})", 0x7669_6443_0001_i64)).await.unwrap();
    for id in [busy, free] {
        catalog.note_viewer(viewer(id, "a")).unwrap();
    }
    catalog.count_views().await.unwrap();
    assert_eq!((views(&catalog, busy).await, views(&catalog, free).await), (0, 1));
    assert!(matches!(catalog.finish_views(Duration::from_millis(100)).await, Err(Error::Busy)));
    locker.batch_execute("COMMIT").await.unwrap();
    catalog.count_views().await.unwrap();
    assert_eq!((views(&catalog, busy).await, views(&catalog, free).await), (1, 1));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_session_that_is_being_counted_again_is_not_forgotten() {
    let place = Postgres::new();
    let catalog = open(&place, "-c lock_timeout=200", 4).await;
    let id = fixture::queued(&catalog).await;
    for session in ["a", "b"] {
        watch(&catalog, id, session).await;
    }
    fixture::advance(&place, VIEW_SESSION_MS);
    let client = connect(&place.url()).await;
    let renew = format!("BEGIN; UPDATE view_sessions SET at_ms = {} WHERE session = 'a'", fixture::now(&place));
    client.batch_execute(&renew).await.unwrap();
    catalog.sweep().await.unwrap();
    client.batch_execute("COMMIT").await.unwrap();
    assert_eq!(place.rows("view_sessions"), 1);
    watch(&fixture::open(&place).await, id, "a").await;
    assert_eq!(views(&catalog, id).await, 2);
}

/// Does something to the database of a place from outside of it.
fn outside(place: &Postgres, statement: impl Fn(&str) -> String) {
    let (server, url) = (postgres::shared(), place.url());
    let name = url.rsplit('/').next().unwrap();
    server.execute(&server.url("postgres"), &statement(name)).unwrap();
}

/// Ends the sessions of a database, as an operator or a failover does.
fn end_sessions(place: &Postgres, which: &str) {
    outside(place, |name| {
        format!("SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE datname = '{name}' AND {which}")
    });
}

/// Makes a catalog read over so many connections at once, all of which wait for more after that.
async fn read_over_all(place: &Postgres, catalog: &Catalog, id: VideoId, connections: usize) {
    let client = connect(&place.url()).await;
    client.batch_execute("BEGIN READ WRITE; LOCK TABLE videos IN ACCESS EXCLUSIVE MODE").await.unwrap();
    let mut reading = JoinSet::new();
    for _ in 0..connections {
        let catalog = catalog.clone();
        reading.spawn(async move { catalog.video(id).await });
    }
    wait_for_lock(place, connections).await;
    client.batch_execute("COMMIT").await.unwrap();
    for read in reading.join_all().await {
        assert!(read.unwrap().is_some());
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_database_that_only_reads_is_read_and_is_written_again_as_soon_as_it_can_be() {
    for connections in [1, 4] {
        only_reads_for_a_while(connections).await;
    }
}

async fn only_reads_for_a_while(connections: usize) {
    let place = Postgres::new();
    let catalog = open(&place, "-c lock_timeout=0 -c statement_timeout=0", connections).await;
    let id = fixture::queued(&catalog).await;
    outside(&place, |name| format!("ALTER DATABASE {name} SET default_transaction_read_only = on"));
    end_sessions(&place, "true");
    let refused = async {
        loop {
            match catalog.edit(id, Edit::title("late"), None).await {
                Err(Error::Unavailable(reason)) if reason.contains("read-only") => return,
                // The connection that was ended.
                Err(Error::Unavailable(_)) => {}
                other => panic!("{other:?}"),
            }
        }
    };
    timeout(Duration::from_millis(QUEUE_WAIT_MS), refused).await.unwrap();
    assert!(matches!(catalog.claim(&fixture::worker("w"), Wanted::ALL).await, Err(Error::Unavailable(_))));
    assert_eq!(fixture::video(&catalog, id).await.title, "a talk");
    read_over_all(&place, &catalog, id, connections).await;
    outside(&place, |name| format!("ALTER DATABASE {name} RESET default_transaction_read_only"));
    // The connections that were just read from are to a database that only reads; with the first to say so all of them go.
    let last = catalog.edit(id, Edit::title("late"), None).await;
    assert!(matches!(&last, Err(Error::Unavailable(reason)) if reason.contains("read-only")), "{last:?}");
    assert_eq!(catalog.edit(id, Edit::title("now"), None).await.unwrap().title, "now");
    fixture::assert_sound(&catalog).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_session_that_the_server_ends_in_the_middle_is_not_used_again() {
    let Locked { place, catalog, id, locker } = Locked::new().await;
    let renaming = rename(&catalog, id);
    wait_for_lock(&place, 1).await;
    end_sessions(&place, "wait_event_type = 'Lock'");
    let ended = renaming.await.unwrap();
    assert!(matches!(&ended, Err(Error::Unavailable(reason)) if reason.contains("terminating")), "{ended:?}");
    locker.batch_execute("COMMIT").await.unwrap();
    // The very next call has a new one.
    assert_eq!(catalog.edit(id, Edit::title("now"), None).await.unwrap().title, "now");
}

/// The last statements of a transaction are on their way together with its commit.
#[tokio::test(flavor = "multi_thread")]
async fn what_fails_beside_the_commit_undoes_all_of_it() {
    let place = Postgres::new();
    let catalog = fixture::open(&place).await;
    let id = fixture::upload(&catalog).await;
    let events = place.rows("events");
    place.behind("DELETE FROM counters WHERE name = 'event'");
    let renamed = catalog.edit(id, Edit::title("late"), None).await;
    assert!(matches!(renamed, Err(Error::Corrupt(_))), "{renamed:?}");
    assert_eq!((fixture::video(&catalog, id).await.title, place.rows("events")), ("a talk".to_owned(), events));
    place.behind("INSERT INTO counters (name, value) SELECT 'event', max(seq) FROM events");
    assert_eq!(catalog.edit(id, Edit::title("now"), None).await.unwrap().title, "now");
}

/// What begins a transaction is two statements, and nobody has it to end when the second fails.
#[tokio::test(flavor = "multi_thread")]
async fn a_transaction_that_fails_while_it_begins_is_not_left_open() {
    let place = Postgres::new();
    fixture::open(&place).await;
    place.behind(
        "CREATE SCHEMA late;
         CREATE FUNCTION late.clock_timestamp() RETURNS timestamptz LANGUAGE plpgsql VOLATILE AS $$ BEGIN
             IF to_regclass('late.clock') IS NULL THEN RAISE lock_not_available; END IF;
             RETURN pg_catalog.clock_timestamp(); END $$",
    );
    let catalog = open(&place, "-c search_path=late,pg_catalog,public", 1).await;
    for _ in 0..2 {
        let asked = catalog.last_seq().await;
        assert!(matches!(asked, Err(Error::Busy)), "{asked:?}");
    }
    place.behind("CREATE TABLE late.clock ()");
    catalog.last_seq().await.unwrap();
}
