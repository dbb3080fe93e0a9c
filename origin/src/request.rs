//! What is known of a request beside its headers: an id, who asks, and for what.

use std::{
    cell::Cell,
    fmt,
    net::{IpAddr, SocketAddr},
    ops::Range,
    sync::{
        LazyLock,
        atomic::{AtomicU64, Ordering},
    },
};

use http::{Method, Uri};

/// The request at hand.
#[derive(Clone, Debug)]
pub(crate) struct Context {
    /// Unique to the request, in logs and in problem documents.
    pub(crate) id: Id,
    /// The other end of the connection. Headers are not asked: anybody can set them.
    pub(crate) peer: SocketAddr,
    /// By whom requests are counted: the peer or, if that is a trusted proxy, whom it names. No right hangs on it.
    pub(crate) client: IpAddr,
    uri: Uri,
}

/// The id of a request; its text is made only where somebody reads it.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Id(u64);

/// Ids that a thread takes at once.
const BLOCK_IDS: u64 = 1024;
/// Bytes of a path that are kept.
const PATH_BYTES_MAX: usize = 256;
/// Bytes of a method that are logged: a client may send a word as long as a whole head.
const METHOD_BYTES_MAX: usize = 32;

// === impl Context ===

impl Context {
    /// A context with a fresh id.
    pub(crate) fn new(peer: SocketAddr, client: IpAddr, uri: Uri) -> Self {
        Self { id: Id::fresh(), peer, client, uri }
    }

    /// The path, without the query, cut to what a log line bears.
    pub(crate) fn path(&self) -> &str {
        cut(self.uri.path(), PATH_BYTES_MAX)
    }
}

/// The method, cut to what a log line bears.
pub(crate) fn logged(method: &Method) -> &str {
    cut(method.as_str(), METHOD_BYTES_MAX)
}

fn cut(text: &str, bytes_max: usize) -> &str {
    text.get(..text.floor_char_boundary(bytes_max)).unwrap_or_default()
}

// === impl Id ===

impl Id {
    /// Ids count up from the time of start, so that no two runs share one.
    fn fresh() -> Self {
        // The upper half of a UUID version 7 is mostly milliseconds; a run never has as many requests as it skips.
        static NEXT: LazyLock<AtomicU64> = LazyLock::new(|| AtomicU64::new(uuid::Uuid::now_v7().as_u64_pair().0));
        thread_local! {
            // A block of them for each thread, so that threads do not write to one place for every request.
            static BLOCK: Cell<Range<u64>> = const { Cell::new(0..0) };
        }
        let mut block = BLOCK.take();
        let id = block.next().unwrap_or_else(|| {
            let first = NEXT.fetch_add(BLOCK_IDS, Ordering::Relaxed);
            block = first + 1..first + BLOCK_IDS;
            first
        });
        BLOCK.set(block);
        Self(id)
    }
}

impl fmt::Display for Id {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "req_{:016x}", self.0)
    }
}

#[cfg(test)]
mod tests {
    use std::{collections::HashSet, thread};

    use super::*;

    #[test]
    fn no_two_requests_have_one_id_whatever_thread_they_are_on() {
        let ids = || (0..=2 * BLOCK_IDS).map(|_| Id::fresh().0).collect::<Vec<_>>();
        let threads: Vec<_> = (0..4).map(|_| thread::spawn(ids)).collect();
        let all: Vec<u64> = threads.into_iter().flat_map(|thread| thread.join().unwrap()).collect();
        assert_eq!(all.iter().collect::<HashSet<_>>().len(), all.len());
    }

    #[test]
    fn a_log_line_has_so_much_of_a_path_and_of_a_method_and_not_a_byte_more() {
        let path = |bytes: usize| format!("/{}?secret", "x".repeat(bytes - 1)).parse().unwrap();
        let shown = |bytes| Context::new(([127, 0, 0, 1], 1).into(), [127, 0, 0, 1].into(), path(bytes)).path().len();
        assert_eq!([PATH_BYTES_MAX, PATH_BYTES_MAX + 1].map(shown), [PATH_BYTES_MAX; 2]);
        let word = |bytes| Method::from_bytes("M".repeat(bytes).as_bytes()).unwrap();
        let shown = |bytes| logged(&word(bytes)).len();
        assert_eq!([METHOD_BYTES_MAX, METHOD_BYTES_MAX + 1, 30_000].map(shown), [METHOD_BYTES_MAX; 3]);
    }
}
