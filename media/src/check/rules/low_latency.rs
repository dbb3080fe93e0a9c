//! Rules 48, 75 and 76: low latency in HLS and DASH.

use super::super::{
    media::{Media, Part},
    mpd::Mpd,
    playlist::{Attributes, micros},
    report::Findings,
    stream::Stream,
};

fn control(media: &Media) -> Attributes {
    Attributes::read(media.text.value("EXT-X-SERVER-CONTROL").unwrap_or_default())
}

fn has_parts(media: &Media) -> bool {
    media.text.has("EXT-X-PART-INF") || media.text.has("EXT-X-PART")
}

/// Rule 48 (§4.4.4.9, §6.2.5.2).
pub(super) fn iframes(stream: &Stream, findings: &mut Findings) {
    let blocks = |media: &Media| control(media).get("CAN-BLOCK-RELOAD") == Some("YES");
    let others_block = stream.main().any(blocks);
    for media in stream.iframes() {
        if has_parts(media) {
            findings.fail(stream.name(&media.url), "an I-frame playlist with parts");
        }
        if others_block && !blocks(media) {
            findings.fail(stream.name(&media.url), "it does not block reloads as the others do");
        }
    }
}

/// Rule 75 (§3.2, §4.4.3.8, §4.4.4.9, §6.2.5). That a reload is held for three target durations at most, and refused with 503
/// then, shows only while a stream stands still: one that goes on answers before, and one that has ended at once.
pub(super) fn hls(stream: &Stream, findings: &mut Findings) {
    let with_parts: Vec<&Media> = stream.main().filter(|media| has_parts(media)).collect();
    let first = with_parts.first().map(|media| control(media));
    for media in with_parts {
        let name = stream.name(&media.url);
        let part_inf = media.text.value("EXT-X-PART-INF").map(Attributes::read);
        let Some(target_us) = part_inf.and_then(|inf| inf.get("PART-TARGET").and_then(micros)) else {
            findings.fail(name, "parts without EXT-X-PART-INF and its PART-TARGET");
            continue;
        };
        server_control(name, media, target_us, findings);
        if first.as_ref() != Some(&control(media)) {
            findings.fail(name, "its EXT-X-SERVER-CONTROL is not that of the others");
        }
        parts(stream, media, target_us, findings);
    }
    for (url, status) in stream.probes.iter().filter(|(_, status)| *status != 400) {
        findings.fail(stream.name(url), format!("it was answered with {status} and not with 400"));
    }
}

fn server_control(name: &str, media: &Media, target_us: u64, findings: &mut Findings) {
    let control = control(media);
    if control.get("CAN-BLOCK-RELOAD") != Some("YES") {
        findings.fail(name, "CAN-BLOCK-RELOAD is not YES");
    }
    match control.get("PART-HOLD-BACK").and_then(micros) {
        None => findings.fail(name, "PART-HOLD-BACK is missing"),
        Some(us) if us < target_us.saturating_mul(2) => findings.fail(name, "PART-HOLD-BACK is below two part targets"),
        Some(us) if us < target_us.saturating_mul(3) => {
            findings.should(name, "PART-HOLD-BACK is below three part targets");
        }
        Some(_) => {}
    }
    let skip = control.get("CAN-SKIP-UNTIL").and_then(micros);
    let least = media.target_s.unwrap_or(0).saturating_mul(6_000_000);
    if skip.is_some_and(|skip| skip < least) {
        findings.fail(name, "CAN-SKIP-UNTIL is below six target durations");
    }
}

fn parts(stream: &Stream, media: &Media, target_us: u64, findings: &mut Findings) {
    let lists = media.segments.iter().map(|entry| (entry.parts.as_slice(), Some(entry)));
    for (list, parent) in lists.chain([(media.loose_parts.as_slice(), None)]) {
        for (n, part) in list.iter().enumerate() {
            let us = part.duration_us.unwrap_or(0);
            let is_last = n + 1 == list.len() && parent.is_some();
            let at = || stream.line(&media.url, part.line);
            if us > target_us {
                findings.fail(at(), "the part is longer than PART-TARGET");
            } else if us.saturating_mul(100) < target_us.saturating_mul(85) && !is_last && !next_is_independent(list, n)
            {
                findings.fail(at(), "the part is shorter than 85 % of PART-TARGET");
            }
        }
        let Some(entry) = parent.filter(|_| !list.is_empty()) else { continue };
        let at = stream.line(&media.url, entry.line);
        let total_us = list.iter().filter_map(|part| part.duration_us).fold(0, u64::saturating_add);
        if entry.duration_us.is_some_and(|us| us.abs_diff(total_us) > 1000) {
            findings.fail(at.as_str(), "its parts do not last as long as the segment");
        }
        let bytes: Option<u64> = list.iter().map(|part| stream.bytes(part.place.as_ref()?)).sum();
        if let (Some(parts), Some(whole)) = (bytes, stream.bytes(&entry.place))
            && parts != whole
        {
            findings.fail(at, format!("its parts have {parts} bytes, and the segment {whole}"));
        }
    }
}

/// A part may be short when the next one begins with an independent picture.
fn next_is_independent(list: &[Part], n: usize) -> bool {
    list.get(n + 1).is_some_and(|next| next.independent)
}

/// Rule 76.
pub(super) fn dash(stream: &Stream, findings: &mut Findings) {
    let Some(mpd) = &stream.mpd else { return };
    let name = stream.name(&mpd.url);
    if mpd.root.first("UTCTiming").is_none() {
        findings.fail(name, "UTCTiming is missing");
    }
    for (_, representation) in stream.mpd.iter().flat_map(Mpd::representations) {
        let early = representation.address("availabilityTimeOffset").is_some();
        let incomplete = representation.address("availabilityTimeComplete") == Some("false");
        if early != incomplete {
            let reason = "availabilityTimeOffset and availabilityTimeComplete=false come together";
            findings.fail(format!("Representation {}", representation.id), reason);
        }
        let segments: Vec<_> =
            representation.segments.iter().filter_map(|listed| stream.segment(&listed.place)).collect();
        if early && !segments.is_empty() && segments.iter().all(|segment| segment.fragments.len() < 2) {
            findings.fail(format!("Representation {}", representation.id), "its segments are not chunked");
        }
        if early && segments.iter().any(|segment| !segment.producer_time) {
            findings.should(format!("Representation {}", representation.id), "no prft, so latency cannot be measured");
        }
    }
}
