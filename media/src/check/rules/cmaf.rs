//! Rules 50 to 57: boxes of initialisation segments and fragments.

use std::collections::{BTreeMap, BTreeSet};

use super::{
    super::{
        init::{Init, Track},
        mpd::{Mpd, Set},
        multivariant::Tag,
        place::Place,
        report::Findings,
        segment::{Fragment, Segment},
        stream::{Stream, Times, scaled_us},
    },
    dash::{set_name, track},
};

/// Brands that are as new as HLS asks for (§3.1.2): `iso6` and what builds on it.
const BRANDS: [&[u8; 4]; 10] =
    [b"iso6", b"iso7", b"iso8", b"iso9", b"isoa", b"isob", b"isoc", b"cmfc", b"cmf2", b"cmfl"];
/// Times that should be equal may differ by this much where one of them is rounded.
const ROUNDED_US: i64 = 1;

/// Every media segment with its initialisation segment, each once.
fn pairs(stream: &Stream) -> BTreeMap<&Place, Option<&Place>> {
    let mut pairs = BTreeMap::new();
    for media in stream.media.iter().filter(|media| !media.roles.images && !media.roles.subtitles) {
        for entry in &media.segments {
            pairs.insert(&entry.place, entry.map.as_ref());
        }
    }
    for (_, representation) in stream.mpd.iter().flat_map(Mpd::representations) {
        for listed in &representation.segments {
            pairs.entry(&listed.place).or_insert(representation.init.as_ref());
        }
    }
    pairs
}

/// Runs of segments that play one after the other, each with whether it follows the one before.
fn chains(stream: &Stream) -> Vec<Vec<(&Place, bool)>> {
    let mut chains: Vec<Vec<(&Place, bool)>> = Vec::new();
    let mut seen = BTreeSet::new();
    for media in stream.main() {
        let chain: Vec<_> = media.segments.iter().map(|entry| (&entry.place, !entry.discontinuity)).collect();
        seen.extend(chain.first().map(|(place, _)| *place));
        chains.push(chain);
    }
    for (_, representation) in stream.mpd.iter().flat_map(Mpd::representations) {
        let chain: Vec<_> = representation.segments.iter().map(|listed| (&listed.place, true)).collect();
        if chain.first().is_some_and(|(place, _)| !seen.contains(place)) {
            chains.push(chain);
        }
    }
    chains
}

/// Rule 50 (§3.1.2).
pub(super) fn init(stream: &Stream, findings: &mut Findings) {
    for (place, init) in stream.inits() {
        let at = stream.at(place);
        let mut fail = |reason: &str| findings.fail(at.as_str(), reason);
        if let Some(fault) = init.fault {
            fail(fault);
        }
        if init.outer.first() != Some(b"ftyp") || !init.outer.contains(b"moov") {
            fail("it is not ftyp and then moov");
        }
        if init.outer.iter().any(|kind| matches!(kind, b"moof" | b"mdat")) {
            fail("it holds media");
        }
        if !init.brands.iter().any(|brand| BRANDS.contains(&brand)) {
            fail("no brand is as new as iso6");
        }
        if init.mvhd_duration != Some(0) || init.tracks.iter().any(|track| track.tkhd_duration != 0) {
            fail("mvhd or tkhd has a duration");
        }
        if init.tracks.iter().any(|track| track.listed_samples > 0) {
            fail("its sample tables list samples");
        }
        if init.tracks.iter().any(|track| !init.defaults.iter().any(|defaults| defaults.track_id == track.id)) {
            fail("a track has no trex");
        }
    }
    for (place, map) in pairs(stream) {
        let (Some(segment), Some(init)) = (stream.segment(place), stream.init(map)) else { continue };
        let runs = segment.fragments.iter().flat_map(|fragment| &fragment.runs);
        let stranger = runs.map(|run| run.track_id).find(|id| !init.tracks.iter().any(|track| track.id == *id));
        if let Some(id) = stranger {
            findings.fail(stream.at(place), format!("track {id} is not in its initialisation segment"));
        }
    }
}

/// Rule 51 (§3.1.2).
pub(super) fn fragments(stream: &Stream, findings: &mut Findings) {
    for (place, init) in stream.inits() {
        if init.tracks.iter().any(|track| !track.self_contained) {
            findings.fail(stream.at(place), "a data reference leads out of the file");
        }
    }
    for (place, map) in pairs(stream) {
        let Some(segment) = stream.segment(place).filter(|_| map.is_some()) else { continue };
        if let Some(reason) = broken(segment) {
            findings.fail(stream.at(place), reason);
        }
    }
}

fn broken(segment: &Segment) -> Option<&'static str> {
    if segment.fault.is_some() {
        return segment.fault;
    }
    // Encrypted as a whole.
    if segment.outer.is_empty() {
        return None;
    }
    if segment.fragments.is_empty() {
        return Some("there is no moof");
    }
    let mut runs = segment.fragments.iter().flat_map(|fragment| &fragment.runs);
    runs.find_map(|run| {
        if run.decode_time.is_none() {
            return Some("a traf without tfdt");
        }
        if !run.base_is_moof || run.has_base_offset {
            return Some("data offsets do not count from the moof (default-base-is-moof)");
        }
        (run.samples == 0).then_some("a traf without samples")
    })
}

/// Rule 52 (Apple 7.3).
pub(super) fn continuity(stream: &Stream, findings: &mut Findings) {
    for chain in chains(stream) {
        let mut expected: Option<u64> = None;
        let mut sequence: Option<u32> = None;
        for (place, follows) in chain {
            let Some(segment) = stream.segment(place) else {
                (expected, sequence) = (None, None);
                continue;
            };
            if !follows {
                expected = None;
            }
            for fragment in &segment.fragments {
                let Some(run) = fragment.runs.first() else { continue };
                if let (Some(time), Some(expected)) = (run.decode_time, expected)
                    && time != expected
                {
                    let reason = format!("tfdt is {time}, and the samples before end at {expected}");
                    findings.fail(stream.at(place), reason);
                }
                if fragment.sequence <= sequence && sequence.is_some() {
                    findings.fail(stream.at(place), "the sequence number of mfhd does not increase");
                }
                expected = run.decode_time.map(|time| time.saturating_add(run.duration));
                sequence = fragment.sequence;
            }
        }
    }
}

/// Rule 53 (ISO/IEC 23000-19 §7). What does not call itself CMAF only should be so.
pub(super) fn structure(stream: &Stream, findings: &mut Findings) {
    for (place, init) in stream.inits() {
        for reason in loose_init(init) {
            tell(findings, init, stream.at(place), reason);
        }
    }
    for (place, map) in pairs(stream) {
        let (Some(segment), Some(init)) = (stream.segment(place), stream.init(map)) else { continue };
        let reason = segment.fragments.iter().find_map(|fragment| loose_fragment(init, fragment));
        if let Some(reason) = reason {
            tell(findings, init, stream.at(place), reason);
        }
    }
}

fn tell(findings: &mut Findings, init: &Init, place: String, reason: &str) {
    if init.claims_cmaf() {
        findings.must(place, reason);
    } else {
        findings.should(place, format!("no CMAF brand, and {reason}"));
    }
}

fn loose_init(init: &Init) -> Vec<&'static str> {
    let mut reasons = Vec::new();
    if init.tracks.len() != 1 {
        reasons.push("the file has not exactly one track");
    }
    for track in &init.tracks {
        let entry = track.entry.as_ref();
        if track.is_video() && entry.is_some_and(|entry| !entry.has_colour || entry.aspect.is_none()) {
            reasons.push("colr or pasp is missing");
        }
        if track.is_video() && init.has_brand(*b"cmf2") && !track.edits.is_empty() {
            reasons.push("an edit list under cmf2");
        }
        if track.edits.len() > 1 {
            reasons.push("an edit list that is more than an offset");
        }
    }
    reasons
}

fn loose_fragment(init: &Init, fragment: &Fragment) -> Option<&'static str> {
    let [run] = fragment.runs.as_slice() else { return Some("a moof with several traf") };
    if run.truns != 1 {
        return Some("a traf with several trun");
    }
    if run.encrypted_samples.is_some_and(|count| count != run.samples) {
        return Some("clear and encrypted samples in one fragment");
    }
    let is_video = init.track().is_some_and(Track::is_video);
    if is_video && init.has_brand(*b"cmf2") {
        if run.trun_version == 0 {
            return Some("trun of version 0 under cmf2");
        }
        if !run.explicit_defaults {
            return Some("defaults are not repeated in tfhd under cmf2");
        }
    }
    None
}

/// Rule 54: one method in all renditions to show the first picture at the start.
pub(super) fn first_picture(stream: &Stream, findings: &mut Findings) {
    let mut methods: BTreeMap<&str, String> = BTreeMap::new();
    let hls = stream
        .main_video()
        .filter_map(|media| media.segments.first())
        .map(|entry| (&entry.place, entry.map.as_ref(), 0));
    let dash = stream.mpd.iter().flat_map(Mpd::representations).filter_map(|(_, representation)| {
        let first = representation.segments.first()?;
        Some((&first.place, representation.init.as_ref(), representation.offset))
    });
    for (place, map, offset) in hls.chain(dash) {
        let Some(track) = stream.init(map).and_then(Init::track).filter(|track| track.is_video()) else { continue };
        let Some(run) = stream.segment(place).and_then(|segment| segment.runs().next()) else { continue };
        let decode = i64::try_from(run.decode_time.unwrap_or(0)).unwrap_or(i64::MAX);
        let delay = run.start.saturating_sub(decode);
        let method = if delay == 0 {
            "none"
        } else if delay == track.edit_shift() {
            "edit list"
        } else if i64::try_from(offset).is_ok_and(|offset| offset == run.start) {
            "presentationTimeOffset"
        } else {
            let us = scaled_us(delay, track.timescale);
            findings.fail(stream.at(place), format!("the first picture is shown {us} us after tfdt"));
            continue;
        };
        methods.entry(method).or_insert_with(|| stream.at(place));
    }
    if let (Some((first, _)), Some((other, place))) = (methods.iter().next(), methods.iter().nth(1)) {
        findings.fail(place.as_str(), format!("the delay is met by {other} here and by {first} elsewhere"));
    }
}

/// Rule 55 (IOP constraints for the edit lists).
pub(super) fn priming(stream: &Stream, findings: &mut Findings) {
    let starts = |wanted: fn(&Track) -> bool| {
        let hls =
            stream.main().filter_map(|media| media.segments.first()).map(|entry| (&entry.place, entry.map.as_ref()));
        let dash = stream.mpd.iter().flat_map(Mpd::representations).filter_map(|(_, representation)| {
            Some((&representation.segments.first()?.place, representation.init.as_ref()))
        });
        hls.chain(dash).filter_map(move |(place, map)| {
            stream.init(map).and_then(Init::track).filter(|track| wanted(track))?;
            Some((place, stream.segment_times(place, map)?))
        })
    };
    let video: Option<Times> = starts(Track::is_video).map(|(_, times)| times).next();
    for (place, audio) in starts(Track::is_audio) {
        let reference = video.map_or(0, |video| video.start_us());
        let apart = (audio.start_us() - reference).abs();
        if video.is_some() && apart > audio.frame_us() + ROUNDED_US {
            let reason = format!("the audio starts {apart} us away from the video, more than one of its frames");
            findings.fail(stream.at(place), reason);
        }
    }
    for set in stream.mpd.iter().flat_map(|mpd| &mpd.sets) {
        edit_lists(stream, set, findings);
    }
}

/// The edit lists of a set are identical, which rules 55 and 61 both ask for (IOP: SHALL).
pub(super) fn edit_lists(stream: &Stream, set: &Set, findings: &mut Findings) {
    let tracks = set.representations.iter().filter_map(|one| track(stream, one));
    let edits: BTreeSet<_> = tracks.map(|track| &track.edits).collect();
    if edits.len() > 1 {
        findings.must(set_name(set), "its edit lists are not identical");
    }
}

/// Rule 56.
pub(super) fn sizes(stream: &Stream, findings: &mut Findings) {
    let url = stream.multivariant.as_ref().map_or("", |multivariant| &multivariant.url);
    for item in stream.items(Tag::Variant).chain(stream.items(Tag::Iframes)) {
        let Some(declared) = item.attributes.resolution("RESOLUTION") else { continue };
        let track = stream.playlist(item.url.as_deref()).and_then(|media| stream.track(media));
        let Some(track) = track.filter(|track| track.is_video()) else { continue };
        let coded = track.entry.as_ref().map_or((0, 0), |entry| entry.size);
        if declared != coded && declared != track.display {
            let reason = format!("RESOLUTION is {}x{}, and the video {}x{}", declared.0, declared.1, coded.0, coded.1);
            findings.fail(stream.line(url, item.line), reason);
        }
    }
    for (set, representation) in stream.mpd.iter().flat_map(Mpd::representations) {
        let track = stream.init(representation.init.as_ref()).and_then(Init::track);
        let Some(track) = track.filter(|track| track.is_video()) else { continue };
        let Some(entry) = &track.entry else { continue };
        let at = format!("Representation {}", representation.id);
        let number = |name: &str| set.inherited(representation, name).and_then(|text| text.parse::<u32>().ok());
        if let Some(declared) = number("width").zip(number("height")).filter(|declared| *declared != entry.size) {
            let (width, height) = entry.size;
            let reason = format!("it is {}x{}, and the video {width}x{height}", declared.0, declared.1);
            findings.fail(at.as_str(), reason);
        }
        let sar = set.inherited(representation, "sar").and_then(|sar| {
            let (horizontal, vertical) = sar.split_once(':')?;
            Some((horizontal.parse::<u64>().ok()?, vertical.parse::<u64>().ok()?))
        });
        let aspect = entry.aspect.unwrap_or((1, 1));
        if let Some(sar) =
            sar.filter(|sar| u128::from(sar.0) * u128::from(aspect.1) != u128::from(sar.1) * u128::from(aspect.0))
        {
            let reason = format!("@sar is {}:{}, and pasp {}:{}", sar.0, sar.1, aspect.0, aspect.1);
            findings.fail(at.as_str(), reason);
        }
    }
}

/// Rule 57 (ISO/IEC 14496-12 §8.16.3).
pub(super) fn index(stream: &Stream, findings: &mut Findings) {
    for (place, map) in pairs(stream) {
        let Some(segment) = stream.segment(place) else { continue };
        let (Some(index), Some(times)) = (&segment.index, stream.segment_times(place, map)) else { continue };
        let at = stream.at(place);
        if i64::try_from(index.earliest) != Ok(times.start) {
            let reason = format!("sidx says {}, and its first sample is presented at {}", index.earliest, times.start);
            findings.fail(at.as_str(), reason);
        }
        let sum: u64 = index.references.iter().map(|reference| reference.bytes).sum();
        let media = segment.bytes.saturating_sub(index.end).saturating_sub(index.first_offset);
        // An I-frame's range ends before what the index counts.
        if sum != media && segment.outer.last().is_some_and(|last| last.end == segment.bytes) {
            findings.fail(at.as_str(), format!("sidx counts {sum} bytes of {media}"));
        }
    }
    for (_, representation) in stream.mpd.iter().flat_map(Mpd::representations).filter(|(_, one)| one.index.is_some()) {
        for listed in &representation.segments {
            let Some(times) = stream.segment_times(&listed.place, representation.init.as_ref()) else { continue };
            let is_true = i64::try_from(listed.time) == Ok(times.start);
            if !is_true && u64::from(times.timescale) == representation.timescale {
                let reason = format!("sidx says {}, and its first sample is presented at {}", listed.time, times.start);
                findings.fail(stream.at(&listed.place), reason);
            }
        }
    }
}
