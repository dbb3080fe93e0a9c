//! Counters and gauges for `/metrics`, and the bytes that clients have yet to take.

use std::sync::OnceLock;

use bytes::Bytes;
use metrics_exporter_prometheus::{PrometheusBuilder, PrometheusHandle};

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

/// The same bytes, in `vidstream_bytes_in_flight` while anybody holds them.
pub(crate) fn in_flight(bytes: Bytes) -> Bytes {
    if bytes.is_empty() {
        return bytes;
    }
    metrics::gauge!("vidstream_bytes_in_flight").increment(as_f64(bytes.len()));
    Bytes::from_owner(InFlight { bytes })
}

/// A count as a gauge takes it.
#[expect(clippy::cast_precision_loss, reason = "sizes of responses lie far below 2^53")]
pub(crate) fn as_f64(count: usize) -> f64 {
    count as f64
}

impl AsRef<[u8]> for InFlight {
    fn as_ref(&self) -> &[u8] {
        &self.bytes
    }
}

impl Drop for InFlight {
    fn drop(&mut self) {
        metrics::gauge!("vidstream_bytes_in_flight").decrement(as_f64(self.bytes.len()));
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
