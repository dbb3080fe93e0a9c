//! Rules 1 to 6: playlists as text and as resources.

use std::collections::BTreeSet;

use super::super::{
    media::Media,
    needs::Need,
    place::Place,
    playlist::{Attributes, Text},
    report::Findings,
    stream::{Coding, Document, Resource, Stream},
};

/// Tags of media playlists as a whole (RFC 8216bis §4.4.3).
const PLAYLIST_TAGS: [&str; 8] = [
    "EXT-X-TARGETDURATION",
    "EXT-X-MEDIA-SEQUENCE",
    "EXT-X-DISCONTINUITY-SEQUENCE",
    "EXT-X-ENDLIST",
    "EXT-X-PLAYLIST-TYPE",
    "EXT-X-I-FRAMES-ONLY",
    "EXT-X-PART-INF",
    "EXT-X-SERVER-CONTROL",
];
/// Tags of segments and metadata (§4.4.4, §4.4.5).
const SEGMENT_TAGS: [&str; 14] = [
    "EXTINF",
    "EXT-X-BYTERANGE",
    "EXT-X-DISCONTINUITY",
    "EXT-X-KEY",
    "EXT-X-MAP",
    "EXT-X-PROGRAM-DATE-TIME",
    "EXT-X-GAP",
    "EXT-X-BITRATE",
    "EXT-X-PART",
    "EXT-X-DATERANGE",
    "EXT-X-SKIP",
    "EXT-X-PRELOAD-HINT",
    "EXT-X-RENDITION-REPORT",
    "EXT-X-IMAGES-ONLY",
];
/// Tags of multivariant playlists (§4.4.6).
const MULTIVARIANT_TAGS: [&str; 7] = [
    "EXT-X-MEDIA",
    "EXT-X-STREAM-INF",
    "EXT-X-I-FRAME-STREAM-INF",
    "EXT-X-IMAGE-STREAM-INF",
    "EXT-X-SESSION-DATA",
    "EXT-X-SESSION-KEY",
    "EXT-X-CONTENT-STEERING",
];
/// The media types of playlists (§4).
const CONTENT_TYPES: [&str; 2] = ["application/vnd.apple.mpegurl", "audio/mpegurl"];

/// Every playlist with its URL.
fn texts(stream: &Stream) -> impl Iterator<Item = (&str, &Text)> {
    let multivariant = stream.multivariant.iter().map(|playlist| (playlist.url.as_str(), &playlist.text));
    multivariant.chain(stream.media.iter().map(|media| (media.url.as_str(), &media.text)))
}

/// Rule 1 (§4.1, §4.4.1.1).
pub(super) fn text(stream: &Stream, findings: &mut Findings) {
    for (url, text) in texts(stream) {
        for (line, fault) in &text.faults {
            findings.fail(stream.line(url, *line), *fault);
        }
    }
}

/// Rule 2 (§8).
pub(super) fn version(stream: &Stream, findings: &mut Findings) {
    for (url, text) in texts(stream) {
        let versions: Vec<(usize, &str)> = text.tags("EXT-X-VERSION").collect();
        if let Some((line, _)) = versions.get(1) {
            findings.fail(stream.line(url, *line), "a second EXT-X-VERSION");
        }
        let (line, declared) = match versions.first() {
            Some((line, value)) => (*line, value.trim().parse::<u64>().ok()),
            None => (0, Some(1)),
        };
        let Some(declared) = declared else {
            findings.fail(stream.line(url, line), "EXT-X-VERSION is no number");
            continue;
        };
        let (needed, why) = needed_version(text);
        if declared < needed {
            findings.fail(stream.line(url, line), format!("version {declared}, and {why} needs {needed}"));
        } else if declared > needed.max(1) && line > 0 {
            findings.should(stream.line(url, line), format!("version {declared}, and its tags need {needed} only"));
        }
    }
}

/// The least version that the tags allow, and the one that asks for it.
fn needed_version(text: &Text) -> (u64, &'static str) {
    let mut needed = (1, "nothing");
    let mut need = |version: u64, why: &'static str| {
        if version > needed.0 {
            needed = (version, why);
        }
    };
    let iframes_only = text.has("EXT-X-I-FRAMES-ONLY");
    for (_, name, value) in text.all_tags() {
        match name {
            "EXTINF" if value.contains('.') => need(3, "a decimal EXTINF"),
            "EXT-X-BYTERANGE" => need(4, "EXT-X-BYTERANGE"),
            "EXT-X-I-FRAMES-ONLY" => need(4, "EXT-X-I-FRAMES-ONLY"),
            "EXT-X-MAP" if iframes_only => need(5, "EXT-X-MAP"),
            "EXT-X-MAP" => need(6, "EXT-X-MAP without EXT-X-I-FRAMES-ONLY"),
            "EXT-X-DEFINE" if value.contains("QUERYPARAM") => need(11, "QUERYPARAM"),
            "EXT-X-DEFINE" => need(8, "EXT-X-DEFINE"),
            "EXT-X-SKIP" if value.contains("RECENTLY-REMOVED-DATERANGES") => need(10, "removed date ranges"),
            "EXT-X-SKIP" => need(9, "EXT-X-SKIP"),
            "EXT-X-KEY" => {
                let key = Attributes::read(value);
                if key.has("IV") {
                    need(2, "the IV of a key");
                }
                let later = ["KEYFORMAT", "KEYFORMATVERSIONS"].iter().any(|name| key.has(name));
                if later || key.get("METHOD").is_some_and(|method| method.starts_with("SAMPLE-AES")) {
                    need(5, "EXT-X-KEY with SAMPLE-AES or KEYFORMAT");
                }
            }
            "EXT-X-MEDIA" => {
                let media = Attributes::read(value);
                if let Some(id) = media.get("INSTREAM-ID") {
                    if media.get("TYPE") != Some("CLOSED-CAPTIONS") {
                        need(13, "INSTREAM-ID on something else than captions");
                    } else if id.starts_with("SERVICE") {
                        need(7, "INSTREAM-ID of a service");
                    }
                }
            }
            _ => {}
        }
        if name.starts_with("EXT-X-") && value.contains("REQ-") && Attributes::read(value).iter().any(is_requirement) {
            need(12, "a REQ- attribute");
        }
    }
    needed
}

fn is_requirement((name, _): (&str, &str)) -> bool {
    name.starts_with("REQ-")
}

/// Rule 3 (§4.4.3, §4.4.4, §4.4.6).
pub(super) fn tags(stream: &Stream, findings: &mut Findings) {
    if let Some(multivariant) = &stream.multivariant {
        for (line, name, _) in multivariant.text.all_tags() {
            if PLAYLIST_TAGS.contains(&name) || SEGMENT_TAGS.contains(&name) {
                findings.fail(stream.line(&multivariant.url, line), format!("{name} in a multivariant playlist"));
            }
        }
    }
    for media in &stream.media {
        for (line, name, _) in media.text.all_tags().filter(|(_, name, _)| MULTIVARIANT_TAGS.contains(name)) {
            findings.fail(stream.line(&media.url, line), format!("{name} in a media playlist"));
        }
        for tag in PLAYLIST_TAGS {
            if let Some((line, _)) = media.text.tags(tag).nth(1) {
                findings.fail(stream.line(&media.url, line), format!("a second {tag}"));
            }
        }
    }
}

/// Rule 4 (§4, §6.2.1; Apple 10.1).
pub(super) fn content_type(stream: &Stream, findings: &mut Findings) {
    for document in stream.documents.iter().filter(|document| !document.is_mpd) {
        let name = stream.name(&document.url);
        let essence = document.content_type.as_deref().map(|kind| kind.split(';').next().unwrap_or_default().trim());
        let is_ours = essence.is_some_and(|kind| CONTENT_TYPES.iter().any(|known| kind.eq_ignore_ascii_case(known)));
        let path = document.url.split('?').next().unwrap_or_default();
        let extension = path.rsplit_once('.').map(|(_, extension)| extension);
        let by_path = extension == Some("m3u8") && essence.is_none();
        if !is_ours && !by_path {
            findings.fail(name, format!("its content type is {}", essence.unwrap_or("missing")));
        }
        match document.gzip {
            Some(Coding::Same) => {}
            Some(Coding::Different) => findings.must(name, "asked for with gzip, it is not the same text"),
            Some(Coding::Plain) => findings.should(name, "it is not compressed for a client that accepts gzip"),
            None => findings.fail(name, "it cannot be had with gzip accepted"),
        }
    }
}

/// Rule 5 (§6.2.1).
pub(super) fn changes(stream: &Stream, findings: &mut Findings) {
    for document in stream.documents.iter().filter(|document| !document.is_mpd) {
        let name = stream.name(&document.url);
        let again = match &document.again {
            Some(Ok(again)) => again,
            Some(Err(reason)) => {
                findings.fail(name, format!("asked for again: {reason}"));
                continue;
            }
            None => continue,
        };
        if let Some(media) = stream.playlist(Some(&document.url)) {
            changed(name, document, media, again, findings);
        }
    }
}

fn changed(name: &str, document: &Document, before: &Media, again: &[u8], findings: &mut Findings) {
    if document.bytes == again {
        return;
    }
    let after = Media::read(&before.url, &before.base, again);
    if !after.text.is_playlist() {
        findings.fail(name, "asked for again, it is no playlist");
        return;
    }
    if after.target_s != before.target_s {
        findings.fail(name, "EXT-X-TARGETDURATION changed");
    }
    if before.kind.is_some() && before.kind != after.kind {
        findings.fail(name, "EXT-X-PLAYLIST-TYPE changed");
    } else if before.kind.as_deref() == Some("VOD") || before.ended {
        findings.fail(name, "a finished playlist changed");
    } else if before.kind.as_deref() == Some("EVENT") && !appends(before, &after) {
        findings.fail(name, "an EVENT playlist changed otherwise than by more segments");
    } else if after.sequence < before.sequence {
        findings.fail(name, "EXT-X-MEDIA-SEQUENCE went back");
    } else if before.kind.is_none() && !slides(before, &after) {
        findings.fail(name, "segments were removed or renamed while EXT-X-MEDIA-SEQUENCE did not follow");
    }
}

fn places(media: &Media) -> impl Iterator<Item = &Place> {
    media.segments.iter().map(|entry| &entry.place)
}

fn appends(before: &Media, after: &Media) -> bool {
    after.segments.len() >= before.segments.len() && places(before).eq(places(after).take(before.segments.len()))
}

/// Whether `after` is `before` less as many segments as its sequence number moved, and more at its end.
fn slides(before: &Media, after: &Media) -> bool {
    let removed = usize::try_from(after.sequence - before.sequence).unwrap_or(usize::MAX);
    let kept = before.segments.len().saturating_sub(removed);
    places(before).skip(removed).eq(places(after).take(kept))
}

/// Rule 6 (§6.2.1). Pictures beside the media, such as the sheets of a storyboard, are judged once the stream is settled:
/// before that they may be listed and still to be made, which no specification of theirs forbids.
pub(super) fn downloads(stream: &Stream, findings: &mut Findings) {
    let pending = if Need::Settled.holds(stream) { BTreeSet::new() } else { stream.pictures() };
    for (place, resource) in &stream.resources {
        if let Resource::Missing(reason) = resource
            && !pending.contains(place)
        {
            findings.fail(stream.at(place), reason.clone());
        }
    }
}
