//! The worker's side: children, what they are served, and the loop that claims jobs.

use std::{collections::BTreeSet, fs, io, path::PathBuf, sync::Arc};

use futures_util::future::BoxFuture;
use tokio_util::sync::CancellationToken;
use vidstream_catalog::Catalog;
use vidstream_media::{Track, ladder, timeline};
use vidstream_plugins::{Kind, Plugin, Registry};
use vidstream_store::Store;

use crate::{
    elements::{self, Abilities, needed},
    jobs::Context,
    protocol::{EncoderChoice, Encoders, Failure},
};

pub(crate) mod backend;
mod claims;
mod convert;
pub(crate) mod health;
mod identity;
pub(crate) mod lease;
mod log;
pub(crate) mod patience;
pub mod process;
pub mod pulse;
pub mod service;
mod slots;
pub(crate) mod source;
pub(crate) mod spares;
mod strides;
pub mod watch;

pub use health::Health;
pub use identity::Identity;
pub use slots::Slots;

use process::{ChildConfig, Launcher};
use spares::Spares;

/// Codec of all video tracks.
const VIDEO_CODEC: &str = "h264";
/// Codec of all audio tracks.
const AUDIO_CODEC: &str = "aac";

/// What a worker is made from.
#[derive(Clone, Debug)]
pub struct Config {
    /// Folder for temporary files and the GStreamer registry.
    pub data: PathBuf,
    /// How many jobs run side by side.
    pub slots: Slots,
    /// How children are started and limited.
    pub child: ChildConfig,
    /// Which renditions are planned.
    pub ladder: ladder::Config,
    /// How the grid is planned.
    pub timeline: timeline::Config,
    /// Tracks that are made by another plugin than the best one, by its name.
    pub overrides: Vec<(Track, String)>,
}

/// The catalog, the objects and the plugins that a worker works with.
#[derive(Clone)]
pub struct Parts {
    /// The catalog.
    pub catalog: Catalog,
    /// The objects.
    pub store: Store,
    /// The plugins.
    pub plugins: Arc<Registry>,
}

/// A worker that is ready to claim jobs.
pub struct Worker {
    identity: Identity,
    slots: Slots,
    context: Arc<Context>,
    encoders: BTreeSet<(String, String)>,
}

/// A worker cannot start.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// Its folders cannot be made.
    #[error("the worker's folder {path} cannot be prepared: {source}")]
    Folder {
        /// The folder.
        path: PathBuf,
        /// The cause.
        #[source]
        source: io::Error,
    },
    /// Children do not start, or GStreamer does not in them.
    #[error("children do not start: {0}")]
    Child(Failure),
    /// Elements that every worker needs are not there.
    #[error("these GStreamer elements are not installed: {elements}")]
    NoElements {
        /// They, with their Debian packages.
        elements: String,
    },
    /// No plugin for a codec has its GStreamer element installed.
    #[error("no plugin makes {codec} here; install one of these GStreamer elements: {elements}")]
    NoEncoder {
        /// The codec.
        codec: &'static str,
        /// Elements of the known plugins, with their Debian packages.
        elements: String,
    },
    /// A plugin that a track is to be made by cannot do that.
    #[error("{track} cannot be made by {plugin}: {reason}")]
    Override {
        /// The track.
        track: Track,
        /// The plugin.
        plugin: String,
        /// Why not.
        reason: String,
    },
}

// === impl Worker ===

impl Worker {
    /// Prepares folders, lets a child look at the GStreamer plugins, and chooses the encoders.
    pub fn start(config: Config, parts: Parts, identity: Identity) -> BoxFuture<'static, Result<Self, Error>> {
        Box::pin(async move {
            let temp = config.data.join("children").join(&identity.id);
            let registry = config.data.join("gstreamer-registry.bin");
            fresh_folder(&temp)?;
            let launcher =
                Launcher::new(elements::with_libraries(config.child.clone(), &parts.plugins), &temp, &registry)
                    .map_err(|source| Error::Folder { path: temp, source })?;
            let abilities = elements::inspect(&launcher, &parts.plugins).await.map_err(Error::Child)?;
            if let Some(elements) = needed::missing(&abilities.elements) {
                return Err(Error::NoElements { elements });
            }
            let encoders = Encoders {
                video: choose(&parts.plugins, Kind::VideoEncoder, VIDEO_CODEC, &abilities)?,
                audio: choose(&parts.plugins, Kind::AudioEncoder, AUDIO_CODEC, &abilities)?,
                overrides: overrides(&parts.plugins, &config.overrides, &abilities)?,
            };
            let available = parts.plugins.iter().filter(|plugin| abilities.elements.contains(&plugin.element));
            let claimed: BTreeSet<_> = available.map(|plugin| (plugin.name.clone(), plugin.version.clone())).collect();
            tracing::info!(
                worker = identity.id, isolation = ?abilities.isolation,
                video = encoders.video.plugin, audio = encoders.audio.plugin,
                "worker is ready"
            );
            let slots = config.slots;
            let context = Arc::new(Context::new(config, parts, Spares::new(launcher), encoders));
            Ok(Self { identity, slots, context, encoders: claimed })
        })
    }

    /// Tells, also while it runs, whether it could do a job.
    pub fn health(&self) -> Health {
        Health::new(Arc::clone(&self.context))
    }

    /// Claims and does jobs until `shutdown`. Then children are killed and claims given back, within
    /// a few seconds.
    pub fn run(self, shutdown: CancellationToken) -> BoxFuture<'static, ()> {
        Box::pin(async move {
            let worker = vidstream_catalog::Worker { id: self.identity.id.clone(), encoders: self.encoders };
            let context = Arc::clone(&self.context);
            let warm_stop = shutdown.clone();
            let warm = tokio::spawn(async move { context.spares.keep_warm(&warm_stop).await });
            claims::run(self.context, worker, self.slots, shutdown).await;
            if let Err(error) = warm.await {
                tracing::error!(%error, "the task that keeps a spare child failed");
            }
            tracing::info!(worker = self.identity.id, "worker has ended");
        })
    }
}

/// An empty folder: what a killed worker of the same id left is removed.
fn fresh_folder(path: &PathBuf) -> Result<(), Error> {
    let of = |source| Error::Folder { path: path.clone(), source };
    match fs::remove_dir_all(path) {
        Err(error) if error.kind() != io::ErrorKind::NotFound => return Err(of(error)),
        _ => {}
    }
    fs::create_dir_all(path).map_err(of)
}

fn choose(plugins: &Registry, kind: Kind, codec: &'static str, abilities: &Abilities) -> Result<EncoderChoice, Error> {
    let candidates = plugins.candidates(kind, codec, |element| abilities.elements.contains(element));
    let Some(best) = candidates.first() else {
        let known = plugins.candidates(kind, codec, |_| true);
        let elements = known.iter().map(|plugin| needed::packaged(&plugin.element)).collect::<Vec<_>>().join(", ");
        return Err(Error::NoEncoder { codec, elements });
    };
    Ok(pin(best))
}

/// The plugins that single tracks ask for, each able to make its track.
fn overrides(
    plugins: &Registry,
    wanted: &[(Track, String)],
    abilities: &Abilities,
) -> Result<Vec<(Track, EncoderChoice)>, Error> {
    let able = |(track, name): &(Track, String)| {
        let refused = |reason: String| Error::Override { track: *track, plugin: name.clone(), reason };
        let (kind, codec) =
            if track.is_video() { (Kind::VideoEncoder, VIDEO_CODEC) } else { (Kind::AudioEncoder, AUDIO_CODEC) };
        let plugin = plugins.get(name).ok_or_else(|| refused("there is no such plugin".to_owned()))?;
        if plugin.kind != kind || plugin.codec != codec {
            return Err(refused(format!("it does not make {codec}")));
        }
        if let Some(promise) = plugin.lacks() {
            return Err(refused(format!("it does not promise {promise}, which plans need")));
        }
        if !abilities.elements.contains(&plugin.element) {
            return Err(refused(format!("its GStreamer element {} is not installed", plugin.element)));
        }
        Ok((*track, pin(plugin)))
    };
    wanted.iter().map(able).collect()
}

fn pin(plugin: &Plugin) -> EncoderChoice {
    EncoderChoice { plugin: plugin.name.clone(), version: plugin.version.clone(), codec: plugin.codec.clone() }
}
