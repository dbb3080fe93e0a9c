//! The names of objects: the one place that knows paths and content types.

use vidstream_media::{Presentation, Track, VideoId};

/// The name of one object. Objects written by an attempt carry its fencing token, so that a stale
/// attempt never overwrites what the index names.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Key {
    /// The uploaded file.
    Source {
        /// The video.
        id: VideoId,
    },
    /// The packet index of the source.
    Packets {
        /// The video.
        id: VideoId,
        /// Its generation.
        generation: u32,
    },
    /// The stream copy of a source whose container has no usable sample table.
    Remux {
        /// The video.
        id: VideoId,
        /// Its generation.
        generation: u32,
    },
    /// The fragments of one track in one chunk.
    Media {
        /// The video.
        id: VideoId,
        /// Its generation.
        generation: u32,
        /// The track.
        track: Track,
        /// The first segment of the chunk.
        first: u64,
        /// The fencing token of the attempt.
        token: u64,
    },
    /// A sheet of storyboard tiles.
    Sheet {
        /// The video.
        id: VideoId,
        /// Its generation.
        generation: u32,
        /// The number of the sheet, from 1.
        n: u64,
        /// The fencing token of the attempt.
        token: u64,
    },
    /// The poster picture.
    Poster {
        /// The video.
        id: VideoId,
        /// Its generation.
        generation: u32,
        /// The fencing token of the attempt.
        token: u64,
    },
}

// === impl Key ===

impl Key {
    /// The video that the object belongs to; its id is the first part of the path.
    pub fn video(&self) -> VideoId {
        match *self {
            Self::Source { id }
            | Self::Packets { id, .. }
            | Self::Remux { id, .. }
            | Self::Media { id, .. }
            | Self::Sheet { id, .. }
            | Self::Poster { id, .. } => id,
        }
    }

    /// The path under the root of the store, with `/` between its parts.
    pub fn path(&self) -> String {
        match self {
            Self::Source { id } => format!("{id}/source"),
            Self::Packets { id, generation } => format!("{id}/{generation}/packets"),
            Self::Remux { id, generation } => format!("{id}/{generation}/remux"),
            Self::Media { id, generation, track, first, token } => {
                format!("{id}/{generation}/{track}/{first}-{token}.m4s")
            }
            Self::Sheet { id, generation, n, token } => format!("{id}/{generation}/thumbnails/{n}-{token}.jpg"),
            Self::Poster { id, generation, token } => format!("{id}/{generation}/poster-{token}.jpg"),
        }
    }

    /// The media, sheets and poster that a presentation names, and their bytes where those are known.
    pub fn named_by(presentation: &Presentation) -> impl Iterator<Item = (Self, Option<u64>)> {
        let (id, generation) = (presentation.id, presentation.generation);
        let media = presentation.chunks.values().flat_map(move |chunk| {
            let (first, token) = (chunk.segments.first, chunk.token);
            let key = move |track| Self::Media { id, generation, track, first, token };
            chunk.tracks.iter().map(move |part| (key(part.track), Some(part.bytes())))
        });
        let sheets = presentation.sheets.iter().map(move |(&n, sheet)| {
            let key = Self::Sheet { id, generation, n, token: sheet.token };
            (key, Some(sheet.bytes))
        });
        let poster = presentation.poster.map(|token| (Self::Poster { id, generation, token }, None));
        media.chain(sheets).chain(poster)
    }

    /// Whether it may be written again. Packets and stream copies carry no token: they are the same
    /// whoever writes them, and the next attempt does. All others are written once.
    pub fn is_replaceable(&self) -> bool {
        matches!(self, Self::Packets { .. } | Self::Remux { .. })
    }

    /// Whether readers want it while it is still written: a source is scanned while it uploads.
    pub(crate) fn is_read_while_written(&self) -> bool {
        matches!(self, Self::Source { .. })
    }

    /// The media type of the object.
    pub fn content_type(&self) -> &'static str {
        match self {
            Self::Source { .. } | Self::Packets { .. } | Self::Remux { .. } => "application/octet-stream",
            Self::Media { track: Track::Audio, .. } => "audio/mp4",
            Self::Media { .. } => "video/mp4",
            Self::Sheet { .. } | Self::Poster { .. } => "image/jpeg",
        }
    }
}
