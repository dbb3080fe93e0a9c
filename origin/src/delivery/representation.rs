//! From bytes and their entity tag to an answer: 200, 206, 304, 412 or 416, with the same headers for GET and HEAD.

use std::{
    ops::Range,
    time::{Duration, UNIX_EPOCH},
};

use bytes::Bytes;
use http::{HeaderValue, Method, Response, StatusCode, header, request::Parts};

use super::{
    conditional::{Validators, Verdict, judge},
    encoding::Coding,
    multipart::Multipart,
};
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
    /// When it was last modified, in seconds since the Unix epoch, if that is known.
    pub(crate) modified_s: Option<u64>,
    /// The media type.
    pub(crate) content_type: &'static str,
    /// How long it may be kept.
    pub(crate) cache: CacheRule,
    /// Which of its codings this is; absent for what has only one.
    pub(crate) coding: Option<Coding>,
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
        let verdict = self.judge(request, size);
        let mut response = self.without_body(&verdict, size);
        if request.method == Method::HEAD {
            return response;
        }
        let sent = match &verdict {
            Verdict::Whole => bytes,
            Verdict::Part(part) => slice(&bytes, part),
            Verdict::Parts(parts) => self.multipart(parts, size).body(|part| slice(&bytes, part)),
            Verdict::NotModified | Verdict::PreconditionFailed | Verdict::Unsatisfiable => return response,
        };
        *response.body_mut() = metering::in_flight(sent).into();
        response
    }

    /// The answer, if it needs no bytes: to a HEAD, to a condition that does not hold, to a range that is not there.
    pub(crate) fn without_bytes(&self, request: &Parts, size: u64) -> Option<Response<Body>> {
        let verdict = self.judge(request, size);
        let has_body = matches!(verdict, Verdict::Whole | Verdict::Part(_) | Verdict::Parts(_));
        (!has_body || request.method == Method::HEAD).then(|| self.without_body(&verdict, size))
    }

    fn judge(&self, request: &Parts, size: u64) -> Verdict {
        let validators = Validators { etag: &self.etag, modified_s: self.modified_s, has_ranges: self.has_ranges() };
        judge(&request.headers, validators, size)
    }

    /// Parts are served of plain bytes only.
    fn has_ranges(&self) -> bool {
        self.coding.is_none_or(|coding| coding == Coding::Identity)
    }

    fn without_body(&self, verdict: &Verdict, size: u64) -> Response<Body> {
        match verdict {
            Verdict::Whole => self.head(StatusCode::OK, size),
            Verdict::Part(part) => {
                let mut response = self.head(StatusCode::PARTIAL_CONTENT, part.end - part.start);
                let range = format!("bytes {}-{}/{size}", part.start, part.end - 1);
                response.headers_mut().insert(header::CONTENT_RANGE, text(range));
                response
            }
            Verdict::Parts(parts) => {
                let multipart = self.multipart(parts, size);
                let mut response = self.head(StatusCode::PARTIAL_CONTENT, multipart.length());
                response.headers_mut().insert(header::CONTENT_TYPE, text(multipart.content_type()));
                response
            }
            Verdict::NotModified => self.bare(StatusCode::NOT_MODIFIED, self.cache),
            Verdict::PreconditionFailed => self.bare(StatusCode::PRECONDITION_FAILED, CacheRule::Never),
            Verdict::Unsatisfiable => {
                let mut response = self.bare(StatusCode::RANGE_NOT_SATISFIABLE, CacheRule::Never);
                response.headers_mut().insert(header::CONTENT_RANGE, text(format!("bytes */{size}")));
                response
            }
        }
    }

    fn multipart<'a>(&'a self, parts: &'a [Range<u64>], size: u64) -> Multipart<'a> {
        let boundary = self.etag.to_str().unwrap_or_default().trim_matches('"');
        Multipart::new(parts, size, self.content_type, boundary)
    }

    fn head(&self, status: StatusCode, length: u64) -> Response<Body> {
        let mut response = self.bare(status, self.cache);
        let headers = response.headers_mut();
        headers.insert(header::CONTENT_TYPE, HeaderValue::from_static(self.content_type));
        headers.insert(header::CONTENT_LENGTH, HeaderValue::from(length));
        if let Some(encoding) = self.coding.and_then(Coding::header) {
            headers.insert(header::CONTENT_ENCODING, encoding);
        }
        if self.has_ranges() {
            headers.insert(header::ACCEPT_RANGES, HeaderValue::from_static("bytes"));
        }
        response
    }

    fn bare(&self, status: StatusCode, cache: CacheRule) -> Response<Body> {
        let mut response = Response::new(Body::default());
        *response.status_mut() = status;
        let headers = response.headers_mut();
        headers.insert(header::ETAG, self.etag.clone());
        headers.insert(header::CACHE_CONTROL, cache.value());
        if let Some(modified_s) = self.modified_s {
            let modified = UNIX_EPOCH + Duration::from_secs(modified_s);
            headers.insert(header::LAST_MODIFIED, text(httpdate::fmt_http_date(modified)));
        }
        if self.coding.is_some() {
            headers.insert(header::VARY, HeaderValue::from_static("Accept-Encoding"));
        }
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
