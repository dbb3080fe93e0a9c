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
    lane,
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

/// Headers whose values are made for one answer; those of the others are part of the program, and nobody counts their holders.
static MADE: [HeaderName; 3] = [header::ETAG, header::LAST_MODIFIED, header::CONTENT_LENGTH];

/// The kept answers.
pub(crate) struct Answers {
    /// One for each thread that serves connections.
    lanes: Vec<RwLock<Kept>>,
}

struct Kept {
    /// Paths that there may be.
    paths_max: usize,
    /// Bytes of bodies that there may be.
    bytes_max: usize,
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
    pub(crate) fn new() -> Self {
        let lanes = lane::count();
        let kept = || RwLock::new(Kept::new(ANSWERS_MAX / lanes, ANSWERS_BYTES_MAX / lanes));
        Self { lanes: (0..lanes).map(|_| kept()).collect() }
    }

    /// The kept answer to a request that comes `now`, and the name of its route.
    pub(crate) fn get(&self, request: &Parts, now: Instant) -> Option<(Response<Body>, &'static str)> {
        if !is_plain(request) {
            return None;
        }
        let kept = self.own()?.read().unwrap_or_else(PoisonError::into_inner);
        let mut answers = kept.answers.get(request.uri.path())?.iter();
        let answer = answers.find(|answer| answer.suits(request) && answer.lasting.view.is_fresh(now))?;
        if answer.lasting.stored {
            metering::count_cache_hit();
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
        let Some(own) = self.own() else { return };
        let answer = Answer {
            lasting,
            route,
            headers: own_copy(response.headers()),
            codings: request.headers.get(header::ACCEPT_ENCODING).cloned(),
        };
        own.write().unwrap_or_else(PoisonError::into_inner).replace(request, answer);
    }

    /// Forgets what is not fresh any more.
    pub(crate) fn tidy(&self) {
        let now = Instant::now();
        for kept in &self.lanes {
            kept.write().unwrap_or_else(PoisonError::into_inner).tidy(now);
        }
    }

    /// Those of this thread.
    fn own(&self) -> Option<&RwLock<Kept>> {
        self.lanes.get(lane::number()).or(self.lanes.first())
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
    fn new(paths_max: usize, bytes_max: usize) -> Self {
        Self { paths_max, bytes_max, answers: HashMap::new(), bytes: 0 }
    }

    fn tidy(&mut self, now: Instant) {
        self.answers.retain(|_, answers| {
            answers.retain(|answer| answer.lasting.view.is_fresh(now));
            !answers.is_empty()
        });
        self.bytes = self.answers.values().flatten().map(Answer::bytes).sum();
    }

    /// Puts an answer in the place of those that it makes needless, if there is room.
    fn replace(&mut self, request: &Parts, answer: Answer) {
        let path = request.uri.path();
        let room = self.answers.contains_key(path) || self.answers.len() < self.paths_max;
        if !room {
            return;
        }
        let answers = self.answers.entry(path.into()).or_default();
        self.bytes -= answers.extract_if(.., |old| old.suits(request)).map(|old| old.bytes()).sum::<usize>();
        if answers.len() < ANSWERS_EACH_MAX && self.bytes + answer.bytes() <= self.bytes_max {
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

/// The same headers; no other thread counts the holders of their values.
fn own_copy(headers: &HeaderMap) -> HeaderMap {
    let mut headers = headers.clone();
    for (_, value) in headers.iter_mut().filter(|(name, _)| MADE.contains(name)) {
        // Of the bytes of a value there is always a value.
        *value = HeaderValue::from_bytes(value.as_bytes()).unwrap_or_else(|_| value.clone());
    }
    headers
}

/// Whether the answer depends on nothing but the path and the first list of codings.
fn is_plain(request: &Parts) -> bool {
    let headers = &request.headers;
    request.method == Method::GET
        && !headers.keys().any(|name| CONDITIONS.contains(name))
        && headers.get_all(header::ACCEPT_ENCODING).iter().nth(1).is_none()
}

#[cfg(test)]
mod tests {
    use http::Request;

    use super::*;

    fn kept() -> Kept {
        Kept::new(ANSWERS_MAX, ANSWERS_BYTES_MAX)
    }

    /// Keeps an answer of so many bytes; what it is depends on the codings, if there are any.
    fn keep(kept: &mut Kept, path: &str, bytes: usize, codings: Option<&'static str>) {
        let mut request = Request::builder().uri(path);
        let mut headers = HeaderMap::new();
        if let Some(codings) = codings {
            request = request.header(header::ACCEPT_ENCODING, codings);
            headers.insert(header::VARY, HeaderValue::from_static("Accept-Encoding"));
        }
        let (request, ()) = request.body(()).unwrap().into_parts();
        let view = Arc::new(View::new(None, 0, &Arc::default(), tokio::time::Instant::now()));
        let lasting = Lasting { view, bytes: vec![0_u8; bytes].into(), stored: false };
        let codings = codings.map(HeaderValue::from_static);
        kept.replace(&request, Answer { lasting, route: "test", headers, codings });
    }

    #[test]
    fn so_many_paths_have_an_answer_and_not_one_more() {
        let mut kept = kept();
        for n in 0..=ANSWERS_MAX {
            keep(&mut kept, &format!("/{n}"), 1, None);
        }
        assert_eq!((kept.answers.len(), kept.bytes), (ANSWERS_MAX, ANSWERS_MAX));
        // A newer one takes the place of its elder.
        keep(&mut kept, "/0", 3, None);
        assert_eq!((kept.answers.len(), kept.bytes), (ANSWERS_MAX, ANSWERS_MAX + 2));
    }

    #[test]
    fn so_many_lists_of_codings_have_an_answer_and_not_one_more() {
        let mut kept = kept();
        for codings in ["br", "gzip", "zstd", "identity", "*"] {
            keep(&mut kept, "/", 1, Some(codings));
        }
        assert_eq!((kept.answers["/"].len(), kept.bytes), (ANSWERS_EACH_MAX, ANSWERS_EACH_MAX));
    }

    #[test]
    fn so_many_bytes_are_kept_and_not_one_more() {
        let mut kept = kept();
        keep(&mut kept, "/large", ANSWERS_BYTES_MAX, None);
        keep(&mut kept, "/small", 1, None);
        assert_eq!((kept.answers["/large"].len(), kept.bytes), (1, ANSWERS_BYTES_MAX));
        keep(&mut kept, "/large", ANSWERS_BYTES_MAX - 1, None);
        keep(&mut kept, "/small", 1, None);
        assert_eq!((kept.answers["/small"].len(), kept.bytes), (1, ANSWERS_BYTES_MAX));
    }
}
