//! The page for people: files that were embedded when this was built.

use std::collections::HashMap;

use bytes::Bytes;
use http::{HeaderValue, Method, Response, header, request::Parts};

use crate::{
    delivery::{CacheRule, Content, Said},
    respond::{Body, Kind, Problem},
};

const ALLOW: &str = "GET, HEAD";
const INDEX: &str = "index.html";
/// What `/` says when no page was built.
const WITHOUT_PAGE: &str = "This origin was built without its page; the API is under /v1/videos.\n";
/// The page takes scripts and styles from here alone; players make blob URLs for media and workers.
const POLICY: &str = "default-src 'self'; img-src 'self' data: blob:; media-src 'self' blob:; worker-src 'self' blob:; \
                      object-src 'none'; base-uri 'none'; frame-ancestors 'none'";

/// Name, media type and content of each file.
const FILES: &[(&str, &str, &[u8])] = include!(concat!(env!("OUT_DIR"), "/page_files.rs"));

/// The files, by name.
pub(crate) struct Page {
    files: HashMap<&'static str, File>,
}

struct File {
    content_type: &'static str,
    content: Content,
}

// === impl Page ===

impl Page {
    pub(crate) fn new() -> Self {
        let mut files: HashMap<_, _> =
            FILES.iter().map(|&(name, kind, bytes)| (name, File::new(kind, bytes))).collect();
        files.entry(INDEX).or_insert_with(|| File::new("text/plain; charset=utf-8", WITHOUT_PAGE.as_bytes()));
        Self { files }
    }

    /// Answers a request for a file; without a name, for the page itself.
    pub(crate) async fn answer(&self, request: &Parts, name: Option<&str>) -> Result<Response<Body>, Problem> {
        if request.method != Method::GET && request.method != Method::HEAD {
            return Err(Problem::method(ALLOW));
        }
        let file = self.files.get(name.unwrap_or(INDEX));
        let file = file.ok_or_else(|| Kind::NotFound.because("the page has no such file"))?;
        let said = Said { content_type: file.content_type, cache: CacheRule::Revalidate, modified_s: None };
        let mut response = file.content.answer(request, said).await?;
        response.headers_mut().insert(header::CONTENT_SECURITY_POLICY, HeaderValue::from_static(POLICY));
        Ok(response)
    }
}

// === impl File ===

impl File {
    fn new(content_type: &'static str, bytes: &'static [u8]) -> Self {
        let bytes = Bytes::from_static(bytes);
        let content = if is_text(content_type) { Content::text(bytes) } else { Content::binary(bytes) };
        Self { content_type, content }
    }
}

fn is_text(content_type: &str) -> bool {
    let essence = content_type.split(';').next().unwrap_or_default();
    essence.starts_with("text/") || matches!(essence, "application/json" | "image/svg+xml")
}
