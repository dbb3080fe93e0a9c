//! All chunk jobs of one film, done by a real worker over a catalog and a store of their own: what the bench measures.
//!
//! `chunks PROGRAM SOURCE FOLDER [bare]` prints one line of JSON: the plan, and the seconds of wall and of
//! processor time from the stored plan to the last chunk (and tile sheet). `bare` leaves out trick track
//! and tile sheets. PROGRAM is the `vidstream` whose children do the work.

#![expect(clippy::print_stdout, reason = "its output is its result")]

use std::{
    error::Error,
    path::{Path, PathBuf},
    time::{Duration, Instant},
};

use nix::sys::{
    resource::{UsageWho, getrusage},
    time::TimeValLike,
};
use tokio_util::sync::CancellationToken;
use vidstream_catalog::{Catalog, NewUpload, Options, Probed, Snapshot, Wanted};
use vidstream_media::{Presentation, VideoId, ladder, timeline};
use vidstream_packager::worker::{Config, Identity, Parts, Slots, Worker, process::ChildConfig};
use vidstream_plugins::Registry;
use vidstream_store::{Key, Store};

type Result<T> = std::result::Result<T, Box<dyn Error>>;

/// How often the catalog is asked how far the film is.
const POLL: Duration = Duration::from_millis(20);
/// A worker that waits for its first job has a spare child after this time.
const WARM: Duration = Duration::from_secs(1);

fn main() -> Result<()> {
    let mut args = std::env::args_os().skip(1).map(PathBuf::from);
    let (Some(program), Some(source), Some(folder)) = (args.next(), args.next(), args.next()) else {
        return Err("usage: chunks PROGRAM SOURCE FOLDER [bare]".into());
    };
    let bare = args.next().is_some_and(|last| last == Path::new("bare"));
    let runtime = tokio::runtime::Builder::new_multi_thread().enable_all().build()?;
    println!("{}", runtime.block_on(measure(&program, &source, &folder, bare))?);
    Ok(())
}

async fn measure(program: &Path, source: &Path, folder: &Path, bare: bool) -> Result<serde_json::Value> {
    let shop = Shop::open(program, source, folder).await?;
    let Snapshot { video, presentation } = shop.plan().await?;
    let mut plan = (*presentation.ok_or("the film has no plan")?.plan).clone();
    if bare {
        (plan.trick, plan.storyboard) = (None, None);
    }
    // Claimed before the worker starts, so that the film waits for this plan alone.
    let catalog = shop.catalog("chunks").await?;
    let planner = vidstream_catalog::Worker { id: "planner".to_owned(), ..Default::default() };
    let claim = catalog.claim(&planner, Wanted { probe: true, ..Wanted::default() }).await?.ok_or("no probe")?;
    let probed = Probed { facts: video.facts.unwrap_or_default(), plan: plan.clone(), warnings: Vec::new() };

    let worker = shop.worker(&catalog).await?;
    let cpu_before_s = cpu_s()?;
    let ending = CancellationToken::new();
    let working = tokio::spawn(worker.run(ending.clone()));
    tokio::time::sleep(WARM).await;
    let began = Instant::now();
    catalog.finish_probe(&claim, probed).await?;
    shop.until(&catalog, is_made).await?;
    let wall_s = began.elapsed().as_secs_f64();
    ending.cancel();
    working.await?;
    Ok(serde_json::json!({ "plan": plan, "wall_s": wall_s, "cpu_s": cpu_s()? - cpu_before_s }))
}

/// A folder with the film in a store, and catalogs that know it.
struct Shop {
    program: PathBuf,
    folder: PathBuf,
    store: Store,
    id: VideoId,
    bytes: u64,
}

// === impl Shop ===

impl Shop {
    async fn open(program: &Path, source: &Path, folder: &Path) -> Result<Self> {
        std::fs::create_dir_all(folder)?;
        let store = Store::open(&format!("file://{}", folder.display())).await?;
        let id = VideoId::from_bits(uuid::Uuid::now_v7().as_u128());
        store.link(&Key::Source { id }, source).await?;
        Ok(Self { program: program.into(), folder: folder.into(), store, id, bytes: source.metadata()?.len() })
    }

    /// A fresh catalog in which the film waits for its probe.
    async fn catalog(&self, name: &str) -> Result<Catalog> {
        let url = format!("sqlite://{}/{name}.sqlite", self.folder.display());
        let catalog = Catalog::open(&url, Options::default()).await?;
        let new =
            NewUpload { id: self.id, title: name.to_owned(), bytes_expected: Some(self.bytes), expires_at_ms: None };
        catalog.create_upload(new).await?;
        catalog.finish_upload(self.id, self.bytes, None).await?;
        Ok(catalog)
    }

    async fn worker(&self, catalog: &Catalog) -> Result<Worker> {
        let config = Config {
            data: self.folder.clone(),
            slots: Slots::default(),
            child: ChildConfig::new(self.program.clone(), vec!["__child".into()]),
            ladder: ladder::Config::default(),
            timeline: timeline::Config::default(),
            overrides: Vec::new(),
        };
        let parts = Parts { catalog: catalog.clone(), store: self.store.clone(), plugins: Registry::load(&[])?.into() };
        Ok(Worker::start(config, parts, Identity::take(&self.folder, None)?).await?)
    }

    /// The film with the plan that a worker makes, and its packet index in the store.
    async fn plan(&self) -> Result<Snapshot> {
        let catalog = self.catalog("plan").await?;
        let ending = CancellationToken::new();
        let working = tokio::spawn(self.worker(&catalog).await?.run(ending.clone()));
        let planned = self.until(&catalog, |_| true).await?;
        ending.cancel();
        working.await?;
        Ok(planned)
    }

    /// Waits for a presentation that `test` likes.
    async fn until(&self, catalog: &Catalog, test: impl Fn(&Presentation) -> bool) -> Result<Snapshot> {
        loop {
            let seen = catalog.snapshot(self.id).await?.ok_or("the film is gone")?;
            if let Some(error) = &seen.video.error {
                return Err(format!("{}: {}", error.title, error.detail).into());
            }
            if seen.presentation.as_ref().is_some_and(&test) {
                return Ok(seen);
            }
            tokio::time::sleep(POLL).await;
        }
    }
}

/// Whether every segment and every tile sheet is stored.
fn is_made(seen: &Presentation) -> bool {
    let sheets = seen.plan.storyboard.map_or(0, |storyboard| storyboard.sheets(&seen.plan.timeline));
    seen.complete() && seen.sheets.len() as u64 == sheets
}

/// Processor seconds of this process and of its children that have ended.
fn cpu_s() -> Result<f64> {
    let mut sum_ms = 0;
    for who in [UsageWho::RUSAGE_SELF, UsageWho::RUSAGE_CHILDREN] {
        let usage = getrusage(who)?;
        sum_ms += (usage.user_time() + usage.system_time()).num_milliseconds();
    }
    Ok(Duration::from_millis(sum_ms.try_into()?).as_secs_f64())
}
