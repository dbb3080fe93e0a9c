//! `vidstream package`: a file in, a static tree of HLS and DASH out, without a server.
//!
//! The same planner, worker and children as behind a server work over a catalog and a store in a hidden
//! folder beside the output; what they made is then laid out under the URLs of the origin and moved into
//! place at once. However it ends, nothing half made is left there.

mod progress;
mod summary;
mod tree;

use std::{
    fs, io,
    path::{Path, PathBuf},
    time::Instant,
};

use anyhow::Context;
use tempfile::TempDir;
use tokio_util::sync::CancellationToken;
use vidstream_catalog::{Catalog, NewUpload, Video};
use vidstream_media::{Presentation, VideoId};
use vidstream_store::{Key, Store};

use crate::{
    args::{self, Package},
    exit::{Code, Failure},
    logging, parts, settings,
};

pub(crate) fn run(args: &Package) -> anyhow::Result<Code> {
    let started = Instant::now();
    let input = input(&args.input)?;
    let place = Place::prepare(&args.out, args.force)?;
    let data = Some(place.data().display().to_string());
    let config = settings::load(&args::Place { data, sources: args.sources.clone() })?;
    logging::start(false, logging::COMMAND);
    let runtime = parts::runtime()?;
    let made = runtime.block_on(async {
        // First of all: whoever is killed by a signal cannot clean up.
        let stop = CancellationToken::new();
        let signals = tokio::spawn(parts::until_signalled(stop.clone()));
        let catalog = parts::catalog(&config).await?;
        let store = parts::store(&config).await?;
        let worker = parts::worker(&config, catalog.clone(), store.clone()).await?;
        let packaging = async {
            let made = make(&catalog, &store, &input, &place.tree(), &stop).await;
            // Made or not: the worker has nothing left to do.
            stop.cancel();
            made
        };
        let (made, ()) = tokio::join!(packaging, worker.run(stop.clone()));
        signals.abort();
        made
    });
    runtime.shutdown_background();
    let (video, presentation) = made?;
    place.publish(args.force)?;
    crate::add::print(&summary::text(&video, &presentation, &args.out, started.elapsed()));
    Ok(Code::Done)
}

/// Packages the input and lays out the tree.
async fn make(
    catalog: &Catalog,
    store: &Store,
    input: &Input,
    tree: &Path,
    stop: &CancellationToken,
) -> anyhow::Result<(Video, Presentation)> {
    let id = VideoId::from_bits(uuid::Uuid::now_v7().as_u128());
    store.link(&Key::Source { id }, &input.path).await.map_err(|error| disk(&error))?;
    let title = input.path.file_stem().map_or_else(String::new, |stem| stem.to_string_lossy().into_owned());
    catalog.create_upload(NewUpload { id, title, bytes_expected: Some(input.bytes), expires_at_ms: None }).await?;
    catalog.finish_upload(id, input.bytes, None).await?;
    let video = progress::until_made(catalog, id, stop).await?;
    let snapshot = catalog.snapshot(id).await?;
    let presentation = snapshot.and_then(|snapshot| snapshot.presentation).context("a ready video has no plan")?;
    tree::write(&presentation, store, tree, stop).await?;
    Ok((video, presentation))
}

/// What is packaged.
struct Input {
    path: PathBuf,
    bytes: u64,
}

fn input(path: &Path) -> Result<Input, Failure> {
    let no_input = |error: io::Error| Failure::new(Code::NoInput, format!("cannot read {}: {error}", path.display()));
    fs::File::open(path).map_err(no_input)?;
    let real = path.canonicalize().map_err(no_input)?;
    let meta = real.metadata().map_err(no_input)?;
    if !meta.is_file() {
        return Err(Failure::new(Code::NoInput, format!("{} is not a file", path.display())));
    }
    if meta.len() == 0 {
        return Err(Failure::new(Code::NoInput, format!("{} is empty", path.display())));
    }
    Ok(Input { path: real, bytes: meta.len() })
}

/// Where the tree goes, and the hidden folder beside it where it is made: on the same file system, so
/// that it is moved and not copied.
struct Place {
    out: PathBuf,
    staging: TempDir,
}

// === impl Place ===

impl Place {
    fn prepare(out: &Path, force: bool) -> Result<Self, Failure> {
        let name = out.file_name().map(|name| name.to_string_lossy().into_owned());
        let name = name.ok_or_else(|| Failure::new(Code::Usage, format!("{} names no folder", out.display())))?;
        match fs::read_dir(out).map(|mut entries| entries.next().is_none()) {
            Ok(true) => {}
            Ok(false) if force => {}
            Ok(false) => {
                let sentence = format!("{} is not empty; --force replaces it", out.display());
                return Err(Failure::new(Code::Usage, sentence));
            }
            Err(error) if error.kind() == io::ErrorKind::NotFound => {}
            Err(error) => return Err(Failure::new(Code::Usage, format!("cannot use {}: {error}", out.display()))),
        }
        let parent = out.parent().filter(|parent| !parent.as_os_str().is_empty()).unwrap_or(Path::new("."));
        let staged = fs::create_dir_all(parent)
            .and_then(|()| parent.canonicalize())
            .and_then(|parent| tempfile::Builder::new().prefix(&format!(".{name}.")).tempdir_in(parent));
        let staging = staged.map_err(|error| unwritable(parent, &error))?;
        Ok(Self { out: out.to_owned(), staging })
    }

    /// The folder of catalog and objects.
    fn data(&self) -> PathBuf {
        self.staging.path().join("data")
    }

    /// The folder where the tree is laid out.
    fn tree(&self) -> PathBuf {
        self.staging.path().join("tree")
    }

    /// Moves the tree into place; what was there goes with the staging folder.
    fn publish(self, force: bool) -> Result<(), Failure> {
        let fails = |error: io::Error| unwritable(&self.out, &error);
        if force && self.out.exists() {
            fs::rename(&self.out, self.staging.path().join("replaced")).map_err(fails)?;
        }
        fs::rename(self.tree(), &self.out).map_err(fails)
    }
}

fn unwritable(path: &Path, error: &io::Error) -> Failure {
    Failure::new(Code::Io, format!("cannot write {}: {error}", path.display()))
}

fn disk(error: &vidstream_store::Error) -> Failure {
    Failure::new(Code::Io, parts::sentence(error))
}
