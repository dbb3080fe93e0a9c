//! Rules 44, 58 and 70: encryption, in bytes and in documents.

use super::super::{
    entry::{Entry, Protection},
    init::{Init, Track},
    media::Media,
    mpd::Set,
    multivariant::Tag,
    needs,
    playlist::Attributes,
    report::Findings,
    stream::Stream,
    xml::Element,
};

/// Bytes of a block of AES.
const BLOCK_BYTES: u64 = 16;
/// Rows of pictures up to which content is below HD, and up to which it is HD.
const BELOW_HD_ROWS: u32 = 719;
const HD_ROWS_MIN: u32 = BELOW_HD_ROWS + 1;
const HD_ROWS: u32 = 1080;

/// Rule 44 (§6.2.3; ISO/IEC 23001-7 §7).
pub(super) fn tables(stream: &Stream, findings: &mut Findings) {
    for (place, segment) in stream.segments() {
        let runs = segment.fragments.iter().flat_map(|fragment| &fragment.runs);
        for (listed, held) in runs.filter_map(|run| run.aux).filter(|(listed, held)| listed != held) {
            let reason = format!("saiz counts {listed} bytes of sample information, and senc holds {held}");
            findings.fail(stream.at(place), reason);
        }
    }
    for media in &stream.media {
        for entry in media.segments.iter().filter(|entry| matches!(entry.key.as_deref(), Some("AES-128" | "AES-256"))) {
            let bytes = stream.bytes(&entry.place).filter(|_| entry.place.range.is_none());
            if bytes.is_some_and(|bytes| bytes % BLOCK_BYTES != 0) {
                findings
                    .fail(stream.line(&media.url, entry.line), "it is encrypted as a whole, and not in whole blocks");
            }
        }
        for entry in media.segments.iter().filter(|entry| entry.key.as_deref().is_some_and(is_sample)) {
            let bare = protection(stream, media).is_none();
            if bare && stream.segment(&entry.place).is_some_and(|segment| !segment.fragments.is_empty()) {
                findings.fail(stream.line(&media.url, entry.line), "a key for samples, and the track is not encrypted");
                break;
            }
        }
    }
}

fn is_sample(method: &str) -> bool {
    method.starts_with("SAMPLE-AES")
}

fn entry<'a>(stream: &'a Stream, media: &Media) -> Option<&'a Entry> {
    stream.track(media)?.entry.as_ref()
}

fn protection<'a>(stream: &'a Stream, media: &Media) -> Option<&'a Protection> {
    entry(stream, media)?.encrypted.as_ref()
}

/// Rule 58 (Apple 13.5 to 13.11; §4.4.6.5).
pub(super) fn schemes(stream: &Stream, findings: &mut Findings) {
    for media in &stream.media {
        let keys: Vec<(usize, Attributes)> =
            media.text.tags("EXT-X-KEY").map(|(line, value)| (line, Attributes::read(value))).collect();
        for (line, key) in &keys {
            let at = stream.line(&media.url, *line);
            let method = key.get("METHOD").unwrap_or_default();
            if method != "NONE" && !key.has("URI") {
                findings.fail(at.as_str(), "a key without a URI");
            }
            if method == "SAMPLE-AES-CTR" {
                findings.should(at.as_str(), "SAMPLE-AES-CTR does not play on Apple devices");
            }
            let Some(protection) = protection(stream, media) else { continue };
            let is_audio = stream.track(media).is_some_and(Track::is_audio);
            let expected = match method {
                "SAMPLE-AES" => b"cbcs",
                "SAMPLE-AES-CTR" => b"cenc",
                _ => continue,
            };
            if &protection.scheme != expected {
                let scheme = String::from_utf8_lossy(&protection.scheme).into_owned();
                findings.fail(at.as_str(), format!("{method} over the scheme {scheme}"));
            } else if expected == b"cbcs" && stream.is_video(media) && protection.pattern != (1, 9) {
                let (encrypted, clear) = protection.pattern;
                findings.fail(at.as_str(), format!("the pattern is {encrypted}:{clear} and not 1:9"));
            } else if is_audio && protection.pattern.1 != 0 {
                // ISO/IEC 23001-7 §10.4: what is no video is encrypted in full.
                findings.fail(at.as_str(), "the sound is encrypted by a pattern that leaves blocks clear");
            }
        }
        session_keys(stream, &keys, findings);
    }
    hdcp(stream, findings);
}

/// The EXT-X-SESSION-KEY of the same URI says the same.
fn session_keys(stream: &Stream, keys: &[(usize, Attributes)], findings: &mut Findings) {
    let Some(multivariant) = &stream.multivariant else { return };
    for (line, value) in multivariant.text.tags("EXT-X-SESSION-KEY") {
        let session = Attributes::read(value);
        for (_, key) in keys.iter().filter(|(_, key)| key.get("URI") == session.get("URI")) {
            let same =
                ["METHOD", "KEYFORMAT", "KEYFORMATVERSIONS"].iter().all(|name| key.get(name) == session.get(name));
            if !same {
                findings.fail(stream.line(&multivariant.url, line), "it differs from the EXT-X-KEY of its URI");
                break;
            }
        }
    }
}

fn hdcp(stream: &Stream, findings: &mut Findings) {
    let url = stream.multivariant.as_ref().map_or("", |multivariant| &multivariant.url);
    for item in stream.items(Tag::Variant) {
        let Some(media) = stream.playlist(item.url.as_deref()) else { continue };
        let is_protected = media.segments.iter().any(|entry| entry.key.as_deref().is_some_and(is_sample));
        let Some((_, rows)) = item.attributes.resolution("RESOLUTION").filter(|_| is_protected) else { continue };
        let level = item.attributes.get("HDCP-LEVEL");
        let is_enough = match rows {
            0..=BELOW_HD_ROWS => true,
            HD_ROWS_MIN..=HD_ROWS => matches!(level, Some("TYPE-0" | "TYPE-1")),
            _ => level == Some("TYPE-1"),
        };
        if !is_enough {
            findings.fail(stream.line(url, item.line), format!("HDCP-LEVEL is too low for {rows} rows"));
        }
    }
}

/// Rule 70 (DASH-IF IOP; ANSI/SCTE 214-1).
pub(super) fn declared(stream: &Stream, findings: &mut Findings) {
    let Some(mpd) = &stream.mpd else { return };
    for set in &mpd.sets {
        let at = format!("AdaptationSet {}", set.element.get("id").unwrap_or_default());
        if is_encrypted(stream, set) || set.element.all("ContentProtection").next().is_some() {
            let common = set.element.descriptors("ContentProtection", needs::MP4_PROTECTION).next();
            match common {
                None => findings.fail(at.as_str(), "encrypted, and ContentProtection does not say by which scheme"),
                Some(common) if key_id(common).is_none() => findings.fail(at.as_str(), "cenc:default_KID is missing"),
                Some(_) => {}
            }
        }
        for one in set.element.all("Accessibility") {
            let is_608 = one.get("schemeIdUri") == Some("urn:scte:dash:cc:cea-608:2015");
            let channels = one.get("value").unwrap_or_default();
            let is_channel = |part: &str| {
                part.strip_prefix("CC")
                    .and_then(|rest| rest.split('=').next()?.parse::<u8>().ok())
                    .is_some_and(|n| n <= 4)
            };
            if is_608 && !channels.split(';').all(is_channel) {
                findings.fail(at.as_str(), "captions are not declared as CC1=language");
            }
        }
    }
    for (set, representation) in mpd.representations() {
        if representation.element.all("ContentProtection").next().is_some()
            && set.element.first("ContentProtection").is_none()
        {
            findings.fail(format!("Representation {}", representation.id), "ContentProtection belongs on the set");
        }
    }
}

fn is_encrypted(stream: &Stream, set: &Set) -> bool {
    set.representations.iter().any(|one| {
        let track = stream.init(one.init.as_ref()).and_then(Init::track);
        track.and_then(|track| track.entry.as_ref()).is_some_and(|entry| entry.encrypted.is_some())
    })
}

fn key_id(element: &Element) -> Option<&str> {
    ["cenc:default_KID", "default_KID"].into_iter().find_map(|name| element.get(name))
}
