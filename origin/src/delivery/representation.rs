//! From bytes and their entity tag to an answer: 200, 206, 304, 412 or 416, with the same headers for GET and HEAD.

use std::ops::Range;

use bytes::Bytes;
use http::{HeaderValue, Method, Response, StatusCode, header, request::Parts};

use super::conditional::{Verdict, judge};
use crate::{metering, respond::Body};

/// How long an answer may be kept.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum CacheRule {
    /// The body never changes.
    Immutable,
    /// The body changes while the video is made.
    Changing,
    /// The body changes only when the video is deleted or made again.
    Settled,
    /// May be kept, but must be asked for again each time.
    Revalidate,
    /// Must not be kept.
    Never,
}

/// What is said of bytes.
#[derive(Clone, Debug)]
pub(crate) struct Representation {
    /// The strong entity tag.
    pub(crate) etag: HeaderValue,
    /// The media type.
    pub(crate) content_type: &'static str,
    /// How long it may be kept.
    pub(crate) cache: CacheRule,
}

// === impl CacheRule ===

impl CacheRule {
    fn value(self) -> HeaderValue {
        HeaderValue::from_static(match self {
            Self::Immutable => "public, max-age=31536000, immutable",
            Self::Changing => "public, max-age=2",
            Self::Settled => "public, max-age=300, stale-while-revalidate=600",
            Self::Revalidate => "no-cache",
            Self::Never => "no-store",
        })
    }
}

// === impl Representation ===

impl Representation {
    /// The answer to a GET or HEAD, made from all bytes.
    pub(crate) fn answer(&self, request: &Parts, bytes: Bytes) -> Response<Body> {
        let size = bytes.len() as u64;
        if let Some(response) = self.without_bytes(request, size) {
            return response;
        }
        let (mut response, sent) = match judge(&request.method, &request.headers, &self.etag, size) {
            Verdict::Part(part) => (self.partial(&part, size), slice(&bytes, &part)),
            _ => (self.head(StatusCode::OK, size), bytes),
        };
        *response.body_mut() = metering::in_flight(sent).into();
        response
    }

    /// The answer, if it needs no bytes: to a HEAD, to a condition that does not hold, to a range that is not there.
    pub(crate) fn without_bytes(&self, request: &Parts, size: u64) -> Option<Response<Body>> {
        match judge(&request.method, &request.headers, &self.etag, size) {
            Verdict::NotModified => Some(self.bare(StatusCode::NOT_MODIFIED, self.cache)),
            Verdict::PreconditionFailed => Some(self.bare(StatusCode::PRECONDITION_FAILED, CacheRule::Never)),
            Verdict::Unsatisfiable => {
                let mut response = self.bare(StatusCode::RANGE_NOT_SATISFIABLE, CacheRule::Never);
                response.headers_mut().insert(header::CONTENT_RANGE, text(format!("bytes */{size}")));
                Some(response)
            }
            Verdict::Whole if request.method == Method::HEAD => Some(self.head(StatusCode::OK, size)),
            Verdict::Whole | Verdict::Part(_) => None,
        }
    }

    fn partial(&self, part: &Range<u64>, size: u64) -> Response<Body> {
        let mut response = self.head(StatusCode::PARTIAL_CONTENT, part.end - part.start);
        let range = format!("bytes {}-{}/{size}", part.start, part.end - 1);
        response.headers_mut().insert(header::CONTENT_RANGE, text(range));
        response
    }

    fn head(&self, status: StatusCode, length: u64) -> Response<Body> {
        let mut response = self.bare(status, self.cache);
        let headers = response.headers_mut();
        headers.insert(header::CONTENT_TYPE, HeaderValue::from_static(self.content_type));
        headers.insert(header::CONTENT_LENGTH, HeaderValue::from(length));
        headers.insert(header::ACCEPT_RANGES, HeaderValue::from_static("bytes"));
        response
    }

    fn bare(&self, status: StatusCode, cache: CacheRule) -> Response<Body> {
        let mut response = Response::new(Body::default());
        *response.status_mut() = status;
        let headers = response.headers_mut();
        headers.insert(header::ETAG, self.etag.clone());
        headers.insert(header::CACHE_CONTROL, cache.value());
        response
    }
}

/// The part of the bytes, without a copy; a range was judged against their length.
fn slice(bytes: &Bytes, part: &Range<u64>) -> Bytes {
    let at = |offset: u64| usize::try_from(offset).unwrap_or(usize::MAX).min(bytes.len());
    bytes.slice(at(part.start)..at(part.end).max(at(part.start)))
}

/// Digits and ASCII punctuation always make a header value.
fn text(value: String) -> HeaderValue {
    HeaderValue::try_from(value).unwrap_or(HeaderValue::from_static(""))
}
