//! Whole answers, kept while the view that they were made from is fresh.
//!
//! Most requests are for what was sent to somebody else a moment ago. Such a request costs one look-up: nothing
//! is routed, judged, counted by name or put together again.

use std::{
    collections::HashMap,
    sync::{Arc, PoisonError, RwLock},
    time::Instant,
};

use bytes::Bytes;
use http::{HeaderMap, HeaderName, Method, Response, StatusCode, header, request::Parts};

use super::views::View;
use crate::{
    limits::{ANSWERS_BYTES_MAX, ANSWERS_MAX},
    metering,
    respond::Body,
};

/// Headers that make an answer differ from the plain one.
static CONDITIONS: [HeaderName; 4] = [header::RANGE, header::IF_NONE_MATCH, header::IF_MATCH, header::IF_RANGE];

/// The kept answers, by path.
#[derive(Default)]
pub(crate) struct Answers {
    kept: RwLock<Kept>,
}

#[derive(Default)]
struct Kept {
    answers: HashMap<Box<str>, Answer>,
    bytes: usize,
}

struct Answer {
    lasting: Lasting,
    route: &'static str,
    headers: HeaderMap,
}

/// Rides on a response that answers everybody alike for as long as its view is fresh.
#[derive(Clone)]
pub(super) struct Lasting {
    pub(super) view: Arc<View>,
    /// The body, not counted as on its way.
    pub(super) bytes: Bytes,
    /// Whether it was read from the store.
    pub(super) stored: bool,
}

// === impl Answers ===

impl Answers {
    /// The kept answer to a request that comes `now`, and the name of its route.
    pub(crate) fn get(&self, request: &Parts, now: Instant) -> Option<(Response<Body>, &'static str)> {
        if !is_plain(request) {
            return None;
        }
        let kept = self.kept.read().unwrap_or_else(PoisonError::into_inner);
        let answer = kept.answers.get(request.uri.path()).filter(|answer| answer.lasting.view.is_fresh(now))?;
        if answer.lasting.stored {
            metering::CACHE_HITS.increment(1);
        }
        let mut response = Response::new(metering::in_flight(answer.lasting.bytes.clone()).into());
        *response.headers_mut() = answer.headers.clone();
        Some((response, answer.route))
    }

    /// Keeps an answer that lasts; `response` is complete, as it is sent.
    pub(crate) fn keep(&self, request: &Parts, route: &'static str, response: &mut Response<Body>) {
        let Some(lasting) = response.extensions_mut().remove::<Lasting>() else { return };
        if !is_plain(request) || response.status() != StatusCode::OK {
            return;
        }
        let mut kept = self.kept.write().unwrap_or_else(PoisonError::into_inner);
        kept.remove(request.uri.path());
        if kept.answers.len() < ANSWERS_MAX && kept.bytes + lasting.bytes.len() <= ANSWERS_BYTES_MAX {
            kept.bytes += lasting.bytes.len();
            let answer = Answer { lasting, route, headers: response.headers().clone() };
            kept.answers.insert(request.uri.path().into(), answer);
        }
    }

    /// Forgets what is not fresh any more.
    pub(crate) fn tidy(&self) {
        let now = Instant::now();
        let mut kept = self.kept.write().unwrap_or_else(PoisonError::into_inner);
        kept.answers.retain(|_, answer| answer.lasting.view.is_fresh(now));
        kept.bytes = kept.answers.values().map(|answer| answer.lasting.bytes.len()).sum();
    }
}

// === impl Lasting ===

impl Lasting {
    /// Says of a response that it lasts.
    pub(super) fn ride(self, mut response: Response<Body>) -> Response<Body> {
        response.extensions_mut().insert(self);
        response
    }
}

// === impl Kept ===

impl Kept {
    fn remove(&mut self, path: &str) {
        if let Some(old) = self.answers.remove(path) {
            self.bytes -= old.lasting.bytes.len();
        }
    }
}

/// Whether the answer depends on nothing but the path.
fn is_plain(request: &Parts) -> bool {
    request.method == Method::GET && !CONDITIONS.iter().any(|name| request.headers.contains_key(name))
}
