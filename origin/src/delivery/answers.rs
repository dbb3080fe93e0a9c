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
use http::{HeaderMap, HeaderName, HeaderValue, Method, Response, StatusCode, header, request::Parts};

use super::views::View;
use crate::{
    limits::{ANSWERS_BYTES_MAX, ANSWERS_EACH_MAX, ANSWERS_MAX},
    metering,
    respond::Body,
};

/// Headers that make an answer differ from the plain one; [`header::ACCEPT_ENCODING`] may, too.
static CONDITIONS: [HeaderName; 6] = [
    header::RANGE,
    header::IF_NONE_MATCH,
    header::IF_MATCH,
    header::IF_RANGE,
    header::IF_MODIFIED_SINCE,
    header::IF_UNMODIFIED_SINCE,
];

/// The kept answers.
#[derive(Default)]
pub(crate) struct Answers {
    kept: RwLock<Kept>,
}

#[derive(Default)]
struct Kept {
    /// By path; of each path one for every list of codings that was asked with, if that makes a difference.
    answers: HashMap<Box<str>, Vec<Answer>>,
    bytes: usize,
}

struct Answer {
    lasting: Lasting,
    route: &'static str,
    headers: HeaderMap,
    /// The `Accept-Encoding` of the request that it was made for.
    codings: Option<HeaderValue>,
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
        let mut answers = kept.answers.get(request.uri.path())?.iter();
        let answer = answers.find(|answer| answer.suits(request) && answer.lasting.view.is_fresh(now))?;
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
        let answer = Answer {
            lasting,
            route,
            headers: response.headers().clone(),
            codings: request.headers.get(header::ACCEPT_ENCODING).cloned(),
        };
        let mut kept = self.kept.write().unwrap_or_else(PoisonError::into_inner);
        kept.replace(request, answer);
    }

    /// Forgets what is not fresh any more.
    pub(crate) fn tidy(&self) {
        let now = Instant::now();
        let mut kept = self.kept.write().unwrap_or_else(PoisonError::into_inner);
        kept.answers.retain(|_, answers| {
            answers.retain(|answer| answer.lasting.view.is_fresh(now));
            !answers.is_empty()
        });
        kept.bytes = kept.answers.values().flatten().map(Answer::bytes).sum();
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
    /// Puts an answer in the place of those that it makes needless, if there is room.
    fn replace(&mut self, request: &Parts, answer: Answer) {
        let path = request.uri.path();
        let room = self.answers.contains_key(path) || self.answers.len() < ANSWERS_MAX;
        if !room {
            return;
        }
        let answers = self.answers.entry(path.into()).or_default();
        self.bytes -= answers.extract_if(.., |old| old.suits(request)).map(|old| old.bytes()).sum::<usize>();
        if answers.len() < ANSWERS_EACH_MAX && self.bytes + answer.bytes() <= ANSWERS_BYTES_MAX {
            self.bytes += answer.bytes();
            answers.push(answer);
        }
    }
}

// === impl Answer ===

impl Answer {
    /// Whether a plain request for its path would be answered with it.
    fn suits(&self, request: &Parts) -> bool {
        !self.headers.contains_key(header::VARY)
            || self.codings.as_ref() == request.headers.get(header::ACCEPT_ENCODING)
    }

    fn bytes(&self) -> usize {
        self.lasting.bytes.len()
    }
}

/// Whether the answer depends on nothing but the path and the first list of codings.
fn is_plain(request: &Parts) -> bool {
    let headers = &request.headers;
    request.method == Method::GET
        && !CONDITIONS.iter().any(|name| headers.contains_key(name))
        && headers.get_all(header::ACCEPT_ENCODING).iter().nth(1).is_none()
}
