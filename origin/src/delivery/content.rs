//! Bytes with their entity tag and, of text, the same in other codings: each is made when it is first asked for.

use bytes::Bytes;
use http::{HeaderValue, Response, request::Parts};
use tokio::sync::OnceCell;

use super::{
    encoding::{Coding, choose},
    representation::{CacheRule, Representation},
};
use crate::{
    etag,
    respond::{Body, Kind, Problem},
};

/// Something that is kept in memory and sent to many.
#[derive(Debug)]
pub(crate) struct Content {
    plain: Form,
    /// Absent for what gains nothing by it.
    encoded: Option<Encoded>,
}

#[derive(Debug, Default)]
struct Encoded {
    zstd: OnceCell<Form>,
    brotli: OnceCell<Form>,
    gzip: OnceCell<Form>,
}

/// The bytes in one coding. Each has its own entity tag: a part of one is no part of another.
#[derive(Clone, Debug)]
struct Form {
    bytes: Bytes,
    etag: HeaderValue,
}

/// What is said of content beside its bytes.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Said {
    pub(crate) content_type: &'static str,
    pub(crate) cache: CacheRule,
    /// When it was last modified, in seconds since the Unix epoch.
    pub(crate) modified_s: Option<u64>,
}

// === impl Content ===

impl Content {
    /// Bytes that are sent as they are.
    pub(crate) fn binary(bytes: Bytes) -> Self {
        Self { plain: Form::new(bytes), encoded: None }
    }

    /// Bytes that are sent in the coding that the client likes best.
    pub(crate) fn text(bytes: Bytes) -> Self {
        Self { encoded: Some(Encoded::default()), ..Self::binary(bytes) }
    }

    /// The memory that it may come to take, in bytes; encoded text is no longer than plain text.
    pub(crate) fn bytes_max(&self) -> usize {
        let forms = if self.encoded.is_some() { 4 } else { 1 };
        self.plain.bytes.len() * forms
    }

    /// Answers a GET or HEAD.
    pub(crate) async fn answer(&self, request: &Parts, said: Said) -> Result<Response<Body>, Problem> {
        let (representation, bytes) = self.choose(request, said).await?;
        Ok(representation.answer(request, bytes))
    }

    /// The coding that the client likes best, and the bytes in it.
    pub(super) async fn choose(&self, request: &Parts, said: Said) -> Result<(Representation, Bytes), Problem> {
        let (form, coding) = match &self.encoded {
            None => (self.plain.clone(), None),
            Some(encoded) => {
                let none = || Kind::NotAcceptable.because("zstd, br, gzip and identity are offered");
                let coding = choose(&request.headers).ok_or_else(none)?;
                (self.form(encoded, coding).await?, Some(coding))
            }
        };
        let Said { content_type, cache, modified_s } = said;
        Ok((Representation { etag: form.etag, modified_s, content_type, cache, coding }, form.bytes))
    }

    async fn form(&self, encoded: &Encoded, coding: Coding) -> Result<Form, Problem> {
        let cell = match coding {
            Coding::Identity => return Ok(self.plain.clone()),
            Coding::Zstd => &encoded.zstd,
            Coding::Brotli => &encoded.brotli,
            Coding::Gzip => &encoded.gzip,
        };
        let plain = &self.plain.bytes;
        let form = cell.get_or_try_init(|| async {
            let bytes = plain.clone();
            // Some milliseconds of work, which other connections of this thread should not wait for.
            let encoding = tokio::task::spawn_blocking(move || coding.encode(&bytes)).await;
            match encoding {
                Ok(Ok(bytes)) => Ok(Form::new(bytes.into())),
                _ => Err(Kind::Internal.because("the document could not be encoded")),
            }
        });
        form.await.cloned()
    }
}

// === impl Form ===

impl Form {
    fn new(bytes: Bytes) -> Self {
        Self { etag: etag::of(&bytes), bytes }
    }
}
