//! One log line and one set of counters a request, whatever becomes of it.

use std::time::Instant;

use http::{Method, Response};
use hyper::body::Body as _;

use crate::{request::Context, respond::Body};

/// What is logged when the client went away before there was an answer, as nginx does.
const CLIENT_GONE: u16 = 499;

/// The line of a request, written when it ends or is given up.
pub(crate) struct Line {
    id: String,
    peer: std::net::SocketAddr,
    path: String,
    method: Method,
    route: &'static str,
    began: Instant,
    status: u16,
    bytes: u64,
}

// === impl Line ===

impl Line {
    pub(crate) fn begin(context: &Context, method: &Method, route: &'static str) -> Self {
        metrics::gauge!("vidstream_requests_in_flight").increment(1.0);
        Self {
            id: context.id.clone(),
            peer: context.peer,
            path: context.path.clone(),
            method: method.clone(),
            route,
            began: Instant::now(),
            status: CLIENT_GONE,
            bytes: 0,
        }
    }

    pub(crate) fn end(&mut self, response: &Response<Body>) {
        self.status = response.status().as_u16();
        self.bytes = response.body().size_hint().exact().unwrap_or(0);
    }
}

impl Drop for Line {
    fn drop(&mut self) {
        let took = self.began.elapsed();
        metrics::gauge!("vidstream_requests_in_flight").decrement(1.0);
        metrics::counter!("vidstream_requests_total", "route" => self.route, "status" => self.status.to_string())
            .increment(1);
        metrics::counter!("vidstream_response_bytes_total", "route" => self.route).increment(self.bytes);
        metrics::histogram!("vidstream_request_seconds", "route" => self.route).record(took.as_secs_f64());
        // Paths hold no secrets, and the query, which could, is not here.
        tracing::info!(
            target: "vidstream_origin::access",
            request_id = self.id,
            peer = %self.peer,
            method = %self.method,
            path = self.path,
            status = self.status,
            bytes = self.bytes,
            took_us = u64::try_from(took.as_micros()).unwrap_or(u64::MAX),
            "request"
        );
    }
}
