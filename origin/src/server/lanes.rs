//! Threads that serve connections, each with a runtime, a poller and connections of its own.
//!
//! On a runtime whose threads share their work, a request that arrives wakes a second thread to look for more:
//! 0.4 futex calls a request, and a connection that moves from core to core. Here nothing is shared, and a
//! request is one `recv` and one `writev`.

use std::{
    future::Future,
    io,
    sync::{
        Arc,
        atomic::{AtomicUsize, Ordering},
    },
    thread,
};

use tokio::{
    runtime::{Builder, Handle},
    task::JoinSet,
};
use tokio_util::sync::{CancellationToken, DropGuard};

use crate::lane;

/// The threads. What still runs there ends when they are dropped.
pub(super) struct Lanes {
    lanes: Vec<Lane>,
    _end: DropGuard,
}

struct Lane {
    runtime: Handle,
    connections: Arc<AtomicUsize>,
}

/// Counts a connection of a lane as long as it lives.
struct Counted(Arc<AtomicUsize>);

// === impl Lanes ===

impl Lanes {
    /// As many threads as there are cores.
    pub(super) fn start() -> io::Result<Self> {
        let end = CancellationToken::new();
        let lanes = (0..lane::count()).map(|number| Lane::start(number, end.clone())).collect::<io::Result<_>>()?;
        Ok(Self { lanes, _end: end.drop_guard() })
    }

    /// Runs a connection where the fewest are.
    pub(super) fn spawn(&self, set: &mut JoinSet<()>, connection: impl Future<Output = ()> + Send + 'static) {
        let Some(lane) = self.lanes.iter().min_by_key(|lane| lane.connections.load(Ordering::Relaxed)) else { return };
        let counted = Counted::new(&lane.connections);
        let connection = async move {
            connection.await;
            drop(counted);
        };
        set.spawn_on(connection, &lane.runtime);
    }
}

// === impl Lane ===

impl Lane {
    fn start(number: usize, end: CancellationToken) -> io::Result<Self> {
        let runtime = Builder::new_current_thread().enable_all().build()?;
        let handle = runtime.handle().clone();
        thread::Builder::new().name("lane".into()).spawn(move || {
            lane::enter(number);
            runtime.block_on(end.cancelled());
            // A blocked file operation must not keep the thread.
            runtime.shutdown_background();
        })?;
        Ok(Self { runtime: handle, connections: Arc::default() })
    }
}

// === impl Counted ===

impl Counted {
    fn new(connections: &Arc<AtomicUsize>) -> Self {
        connections.fetch_add(1, Ordering::Relaxed);
        Self(Arc::clone(connections))
    }
}

impl Drop for Counted {
    fn drop(&mut self) {
        self.0.fetch_sub(1, Ordering::Relaxed);
    }
}
