//! Catalogs with many videos, for the bench: filled, and claimed from by many workers.
//!
//! `many` fills a SQLite file and a Postgres database with 100,000 videos, queues 1,000 chunks, and lets 16 workers claim them
//! all; that once more on a Postgres that waits for the disk at each commit. It prints one line of JSON, the URL and the
//! claims per second of each, and keeps the catalogs until its input ends.

#![expect(
    clippy::indexing_slicing,
    clippy::print_stdout,
    reason = "it edits JSON of its own, and its output is its result"
)]

use std::{
    collections::BTreeSet,
    error::Error,
    io,
    sync::{
        Arc,
        atomic::{AtomicUsize, Ordering},
    },
    time::Instant,
};

use serde_json::{Value, json};
use tokio::{sync::mpsc, task::JoinSet};
use vidstream_catalog::{Catalog, Options, Wanted, Worker};
use vidstream_media::VideoId;
use vidstream_testkit::postgres;

use fixture::{Adapter, Postgres, Sqlite};

#[path = "../tests/contract/fixture.rs"]
#[expect(dead_code, unreachable_pub, clippy::unwrap_used, reason = "it is shared with the contract suite")]
mod fixture;

type Result<T> = std::result::Result<T, Box<dyn Error + Send + Sync>>;

const VIDEOS: u32 = 100_000;
/// The newest have all their rows, the others only those that no page shows without being asked for.
const WHOLE: u32 = 1_000;
/// Films with chunks to make, of which each has so many.
const FILMS: usize = 4;
const CHUNKS: usize = 250;
const WORKERS: usize = 16;
/// Of each worker.
const CONNECTIONS: usize = 2;
/// Lines that wait between the two sides of an import.
const LINES: usize = 256;

fn main() -> Result<()> {
    let runtime = tokio::runtime::Builder::new_multi_thread().enable_all().build()?;
    let (sqlite, server, durable) = (Sqlite::new(), Postgres::new(), Postgres::new());
    let told = runtime.block_on(async {
        let template = template().await?;
        fill(&sqlite, &template).await?;
        fill(&server, &template).await?;
        let one = Catalog::open(&sqlite.url(), Options::default()).await?;
        let in_one = claims(&sqlite, vec![one; WORKERS]).await?;
        let each = claims(&server, processes(&server).await?).await?;
        wait_for_the_disk()?;
        let slow = claims(&durable, processes(&durable).await?).await?;
        Ok::<_, Box<dyn Error + Send + Sync>>(json!({
            "sqlite": { "url": sqlite.url(), "claims_per_s": in_one },
            "postgres": { "url": server.url(), "claims_per_s": each },
            "durable": { "claims_per_s": slow },
        }))
    })?;
    println!("{told}");
    io::copy(&mut io::stdin(), &mut io::sink())?;
    Ok(())
}

/// Makes the server of the tests as careful as one of a real installation. The checkpoint of what it has been filled with
/// comes first: it would slow down what is measured.
fn wait_for_the_disk() -> Result<()> {
    let server = postgres::shared();
    let run = |statement: &str| server.execute(&server.url("postgres"), statement);
    for setting in ["fsync", "full_page_writes"] {
        run(&format!("ALTER SYSTEM SET {setting} = on"))?;
    }
    run("SELECT pg_reload_conf()")?;
    run("CHECKPOINT")?;
    if run("SHOW fsync")?.trim() != "on" {
        return Err("the server does not wait for the disk".into());
    }
    Ok(())
}

/// The rows of a video that is ready, as lines of an export.
async fn template() -> Result<Vec<Value>> {
    let place = Sqlite::new();
    let catalog = fixture::open(&place).await;
    fixture::queued(&catalog).await;
    fixture::work_all(&catalog).await;
    let (to, mut from) = mpsc::channel(LINES);
    let exporting = tokio::spawn(async move { catalog.export(to).await });
    let mut lines = Vec::new();
    while let Some(line) = from.recv().await {
        lines.push(serde_json::from_str(&line)?);
    }
    exporting.await??;
    Ok(lines)
}

/// Imports many copies of the template, each a little older than the one before.
async fn fill(place: &impl Adapter, template: &[Value]) -> Result<()> {
    let (to, from) = mpsc::channel(LINES);
    let template = template.to_vec();
    let giving = tokio::task::spawn_blocking(move || give(&to, &template));
    let rows = fixture::open(place).await.import(from).await?;
    assert_eq!(giving.await??, rows);
    Ok(())
}

/// Gives the lines of an import, and how many of them are rows.
fn give(to: &mpsc::Sender<String>, template: &[Value]) -> Result<u64> {
    let [head, rows @ .., end] = template else { return Err("the template is empty".into()) };
    let rows: Vec<&Value> = rows.iter().filter(|line| is_of_video(&line["row"]["table"])).collect();
    to.blocking_send(head.to_string())?;
    let mut given = 0;
    for n in 0..VIDEOS {
        for line in rows.iter().filter(|line| n < WHOLE || line["row"]["table"] == "videos") {
            to.blocking_send(copy(line, n).to_string())?;
            given += 1;
        }
    }
    let mut end = end.clone();
    end["end"]["rows"] = json!(given);
    to.blocking_send(end.to_string())?;
    Ok(given)
}

fn is_of_video(table: &Value) -> bool {
    ["videos", "generations", "configs", "chunks", "sheets"].iter().any(|name| table == name)
}

/// A row as it is of the `n`th video, counted from the newest.
fn copy(line: &Value, n: u32) -> Value {
    let mut line = line.clone();
    let columns = &mut line["row"]["columns"];
    let id = VideoId::from_bits(u128::from(n) + 1).to_string();
    if columns.get("video").is_some() {
        columns["video"] = json!(id);
    } else {
        let newest_ms = columns["created_at_ms"].as_i64().unwrap_or_default();
        columns["id"] = json!(id);
        columns["title"] = json!(format!("a talk, {n}"));
        columns["created_at_ms"] = json!(newest_ms - i64::from(n));
    }
    line
}

/// The catalog as so many processes have it, each with a worker that found nothing to do.
async fn processes(place: &impl Adapter) -> Result<Vec<Catalog>> {
    let mut catalogs = Vec::new();
    for n in 0..WORKERS {
        let options = Options { connections: CONNECTIONS, ..Options::default() };
        let catalog = Catalog::open(&place.url(), options).await?;
        assert!(catalog.claim(&worker(n), Wanted::ALL).await?.is_none(), "there is a job already");
        catalogs.push(catalog);
    }
    Ok(catalogs)
}

/// Queues chunks and lets a worker on each of the catalogs claim until there are none. Gives the claims per second.
async fn claims(place: &impl Adapter, catalogs: Vec<Catalog>) -> Result<f64> {
    let catalog = fixture::open(place).await;
    for _ in 0..FILMS {
        let chunks = vec![1; CHUNKS - 1];
        fixture::planned(&catalog, fixture::plan(4 * CHUNKS as u64, &chunks)).await;
    }
    // Nothing, but the planner knows how much there is.
    place.behind("DELETE FROM waits");
    let claimed = Arc::new(AtomicUsize::new(0));
    let mut working = JoinSet::new();
    let began = Instant::now();
    for (n, catalog) in catalogs.into_iter().enumerate() {
        working.spawn(claim_all(catalog, worker(n), Arc::clone(&claimed)));
    }
    let mut jobs = BTreeSet::new();
    while let Some(claims) = working.join_next().await {
        for job in claims?? {
            assert!(jobs.insert(job), "job {job} was given twice");
        }
    }
    let seconds = began.elapsed().as_secs_f64();
    assert_eq!(jobs.len(), FILMS * CHUNKS);
    Ok(f64::from(u32::try_from(jobs.len())?) / seconds)
}

fn worker(n: usize) -> Worker {
    fixture::worker(&format!("worker-{n}"))
}

/// Claims until all workers together have all chunks.
async fn claim_all(catalog: Catalog, worker: Worker, claimed: Arc<AtomicUsize>) -> vidstream_catalog::Result<Vec<i64>> {
    let mut jobs = Vec::new();
    while claimed.load(Ordering::SeqCst) < FILMS * CHUNKS {
        match catalog.claim(&worker, Wanted::ALL).await {
            Ok(Some(claim)) => {
                jobs.push(claim.job);
                claimed.fetch_add(1, Ordering::SeqCst);
            }
            // Others are about to change what it would have got.
            Ok(None) | Err(vidstream_catalog::Error::Busy) => tokio::task::yield_now().await,
            Err(error) => return Err(error),
        }
    }
    Ok(jobs)
}
