//! Counters and gauges for `/metrics`, and the bytes that clients have yet to take.

use std::{
    cell::RefCell,
    sync::{LazyLock, OnceLock},
    time::Duration,
};

use bytes::Bytes;
use metrics::{Counter, Gauge, Histogram};
use metrics_exporter_prometheus::{PrometheusBuilder, PrometheusHandle};

/// Fewer bytes than this fit any socket's buffer.
const BYTES_COUNTED_MIN: usize = 16 << 10;

/// Requests that are being answered. This and what follows is registered once: looking a name up for each
/// request would cost as much as the rest of an answer from memory.
pub(crate) static IN_FLIGHT: LazyLock<Gauge> = LazyLock::new(|| metrics::gauge!("vidstream_requests_in_flight"));
/// Bytes that were handed to connections and not taken yet.
static BYTES_IN_FLIGHT: LazyLock<Gauge> = LazyLock::new(|| metrics::gauge!("vidstream_bytes_in_flight"));
/// Stored bytes that were in memory.
pub(crate) static CACHE_HITS: LazyLock<Counter> = LazyLock::new(|| metrics::counter!("vidstream_cache_hits_total"));

/// What is counted of the requests of one route with one status.
struct Counted {
    route: &'static str,
    status: u16,
    requests: Counter,
    bytes: Counter,
    seconds: Histogram,
}

/// Bytes handed to a connection, counted until the last of them is written or given up.
struct InFlight {
    bytes: Bytes,
}

/// The text of `/metrics`.
pub(crate) fn render() -> String {
    handle().render()
}

/// Starts counting; the first origin of a process does it for all of them.
pub(crate) fn start() {
    handle();
}

/// Forgets old samples, which nobody else does.
pub(crate) fn upkeep() {
    handle().run_upkeep();
}

/// Counts a request that has ended.
pub(crate) fn count_request(route: &'static str, status: u16, bytes: u64, took: Duration) {
    thread_local! {
        // Some dozens at most: there are few routes, and few statuses of each.
        static KNOWN: RefCell<Vec<Counted>> = const { RefCell::new(Vec::new()) };
    }
    KNOWN.with_borrow_mut(|known| {
        let place = known.iter().position(|one| one.status == status && std::ptr::eq(one.route, route));
        let place = place.unwrap_or_else(|| {
            known.push(Counted::register(route, status));
            known.len() - 1
        });
        if let Some(one) = known.get(place) {
            one.requests.increment(1);
            one.bytes.increment(bytes);
            one.seconds.record(took.as_secs_f64());
        }
    });
}

/// The same bytes, in `vidstream_bytes_in_flight` while anybody holds them; few bytes are with the kernel at once.
pub(crate) fn in_flight(bytes: Bytes) -> Bytes {
    if bytes.len() < BYTES_COUNTED_MIN {
        return bytes;
    }
    BYTES_IN_FLIGHT.increment(as_f64(bytes.len()));
    Bytes::from_owner(InFlight { bytes })
}

/// A count as a gauge takes it.
#[expect(clippy::cast_precision_loss, reason = "sizes of responses lie far below 2^53")]
pub(crate) fn as_f64(count: usize) -> f64 {
    count as f64
}

// === impl Counted ===

impl Counted {
    fn register(route: &'static str, status: u16) -> Self {
        Self {
            route,
            status,
            requests: metrics::counter!("vidstream_requests_total", "route" => route, "status" => status.to_string()),
            bytes: metrics::counter!("vidstream_response_bytes_total", "route" => route),
            seconds: metrics::histogram!("vidstream_request_seconds", "route" => route),
        }
    }
}

impl AsRef<[u8]> for InFlight {
    fn as_ref(&self) -> &[u8] {
        &self.bytes
    }
}

impl Drop for InFlight {
    fn drop(&mut self) {
        BYTES_IN_FLIGHT.decrement(as_f64(self.bytes.len()));
    }
}

fn handle() -> &'static PrometheusHandle {
    static HANDLE: OnceLock<PrometheusHandle> = OnceLock::new();
    HANDLE.get_or_init(|| {
        let recorder = PrometheusBuilder::new().build_recorder();
        let handle = recorder.handle();
        if metrics::set_global_recorder(recorder).is_err() {
            tracing::warn!("another recorder of metrics is installed; /metrics stays empty");
        }
        handle
    })
}
