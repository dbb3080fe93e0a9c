//! Counters and gauges for `/metrics`, and the bytes that clients have yet to take.

use std::{
    mem,
    sync::{Arc, LazyLock, Mutex, OnceLock, PoisonError},
    time::Duration,
};

use bytes::Bytes;
use metrics::{Counter, Gauge, Histogram};
use metrics_exporter_prometheus::{PrometheusBuilder, PrometheusHandle};

/// Fewer bytes than this fit any socket's buffer.
const BYTES_COUNTED_MIN: usize = 16 << 10;
/// Requests of one route that a thread counts before it writes to the counters that all threads share.
const TALLIED_MAX: usize = 128;

/// Requests that are being answered. This and what follows is registered once: looking a name up for each
/// request would cost as much as the rest of an answer from memory.
pub(crate) static IN_FLIGHT: LazyLock<Gauge> = LazyLock::new(|| metrics::gauge!("vidstream_requests_in_flight"));
/// Bytes that were handed to connections and not taken yet.
static BYTES_IN_FLIGHT: LazyLock<Gauge> = LazyLock::new(|| metrics::gauge!("vidstream_bytes_in_flight"));
/// Stored bytes that were in memory.
static CACHE_HITS: LazyLock<Counter> = LazyLock::new(|| metrics::counter!("vidstream_cache_hits_total"));

/// What an origin counts of events that may never come. Prometheus sees the first of them only as a step from 0.
const RARE: [&str; 14] = [
    "vidstream_accept_failures_total",
    "vidstream_cache_misses_total",
    "vidstream_hints_lost_total",
    "vidstream_panics_total",
    "vidstream_redis_lost_total",
    "vidstream_slow_readers_total",
    "vidstream_sockets_slow_total",
    "vidstream_store_corrupt_total",
    "vidstream_store_failures_total",
    "vidstream_store_reads_total",
    "vidstream_tls_handshake_failures_total",
    "vidstream_upload_bytes_total",
    "vidstream_views_counted_total",
    "vidstream_views_stale_total",
];
/// What an origin has some of at times.
const PASSING: [&str; 3] = ["vidstream_connections", "vidstream_segments_waiting", "vidstream_sockets"];
/// How a change of certificates can end.
const RELOADS_END: [&str; 2] = ["served", "refused"];
/// How the wait for a segment can end.
const WAITS_END: [&str; 4] = ["served", "timeout", "gone", "refused"];

/// The tallies of all threads.
static TALLIES: Mutex<Vec<Arc<Mutex<Tally>>>> = Mutex::new(Vec::new());

/// What one thread has counted and what is not in the counters yet, which all threads share.
#[derive(Default)]
struct Tally {
    /// Some dozens at most: there are few routes, and few statuses of each.
    known: Vec<Counted>,
    cache_hits: u64,
}

/// What is counted of the requests of one route with one status.
struct Counted {
    route: &'static str,
    status: u16,
    requests: Counter,
    bytes: Counter,
    seconds: Histogram,
    /// Bytes of answers that are not in `bytes` yet.
    tallied_bytes: u64,
    /// The times of requests that are not in `requests` and `seconds` yet.
    tallied_s: Vec<f64>,
}

/// Bytes handed to a connection, counted until the last of them is written or given up.
struct InFlight {
    bytes: Bytes,
}

/// The text of `/metrics`.
pub(crate) fn render() -> String {
    add_up();
    handle().render()
}

/// Starts counting; the first listener of a process does it for all of them.
pub(crate) fn start() {
    handle();
}

/// Starts counting as an origin does: what has not happened yet is in `/metrics` with 0.
pub(crate) fn start_origin() {
    start();
    for name in RARE {
        metrics::counter!(name).increment(0);
    }
    for name in PASSING {
        metrics::gauge!(name).increment(0.0);
    }
    for outcome in WAITS_END {
        metrics::counter!("vidstream_segment_waits_total", "outcome" => outcome).increment(0);
    }
    for outcome in RELOADS_END {
        metrics::counter!("vidstream_tls_reloads_total", "outcome" => outcome).increment(0);
    }
    CACHE_HITS.increment(0);
    IN_FLIGHT.increment(0.0);
    BYTES_IN_FLIGHT.increment(0.0);
}

/// Forgets old samples, which nobody else does.
pub(crate) fn upkeep() {
    add_up();
    handle().run_upkeep();
}

/// Counts a request that has ended.
pub(crate) fn count_request(route: &'static str, status: u16, bytes: u64, took: Duration) {
    tallied(|tally| tally.count(route, status, bytes, took));
}

/// Counts stored bytes that were in memory.
pub(crate) fn count_cache_hit() {
    tallied(|tally| tally.cache_hits += 1);
}

/// Has this thread's own tally count.
fn tallied(count: impl FnOnce(&mut Tally)) {
    thread_local! {
        static OWN: Arc<Mutex<Tally>> = {
            let tally = Arc::default();
            TALLIES.lock().unwrap_or_else(PoisonError::into_inner).push(Arc::clone(&tally));
            tally
        };
    }
    OWN.with(|own| count(&mut own.lock().unwrap_or_else(PoisonError::into_inner)));
}

/// Brings the counters up to date. A thread that ends cannot do it: the recorder's own thread-locals may be gone by then.
fn add_up() {
    TALLIES.lock().unwrap_or_else(PoisonError::into_inner).retain(|tally| {
        // Asked first: what a thread counts while it ends is added up the next time.
        let lives = Arc::strong_count(tally) > 1;
        tally.lock().unwrap_or_else(PoisonError::into_inner).add_up();
        lives
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

// === impl Tally ===

impl Tally {
    fn count(&mut self, route: &'static str, status: u16, bytes: u64, took: Duration) {
        let is_it = |one: &&mut Counted| one.status == status && std::ptr::eq(one.route, route);
        if let Some(one) = self.known.iter_mut().find(is_it) {
            return one.count(bytes, took);
        }
        let mut one = Counted::register(route, status);
        one.count(bytes, took);
        self.known.push(one);
    }

    fn add_up(&mut self) {
        CACHE_HITS.increment(mem::take(&mut self.cache_hits));
        self.known.iter_mut().for_each(Counted::add_up);
    }
}

// === impl Counted ===

impl Counted {
    fn count(&mut self, bytes: u64, took: Duration) {
        self.tallied_bytes = self.tallied_bytes.saturating_add(bytes);
        self.tallied_s.push(took.as_secs_f64());
        if self.tallied_s.len() >= TALLIED_MAX {
            self.add_up();
        }
    }

    fn add_up(&mut self) {
        self.requests.increment(self.tallied_s.len() as u64);
        self.bytes.increment(mem::take(&mut self.tallied_bytes));
        self.tallied_s.drain(..).for_each(|seconds| self.seconds.record(seconds));
    }

    fn register(route: &'static str, status: u16) -> Self {
        Self {
            route,
            status,
            requests: metrics::counter!("vidstream_requests_total", "route" => route, "status" => status.to_string()),
            bytes: metrics::counter!("vidstream_response_bytes_total", "route" => route),
            seconds: metrics::histogram!("vidstream_request_seconds", "route" => route),
            tallied_bytes: 0,
            tallied_s: Vec::with_capacity(TALLIED_MAX),
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

#[cfg(test)]
mod tests {
    use std::thread;

    use super::*;

    #[test]
    fn an_origin_tells_of_what_has_not_happened_yet() {
        start_origin();
        let text = render();
        let names = RARE.iter().chain(&PASSING).map(|name| format!("{name} "));
        let waits = WAITS_END.iter().map(|end| format!(r#"vidstream_segment_waits_total{{outcome="{end}"}} "#));
        let reloads = RELOADS_END.iter().map(|end| format!(r#"vidstream_tls_reloads_total{{outcome="{end}"}} "#));
        for start in names.chain(waits).chain(reloads) {
            assert!(text.lines().any(|line| line.starts_with(&start)), "{start} in {text}");
        }
    }

    #[test]
    fn what_threads_count_adds_up_while_they_live_and_when_they_are_gone() {
        start();
        // So many that each thread adds up by itself and has some left.
        let each = TALLIED_MAX * 2 + 1;
        let count = move || (0..each).for_each(|_| count_request("test", 200, 10, Duration::from_millis(1)));
        (0..3).for_each(|_| thread::spawn(count).join().unwrap());
        count();
        let text = render();
        let total = each * 4;
        for line in [
            format!(r#"vidstream_requests_total{{route="test",status="200"}} {total}"#),
            format!(r#"vidstream_response_bytes_total{{route="test"}} {}"#, total * 10),
            format!(r#"vidstream_request_seconds_count{{route="test"}} {total}"#),
        ] {
            assert!(text.lines().any(|found| found == line), "{line} in {text}");
        }
    }
}
