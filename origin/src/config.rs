//! What an origin is started with.

use std::{net::SocketAddr, path::PathBuf, time::Duration};

use ipnet::IpNet;

/// The settings of an origin. [`Config::new`] has the defaults.
#[derive(Clone, Debug)]
pub struct Config {
    /// Address of delivery, API and page. Anything but loopback needs a token or `read_only`.
    pub listen: SocketAddr,
    /// Address of `/healthz`, `/readyz` and `/metrics`.
    pub admin_listen: SocketAddr,
    /// Certificate and key; with them `listen` speaks TLS, without them plaintext.
    pub tls: Option<TlsFiles>,
    /// File with the token that writes must carry.
    pub token_file: Option<PathBuf>,
    /// Whether every write is refused.
    pub read_only: bool,
    /// Proxies whose `X-Forwarded-For` says who asks. Without any, whoever connects is the client.
    pub trusted_proxies: Vec<IpNet>,
    /// Memory for hot segments, in bytes.
    pub cache_bytes: u64,
    /// Largest upload, in bytes.
    pub upload_bytes_max: u64,
    /// How long after its creation a new video is deleted by itself; never without it.
    pub expire_after: Option<Duration>,
    /// How long things may take.
    pub patience: Patience,
}

/// Where certificate and key are. Both are read again when they change.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct TlsFiles {
    /// The certificate and those that lead from it to a root, in PEM form, in this order.
    pub cert: PathBuf,
    /// Its private key, in PEM form.
    pub key: PathBuf,
}

/// How long the origin waits for others.
#[derive(Clone, Copy, Debug)]
pub struct Patience {
    /// How long a request for a pending segment waits before it answers 503. Shaka gives up for good on longer holds.
    pub segment_wait: Duration,
    /// How long a TLS handshake may take.
    pub handshake: Duration,
    /// How often the files of certificate and key are looked at.
    pub tls_poll: Duration,
    /// How long a client may take for the headers of a request; also how long an idle connection is kept.
    pub header_read: Duration,
    /// How long an upload may pause between two pieces of its body.
    pub body_idle: Duration,
    /// A blocked reader must take a minimum of bytes within each of these, or its connection is closed.
    pub write_stall: Duration,
    /// How long one WebSocket frame may take to leave before the socket counts as slow.
    pub socket_send: Duration,
    /// How long requests may take to end once shutdown began.
    pub drain: Duration,
    /// How long the catalog may take for the last views then, before they are left with Redis.
    pub last_views: Duration,
}

// === impl Config ===

impl Config {
    /// The defaults, on these addresses.
    pub fn new(listen: SocketAddr, admin_listen: SocketAddr) -> Self {
        Self {
            listen,
            admin_listen,
            tls: None,
            token_file: None,
            read_only: false,
            trusted_proxies: Vec::new(),
            cache_bytes: 256 << 20,
            upload_bytes_max: 100 << 30,
            expire_after: None,
            patience: Patience::default(),
        }
    }
}

// === impl Patience ===

impl Default for Patience {
    fn default() -> Self {
        Self {
            segment_wait: Duration::from_secs(8),
            handshake: Duration::from_secs(10),
            tls_poll: Duration::from_secs(5),
            header_read: Duration::from_secs(20),
            body_idle: Duration::from_secs(30),
            write_stall: Duration::from_secs(30),
            socket_send: Duration::from_secs(10),
            // With the clean-up and the last views after it, a stop takes less than five seconds.
            drain: Duration::from_secs(3),
            last_views: Duration::from_secs(1),
        }
    }
}
