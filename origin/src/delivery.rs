//! Delivery: what players and CDNs fetch. GET, HEAD and OPTIONS, no cookies, open to every website.

mod answers;
mod conditional;
mod content;
mod documents;
mod encoding;
mod multipart;
mod objects;
mod range;
mod representation;
mod segments;
mod views;
mod waits;

use std::{sync::Arc, time::Duration};

use http::{HeaderValue, Method, Response, StatusCode, header, request::Parts};
use tokio_util::sync::CancellationToken;
use vidstream_catalog::Catalog;
use vidstream_media::{Presentation, VideoId};
use vidstream_store::{Key, Store};

pub(crate) use conditional::fails_if_match;
pub(crate) use content::{Content, Said};
pub(crate) use objects::Objects;
pub(crate) use representation::{CacheRule, Representation};
pub(crate) use views::Views;

/// The pure readers, for [`crate::fuzz`].
#[cfg(any(test, feature = "fuzz"))]
pub(crate) mod fuzzed {
    pub(crate) use super::{
        conditional::{Validators, Verdict, judge},
        encoding::{Coding, choose},
        multipart::Multipart,
        range::{Wanted, parse},
    };
}

use self::{
    answers::{Answers, Lasting},
    documents::{Documents, Kind as DocumentKind},
    objects::{Missing, Piece},
    segments::Segments,
    views::View,
};
use crate::{
    etag,
    request::Context,
    respond::{Body, Kind, Problem},
    route::{Part, Target},
};

const ALLOW: &str = "GET, HEAD, OPTIONS";

/// Everything that delivery keeps.
pub(crate) struct Delivery {
    views: Arc<Views>,
    documents: Documents,
    objects: Objects,
    segments: Segments,
    answers: Answers,
}

/// What delivery is made of.
pub(crate) struct New {
    pub(crate) catalog: Catalog,
    pub(crate) store: Store,
    pub(crate) views: Arc<Views>,
    pub(crate) cache_bytes: u64,
    pub(crate) segment_wait: Duration,
    pub(crate) shutdown: CancellationToken,
}

// === impl Delivery ===

impl Delivery {
    pub(crate) fn new(parts: New) -> Self {
        let New { catalog, store, views, cache_bytes, segment_wait, shutdown } = parts;
        let segments = Segments::new(catalog, Arc::clone(&views), segment_wait, shutdown);
        let objects = Objects::new(store, cache_bytes);
        Self { views, documents: Documents::new(), objects, segments, answers: Answers::new() }
    }

    /// Answers that are kept whole.
    pub(crate) fn answers(&self) -> &Answers {
        &self.answers
    }

    /// Bytes of stored objects, for those who report about them.
    pub(crate) fn objects(&self) -> &Objects {
        &self.objects
    }

    /// Answers a request for a path under `/v/`; `named` is absent when the path names nothing.
    pub(crate) async fn answer(
        &self,
        context: &Context,
        request: &Parts,
        named: Option<(VideoId, Target)>,
    ) -> Result<Response<Body>, Problem> {
        match request.method {
            Method::OPTIONS => return Ok(preflight()),
            Method::GET | Method::HEAD => {}
            _ => return Err(Problem::method(ALLOW)),
        }
        let (id, target) = named.ok_or_else(nothing)?;
        let view = self.views.get(id).await?;
        let presentation = view.presentation.clone().ok_or_else(|| lacking(&view, nothing()))?;
        match target {
            Target::Master => self.document(request, &view, &presentation, DocumentKind::Master).await,
            Target::Mpd => self.document(request, &view, &presentation, DocumentKind::Mpd).await,
            // Those before never come back.
            Target::Part(generation, _) if generation < presentation.generation => Err(nothing()),
            Target::Part(generation, _) if generation > presentation.generation => Err(lacking(&view, nothing())),
            Target::Part(_, part) => match part {
                Part::Playlist(track) => {
                    self.document(request, &view, &presentation, DocumentKind::Playlist(track)).await
                }
                Part::Iframes(track) => {
                    self.document(request, &view, &presentation, DocumentKind::Iframes(track)).await
                }
                Part::Init(track) => self.document(request, &view, &presentation, DocumentKind::Init(track)).await,
                Part::TilesVtt => self.document(request, &view, &presentation, DocumentKind::TilesVtt).await,
                Part::TilesJson => self.document(request, &view, &presentation, DocumentKind::TilesJson).await,
                Part::TilesPlaylist => self.document(request, &view, &presentation, DocumentKind::TilesPlaylist).await,
                Part::Segment(track, n) => {
                    let asked = segments::Asked { id, generation: presentation.generation, track, n };
                    self.segment(context, request, asked, view).await
                }
                Part::Sheet(n) => self.sheet(request, &view, &presentation, n).await,
                Part::Poster => self.poster(request, &view, &presentation).await,
            },
        }
    }

    async fn document(
        &self,
        request: &Parts,
        view: &Arc<View>,
        presentation: &Arc<Presentation>,
        kind: DocumentKind,
    ) -> Result<Response<Body>, Problem> {
        if !view.playable {
            return Err(lacking(view, Kind::NotFound.because("the video is not playable yet")));
        }
        let document = self.documents.get(view, presentation, kind).await;
        let missing = || if kind.may_come(presentation) { lacking(view, nothing()) } else { nothing() };
        let document = document.ok_or_else(missing)?;
        let cache = match kind {
            DocumentKind::Master | DocumentKind::Mpd if presentation.ready => CacheRule::Settled,
            DocumentKind::Master | DocumentKind::Mpd => CacheRule::Changing,
            _ => CacheRule::Immutable,
        };
        // What changes may do so twice within a second, which a date does not tell apart.
        let modified_s = match cache {
            CacheRule::Immutable => view.created_s(),
            CacheRule::Settled => view.updated_s(),
            _ => None,
        };
        let said = Said { content_type: kind.content_type(), cache, modified_s };
        let (representation, bytes) = document.choose(request, said).await?;
        let lasting = Lasting { view: Arc::clone(view), bytes: bytes.clone(), stored: false };
        Ok(lasting.ride(representation.answer(request, bytes)))
    }

    async fn segment(
        &self,
        context: &Context,
        request: &Parts,
        asked: segments::Asked,
        view: Arc<View>,
    ) -> Result<Response<Body>, Problem> {
        let mut view = view;
        // Bytes that are gone although the view names them: it may be older than a deletion.
        for last in [false, true] {
            let place = self.segments.place(context, asked, &view).await?;
            let key = Key::Media {
                id: asked.id,
                generation: asked.generation,
                track: asked.track,
                first: place.chunk_first,
                token: place.token,
            };
            let name = format!("{}/{}/{}/{}", asked.generation, asked.track, asked.n, key.path());
            let representation = Representation {
                etag: etag::of(name.as_bytes()),
                modified_s: view.created_s(),
                content_type: key.content_type(),
                cache: CacheRule::Immutable,
                coding: None,
            };
            let early = representation.without_bytes(request, place.bytes);
            if let Some(response) = early {
                return Ok(response);
            }
            let range = place.offset..place.offset.saturating_add(place.bytes);
            let piece = Piece { key, range: Some(range), bytes: Some(place.bytes), crc32: place.crc32 };
            match self.objects.get(&piece).await {
                Ok(bytes) => {
                    let response = representation.answer(request, bytes.clone());
                    if !view.complete {
                        // While chunks are made, each request tells the queue where a viewer is.
                        return Ok(response);
                    }
                    return Ok(Lasting { view, bytes, stored: true }.ride(response));
                }
                Err(Missing::Gone) if !last => {
                    self.views.changed(Some(asked.id));
                    view = self.views.get(asked.id).await?;
                }
                Err(reason) => return Err(unreadable(reason)),
            }
        }
        Err(unreadable(Missing::Gone))
    }

    async fn sheet(
        &self,
        request: &Parts,
        view: &View,
        presentation: &Presentation,
        n: u64,
    ) -> Result<Response<Body>, Problem> {
        let pending = || lacking(view, Kind::NotFound.because("there is no such sheet, or not yet"));
        let sheet = presentation.sheets.get(&n).ok_or_else(pending)?;
        let key = Key::Sheet { id: presentation.id, generation: presentation.generation, n, token: sheet.token };
        self.picture(request, view, Piece { key, range: None, bytes: Some(sheet.bytes), crc32: sheet.crc32 }).await
    }

    async fn poster(
        &self,
        request: &Parts,
        view: &View,
        presentation: &Presentation,
    ) -> Result<Response<Body>, Problem> {
        let pending = || lacking(view, Kind::NotFound.because("there is no poster, or not yet"));
        let poster = presentation.poster.ok_or_else(pending)?;
        let token = poster.token;
        let key = Key::Poster { id: presentation.id, generation: presentation.generation, token };
        self.picture(request, view, Piece { key, range: None, bytes: None, crc32: poster.crc32 }).await
    }

    async fn picture(&self, request: &Parts, view: &View, piece: Piece) -> Result<Response<Body>, Problem> {
        let bytes = self.objects.get(&piece).await.map_err(unreadable)?;
        let representation = Representation {
            etag: etag::of(piece.key.path().as_bytes()),
            modified_s: view.created_s(),
            content_type: piece.key.content_type(),
            cache: CacheRule::Immutable,
            coding: None,
        };
        Ok(representation.answer(request, bytes))
    }
}

/// Opens an answer to pages of every website; on each answer to a path under `/v/`, whatever its status.
pub(crate) fn share(response: &mut Response<Body>) {
    const EXPOSED: &str =
        "Age, Content-Length, Content-Range, Date, ETag, Retry-After, Server-Timing, CMSD-Static, CMSD-Dynamic";
    let headers = response.headers_mut();
    headers.insert(header::ACCESS_CONTROL_ALLOW_ORIGIN, HeaderValue::from_static("*"));
    headers.insert(header::ACCESS_CONTROL_EXPOSE_HEADERS, HeaderValue::from_static(EXPOSED));
    headers.insert("timing-allow-origin", HeaderValue::from_static("*"));
}

fn preflight() -> Response<Body> {
    const HEADERS: &str = "Range, If-Range, If-Match, If-None-Match, If-Modified-Since, Authorization, CMCD-Object, CMCD-Request, CMCD-Session, CMCD-Status";
    let mut response = Response::new(Body::default());
    *response.status_mut() = StatusCode::NO_CONTENT;
    let headers = response.headers_mut();
    headers.insert(header::ALLOW, HeaderValue::from_static(ALLOW));
    headers.insert(header::ACCESS_CONTROL_ALLOW_METHODS, HeaderValue::from_static(ALLOW));
    headers.insert(header::ACCESS_CONTROL_ALLOW_HEADERS, HeaderValue::from_static(HEADERS));
    headers.insert(header::ACCESS_CONTROL_MAX_AGE, HeaderValue::from_static("86400"));
    response
}

fn nothing() -> Problem {
    Kind::NotFound.because("there is nothing under this path")
}

/// What is not in a view is nowhere; or may be by now, while the catalog does not say.
fn lacking(view: &View, problem: Problem) -> Problem {
    if view.is_confirmed() { problem } else { Kind::CatalogUnavailable.because("the catalog does not answer") }
}

fn unreadable(reason: Missing) -> Problem {
    match reason {
        Missing::Busy => Kind::Busy.because("too many objects are being read"),
        Missing::Damaged => Kind::StorageError.because("the stored bytes are damaged"),
        Missing::Gone | Missing::Failed => Kind::StorageError.because("the stored bytes cannot be read"),
    }
}
