//! Rules 7, 8, 11, 14, 15, 17 and 20: what media playlists say of themselves.

use super::super::{
    media::{Entry, Media},
    playlist::{Attributes, byte_range},
    report::Findings,
    stream::Stream,
};

/// Target durations that count as about six seconds (Apple 7.5, 7.6).
const TARGET_S: std::ops::RangeInclusive<u64> = 4..=8;
/// Segments that a live playlist lists at least (Apple 8.11).
const LIVE_SEGMENTS_MIN: usize = 6;

/// Rule 7 (§4.4.3.1, Apple 7.7).
pub(super) fn target(stream: &Stream, findings: &mut Findings) {
    for media in &stream.media {
        let Some(target_s) = media.target_s else {
            findings.fail(stream.name(&media.url), "EXT-X-TARGETDURATION is missing or no number");
            continue;
        };
        for entry in &media.segments {
            match entry.duration_us {
                None => {
                    let reason = "a segment without a decimal EXTINF";
                    findings.fail(stream.line(&media.url, entry.line), reason);
                }
                Some(us) if us.saturating_add(500_000) / 1_000_000 > target_s => {
                    let reason = format!("{} s, and the target duration is {target_s} s", seconds(us));
                    findings.fail(stream.line(&media.url, entry.line), reason);
                }
                Some(_) => {}
            }
        }
    }
}

/// Rule 8 (§6.2.4, Apple 8.2).
pub(super) fn one_target(stream: &Stream, findings: &mut Findings) {
    let Some(first) = stream.main().next() else { return };
    for media in stream.main().filter(|media| media.target_s != first.target_s) {
        let target_s = |media: &Media| media.target_s.map_or("none".to_owned(), |s| format!("{s} s"));
        let reason = format!("{} here and {} in {}", target_s(media), target_s(first), stream.name(&first.url));
        findings.fail(stream.name(&media.url), reason);
    }
    let others = stream.media.iter().filter(|media| media.roles.subtitles || media.roles.iframes);
    for media in others.filter(|media| media.target_s != first.target_s && media.kind.as_deref() != Some("VOD")) {
        findings.fail(stream.name(&media.url), "its target duration differs, which only VOD allows");
    }
}

/// Rule 11 (§6.2.1, §6.2.4, Apple 8.6).
pub(super) fn kind(stream: &Stream, findings: &mut Findings) {
    let first = stream.media.first().and_then(|media| media.kind.as_deref());
    for media in stream.media.iter().filter(|media| !media.roles.images) {
        let name = stream.name(&media.url);
        let kind = media.kind.as_deref();
        if kind != first {
            findings.fail(name, "its EXT-X-PLAYLIST-TYPE is not that of the others");
        }
        match kind {
            Some("VOD") if !media.ended => findings.fail(name, "VOD without EXT-X-ENDLIST"),
            None if media.ended => findings.fail(name, "EXT-X-ENDLIST without EXT-X-PLAYLIST-TYPE"),
            Some("VOD" | "EVENT") | None => {}
            Some(_) => findings.fail(name, "EXT-X-PLAYLIST-TYPE is neither VOD nor EVENT"),
        }
    }
}

/// Rule 14 (§3.1.2, §4.4.4.5).
pub(super) fn map(stream: &Stream, findings: &mut Findings) {
    for media in &stream.media {
        for (line, value) in media.text.tags("EXT-X-MAP") {
            let attributes = Attributes::read(value);
            if attributes.get("URI").is_none() {
                findings.fail(stream.line(&media.url, line), "EXT-X-MAP without a URI");
            }
            let Some(range) = attributes.value("BYTERANGE") else { continue };
            let has_offset = byte_range(&range.text).is_some_and(|(_, offset)| offset.is_some());
            if !range.quoted || !has_offset {
                findings.fail(stream.line(&media.url, line), "BYTERANGE of EXT-X-MAP is not a quoted n@o");
            }
        }
        let is_fragmented =
            |entry: &&Entry| stream.segment(&entry.place).is_some_and(|segment| !segment.fragments.is_empty());
        let bare = media.segments.iter().filter(|entry| entry.map.is_none()).find(is_fragmented);
        if let Some(entry) = bare {
            findings.fail(stream.line(&media.url, entry.line), "an fMP4 segment without EXT-X-MAP");
        }
    }
}

/// Rule 15 (§4.4.4.2).
pub(super) fn byte_ranges(stream: &Stream, findings: &mut Findings) {
    for media in &stream.media {
        for line in &media.loose_ranges {
            let reason = "no offset, and the segment before is no sub-range of the same resource";
            findings.fail(stream.line(&media.url, *line), reason);
        }
        for (line, value) in media.text.tags("EXT-X-BYTERANGE") {
            if byte_range(value).is_none() {
                findings.fail(stream.line(&media.url, line), "no byte range");
            }
        }
    }
}

/// Rule 17 (§4.4.4.8).
pub(super) fn bitrate(stream: &Stream, findings: &mut Findings) {
    for media in &stream.media {
        for entry in &media.segments {
            let measured = entry.duration_us.zip(stream.bytes(&entry.place));
            let (Some(declared), Some((us, bytes))) = (entry.bitrate_kbps, measured) else { continue };
            let bps = u128::from(bytes) * 8_000_000 / u128::from(us.max(1));
            let declared = u128::from(declared) * 1000;
            if declared * 10 < bps * 9 || declared * 10 > bps * 11 {
                let reason = format!("{} kb/s declared and {} measured", declared / 1000, bps / 1000);
                findings.fail(stream.line(&media.url, entry.line), reason);
            }
        }
    }
}

/// Rule 20 (Apple 7.5, 8.4, 8.11; §6.2.2).
pub(super) fn window(stream: &Stream, findings: &mut Findings) {
    for media in stream.main() {
        let name = stream.name(&media.url);
        let target_s = media.target_s.unwrap_or(0);
        // What is shorter than a target duration as a whole has no other one.
        if !TARGET_S.contains(&target_s) && media.duration_us() > TARGET_S.start() * 1_000_000 {
            findings.should(name, format!("the target duration is {target_s} s"));
        }
        if media.ended || media.kind.as_deref() == Some("EVENT") {
            continue;
        }
        live(stream, media, target_s, findings);
    }
}

fn live(stream: &Stream, media: &Media, target_s: u64, findings: &mut Findings) {
    let name = stream.name(&media.url);
    if media.kind.is_some() {
        findings.must(name, "a live playlist with EXT-X-PLAYLIST-TYPE");
    }
    if media.segments.len() < LIVE_SEGMENTS_MIN {
        let reason = format!("a live playlist lists {} segments, fewer than six", media.segments.len());
        findings.must(name, reason);
    }
    if media.duration_us() < target_s.saturating_mul(3_000_000) {
        findings.must(name, "a live playlist lists less than three target durations");
    }
    if !media.segments.iter().any(|entry| entry.has_date) {
        findings.must(name, "a live playlist without EXT-X-PROGRAM-DATE-TIME");
    }
}

/// Microseconds as seconds, for people.
pub(super) fn seconds(us: u64) -> String {
    format!("{}.{:06}", us / 1_000_000, us % 1_000_000)
}
