//! The typed configuration.

use std::{
    net::SocketAddr,
    ops::RangeInclusive,
    path::{Path, PathBuf},
    str::FromStr,
    time::Duration,
};

use ipnet::IpNet;

use crate::{
    Error, Layers,
    secret::read_secret,
    units::{parse_bytes, parse_duration, parse_network},
};

/// Fewest chunks encoded side by side: two half-loaded pipelines fill the gaps of one another.
const SLOTS_MIN: usize = 2;
/// Most rungs of a ladder, as many as are planned.
const RUNGS_MAX: usize = 10;

/// How long after its creation a video may be deleted by itself.
const EXPIRE_AFTER: RangeInclusive<Duration> = Duration::from_mins(1)..=Duration::from_hours(24 * 36_500);
/// How old an object may be that no row names: what is on its way gets its row long before.
const ORPHANS_AFTER: RangeInclusive<Duration> = Duration::from_hours(24)..=Duration::from_hours(24 * 36_500);

/// Everything that can be set, checked.
#[derive(Clone, Debug, PartialEq)]
pub struct Config {
    /// Address of the origin.
    pub listen: SocketAddr,
    /// Address of the admin listener.
    pub admin_listen: SocketAddr,
    /// Folder of the embedded defaults, absolute.
    pub data: PathBuf,
    /// URL of the catalog.
    pub catalog_url: String,
    /// Most connections to a catalog on a server.
    pub catalog_connections: usize,
    /// URL of hints and viewers between processes.
    pub events_url: String,
    /// URL of the object store.
    pub store_url: String,
    /// Certificate chain and key files, if the origin speaks TLS.
    pub tls_files: Option<(PathBuf, PathBuf)>,
    /// File with the write token.
    pub token_file: Option<PathBuf>,
    /// Whether the origin refuses every write.
    pub read_only: bool,
    /// Proxies whose word is taken on who asks.
    pub trusted_proxies: Vec<IpNet>,
    /// Memory for hot segments, in bytes.
    pub cache_bytes: u64,
    /// Largest upload, in bytes.
    pub upload_bytes_max: u64,
    /// How long after its creation a new video is deleted by itself; never without it.
    pub expire_after: Option<Duration>,
    /// How old an object that no row names must be before it is deleted; never without it.
    pub orphans_after: Option<Duration>,
    /// Stable name of this worker, if set.
    pub worker_id: Option<String>,
    /// Chunks encoded side by side.
    pub worker_slots: usize,
    /// Nominal heights of the rungs, largest first.
    pub ladder_heights: Vec<u16>,
    /// Wanted seconds of a segment.
    pub segment_s: f64,
    /// Wanted seconds between IDR pictures.
    pub gop_s: f64,
    /// Folders of plugins.
    pub plugin_folders: Vec<PathBuf>,
    /// Tracks, by name, that are made by another plugin than the best one, and its name.
    pub plugin_overrides: Vec<(String, String)>,
}

// === impl Config ===

impl Config {
    /// Types and checks the layers.
    pub fn new(layers: &Layers) -> Result<Self, Error> {
        let data = layers.get("data").unwrap_or("data");
        let data = std::path::absolute(data).map_err(|error| fault("data", data, error.to_string()))?;
        Ok(Self {
            listen: parsed(layers, "listen", "an address such as 127.0.0.1:8080")?,
            admin_listen: parsed(layers, "admin_listen", "an address such as 127.0.0.1:9090")?,
            catalog_url: secret(layers, "catalog.url", "catalog.url_file")?
                .unwrap_or_else(|| format!("sqlite://{}", data.join("catalog.sqlite").display())),
            catalog_connections: connections(layers)?,
            events_url: secret(layers, "events.url", "events.url_file")?.unwrap_or_else(|| "local:".to_owned()),
            store_url: layers.get("store.url").map_or_else(|| format!("file://{}", data.display()), str::to_owned),
            data,
            tls_files: tls_files(layers)?,
            token_file: layers.get("auth.token_file").map(PathBuf::from),
            read_only: parsed(layers, "origin.read_only", "true or false")?,
            trusted_proxies: networks(layers)?,
            cache_bytes: bytes(layers, "origin.cache_bytes")?,
            upload_bytes_max: bytes(layers, "upload.bytes_max")?,
            expire_after: duration(layers, "retention.expire_after", EXPIRE_AFTER)?,
            orphans_after: duration(layers, "retention.orphans_after", ORPHANS_AFTER)?,
            worker_id: layers.get("worker.id").map(str::to_owned),
            worker_slots: slots(layers)?,
            ladder_heights: heights(layers)?,
            segment_s: seconds(layers, "ladder.segment_s")?,
            gop_s: seconds(layers, "ladder.gop_s")?,
            plugin_folders: list(layers, "plugins.folders").map(PathBuf::from).collect(),
            plugin_overrides: overrides(layers)?,
        })
    }

    /// A file in the data folder.
    pub fn data_file(&self, name: &str) -> PathBuf {
        self.data.join(Path::new(name))
    }
}

/// Chunks encoded side by side when nobody says: one a core, at least two.
pub fn default_slots() -> usize {
    std::thread::available_parallelism().map_or(SLOTS_MIN, usize::from).max(SLOTS_MIN)
}

fn fault(key: &'static str, value: &str, reason: impl Into<String>) -> Error {
    Error::Value { key, value: value.to_owned(), reason: reason.into() }
}

/// A setting that may also lie in a file of its own.
fn secret(layers: &Layers, key: &'static str, file_key: &'static str) -> Result<Option<String>, Error> {
    let Some(path) = layers.get(file_key).map(PathBuf::from) else { return Ok(layers.get(key).map(str::to_owned)) };
    if layers.has(key) {
        return Err(Error::Both { key, file_key });
    }
    read_secret(&path).map(Some).map_err(|source| Error::Secret { key: file_key, path, source })
}

fn parsed<T: FromStr>(layers: &Layers, key: &'static str, wanted: &str) -> Result<T, Error> {
    let value = layers.get(key).unwrap_or_default();
    value.parse().map_err(|_| fault(key, value, format!("this must be {wanted}")))
}

fn bytes(layers: &Layers, key: &'static str) -> Result<u64, Error> {
    let value = layers.get(key).unwrap_or_default();
    let parsed = parse_bytes(value).filter(|&bytes| bytes > 0);
    parsed.ok_or_else(|| fault(key, value, "this must be a size such as 256 MiB"))
}

/// A length of time between two others; none where nothing is set.
fn duration(layers: &Layers, key: &'static str, fits: RangeInclusive<Duration>) -> Result<Option<Duration>, Error> {
    let Some(value) = layers.get(key) else { return Ok(None) };
    let parsed = parse_duration(value).filter(|duration| fits.contains(duration));
    let min = fits.start().as_secs() / 60;
    parsed
        .map(Some)
        .ok_or_else(|| fault(key, value, format!("this must be a time such as 30 days, from {min} min to 36500 days")))
}

/// Both files or neither: one without the other is a slip that would serve plaintext.
fn tls_files(layers: &Layers) -> Result<Option<(PathBuf, PathBuf)>, Error> {
    match (layers.get("tls.cert_file"), layers.get("tls.key_file")) {
        (Some(cert), Some(key)) => Ok(Some((cert.into(), key.into()))),
        (None, None) => Ok(None),
        (Some(cert), None) => Err(fault("tls.cert_file", cert, "set tls.key_file too")),
        (None, Some(key)) => Err(fault("tls.key_file", key, "set tls.cert_file too")),
    }
}

fn seconds(layers: &Layers, key: &'static str) -> Result<f64, Error> {
    let value: f64 = parsed(layers, key, "seconds, from 0.5 to 20")?;
    let fits = (0.5..=20.0).contains(&value);
    fits.then_some(value).ok_or_else(|| fault(key, &value.to_string(), "this must be seconds, from 0.5 to 20"))
}

fn slots(layers: &Layers) -> Result<usize, Error> {
    if layers.get("worker.slots").is_none() {
        return Ok(default_slots());
    }
    let slots: usize = parsed(layers, "worker.slots", "a number from 1 to 256")?;
    let fits = (1..=256).contains(&slots);
    fits.then_some(slots)
        .ok_or_else(|| fault("worker.slots", &slots.to_string(), "this must be a number from 1 to 256"))
}

fn connections(layers: &Layers) -> Result<usize, Error> {
    const KEY: &str = "catalog.connections";
    let connections: usize = parsed(layers, KEY, "a number from 1 to 1000")?;
    let fits = (1..=1000).contains(&connections);
    fits.then_some(connections)
        .ok_or_else(|| fault(KEY, &connections.to_string(), "this must be a number from 1 to 1000"))
}

fn networks(layers: &Layers) -> Result<Vec<IpNet>, Error> {
    const KEY: &str = "origin.trusted_proxies";
    let wanted = "this must be a network or an address, such as 10.0.0.0/8 or 127.0.0.1";
    list(layers, KEY).map(|item| parse_network(item).ok_or_else(|| fault(KEY, item, wanted))).collect()
}

fn overrides(layers: &Layers) -> Result<Vec<(String, String)>, Error> {
    const KEY: &str = "plugins.tracks";
    let wanted = |pair: &str| fault(KEY, pair, "this must be a track and a plugin, such as 720p=x264");
    let split = |pair: &str| {
        let (track, plugin) = pair.split_once('=').ok_or_else(|| wanted(pair))?;
        Ok((track.trim().to_owned(), plugin.trim().to_owned()))
    };
    list(layers, KEY).map(split).collect()
}

fn heights(layers: &Layers) -> Result<Vec<u16>, Error> {
    const KEY: &str = "ladder.heights";
    let text = layers.get(KEY).unwrap_or_default();
    let wanted = || fault(KEY, text, format!("this must be 1 to {RUNGS_MAX} heights from 16 to 4320, such as 720,360"));
    let parsed: Result<Vec<u16>, _> = list(layers, KEY).map(str::parse).collect();
    let mut heights = parsed.map_err(|_| wanted())?;
    heights.sort_unstable_by(|a, b| b.cmp(a));
    heights.dedup();
    let fits =
        !heights.is_empty() && heights.len() <= RUNGS_MAX && heights.iter().all(|height| (16..=4320).contains(height));
    if fits { Ok(heights) } else { Err(wanted()) }
}

fn list<'a>(layers: &'a Layers, key: &'static str) -> impl Iterator<Item = &'a str> {
    layers.get(key).unwrap_or_default().split(',').map(str::trim).filter(|item| !item.is_empty())
}
