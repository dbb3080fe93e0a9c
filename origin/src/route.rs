//! From a request path to what it names. Pure; one spelling for each thing, everything else is unknown.
//!
//! Paths are compared as they are: a `%`-escape, an empty or a dotted part never matches.

use std::str::FromStr;

use vidstream_media::{Track, VideoId};

/// Characters of the longest path that can name anything.
const PATH_BYTES_MAX: usize = 256;

/// What a path names.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Route<'a> {
    /// Something players and CDNs fetch.
    Delivery(VideoId, Target),
    /// A path under `/v/` that names nothing.
    UnknownDelivery,
    /// Something of the API.
    Api(Api),
    /// The page.
    Index,
    /// A file of the page, by name.
    Asset(&'a str),
    /// Nothing.
    Unknown,
}

/// What is delivered of a video.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Target {
    /// `master.m3u8`.
    Master,
    /// `manifest.mpd`.
    Mpd,
    /// Something of one generation.
    Part(u32, Part),
}

/// What is delivered of a generation; never changes once it is there.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Part {
    /// `{track}/index.m3u8`.
    Playlist(Track),
    /// `{track}/iframes.m3u8`.
    Iframes(Track),
    /// `{track}/init.mp4`.
    Init(Track),
    /// `{track}/{n}.m4s`.
    Segment(Track, u64),
    /// `thumbnails.vtt`.
    TilesVtt,
    /// `thumbnails.json`.
    TilesJson,
    /// `thumbnails.m3u8`.
    TilesPlaylist,
    /// `thumbnails/{n}.jpg`.
    Sheet(u64),
    /// `poster.jpg`.
    Poster,
}

/// What the API offers.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Api {
    /// `/v1/videos`.
    Videos,
    /// `/v1/videos/{id}`.
    Video(VideoId),
    /// `/v1/videos/{id}/events`.
    Events(VideoId),
    /// `/v1/videos/{id}/views`.
    Views(VideoId),
    /// `/v1/ws`.
    Socket,
    /// A path under `/v1/` that names nothing.
    Unknown,
}

// === impl Route ===

impl<'a> Route<'a> {
    /// Reads a path, without its query.
    pub(crate) fn parse(path: &'a str) -> Self {
        if let Some(rest) = path.strip_prefix("/v/") {
            return delivery(rest).map_or(Self::UnknownDelivery, |(id, target)| Self::Delivery(id, target));
        }
        if let Some(rest) = path.strip_prefix("/v1/") {
            return Self::Api(api(rest).unwrap_or(Api::Unknown));
        }
        match path.strip_prefix("/assets/") {
            Some(name) if is_asset_name(name) => Self::Asset(name),
            None if path == "/" => Self::Index,
            _ => Self::Unknown,
        }
    }

    /// Whether the path is for players of any website, so that every answer to it carries CORS headers.
    pub(crate) fn is_delivery(self) -> bool {
        matches!(self, Self::Delivery(..) | Self::UnknownDelivery)
    }

    /// A name for metrics and logs.
    pub(crate) fn label(self) -> &'static str {
        match self {
            Self::Delivery(_, target) => target.label(),
            Self::Api(api) => api.label(),
            Self::Index | Self::Asset(_) => "page",
            Self::UnknownDelivery | Self::Unknown => "unknown",
        }
    }
}

// === impl Target ===

impl Target {
    fn label(self) -> &'static str {
        match self {
            Self::Master => "master",
            Self::Mpd => "mpd",
            Self::Part(_, part) => match part {
                Part::Playlist(_) => "playlist",
                Part::Iframes(_) => "iframes",
                Part::Init(_) => "init",
                Part::Segment(..) => "segment",
                Part::TilesVtt | Part::TilesJson | Part::TilesPlaylist => "tiles",
                Part::Sheet(_) => "sheet",
                Part::Poster => "poster",
            },
        }
    }
}

// === impl Api ===

impl Api {
    fn label(self) -> &'static str {
        match self {
            Self::Videos => "api_videos",
            Self::Video(_) => "api_video",
            Self::Events(_) => "api_events",
            Self::Views(_) => "api_views",
            Self::Socket => "api_ws",
            Self::Unknown => "unknown",
        }
    }
}

fn delivery(rest: &str) -> Option<(VideoId, Target)> {
    if rest.len() > PATH_BYTES_MAX {
        return None;
    }
    let mut parts = rest.split('/');
    let id = VideoId::from_str(parts.next()?).ok()?;
    let second = parts.next()?;
    let target = match (second, parts.next(), parts.next(), parts.next()) {
        ("master.m3u8", None, ..) => Target::Master,
        ("manifest.mpd", None, ..) => Target::Mpd,
        (generation, Some(name), None, _) => {
            Target::Part(u32::try_from(number(generation)?).ok()?, of_generation(name)?)
        }
        (generation, Some(folder), Some(name), None) => {
            Target::Part(u32::try_from(number(generation)?).ok()?, of_folder(folder, name)?)
        }
        _ => return None,
    };
    Some((id, target))
}

fn of_generation(name: &str) -> Option<Part> {
    match name {
        "thumbnails.vtt" => Some(Part::TilesVtt),
        "thumbnails.json" => Some(Part::TilesJson),
        "thumbnails.m3u8" => Some(Part::TilesPlaylist),
        "poster.jpg" => Some(Part::Poster),
        _ => None,
    }
}

fn of_folder(folder: &str, name: &str) -> Option<Part> {
    if folder == "thumbnails" {
        return name.strip_suffix(".jpg").and_then(number).map(Part::Sheet);
    }
    let track = Track::from_str(folder).ok()?;
    match name {
        "index.m3u8" => Some(Part::Playlist(track)),
        "iframes.m3u8" => Some(Part::Iframes(track)),
        "init.mp4" => Some(Part::Init(track)),
        _ => name.strip_suffix(".m4s").and_then(number).map(|n| Part::Segment(track, n)),
    }
}

fn api(rest: &str) -> Option<Api> {
    let mut parts = rest.split('/');
    match (parts.next()?, parts.next(), parts.next(), parts.next()) {
        ("ws", None, ..) => Some(Api::Socket),
        ("videos", None, ..) => Some(Api::Videos),
        ("videos", Some(id), None, _) => id.parse().ok().map(Api::Video),
        ("videos", Some(id), Some("events"), None) => id.parse().ok().map(Api::Events),
        ("videos", Some(id), Some("views"), None) => id.parse().ok().map(Api::Views),
        _ => None,
    }
}

/// A number from 1 in its one spelling: digits without a leading zero.
fn number(text: &str) -> Option<u64> {
    let canonical = !text.starts_with('0') && text.bytes().all(|byte| byte.is_ascii_digit());
    if canonical { text.parse().ok() } else { None }
}

fn is_asset_name(name: &str) -> bool {
    let allowed = |byte: u8| byte.is_ascii_alphanumeric() || matches!(byte, b'.' | b'-' | b'_' | b'/');
    name.len() <= PATH_BYTES_MAX && name.bytes().all(allowed)
}

#[cfg(test)]
mod tests;
