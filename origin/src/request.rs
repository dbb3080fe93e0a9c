//! What is known of a request beside its headers: an id, who asks, and for what.

use std::{
    fmt,
    net::SocketAddr,
    sync::{
        LazyLock,
        atomic::{AtomicU64, Ordering},
    },
};

use http::Uri;

/// The request at hand.
#[derive(Clone, Debug)]
pub(crate) struct Context {
    /// Unique to the request, in logs and in problem documents.
    pub(crate) id: Id,
    /// The other end of the connection. Headers are not asked: anybody can set them.
    pub(crate) peer: SocketAddr,
    uri: Uri,
}

/// The id of a request; its text is made only where somebody reads it.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Id(u64);

/// Bytes of a path that are kept.
const PATH_BYTES_MAX: usize = 256;

// === impl Context ===

impl Context {
    /// A context with a fresh id.
    pub(crate) fn new(peer: SocketAddr, uri: Uri) -> Self {
        Self { id: Id::fresh(), peer, uri }
    }

    /// The path, without the query, cut to what a log line bears.
    pub(crate) fn path(&self) -> &str {
        let path = self.uri.path();
        path.get(..path.floor_char_boundary(PATH_BYTES_MAX)).unwrap_or_default()
    }
}

// === impl Id ===

impl Id {
    /// Ids count up from the time of start, so that no two runs share one.
    fn fresh() -> Self {
        // The upper half of a UUID version 7 is mostly milliseconds; a run never has as many requests as it skips.
        static NEXT: LazyLock<AtomicU64> = LazyLock::new(|| AtomicU64::new(uuid::Uuid::now_v7().as_u64_pair().0));
        Self(NEXT.fetch_add(1, Ordering::Relaxed))
    }
}

impl fmt::Display for Id {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "req_{:016x}", self.0)
    }
}
