//! The one table from what went wrong to a status, and the answers made from it (RFC 9457).

use std::borrow::Cow;

use bytes::Bytes;
use http::{HeaderValue, Response, StatusCode, header};
use http_body_util::Full;
use serde::Serialize;

use crate::request::Context;

/// Bytes of a name in a pointer.
const POINTER_NAME_BYTES_MAX: usize = 64;

/// The body of every answer.
pub(crate) type Body = Full<Bytes>;

/// What went wrong, as a client sees it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Kind {
    BadRequest,
    InvalidParameter,
    InvalidTitle,
    InvalidMeta,
    InvalidJson,
    UnknownField,
    EmptyBody,
    BodyBroken,
    Unauthorized,
    WriteNotAllowed,
    ReadOnly,
    NotFound,
    MethodNotAllowed,
    NotAcceptable,
    BodyTimeout,
    Conflict,
    Deleted,
    PreconditionFailed,
    TooLarge,
    UriTooLong,
    FieldsTooLarge,
    UnsupportedMediaType,
    UploadRejected,
    UpgradeRequired,
    Internal,
    Busy,
    CatalogUnavailable,
    StorageError,
    SegmentPending,
    TooManyWaiting,
    ShuttingDown,
    InsufficientStorage,
}

/// A request that is not fulfilled.
#[derive(Clone, Debug)]
pub(crate) struct Problem {
    pub(crate) kind: Kind,
    /// What exactly, for people. Shows nothing of the inside.
    pub(crate) detail: Cow<'static, str>,
    /// The methods that are allowed, for 405.
    pub(crate) allow: Option<&'static str>,
    /// A code of the catalog that says more than that of `kind`.
    pub(crate) code: Option<String>,
    /// Where in the JSON body it lies (RFC 6901).
    pub(crate) pointer: Option<String>,
}

#[derive(Serialize)]
struct Document<'a> {
    r#type: String,
    title: &'a str,
    status: u16,
    detail: &'a str,
    instance: &'a str,
    code: &'a str,
    request_id: String,
    #[serde(skip_serializing_if = "Option::is_none")]
    retry_after_s: Option<u32>,
    #[serde(skip_serializing_if = "Option::is_none")]
    errors: Option<[Place<'a>; 1]>,
}

/// A place in the JSON body, and what is wrong there.
#[derive(Serialize)]
struct Place<'a> {
    pointer: &'a str,
    detail: &'a str,
}

// === impl Kind ===

impl Kind {
    /// Whether the client did wrong, and not the server.
    pub(crate) fn is_of_client(self) -> bool {
        self.row().0.is_client_error()
    }

    /// Status, code and title.
    fn row(self) -> (StatusCode, &'static str, &'static str) {
        use StatusCode as S;
        match self {
            Self::BadRequest => (S::BAD_REQUEST, "bad_request", "The request is malformed"),
            Self::InvalidParameter => (S::BAD_REQUEST, "invalid_parameter", "A parameter is not valid"),
            Self::InvalidTitle => (S::BAD_REQUEST, "invalid_title", "The title is not valid"),
            Self::InvalidMeta => (S::BAD_REQUEST, "invalid_meta", "The meta object is not valid"),
            Self::InvalidJson => (S::BAD_REQUEST, "invalid_json", "The body is not the JSON that is expected"),
            Self::UnknownField => (S::BAD_REQUEST, "unknown_field", "A field is not known"),
            Self::EmptyBody => (S::BAD_REQUEST, "empty_body", "The body is empty"),
            Self::BodyBroken => (S::BAD_REQUEST, "body_broken", "The body ended before it was complete"),
            Self::Unauthorized => (S::UNAUTHORIZED, "unauthorized", "A valid token is needed"),
            Self::WriteNotAllowed => (S::FORBIDDEN, "write_not_allowed", "Writes are not allowed from here"),
            Self::ReadOnly => (S::FORBIDDEN, "read_only", "This origin refuses every write"),
            Self::NotFound => (S::NOT_FOUND, "not_found", "There is nothing here"),
            Self::MethodNotAllowed => (S::METHOD_NOT_ALLOWED, "method_not_allowed", "The method is not allowed here"),
            Self::NotAcceptable => (S::NOT_ACCEPTABLE, "not_acceptable", "No coding of this is accepted"),
            Self::BodyTimeout => (S::REQUEST_TIMEOUT, "body_timeout", "The body stopped arriving"),
            Self::Conflict => (S::CONFLICT, "conflict", "The video is not in a state that allows this"),
            Self::Deleted => (S::GONE, "deleted", "The video was deleted"),
            Self::PreconditionFailed => (S::PRECONDITION_FAILED, "precondition_failed", "A precondition does not hold"),
            Self::TooLarge => (S::PAYLOAD_TOO_LARGE, "too_large", "The body is too large"),
            Self::UriTooLong => (S::URI_TOO_LONG, "uri_too_long", "The URL is too long"),
            Self::FieldsTooLarge => {
                (S::REQUEST_HEADER_FIELDS_TOO_LARGE, "fields_too_large", "The header fields are too large")
            }
            Self::UnsupportedMediaType => {
                (S::UNSUPPORTED_MEDIA_TYPE, "unsupported_media_type", "The content type is not supported")
            }
            Self::UploadRejected => (S::UNPROCESSABLE_ENTITY, "upload_rejected", "The upload was rejected"),
            Self::UpgradeRequired => (S::UPGRADE_REQUIRED, "upgrade_required", "This is a WebSocket"),
            Self::Internal => (S::INTERNAL_SERVER_ERROR, "internal", "Something went wrong here"),
            Self::Busy => (S::SERVICE_UNAVAILABLE, "busy", "Too much is going on"),
            Self::CatalogUnavailable => (S::SERVICE_UNAVAILABLE, "catalog_unavailable", "The catalog does not answer"),
            Self::StorageError => (S::SERVICE_UNAVAILABLE, "storage_error", "The storage does not give the bytes"),
            Self::SegmentPending => (S::SERVICE_UNAVAILABLE, "segment_pending", "The segment is not made yet"),
            Self::TooManyWaiting => (S::SERVICE_UNAVAILABLE, "too_many_waiting", "Too many requests wait for segments"),
            Self::ShuttingDown => (S::SERVICE_UNAVAILABLE, "shutting_down", "The server is going down"),
            Self::InsufficientStorage => (S::INSUFFICIENT_STORAGE, "insufficient_storage", "The disk is full"),
        }
    }

    /// With a sentence for people.
    pub(crate) fn because(self, detail: impl Into<Cow<'static, str>>) -> Problem {
        Problem { kind: self, detail: detail.into(), allow: None, code: None, pointer: None }
    }
}

// === impl Problem ===

impl Problem {
    /// A 405 that says what is allowed.
    pub(crate) fn method(allow: &'static str) -> Self {
        Self { allow: Some(allow), ..Kind::MethodNotAllowed.because(format!("allowed are {allow}")) }
    }

    /// Of the member of this name of an object, or of what lies inside it. A name longer than any of ours is not told.
    pub(crate) fn under(mut self, name: &str) -> Self {
        let deeper = self.pointer.take().unwrap_or_default();
        let escaped = || name.replace('~', "~0").replace('/', "~1");
        self.pointer = (name.len() <= POINTER_NAME_BYTES_MAX).then(|| format!("/{}{deeper}", escaped()));
        self
    }

    /// Seconds after which it makes sense to ask again.
    fn retry_after_s(&self) -> Option<u32> {
        let (status, ..) = self.kind.row();
        (status == StatusCode::SERVICE_UNAVAILABLE).then_some(1)
    }

    /// The document of RFC 9457 as JSON.
    pub(crate) fn to_json(&self, context: &Context) -> Vec<u8> {
        let (status, code, title) = self.kind.row();
        let code = self.code.as_deref().unwrap_or(code);
        let document = Document {
            r#type: format!("urn:vidstream:problem:{code}"),
            title,
            status: status.as_u16(),
            detail: &self.detail,
            instance: context.path(),
            code,
            request_id: context.id.to_string(),
            retry_after_s: self.retry_after_s(),
            errors: self.pointer.as_deref().map(|pointer| [Place { pointer, detail: &self.detail }]),
        };
        // A document of strings and numbers always has a JSON form.
        serde_json::to_vec(&document).unwrap_or_default()
    }

    /// The whole answer.
    pub(crate) fn respond(&self, context: &Context) -> Response<Body> {
        let (status, ..) = self.kind.row();
        let mut response = Response::new(Body::from(self.to_json(context)));
        *response.status_mut() = status;
        let headers = response.headers_mut();
        headers.insert(header::CONTENT_TYPE, HeaderValue::from_static("application/problem+json"));
        headers.insert(header::CACHE_CONTROL, HeaderValue::from_static("no-store"));
        if let Some(allow) = self.allow {
            headers.insert(header::ALLOW, HeaderValue::from_static(allow));
        }
        if let Some(seconds) = self.retry_after_s() {
            headers.insert(header::RETRY_AFTER, HeaderValue::from(seconds));
        }
        if self.kind == Kind::NotAcceptable {
            headers.insert(header::VARY, HeaderValue::from_static("Accept-Encoding"));
        }
        if self.kind == Kind::Unauthorized {
            headers.insert(header::WWW_AUTHENTICATE, HeaderValue::from_static("Bearer"));
        }
        response
    }
}

impl From<vidstream_catalog::Error> for Problem {
    fn from(error: vidstream_catalog::Error) -> Self {
        use vidstream_catalog::Error as E;
        match error {
            E::NotFound => Kind::NotFound.because("there is no such video"),
            E::Conflict(reason) => Kind::Conflict.because(reason),
            E::Changed => Kind::PreconditionFailed.because("the video has changed since"),
            E::Stale => Kind::Conflict.because("someone else was faster"),
            E::Busy => Kind::Busy.because("the catalog is busy"),
            E::Unavailable(reason) | E::Events(reason) => {
                tracing::error!(reason, "the catalog is unavailable");
                Kind::CatalogUnavailable.because("the catalog does not answer")
            }
            E::Newer { found } => {
                tracing::error!(found, "the catalog has the schema of a newer version");
                Kind::CatalogUnavailable.because("the catalog does not answer")
            }
            // Servers bring a catalog up to date when they open it.
            E::Older { .. } | E::Absent => Kind::CatalogUnavailable.because("the catalog does not answer"),
            E::Corrupt(reason) => {
                tracing::error!(reason, "the catalog is corrupt");
                Kind::Internal.because("a stored row cannot be read")
            }
            E::Invalid(reason) => Kind::InvalidParameter.because(reason),
        }
    }
}

impl From<vidstream_store::Error> for Problem {
    fn from(error: vidstream_store::Error) -> Self {
        tracing::error!(error = &error as &dyn std::error::Error, "the store failed");
        match error {
            vidstream_store::Error::Full { .. } => Kind::InsufficientStorage.because("no space is left for the upload"),
            _ => Kind::StorageError.because("the storage failed"),
        }
    }
}
