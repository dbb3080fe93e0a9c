//! Opening what the commands share: catalog, store and worker, each failure with its exit code.

use tokio::signal::unix::{SignalKind, signal};
use tokio_util::sync::CancellationToken;
use vidstream_catalog::{Catalog, Events, Options};
use vidstream_config::Config;
use vidstream_store::{Access, Store};

use crate::{
    exit::{Code, Failure},
    secrets,
};

/// The store that the configuration names.
pub(crate) async fn store(config: &Config) -> Result<Store, Failure> {
    store_for(config, Access::Write).await
}

/// As [`store()`], for who needs no more than this access.
pub(crate) async fn store_for(config: &Config, access: Access) -> Result<Store, Failure> {
    let is_bucket = config.store_url.starts_with("s3://");
    let variables = if is_bucket { secrets::variables()? } else { Vec::new() };
    Store::open_with(&config.store_url, variables.into_iter(), access).await.map_err(|error| match error {
        vidstream_store::Error::Url { .. } | vidstream_store::Error::Settings { .. } => {
            Failure::new(Code::Usage, error.to_string())
        }
        vidstream_store::Error::Unavailable { .. } => Failure::new(Code::Unavailable, error.to_string()),
        other => Failure::new(Code::Io, sentence(&other)),
    })
}

/// The catalog that the configuration names, with the way its processes meet.
pub(crate) async fn catalog(config: &Config) -> Result<Catalog, Failure> {
    let events = Events::open(&config.events_url).await.map_err(|error| {
        let is_usage = matches!(error, vidstream_catalog::Error::Invalid(_));
        Failure::new(if is_usage { Code::Usage } else { Code::Unavailable }, sentence(&error))
    })?;
    let options = Options { connections: config.catalog_connections, events, ..Options::default() };
    let catalog = Catalog::open(&config.catalog_url, options).await;
    catalog.map_err(|error| catalog_failure(config, &error))
}

/// The catalog that the configuration names, for a command that is no server and needs no Redis. One that must be there
/// is not changed.
pub(crate) async fn catalog_alone(config: &Config, existing: bool) -> Result<Catalog, Failure> {
    use vidstream_catalog::Error;

    let options = Options { connections: config.catalog_connections, existing, ..Options::default() };
    Catalog::open(&config.catalog_url, options).await.map_err(|error| match error {
        Error::Absent if vidstream_catalog::is_server(&config.catalog_url) => {
            Failure::new(Code::NoInput, "there is no catalog in this database")
        }
        Error::Absent => Failure::new(Code::NoInput, format!("there is no catalog {}", config.catalog_url)),
        other => catalog_failure(config, &other),
    })
}

/// Why the catalog cannot be used: a file is a matter of the disk, a server may come back, and for a schema of another
/// version something else must be installed.
pub(crate) fn catalog_failure(config: &Config, error: &vidstream_catalog::Error) -> Failure {
    use vidstream_catalog::Error;

    let code = match error {
        Error::Invalid(_) | Error::Newer { .. } | Error::Older { .. } => Code::Usage,
        _ if vidstream_catalog::is_server(&config.catalog_url) => Code::Unavailable,
        _ => Code::Io,
    };
    Failure::new(code, sentence(error))
}

/// What runs here, also after its file was replaced by another version: worker and child speak a protocol
/// that only one executable has (proc(5)).
#[cfg(feature = "packager")]
const THIS_EXECUTABLE: &str = "/proc/self/exe";

/// A worker over catalog and store; its children run this executable.
#[cfg(feature = "packager")]
pub(crate) async fn worker(
    config: &Config,
    catalog: Catalog,
    store: Store,
) -> anyhow::Result<vidstream_packager::worker::Worker> {
    use vidstream_media::{ladder, timeline};
    use vidstream_packager::worker::{self, Identity, Parts, Slots, Worker};

    let plugins = vidstream_plugins::Registry::load(&config.plugin_folders);
    let plugins = plugins.map_err(|error| Failure::new(Code::Usage, sentence(&error)))?;
    let identity = Identity::take(&config.data, config.worker_id.as_deref());
    let identity =
        identity.map_err(|error| Failure::new(Code::Io, format!("cannot keep the worker's name: {error}")))?;
    let settings = worker::Config {
        data: config.data.clone(),
        slots: Slots { work: config.worker_slots, ..Slots::default() },
        child: child(),
        ladder: ladder::Config { heights: config.ladder_heights.clone() },
        timeline: timeline::Config { gop_s: config.gop_s, segment_s: config.segment_s },
        overrides: overrides(&config.plugin_overrides)?,
    };
    let worker = Worker::start(settings, Parts { catalog, store, plugins: plugins.into() }, identity).await;
    Ok(worker.map_err(|error| {
        let code = if matches!(error, worker::Error::Override { .. }) { Code::Usage } else { Code::Unavailable };
        Failure::new(code, sentence(&error))
    })?)
}

/// The tracks that ask for a plugin by name.
#[cfg(feature = "packager")]
fn overrides(pairs: &[(String, String)]) -> Result<Vec<(vidstream_media::Track, String)>, Failure> {
    let parsed = |(track, plugin): &(String, String)| {
        let track = track.parse().map_err(|error| Failure::new(Code::Usage, format!("plugins.tracks: {error}")))?;
        Ok((track, plugin.clone()))
    };
    pairs.iter().map(parsed).collect()
}

/// How children are started: this executable, in its hidden role.
#[cfg(feature = "packager")]
pub(crate) fn child() -> vidstream_packager::worker::process::ChildConfig {
    vidstream_packager::worker::process::ChildConfig::new(THIS_EXECUTABLE.into(), vec!["__child".into()])
}

/// A runtime for a command that is no server.
pub(crate) fn runtime() -> anyhow::Result<tokio::runtime::Runtime> {
    use anyhow::Context;

    tokio::runtime::Builder::new_multi_thread().enable_all().build().context("no async runtime")
}

/// Cancels `stop` at the first Ctrl-C or TERM.
pub(crate) async fn until_signalled(stop: CancellationToken) {
    let (Ok(mut terminate), Ok(mut interrupt)) = (signal(SignalKind::terminate()), signal(SignalKind::interrupt()))
    else {
        tracing::error!("signals cannot be caught; only kill -9 ends this process");
        return;
    };
    tokio::select! {
        _ = terminate.recv() => tracing::info!("TERM: ending"),
        _ = interrupt.recv() => tracing::info!("interrupt: ending"),
    }
    stop.cancel();
}

/// An error and its causes in one sentence.
pub(crate) fn sentence(error: &dyn std::error::Error) -> String {
    let causes = std::iter::successors(Some(error), |&error| error.source());
    causes.map(ToString::to_string).collect::<Vec<_>>().join(": ")
}
