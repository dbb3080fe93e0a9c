//! One log line and one set of counters a request, whatever becomes of it.

use std::time::{Duration, Instant};

use http::{Method, Response};
use hyper::body::Body as _;

use crate::{
    metering,
    request::{Context, logged},
    respond::Body,
};

/// What is logged when the client went away before there was an answer, as nginx does.
const CLIENT_GONE: u16 = 499;

/// The line of a request that takes its time, written when it ends or is given up.
pub(crate) struct Line<'a> {
    context: &'a Context,
    method: Method,
    route: &'static str,
    began: Instant,
    end: End,
}

/// How a request ended.
#[derive(Clone, Copy)]
struct End {
    status: u16,
    bytes: u64,
}

// === impl Line ===

impl<'a> Line<'a> {
    pub(crate) fn begin(context: &'a Context, method: &Method, route: &'static str) -> Self {
        metering::IN_FLIGHT.increment(1.0);
        let end = End { status: CLIENT_GONE, bytes: 0 };
        Self { context, method: method.clone(), route, began: Instant::now(), end }
    }

    pub(crate) fn end(&mut self, response: &Response<Body>) {
        self.end = End::of(response);
    }
}

impl Drop for Line<'_> {
    fn drop(&mut self) {
        metering::IN_FLIGHT.decrement(1.0);
        self.end.tell(self.context, &self.method, self.route, self.began.elapsed());
    }
}

/// Tells of a request that was answered as it came: it was never in flight.
pub(crate) fn tell(context: &Context, method: &Method, route: &'static str, response: &Response<Body>, took: Duration) {
    End::of(response).tell(context, method, route, took);
}

// === impl End ===

impl End {
    fn of(response: &Response<Body>) -> Self {
        Self { status: response.status().as_u16(), bytes: response.body().size_hint().exact().unwrap_or(0) }
    }

    fn tell(self, context: &Context, method: &Method, route: &'static str, took: Duration) {
        let Self { status, bytes } = self;
        metering::count_request(route, status, bytes, took);
        // Paths hold no secrets, and the query, which could, is not here.
        tracing::info!(
            target: "vidstream_origin::access",
            request_id = %context.id,
            client = %context.client,
            peer = %context.peer,
            method = logged(method),
            path = context.path(),
            status,
            bytes,
            took_us = u64::try_from(took.as_micros()).unwrap_or(u64::MAX),
            "request"
        );
    }
}
