//! What is known of a request beside its headers: an id, who asks, and for what.

use std::{
    net::SocketAddr,
    sync::{
        OnceLock,
        atomic::{AtomicU64, Ordering},
    },
};

/// The request at hand.
#[derive(Clone, Debug)]
pub(crate) struct Context {
    /// Unique to the request, in logs and in problem documents.
    pub(crate) id: String,
    /// The other end of the connection. Headers are not asked: anybody can set them.
    pub(crate) peer: SocketAddr,
    /// The path, without the query, cut to what a log line bears.
    pub(crate) path: String,
}

/// Characters of a path that are kept.
const PATH_CHARS_MAX: usize = 256;

// === impl Context ===

impl Context {
    /// A context with a fresh id.
    pub(crate) fn new(peer: SocketAddr, path: &str) -> Self {
        Self { id: fresh_id(), peer, path: path.chars().take(PATH_CHARS_MAX).collect() }
    }
}

/// Ids count up from the time of start, so that no two runs share one.
fn fresh_id() -> String {
    static NEXT: OnceLock<AtomicU64> = OnceLock::new();
    // The upper half of a UUID version 7 is mostly milliseconds; a run never has as many requests as it skips.
    let start = || AtomicU64::new(uuid::Uuid::now_v7().as_u64_pair().0);
    format!("req_{:016x}", NEXT.get_or_init(start).fetch_add(1, Ordering::Relaxed))
}
