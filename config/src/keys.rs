//! The table of settings: every key, its default and its meaning.

use std::cmp::Reverse;

/// One setting.
#[derive(Clone, Copy, Debug)]
pub struct Key {
    /// Its name in the file, with dots; in the environment `VIDSTREAM_` and upper case with `_`.
    pub name: &'static str,
    /// What it is when nobody sets it; empty for settings that are derived or absent.
    pub default: &'static str,
    /// One line for people.
    pub help: &'static str,
}

const fn key(name: &'static str, default: &'static str, help: &'static str) -> Key {
    Key { name, default, help }
}

/// All settings.
pub const KEYS: &[Key] = &[
    key("listen", "127.0.0.1:8080", "address of the origin: delivery, API and page"),
    key(
        "admin_listen",
        "127.0.0.1:0",
        "address of /healthz, /readyz and /metrics, of each process its own; port 0 takes a free one, written to DATA/admin.addr, of a packager alone to DATA/packager.addr",
    ),
    key("data", "data", "folder for everything that the embedded defaults store"),
    key("catalog.url", "", "catalog: sqlite:///FILE or postgres://USER@HOST/DATABASE; by default DATA/catalog.sqlite"),
    key("catalog.url_file", "", "file with that URL, if it holds a password"),
    key("catalog.connections", "10", "most connections of a process to a Postgres catalog, besides one that listens"),
    key(
        "store.url",
        "",
        "object store: file:///DIR, s3://BUCKET/PREFIX with AWS_* or AWS_*_FILE variables, or memory://; by default DATA",
    ),
    key(
        "events.url",
        "local:",
        "hints and viewers between processes: local:, or redis://HOST:6379/0, over TLS rediss://",
    ),
    key("events.url_file", "", "file with that URL, if it holds a password"),
    key(
        "tls.cert_file",
        "",
        "certificate chain (PEM); with it and tls.key_file the origin speaks TLS, read again on change",
    ),
    key("tls.key_file", "", "private key of that certificate (PEM)"),
    key("auth.token_file", "", "file with the token that writes must carry; without it writes are loopback only"),
    key("origin.read_only", "false", "serve delivery and reads only; may then listen on any address"),
    key(
        "origin.trusted_proxies",
        "",
        "proxies whose X-Forwarded-For says who asks, by networks and addresses such as 10.0.0.0/8,127.0.0.1; by default whoever connects is the client",
    ),
    key("origin.cache_bytes", "256 MiB", "memory for hot segments"),
    key("upload.bytes_max", "100 GiB", "largest upload"),
    key(
        "retention.expire_after",
        "",
        "how long after its upload a video is deleted, such as 30 days, unless it has an expires_at of its own; by default never",
    ),
    key(
        "retention.orphans_after",
        "7 days",
        "how old an object must be that no row of the catalog names before it is deleted, at least 1 day; empty for never",
    ),
    key("worker.id", "", "stable name of this worker; by default made once and kept in DATA/worker.id"),
    key("worker.slots", "", "chunks encoded side by side; by default one a core, at least 2"),
    key("ladder.heights", "1080,720,480,360,240", "rungs, by their nominal heights"),
    key("ladder.segment_s", "4", "wanted seconds of a segment"),
    key("ladder.gop_s", "2", "wanted seconds between IDR pictures"),
    key("plugins.folders", "", "folders of transcoder plugins, comma-separated"),
    key("plugins.tracks", "", "plugins of single tracks instead of the best ones, such as 720p=x264,trick=openh264"),
];

/// The environment variable of a key.
pub(crate) fn variable(name: &str) -> String {
    format!("VIDSTREAM_{}", name.to_ascii_uppercase().replace('.', "_"))
}

/// The known key that shares the most letters, for messages.
pub(crate) fn nearest(name: &str) -> &'static str {
    // A variable has an underscore where a key has a dot.
    let plain = |byte: u8| if byte == b'_' { b'.' } else { byte };
    let same = |pair: &(u8, u8)| plain(pair.0) == plain(pair.1);
    let score = |key: &&Key| {
        let prefix = key.name.bytes().zip(name.bytes()).take_while(same).count();
        let suffix = key.name.bytes().rev().zip(name.bytes().rev()).take_while(same).count();
        (prefix + suffix, Reverse(key.name.len().abs_diff(name.len())))
    };
    KEYS.iter().max_by_key(score).map_or("", |key| key.name)
}
