//! Rendered playlists, manifests, tile lists and init segments, kept by what they depend on.

use std::sync::Arc;

use moka::{future::Cache, policy::EvictionPolicy};
use vidstream_media::{Presentation, Track, VideoId, cmaf, dash, hls, storyboard};

use super::{content::Content, views::View};
use crate::limits::DOCUMENT_BYTES_MAX;

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

/// The documents that are kept.
pub(crate) struct Documents {
    kept: Cache<Key, Option<Arc<Content>>>,
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
        let weigher = |_: &Key, document: &Option<Arc<Content>>| {
            let bytes = document.as_ref().map_or(0, |document| document.bytes_max());
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
    pub(crate) async fn get(&self, view: &View, presentation: &Arc<Presentation>, kind: Kind) -> Option<Arc<Content>> {
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
    /// Whether one that is not there may come in this generation: its tracks are those of its plan, for ever.
    pub(crate) fn may_come(self, presentation: &Presentation) -> bool {
        match self {
            Self::Playlist(track) | Self::Iframes(track) | Self::Init(track) => {
                presentation.plan.tracks().contains(&track)
            }
            _ => true,
        }
    }

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

fn render(presentation: &Presentation, kind: Kind) -> Option<Arc<Content>> {
    let text = match kind {
        Kind::Init(track) => return Some(Arc::new(Content::binary(init(presentation, track)?.into()))),
        Kind::Master => hls::multivariant(presentation),
        Kind::Mpd => dash::mpd(presentation),
        Kind::Playlist(track) => hls::media(presentation, track)?,
        Kind::Iframes(track) => hls::iframes(presentation, track)?,
        Kind::TilesVtt => storyboard::vtt(presentation)?,
        Kind::TilesJson => storyboard::json(presentation)?,
        Kind::TilesPlaylist => hls::images(presentation)?,
    };
    Some(Arc::new(Content::text(text.into())))
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
