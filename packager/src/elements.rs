//! Which GStreamer elements exist. Only children look: libraries of plugins are loaded by nobody else.

use std::{collections::BTreeSet, io};

use futures_util::future::BoxFuture;
use tempfile::TempDir;
use tokio_util::sync::CancellationToken;
use vidstream_plugins::Registry;

use crate::{
    protocol::{Failure, InspectJob, Isolation, Job, Report},
    worker::{
        process::{ChildConfig, Ended, Launcher, Start},
        service,
    },
};

pub(crate) mod needed;

/// A place to start children from, outside of any worker, and what they can do.
pub struct Site {
    pub(crate) launcher: Launcher,
    pub(crate) child: ChildConfig,
    /// The elements of all known plugins, and those that every worker needs, that exist here.
    pub elements: BTreeSet<String>,
    temp: TempDir,
}

/// What the children of a launcher can do.
pub(crate) struct Abilities {
    pub(crate) elements: BTreeSet<String>,
    pub(crate) isolation: Isolation,
}

// === impl Site ===

impl Site {
    /// Lets a child look at the GStreamer plugins of the system and of the plugins' folders.
    ///
    /// # Errors
    /// When children do not start, or GStreamer does not in them.
    pub fn open(child: ChildConfig, plugins: &Registry) -> BoxFuture<'_, Result<Self, Failure>> {
        Box::pin(async move {
            let temp = tempfile::tempdir()?;
            let launcher = launcher(with_libraries(child.clone(), plugins), &temp, "registry")?;
            let elements = inspect(&launcher, plugins).await?.elements;
            Ok(Self { launcher, child, elements, temp })
        })
    }

    /// A launcher whose children know the plugins of the system alone.
    pub(crate) async fn plain(&self, plugins: &Registry) -> Result<Launcher, Failure> {
        if plugins.library_folders().is_empty() {
            return Ok(self.launcher.clone());
        }
        let plain = launcher(self.child.clone(), &self.temp, "plain-registry")?;
        inspect(&plain, plugins).await?;
        Ok(plain)
    }
}

fn launcher(child: ChildConfig, temp: &TempDir, registry: &str) -> io::Result<Launcher> {
    Launcher::new(child, temp.path(), &temp.path().join(registry))
}

/// Puts the folders of plugin libraries on the path that children search.
pub(crate) fn with_libraries(mut config: ChildConfig, plugins: &Registry) -> ChildConfig {
    let mut folders = plugins.library_folders();
    if folders.is_empty() {
        return config;
    }
    folders.extend(std::env::var_os("GST_PLUGIN_PATH").iter().flat_map(std::env::split_paths));
    match std::env::join_paths(folders) {
        Ok(path) => config.env.push(("GST_PLUGIN_PATH".into(), path)),
        Err(error) => tracing::warn!(%error, "plugin libraries in folders with a colon cannot be loaded"),
    }
    config
}

/// Lets a child find out which elements exist; it also writes the registry file for those after it.
///
/// # Errors
/// When it does not start or does not report.
pub(crate) async fn inspect(launcher: &Launcher, plugins: &Registry) -> Result<Abilities, Failure> {
    let of_plugins = plugins.iter().map(|plugin| plugin.element.clone());
    let elements = of_plugins.chain(needed::names().map(str::to_owned)).collect();
    let spare = launcher.launch(Start::Refresh).await?;
    let isolation = spare.isolation;
    let decoded = needed::decoded().map(str::to_owned).collect();
    let job = Job::Inspect(InspectJob { elements, decoded });
    let watch = launcher.watch();
    match spare.run(job, 0, watch, service::Nothing, &CancellationToken::new()).await {
        Ended::Reported(Ok(Report::Inspect(report))) => {
            Ok(Abilities { elements: report.available.into_iter().collect(), isolation })
        }
        Ended::Reported(Err(failure)) => Err(failure),
        other => Err(Failure::permanent("worker_protocol", "unexpected report", format!("{other:?}"))),
    }
}
