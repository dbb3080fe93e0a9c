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
        let poster = presentation.poster.map(|poster| (Self::Poster { id, generation, token: poster.token }, None));
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

    /// The key of a path as [`Self::path`] gives it; `None` for what no key names, such as objects being written.
    pub fn parse(path: &str) -> Option<Self> {
        let (id, rest) = path.split_once('/')?;
        let id = id.parse().ok()?;
        let key = match rest.split_once('/') {
            None if rest == "source" => Self::Source { id },
            None => return None,
            Some((generation, rest)) => Self::of_generation(id, generation.parse().ok()?, rest)?,
        };
        // Numbers have more spellings than the one that names an object.
        Some(key).filter(|key| key.path() == path)
    }

    fn of_generation(id: VideoId, generation: u32, rest: &str) -> Option<Self> {
        match (rest, rest.split_once('/')) {
            ("packets", _) => Some(Self::Packets { id, generation }),
            ("remux", _) => Some(Self::Remux { id, generation }),
            (_, None) => {
                let token = rest.strip_prefix("poster-")?.strip_suffix(".jpg")?;
                Some(Self::Poster { id, generation, token: token.parse().ok()? })
            }
            (_, Some(("thumbnails", name))) => {
                let (n, token) = numbers(name.strip_suffix(".jpg")?)?;
                Some(Self::Sheet { id, generation, n, token })
            }
            (_, Some((track, name))) => {
                let (first, token) = numbers(name.strip_suffix(".m4s")?)?;
                Some(Self::Media { id, generation, track: track.parse().ok()?, first, token })
            }
        }
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

/// `3-17`
fn numbers(text: &str) -> Option<(u64, u64)> {
    let (first, token) = text.split_once('-')?;
    Some((first.parse().ok()?, token.parse().ok()?))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_path_leads_back_to_its_key_and_no_other_path_to_any() {
        let (id, generation, token) = (VideoId::from_bits(7), 2, 19);
        for key in [
            Key::Source { id },
            Key::Packets { id, generation },
            Key::Remux { id, generation },
            Key::Media { id, generation, track: Track::Rung(720), first: 5, token },
            Key::Media { id, generation, track: Track::Audio, first: 1, token },
            Key::Sheet { id, generation, n: 3, token },
            Key::Poster { id, generation, token },
        ] {
            assert_eq!(Key::parse(&key.path()), Some(key));
            for changed in [format!("{}x", key.path()), format!("{}.part-12-3", key.path()), format!("/{}", key.path())]
            {
                assert_eq!(Key::parse(&changed), None, "{changed}");
            }
        }
        for rest in
            ["", "02/packets", "2/720p/05-19.m4s", "2/720p/5.m4s", "2/none/5-19.m4s", "2/thumbnails/3-19.m4s", "2/+3/a"]
        {
            assert_eq!(Key::parse(&format!("{id}/{rest}")), None, "{rest}");
        }
        assert_eq!(Key::parse("source"), None);
    }
}
