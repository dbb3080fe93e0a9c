//! The server commands: they open the parts, run them side by side and end them together.

use std::{fs, net::SocketAddr, path::Path, time::Duration};

use anyhow::Context;
use tokio_util::sync::CancellationToken;
use vidstream_catalog::Catalog;
use vidstream_config::Config;
use vidstream_origin::{Origin, TlsFiles};
use vidstream_store::{Access, Store};

use crate::{
    args::Common,
    exit::{Code, Failure},
    logging,
    orphans::Sweeper,
    parts, settings,
};

/// Everything has ended this long after Ctrl-C or TERM, or is left behind.
const STOP_WAIT_MAX: Duration = Duration::from_secs(5);
/// Files in the data folder that say where a server listens, since ports may be chosen by the system.
const LISTEN_FILE: &str = "listen.addr";
const ADMIN_FILE: &str = "admin.addr";
/// Where a packager alone is asked how it is; an origin may have the same folder.
#[cfg(feature = "packager")]
const PACKAGER_FILE: &str = "packager.addr";

/// `serve`: origin and packager in one process.
pub(crate) fn both(common: &Common) -> anyhow::Result<Code> {
    start(
        common,
        |_| Access::Write,
        async |server| {
            let origin = server.bind_origin().await?;
            let packager = server.packager().await?;
            server.publish_addresses(&origin)?;
            let (origin_stop, packager_stop) = (server.stop.clone(), server.stop.clone());
            tokio::join!(origin.run(origin_stop), packager.run(packager_stop), server.remove_orphans());
            Ok(())
        },
    )
}

/// `origin`: delivery, API and page.
pub(crate) fn origin(common: &Common) -> anyhow::Result<Code> {
    let access = |config: &Config| if config.read_only { Access::Read } else { Access::Write };
    start(common, access, async |server| {
        let origin = server.bind_origin().await?;
        server.publish_addresses(&origin)?;
        origin.run(server.stop.clone()).await;
        Ok(())
    })
}

/// `packager`: jobs, and how it is.
#[cfg(feature = "packager")]
pub(crate) fn packager(common: &Common) -> anyhow::Result<Code> {
    use std::sync::Arc;

    use vidstream_origin::{Check, Patience, Readiness};

    start(
        common,
        |_| Access::Write,
        async |server| {
            let admin = server.bind_admin()?;
            let packager = server.packager().await?;
            tracing::info!("admin on http://{}", admin.addr());
            write_address(&server.config.data.join(PACKAGER_FILE), admin.addr())?;
            let health = packager.health();
            let check: Check = Arc::new(move || health.check());
            let (catalog, shutdown) = (server.catalog.clone(), server.stop.clone());
            let readiness = Readiness { catalog, check: Some(check), shutdown };
            // It says that the process goes down until it has.
            let ended = CancellationToken::new();
            let work = async {
                tokio::join!(packager.run(server.stop.clone()), server.remove_orphans());
                ended.cancel();
            };
            tokio::join!(work, admin.run(readiness, Patience::default(), ended.clone()));
            Ok(())
        },
    )
}

/// The opened parts that both servers share.
struct Server {
    config: Config,
    catalog: Catalog,
    store: Store,
    stop: CancellationToken,
}

/// Opens the parts, the store for the access that is needed of it, and serves until it is ended.
fn start(
    common: &Common,
    access: impl FnOnce(&Config) -> Access,
    serve: impl AsyncFnOnce(&Server) -> anyhow::Result<()>,
) -> anyhow::Result<Code> {
    let config = settings::of_server(common)?;
    logging::start(common.log_json, logging::SERVER);
    let runtime = tokio::runtime::Builder::new_multi_thread().enable_all().build().context("no async runtime")?;
    let outcome = runtime.block_on(async {
        let access = access(&config);
        let server = Server::open(config, access).await?;
        let signals = tokio::spawn(parts::until_signalled(server.stop.clone()));
        let stop = server.stop.clone();
        let overdue = async {
            stop.cancelled().await;
            tokio::time::sleep(STOP_WAIT_MAX).await;
        };
        tokio::select! {
            ended = serve(&server) => ended?,
            () = overdue => tracing::warn!("not everything has ended in time"),
        }
        signals.abort();
        anyhow::Ok(())
    });
    // A blocked file operation must not keep an ended server alive.
    runtime.shutdown_background();
    outcome.map(|()| Code::Done)
}

// === impl Server ===

impl Server {
    async fn open(config: Config, access: Access) -> anyhow::Result<Self> {
        let disk = |error: std::io::Error| {
            Failure::new(Code::Io, format!("cannot use the data folder {}: {error}", config.data.display()))
        };
        fs::create_dir_all(&config.data).map_err(disk)?;
        let store = parts::store_for(&config, access).await?;
        let catalog = parts::catalog(&config).await?;
        Ok(Self { config, catalog, store, stop: CancellationToken::new() })
    }

    async fn bind_origin(&self) -> Result<Origin, Failure> {
        let config = vidstream_origin::Config {
            tls: self.config.tls_files.clone().map(|(cert, key)| TlsFiles { cert, key }),
            token_file: self.config.token_file.clone(),
            read_only: self.config.read_only,
            trusted_proxies: self.config.trusted_proxies.clone(),
            cache_bytes: self.config.cache_bytes,
            upload_bytes_max: self.config.upload_bytes_max,
            expire_after: self.config.expire_after,
            ..vidstream_origin::Config::new(self.config.listen, self.config.admin_listen)
        };
        let bound = Origin::bind(config, self.catalog.clone(), self.store.clone()).await;
        bound.map_err(|error| not_bound(&error))
    }

    #[cfg(feature = "packager")]
    fn bind_admin(&self) -> Result<vidstream_origin::Admin, Failure> {
        vidstream_origin::Admin::bind(self.config.admin_listen).map_err(|error| match error {
            vidstream_origin::Error::AddrInUse { .. } => {
                let sentence = format!("{error}: each process on a machine needs an admin_listen of its own");
                Failure::new(Code::Unavailable, sentence)
            }
            other => not_bound(&other),
        })
    }

    /// Says where the server listens: in the log, and in files for those who start it.
    fn publish_addresses(&self, origin: &Origin) -> Result<(), Failure> {
        let scheme = if self.config.tls_files.is_some() { "https" } else { "http" };
        tracing::info!("listening on {scheme}://{}, admin on http://{}", origin.addr(), origin.admin_addr());
        write_address(&self.config.data.join(ADMIN_FILE), origin.admin_addr())?;
        write_address(&self.config.data.join(LISTEN_FILE), origin.addr())
    }

    /// Beside packagers alone: an origin may have no right to delete.
    async fn remove_orphans(&self) {
        let Some(age) = self.config.orphans_after else { return };
        let sweeper = Sweeper { catalog: self.catalog.clone(), store: self.store.clone(), age };
        sweeper.run(self.stop.clone()).await;
    }

    #[cfg(feature = "packager")]
    async fn packager(&self) -> anyhow::Result<vidstream_packager::worker::Worker> {
        parts::worker(&self.config, self.catalog.clone(), self.store.clone()).await
    }

    #[cfg(not(feature = "packager"))]
    async fn packager(&self) -> anyhow::Result<NoPackager> {
        let sentence = "this executable was built without the packager; run `vidstream origin` here";
        Err(Failure::new(Code::Unavailable, sentence).into())
    }
}

/// Stands where a build without the packager would have one; it cannot be made.
#[cfg(not(feature = "packager"))]
enum NoPackager {}

#[cfg(not(feature = "packager"))]
impl NoPackager {
    async fn run(self, _: CancellationToken) {
        match self {}
    }
}

/// Why an origin, or an admin listener, cannot begin.
fn not_bound(error: &vidstream_origin::Error) -> Failure {
    use vidstream_origin::Error;

    let code = match error {
        Error::AddrInUse { .. } | Error::Bind { .. } | Error::Threads(_) => Code::Unavailable,
        Error::TlsFile { .. } => Code::NoInput,
        _ => Code::Usage,
    };
    Failure::new(code, parts::sentence(error))
}

/// Replaced whole, so that a reader never sees half an address.
fn write_address(path: &Path, address: SocketAddr) -> Result<(), Failure> {
    let staged = path.with_extension("new");
    let written = fs::write(&staged, format!("{address}\n")).and_then(|()| fs::rename(&staged, path));
    written.map_err(|error| Failure::new(Code::Io, format!("cannot write {}: {error}", path.display())))
}
