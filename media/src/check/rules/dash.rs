//! Rules 59, 65, 66, 68 and 69: what an MPD says of its sets and representations.

use std::collections::BTreeSet;

use super::super::{
    image::Format,
    init::{Init, Track},
    mpd::{Mpd, Representation, Set},
    needs::{THUMBNAIL_TILE, TRICK_MODE},
    playlist::pair,
    report::Findings,
    stream::{Stream, Times},
};

/// What one grid of thumbnails should span, in seconds (DASH-IF IOP).
const GRID_S_MIN: u64 = 60;
/// Times that should be equal may differ by this much where one of them is rounded.
const ROUNDED_US: i64 = 1000;

pub(super) fn set_name(set: &Set) -> String {
    format!("AdaptationSet {}", set.element.get("id").unwrap_or_default())
}

pub(super) fn name(representation: &Representation) -> String {
    format!("Representation {}", representation.id)
}

/// Rule 59 (ISO/IEC 23009-1 §5.3.9.2, §5.3.9.4).
pub(super) fn addressing(stream: &Stream, findings: &mut Findings) {
    for (_, representation) in stream.mpd.iter().flat_map(Mpd::representations) {
        let at = name(representation);
        if representation.is_addressed_by("SegmentBase") || representation.addressing.is_empty() {
            continue;
        }
        let has_duration = representation.address("duration").is_some();
        let has_timeline = representation.address_child("SegmentTimeline").is_some();
        if has_duration == has_timeline {
            let reason =
                if has_duration { "@duration and SegmentTimeline" } else { "neither @duration nor SegmentTimeline" };
            findings.fail(at.as_str(), reason);
        }
        let Some(media) = representation.address("media") else { continue };
        let has = |identifier: &str| media.split('$').any(|part| part.split('%').next() == Some(identifier));
        match (has("Number"), has("Time")) {
            (true, true) => findings.fail(at.as_str(), "$Number$ and $Time$ in one template"),
            (false, false) => findings.fail(at.as_str(), "neither $Number$ nor $Time$ in the template"),
            _ => {}
        }
    }
}

/// Rule 65 (IOP, Schematron RD5.5, R9.2).
pub(super) fn on_demand(stream: &Stream, findings: &mut Findings) {
    let mut files = BTreeSet::new();
    for (set, representation) in stream.mpd.iter().flat_map(Mpd::representations) {
        let at = name(representation);
        if set.kind() == "image"
            || set.inherited(representation, "mimeType").is_some_and(|mime| mime.starts_with("text"))
        {
            continue;
        }
        if representation.index.is_none() {
            findings.fail(at.as_str(), "no SegmentBase@indexRange");
        }
        if representation.init.as_ref().is_none_or(|init| init.range.is_none()) {
            findings.fail(at.as_str(), "no Initialization@range");
        }
        if !files.insert(&representation.base_url) {
            findings.fail(at.as_str(), "its file is that of another Representation");
        }
    }
}

/// Rule 66 (Schematron RD5.0 to RD5.4).
pub(super) fn described(stream: &Stream, findings: &mut Findings) {
    let Some(mpd) = &stream.mpd else { return };
    for set in &mpd.sets {
        let types: BTreeSet<&str> =
            set.representations.iter().filter_map(|one| set.inherited(one, "mimeType")?.split('/').next()).collect();
        if types.len() > 1 {
            findings.fail(set_name(set), "more than one media type in a set");
        }
        match set.kind() {
            "video" => pictures(set, findings),
            "audio" => sound(set, findings),
            _ => {}
        }
        for representation in set.representations.iter().filter(|_| matches!(set.kind(), "video" | "audio")) {
            codec(stream, set, representation, findings);
        }
    }
}

fn pictures(set: &Set, findings: &mut Findings) {
    for (name, most) in [("width", "maxWidth"), ("height", "maxHeight"), ("frameRate", "maxFrameRate")] {
        let values: BTreeSet<Option<&str>> = set.representations.iter().map(|one| set.inherited(one, name)).collect();
        if values.contains(&None) {
            findings.fail(set_name(set), format!("a Representation without @{name}"));
        }
        if values.len() > 1 && set.element.get(most).is_none() {
            findings.fail(set_name(set), format!("@{name} varies, and @{most} is missing"));
        }
    }
    for representation in &set.representations {
        if set.inherited(representation, "sar").is_none() {
            findings.fail(name(representation), "@sar is missing");
        }
        if set.inherited(representation, "scanType").is_some_and(|scan| scan != "progressive") {
            findings.fail(name(representation), "it is not progressive");
        }
    }
}

fn sound(set: &Set, findings: &mut Findings) {
    for representation in &set.representations {
        if set.inherited(representation, "audioSamplingRate").is_none() {
            findings.fail(name(representation), "@audioSamplingRate is missing");
        }
        let configuration = "AudioChannelConfiguration";
        if representation.element.first(configuration).or(set.element.first(configuration)).is_none() {
            findings.fail(name(representation), "AudioChannelConfiguration is missing");
        }
    }
}

fn codec(stream: &Stream, set: &Set, representation: &Representation, findings: &mut Findings) {
    let Some(codecs) = set.inherited(representation, "codecs") else {
        findings.fail(name(representation), "@codecs is missing");
        return;
    };
    if codecs.contains(',') {
        findings.fail(name(representation), "@codecs names more than one codec");
        return;
    }
    let track = stream.init(representation.init.as_ref()).and_then(Init::track);
    if let Some(entry) = track.and_then(|track| track.entry.as_ref())
        && !entry.codec.eq_ignore_ascii_case(codecs)
    {
        findings.fail(name(representation), format!("@codecs is {codecs}, and the samples are {}", entry.codec));
    }
}

/// Rule 68 (DASH-IF IOP).
pub(super) fn trick_mode(stream: &Stream, findings: &mut Findings) {
    let Some(mpd) = &stream.mpd else { return };
    for set in &mpd.sets {
        if set.property("SupplementalProperty", TRICK_MODE).is_some() {
            findings.fail(set_name(set), "marked by a SupplementalProperty, so players may play it");
        }
        let Some(value) = set.property("EssentialProperty", TRICK_MODE) else { continue };
        let mains: Vec<&Set> = value
            .split_whitespace()
            .filter_map(|id| mpd.sets.iter().find(|set| set.element.get("id") == Some(id)))
            .collect();
        if value.trim().is_empty() || mains.len() != value.split_whitespace().count() {
            findings.fail(set_name(set), format!("@value {value:?} does not name other sets"));
        }
        for main in mains {
            if main.property("EssentialProperty", TRICK_MODE).is_some() {
                findings.fail(set_name(set), "the set that it names is a trick-mode set itself");
            }
            if !aligned(stream, set, main) {
                let reason = format!("its segments are not aligned with those of {}", set_name(main));
                findings.fail(set_name(set), reason);
            }
        }
        for representation in &set.representations {
            if set.inherited(representation, "maxPlayoutRate").is_none() {
                findings.fail(name(representation), "@maxPlayoutRate is missing");
            }
            let says_intra = set.inherited(representation, "codingDependency") == Some("false");
            match is_intra(stream, representation) {
                Some(true) if !says_intra => {
                    findings.fail(name(representation), "all intra, and @codingDependency is not false");
                }
                Some(false) if says_intra => {
                    findings.fail(name(representation), "@codingDependency is false, and not all is intra");
                }
                _ => {}
            }
        }
    }
}

/// Whether one of two sets has a segment start wherever the other has one.
fn aligned(stream: &Stream, set: &Set, main: &Set) -> bool {
    let starts = |set: &Set| -> Option<Vec<i64>> {
        let times = stream.listed_times(set.representations.first()?)?;
        Some(times.iter().map(Times::start_us).collect())
    };
    let (Some(own), Some(others)) = (starts(set), starts(main)) else { return true };
    let within = |few: &[i64], many: &[i64]| {
        few.iter().all(|time| {
            let at = many.partition_point(|other| *other < time - ROUNDED_US);
            many.get(at).is_some_and(|other| (other - time).abs() <= ROUNDED_US)
        })
    };
    within(&own, &others) || within(&others, &own)
}

/// Whether every sample of a Representation is a sync sample.
fn is_intra(stream: &Stream, representation: &Representation) -> Option<bool> {
    let mut segments = representation.segments.iter().map(|listed| stream.segment(&listed.place));
    segments.try_fold(true, |intra, segment| {
        let runs = segment?.runs();
        let all =
            runs.fold(true, |all, run| all && run.first_flags & 0x1_0000 == 0 && run.later_syncs + 1 == run.samples);
        Some(intra && all)
    })
}

/// Rule 69 (DASH-IF IOP, Schematron R20.1 to R20.4).
pub(super) fn tiles(stream: &Stream, findings: &mut Findings) {
    for set in stream.mpd.iter().flat_map(|mpd| &mpd.sets).filter(|set| set.kind() == "image") {
        for representation in &set.representations {
            tile_set(stream, set, representation, findings);
        }
    }
}

fn tile_set(stream: &Stream, set: &Set, representation: &Representation, findings: &mut Findings) {
    let at = name(representation);
    let mut fail = |reason: &str| findings.fail(at.as_str(), reason);
    let format = match set.inherited(representation, "mimeType") {
        Some("image/jpeg") => Some(Format::Jpeg),
        Some("image/png") => Some(Format::Png),
        _ => None,
    };
    if format.is_none() {
        fail("@mimeType is neither image/jpeg nor image/png");
    }
    let media = representation.address("media").unwrap_or_default();
    let is_plain = representation.is_addressed_by("SegmentTemplate")
        && representation.address("duration").is_some()
        && representation.address_child("SegmentTimeline").is_none()
        && media.contains("$Number")
        && !media.contains("$Time");
    if !is_plain {
        fail("not a SegmentTemplate with @duration and $Number$");
    }
    let grid = set.property("EssentialProperty", THUMBNAIL_TILE).and_then(pair);
    if grid.is_none_or(|(columns, rows)| columns == 0 || rows == 0) {
        fail("no EssentialProperty thumbnail_tile with a grid such as 10x6");
    }
    for name in ["bandwidth", "width", "height"] {
        if set.inherited(representation, name).and_then(|text| text.parse::<u32>().ok()).is_none() {
            fail(&format!("@{name} is missing"));
        }
    }
    let number = |name: &str| set.inherited(representation, name).and_then(|text| text.parse::<u32>().ok());
    let whole = number("width").zip(number("height"));
    if let (Some((width, height)), Some((columns, rows))) = (whole, grid)
        && (width % columns.max(1) != 0 || height % rows.max(1) != 0)
    {
        fail("its size is not that of a grid of whole tiles");
    }
    for listed in &representation.segments {
        let Some(image) = stream.image(&listed.place) else { continue };
        let wrong = format.is_some() && image.format != format
            || whole.is_some_and(|whole| image.size.is_some_and(|size| size != whole));
        if wrong {
            findings.fail(stream.at(&listed.place), "the picture has not the format or the size of the whole grid");
        }
    }
    if representation
        .segments
        .first()
        .is_some_and(|first| first.duration < GRID_S_MIN.saturating_mul(representation.timescale))
    {
        findings.should(at.as_str(), "a grid spans less than a minute");
    }
}

/// The first video track of a set, where its initialisation segment is known.
pub(super) fn track<'a>(stream: &'a Stream, representation: &Representation) -> Option<&'a Track> {
    stream.init(representation.init.as_ref()).and_then(Init::track)
}
