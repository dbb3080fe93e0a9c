//! Rendered playlists, manifests, tile lists and init segments, kept by what they depend on.

use std::sync::Arc;

use bytes::Bytes;
use http::HeaderValue;
use moka::{future::Cache, policy::EvictionPolicy};
use vidstream_media::{Presentation, Track, VideoId, cmaf, dash, hls, storyboard};

use super::views::View;
use crate::{etag, limits::DOCUMENT_BYTES_MAX};

/// Bytes of a kept document beside its text.
const OVERHEAD_BYTES: usize = 256;

/// What a document is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub(crate) enum Kind {
    Master,
    Mpd,
    Playlist(Track),
    Iframes(Track),
    Init(Track),
    TilesVtt,
    TilesJson,
    TilesPlaylist,
}

/// A rendered document.
#[derive(Clone, Debug)]
pub(crate) struct Document {
    pub(crate) bytes: Bytes,
    pub(crate) etag: HeaderValue,
}

/// The documents that are kept.
pub(crate) struct Documents {
    kept: Cache<Key, Option<Arc<Document>>>,
}

/// Documents under a generation depend on its plan; master and MPD on every change of the video.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
struct Key {
    id: VideoId,
    generation: u32,
    kind: Kind,
    row_version: u64,
    ready: bool,
}

// === impl Documents ===

impl Documents {
    pub(crate) fn new() -> Self {
        let weigher = |_: &Key, document: &Option<Arc<Document>>| {
            let bytes = document.as_ref().map_or(0, |document| document.bytes.len());
            u32::try_from(bytes + OVERHEAD_BYTES).unwrap_or(u32::MAX)
        };
        Self {
            kept: Cache::builder()
                .max_capacity(DOCUMENT_BYTES_MAX)
                .eviction_policy(EvictionPolicy::lru())
                .weigher(weigher)
                .build(),
        }
    }

    /// The document, rendered at most once for what it depends on. `None` when there is none (yet).
    pub(crate) async fn get(&self, view: &View, presentation: &Arc<Presentation>, kind: Kind) -> Option<Arc<Document>> {
        let mut key =
            Key { id: presentation.id, generation: presentation.generation, kind, row_version: 0, ready: false };
        // An absent document may appear with the next change, so its absence is not kept beyond it.
        let lasting = !matches!(kind, Kind::Master | Kind::Mpd);
        if lasting && let Some(Some(document)) = self.kept.get(&key).await {
            return Some(document);
        }
        let lasting_key = key;
        key.row_version = view.version.1.max(1);
        key.ready = presentation.ready;
        let rendered = self.kept.get_with(key, async { render(presentation, kind) }).await;
        if lasting && rendered.is_some() {
            self.kept.insert(lasting_key, rendered.clone()).await;
            self.kept.invalidate(&key).await;
        }
        rendered
    }
}

// === impl Kind ===

impl Kind {
    /// The media type.
    pub(crate) fn content_type(self) -> &'static str {
        match self {
            Self::Master | Self::Playlist(_) | Self::Iframes(_) | Self::TilesPlaylist => {
                "application/vnd.apple.mpegurl"
            }
            Self::Mpd => "application/dash+xml",
            Self::Init(Track::Audio) => "audio/mp4",
            Self::Init(_) => "video/mp4",
            Self::TilesVtt => "text/vtt",
            Self::TilesJson => "application/json",
        }
    }
}

fn render(presentation: &Presentation, kind: Kind) -> Option<Arc<Document>> {
    let bytes = match kind {
        Kind::Master => Bytes::from(hls::multivariant(presentation)),
        Kind::Mpd => Bytes::from(dash::mpd(presentation)),
        Kind::Playlist(track) => Bytes::from(hls::media(presentation, track)?),
        Kind::Iframes(track) => Bytes::from(hls::iframes(presentation, track)?),
        Kind::Init(track) => Bytes::from(init(presentation, track)?),
        Kind::TilesVtt => Bytes::from(storyboard::vtt(presentation)?),
        Kind::TilesJson => Bytes::from(storyboard::json(presentation)?),
        Kind::TilesPlaylist => Bytes::from(hls::images(presentation)?),
    };
    let etag = etag::of(&bytes);
    Some(Arc::new(Document { bytes, etag }))
}

fn init(presentation: &Presentation, track: Track) -> Option<Vec<u8>> {
    let config = presentation.configs.get(&track)?;
    match cmaf::init(&presentation.plan, track, config) {
        Ok(bytes) => Some(bytes),
        Err(error) => {
            tracing::error!(video = %presentation.id, %track, %error, "the init segment cannot be written");
            None
        }
    }
}
