//! Rules 37, 38, 40 and 45 to 47, and 49: what documents say of I-frame and image playlists.

use std::collections::BTreeSet;

use super::{
    super::{
        image::Format,
        media::Media,
        multivariant::{Item, Tag},
        needs,
        playlist::{Attributes, micros, pair},
        report::Findings,
        stream::Stream,
    },
    media::seconds,
};

/// Pictures a second that players aim at (Apple 6.5).
const PLAYED_FPS: u64 = 8;
/// The mean distance of pictures that counts as one a second (Apple 6.2).
const DENSE_US_MAX: u64 = 1_250_000;
/// Width of motion JPEG, in pixels, and the distance of its pictures (Apple appendix).
const MOTION_JPEG_WIDTH: std::ops::RangeInclusive<u32> = 300..=500;
const MOTION_JPEG_US: std::ops::RangeInclusive<u64> = 900_000..=2_100_000;

fn place(stream: &Stream, item: &Item) -> String {
    let url = stream.multivariant.as_ref().map_or("", |multivariant| &multivariant.url);
    stream.line(url, item.line)
}

/// Rule 37 (Apple 6.1; §4.4.6.3).
pub(super) fn present(stream: &Stream, findings: &mut Findings) {
    let url = stream.multivariant.as_ref().map_or("", |multivariant| &multivariant.url);
    if stream.items(Tag::Iframes).next().is_none() {
        findings.fail(stream.name(url), "there is no EXT-X-I-FRAME-STREAM-INF");
    }
    for item in stream.items(Tag::Iframes) {
        for name in ["BANDWIDTH", "URI", "CODECS", "RESOLUTION"] {
            if !item.attributes.has(name) {
                findings.fail(place(stream, item), format!("{name} is missing"));
            }
        }
        if !item.attributes.has("AVERAGE-BANDWIDTH") {
            findings.should(place(stream, item), "AVERAGE-BANDWIDTH is missing");
        }
    }
}

/// Rule 38 (§4.4.3.6).
pub(super) fn only(stream: &Stream, findings: &mut Findings) {
    for media in stream.iframes() {
        let name = stream.name(&media.url);
        if !media.iframes_only {
            findings.fail(name, "EXT-X-I-FRAMES-ONLY is missing");
        }
        let version = media.text.value("EXT-X-VERSION").and_then(|value| value.trim().parse::<u64>().ok()).unwrap_or(1);
        let needed = if media.text.has("EXT-X-MAP") { 5 } else { 4 };
        if version < needed {
            findings.fail(name, format!("version {version}, and an I-frame playlist needs {needed}"));
        }
    }
}

/// Rule 40 (Apple 6.11, 6.12).
pub(super) fn target(stream: &Stream, findings: &mut Findings) {
    let main = stream.main().next().and_then(|media| media.target_s);
    for media in stream.iframes() {
        let target_us = media.target_s.unwrap_or(0).saturating_mul(1_000_000);
        let longest = media.segments.iter().filter_map(|entry| entry.duration_us.map(|us| (us, entry.line))).max();
        if let Some((us, line)) = longest.filter(|(us, _)| *us >= target_us.saturating_add(500_000)) {
            let reason = format!("an I-frame lasts {} s, beyond the target duration", seconds(us));
            findings.fail(stream.line(&media.url, line), reason);
        }
        if !media.ended && media.target_s != main {
            findings.fail(stream.name(&media.url), "live, and its target duration is not that of the others");
        }
    }
}

/// Rule 45 (Apple 6.5, 6.9).
pub(super) fn bandwidth(stream: &Stream, findings: &mut Findings) {
    let mut fits = false;
    let most = stream.items(Tag::Variant).filter_map(|item| item.attributes.number("BANDWIDTH")).max().unwrap_or(0);
    for item in stream.items(Tag::Iframes) {
        let media = stream.playlist(item.url.as_deref());
        let (Some(declared), Some(media)) = (item.attributes.number("BANDWIDTH"), media) else { continue };
        let Some(rates) = stream.rates(media) else {
            // What cannot be measured may fit.
            fits = true;
            continue;
        };
        if declared.saturating_add(1) < rates.peak_bps || declared / 10 * 9 > rates.peak_bps {
            let reason = format!("BANDWIDTH is {declared}, and the greatest window has {}", rates.peak_bps);
            findings.fail(place(stream, item), reason);
        }
        // Shown at eight a second, its pictures pass so many times as fast as they are timed.
        let played_bps = rates.average_bps.saturating_mul(PLAYED_FPS).saturating_mul(spacing_us(media)) / 1_000_000;
        fits |= played_bps <= most;
    }
    let url = stream.multivariant.as_ref().map_or("", |multivariant| &multivariant.url);
    if !fits {
        findings
            .should(stream.name(url), "at eight pictures a second every I-frame playlist needs more than any variant");
    }
}

/// Mean distance of the pictures.
fn spacing_us(media: &Media) -> u64 {
    media.duration_us() / u64::try_from(media.segments.len()).unwrap_or(u64::MAX).max(1)
}

/// Rule 46 (Apple 6.2, 6.4, 6.6, 6.14, 6.16). Of which bit rate an I-frame playlist was made, no byte says.
pub(super) fn dense(stream: &Stream, findings: &mut Findings) {
    let url = stream.multivariant.as_ref().map_or("", |multivariant| &multivariant.url);
    if !stream.iframes().any(|media| spacing_us(media) <= DENSE_US_MAX) {
        findings.fail(stream.name(url), "no I-frame playlist has about a picture a second");
    }
    let rates: BTreeSet<u64> =
        stream.items(Tag::Iframes).filter_map(|item| item.attributes.number("BANDWIDTH")).collect();
    if rates.len() < 2 {
        findings.fail(stream.name(url), "I-frame playlists have one bit rate only");
    }
    let is_avc = |item: &Item| needs::codecs(&item.attributes).any(|codec| codec.starts_with("avc1"));
    if !stream.items(Tag::Iframes).any(is_avc) {
        findings.fail(stream.name(url), "no I-frame playlist in H.264");
    }
    let is_sdr = |item: &Item| matches!(item.attributes.get("VIDEO-RANGE"), None | Some("SDR"));
    if stream.items(Tag::Iframes).all(|item| !is_sdr(item)) {
        findings.fail(stream.name(url), "no I-frame playlist in SDR");
    }
    let size = |item: &Item| item.attributes.resolution("RESOLUTION");
    let sizes: BTreeSet<(u32, u32)> = stream.items(Tag::Iframes).filter_map(size).collect();
    let wanted: BTreeSet<(u32, u32)> = stream.items(Tag::Variant).filter_map(size).collect();
    for (width, height) in wanted.difference(&sizes) {
        findings.fail(stream.name(url), format!("no I-frame playlist of {width}x{height}"));
    }
}

/// Rule 47 (Apple 6.17, appendix).
pub(super) fn motion_jpeg(stream: &Stream, findings: &mut Findings) {
    let is_jpeg = |item: &&Item| needs::codecs(&item.attributes).any(|codec| codec == "mjpg");
    let items: Vec<&Item> = stream.items(Tag::Iframes).filter(is_jpeg).collect();
    if let Some(second) = items.get(1) {
        findings.fail(place(stream, second), "a second variant of motion JPEG");
    }
    for item in items {
        let width = item.attributes.resolution("RESOLUTION").map(|size| size.0);
        if !width.is_some_and(|width| MOTION_JPEG_WIDTH.contains(&width)) {
            findings.fail(place(stream, item), "motion JPEG is not about 400 pixels wide");
        }
        let Some(media) = stream.playlist(item.url.as_deref()) else { continue };
        if media.text.has("EXT-X-KEY") {
            findings.fail(stream.name(&media.url), "motion JPEG is encrypted");
        }
        if !MOTION_JPEG_US.contains(&spacing_us(media)) {
            findings.fail(stream.name(&media.url), "motion JPEG has not a picture each one or two seconds");
        }
    }
}

/// Rule 49 (Image Media Playlist 0.4).
pub(super) fn images(stream: &Stream, findings: &mut Findings) {
    for item in stream.items(Tag::Images) {
        for name in ["BANDWIDTH", "CODECS", "RESOLUTION", "URI"] {
            if !item.attributes.has(name) {
                findings.fail(place(stream, item), format!("{name} is missing"));
            }
        }
        let format = match item.attributes.get("CODECS") {
            Some("jpeg") => Some(Format::Jpeg),
            Some("png") => Some(Format::Png),
            _ => None,
        };
        if format.is_none() {
            findings.fail(place(stream, item), "CODECS is neither jpeg nor png");
        }
        let Some(media) = stream.playlist(item.url.as_deref()) else { continue };
        if !media.text.has("EXT-X-IMAGES-ONLY") {
            findings.fail(stream.name(&media.url), "EXT-X-IMAGES-ONLY is missing");
        }
        images_span(stream, media, findings);
        sheets(stream, item, media, format, findings);
    }
}

/// The last image lasts until the end of the presentation, as each before it lasts until the next.
fn images_span(stream: &Stream, media: &Media, findings: &mut Findings) {
    let tile_us = |tiles: &str| Attributes::read(tiles).get("DURATION").and_then(micros);
    let spans =
        media.segments.iter().filter_map(|entry| entry.tiles.as_deref().and_then(tile_us).or(entry.duration_us));
    let allowed_us = spans.max().unwrap_or(0);
    let pictures_us = stream.main_video().map(Media::duration_us).max();
    let whole_us = pictures_us.or_else(|| stream.main().map(Media::duration_us).max()).unwrap_or(0);
    let apart_us = media.duration_us().abs_diff(whole_us);
    if media.ended && stream.is_finished() && apart_us > allowed_us {
        let reason = format!("its images end {apart_us} us away from the presentation");
        findings.fail(stream.name(&media.url), reason);
    }
}

fn sheets(stream: &Stream, item: &Item, media: &Media, format: Option<Format>, findings: &mut Findings) {
    let tile = item.attributes.resolution("RESOLUTION");
    for (n, entry) in media.segments.iter().enumerate().filter(|(_, entry)| !entry.gap) {
        let line = stream.line(&media.url, entry.line);
        if let Some(image) = stream.image(&entry.place)
            && format.is_some()
            && image.format != format
        {
            findings.fail(stream.at(&entry.place), "the file is not of the format that CODECS names");
        }
        let Some(tiles) = entry.tiles.as_deref().map(Attributes::read) else {
            // Without tiles a picture is one tile.
            continue;
        };
        let size = tiles.resolution("RESOLUTION");
        let layout = tiles.get("LAYOUT").and_then(pair);
        let duration_us = tiles.get("DURATION").and_then(micros);
        let (Some(size), Some((columns, rows)), Some(duration_us)) = (size, layout, duration_us) else {
            findings.fail(line, "EXT-X-TILES without RESOLUTION, LAYOUT or DURATION");
            continue;
        };
        if tile.is_some_and(|tile| tile != size) {
            findings.fail(line.as_str(), "RESOLUTION is not that of one tile");
        }
        let places = u64::from(columns) * u64::from(rows);
        let lasts_us = places.saturating_mul(duration_us);
        if entry.duration_us.is_some_and(|us| us > lasts_us.saturating_add(1000)) {
            findings.fail(line.as_str(), "EXTINF is longer than its tiles last");
        }
        // Only the last of a run has places to spare; durations of tiles are rounded.
        let is_followed = media.segments.get(n + 1).is_some_and(|next| !next.discontinuity);
        if is_followed && entry.duration_us.is_some_and(|us| us.saturating_add(duration_us / 2) < lasts_us) {
            findings.fail(line.as_str(), "EXTINF ends before its tiles do, and the next image follows");
        }
        let whole = (size.0.saturating_mul(columns), size.1.saturating_mul(rows));
        let real = stream.image(&entry.place).and_then(|image| image.size);
        if let Some(real) = real.filter(|real| *real != whole) {
            let reason = format!("{}x{} and not {}x{}", real.0, real.1, whole.0, whole.1);
            findings.fail(stream.at(&entry.place), reason);
        }
    }
}
