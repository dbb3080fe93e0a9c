//! Rules 60 to 64, 67 and 71: what an MPD promises in time and bits, beside the segments.

use std::collections::BTreeSet;

use super::{
    super::{
        mpd::{Listed, Mpd, Representation, Set},
        report::Findings,
        segment::Segment,
        stream::{Stream, Times, scaled_us, signed},
    },
    cmaf::edit_lists,
    dash::{name, set_name, track},
};

/// The first timecode that a number of JavaScript cannot hold exactly.
const TIMECODE_END: u64 = 1 << 53;
/// Times that should be equal may differ by this much where one of them is printed.
const PRINTED_US: i64 = 1000;

fn is_media(set: &Set) -> bool {
    matches!(set.kind(), "video" | "audio")
}

fn all(stream: &Stream) -> impl Iterator<Item = (&Set, &Representation)> {
    stream.mpd.iter().flat_map(Mpd::representations)
}

/// Whether two times in ticks are one moment.
fn same(left: i128, left_scale: u64, right: i128, right_scale: u64) -> bool {
    let left = left.checked_mul(i128::from(right_scale));
    left.is_some() && left == right.checked_mul(i128::from(left_scale))
}

fn ticks_us(ticks: u64, timescale: u64) -> i64 {
    u32::try_from(timescale).map_or(0, |timescale| scaled_us(signed(ticks), timescale))
}

/// Rule 60 (ISO/IEC 23009-1 §5.3.9.6).
pub(super) fn timeline(stream: &Stream, findings: &mut Findings) {
    for (_, representation) in all(stream) {
        // A sidx has its own rule.
        for listed in representation.segments.iter().filter(|listed| listed.exact && representation.index.is_none()) {
            let Some(times) = stream.segment_times(&listed.place, representation.init.as_ref()) else { continue };
            let scale = u64::from(times.timescale);
            let is_start = same(i128::from(listed.time), representation.timescale, i128::from(times.start), scale);
            let length = i128::from(times.end) - i128::from(times.start);
            let is_length = same(i128::from(listed.duration), representation.timescale, length, scale);
            if !is_start || !is_length {
                let reason = format!(
                    "{} says t={} d={} at {}, and the segment has {} and {length} at {scale}",
                    name(representation),
                    listed.time,
                    listed.duration,
                    representation.timescale,
                    times.start,
                );
                findings.fail(stream.at(&listed.place), reason);
            }
        }
    }
}

/// Rule 61 (IOP).
pub(super) fn alignment(stream: &Stream, findings: &mut Findings) {
    for set in stream.mpd.iter().flat_map(|mpd| &mpd.sets).filter(|set| is_media(set)) {
        let by_base = set.representations.iter().any(|one| one.is_addressed_by("SegmentBase"));
        let attribute = if by_base { "subsegmentAlignment" } else { "segmentAlignment" };
        if !matches!(set.element.get(attribute), Some("true" | "1")) {
            findings.fail(set_name(set), format!("@{attribute} is not true"));
        }
        let scales: BTreeSet<u32> =
            set.representations.iter().filter_map(|one| track(stream, one)).map(|track| track.timescale).collect();
        if scales.len() > 1 {
            findings.fail(set_name(set), "its representations have several timescales");
        }
        edit_lists(stream, set, findings);
        let Some((first, others)) = set.representations.split_first() else { continue };
        let Some(expected) = stream.listed_times(first) else { continue };
        for representation in others {
            let Some(times) = stream.listed_times(representation) else { continue };
            let is_same = times.len() == expected.len()
                && times.iter().zip(&expected).all(|(own, other)| {
                    let (own_scale, scale) = (u64::from(own.timescale), u64::from(other.timescale));
                    same(own.start.into(), own_scale, other.start.into(), scale)
                        && same(own.end.into(), own_scale, other.end.into(), scale)
                });
            if !is_same {
                let reason = format!("its segments are not aligned with those of {}", first.id);
                findings.fail(name(representation), reason);
            }
        }
    }
}

/// Rule 62 (IOP timing).
pub(super) fn offset(stream: &Stream, findings: &mut Findings) {
    for (_, representation) in all(stream).filter(|(set, _)| is_media(set)) {
        let Some(first) = representation.segments.first() else { continue };
        let listed = ticks_us(first.time, representation.timescale);
        let until = listed.saturating_add(ticks_us(first.duration, representation.timescale));
        let real = stream.segment_times(&first.place, representation.init.as_ref());
        let (start, end) = real.map_or((listed, until), |times| (times.start_us(), times.end_us()));
        let offset = ticks_us(representation.offset, representation.timescale);
        if offset < start.saturating_sub(PRINTED_US) || offset >= end {
            let reason = format!("presentationTimeOffset is {offset} us, and the first segment is {start} to {end} us");
            findings.fail(name(representation), reason);
        }
    }
}

/// Rule 63 (ISO/IEC 23009-1 §5.3.9.5.3).
pub(super) fn nominal(stream: &Stream, findings: &mut Findings) {
    for (_, representation) in all(stream).filter(|(set, _)| is_media(set)) {
        for listed in representation.segments.iter().filter(|listed| !listed.exact) {
            let Some(times) = stream.segment_times(&listed.place, representation.init.as_ref()) else { continue };
            let nominal = ticks_us(listed.time, representation.timescale);
            let half = ticks_us(listed.duration, representation.timescale) / 2;
            if (times.start_us() - nominal).abs() > half {
                let reason =
                    format!("it starts at {} us, more than half a segment from {nominal} us", times.start_us());
                findings.fail(stream.at(&listed.place), reason);
            }
        }
    }
}

/// Rule 64 (IOP).
pub(super) fn coverage(stream: &Stream, findings: &mut Findings) {
    for (set, representation) in all(stream) {
        let Some(period_us) = set.period_us else {
            findings.fail(set_name(set), "its Period has no duration");
            continue;
        };
        let (Some(first), Some(last)) = (representation.segments.first(), representation.segments.last()) else {
            findings.fail(name(representation), "it lists no segment");
            continue;
        };
        let offset = ticks_us(representation.offset, representation.timescale);
        let listed_start = ticks_us(first.time, representation.timescale);
        let listed_end = ticks_us(last.time.saturating_add(last.duration), representation.timescale);
        let real = |listed: &Listed| stream.segment_times(&listed.place, representation.init.as_ref());
        let frame = real(last).map_or(0, |times| times.frame_us()).max(PRINTED_US);
        if listed_start > offset.saturating_add(frame) {
            findings.fail(name(representation), format!("it starts {} us into its Period", listed_start - offset));
        }
        let needed = offset.saturating_add(signed(period_us));
        let real_end = real(last).map_or(listed_end, |times| times.end_us());
        // A Period is rounded to whole microseconds, and audio is cut at its own frames.
        let end = listed_end.min(real_end);
        if end.saturating_add((frame / 2).max(PRINTED_US)) < needed {
            findings.fail(name(representation), format!("it ends {} us before its Period", needed - end));
        }
    }
}

/// Rule 67 (ISO/IEC 23009-1 §5.3.5.2).
pub(super) fn bandwidth(stream: &Stream, findings: &mut Findings) {
    let Some(mpd) = &stream.mpd else { return };
    let Some(buffer_us) = mpd.min_buffer_us else {
        findings.fail(stream.name(&mpd.url), "@minBufferTime is missing");
        return;
    };
    for (_, representation) in mpd.representations().filter(|(set, _)| is_media(set)) {
        let Some(declared) = representation.element.number("bandwidth").filter(|rate| *rate > 0) else {
            findings.fail(name(representation), "@bandwidth is missing");
            continue;
        };
        let segments = representation.segments.iter().map(|listed| {
            let times = stream.segment_times(&listed.place, representation.init.as_ref())?;
            Some((stream.segment(&listed.place)?, times))
        });
        let Some(segments) = segments.collect::<Option<Vec<(&Segment, Times)>>>() else { continue };
        if let Some((place, late_us)) = runs_dry(&segments, declared, buffer_us) {
            let at = representation.segments.get(place).map_or_else(String::new, |listed| stream.at(&listed.place));
            let reason = format!("{} with @bandwidth {declared}: it comes {late_us} us late", name(representation));
            findings.fail(at, reason);
        }
    }
}

/// The first segment that comes too late when a client begins at any, has buffered so long and receives at that rate.
fn runs_dry(segments: &[(&Segment, Times)], rate_bps: u64, buffer_us: u64) -> Option<(usize, u128)> {
    // In bits times a million, so that microseconds stay whole.
    let rate = u128::from(rate_bps);
    let allowed = rate * u128::from(buffer_us);
    let mut backlog: u128 = 0;
    for (place, (segment, times)) in segments.iter().enumerate() {
        let parts = segment.fragments.len().max(1);
        let ticks: u64 = segment.runs().map(|run| run.duration).sum();
        let mut before: u64 = 0;
        for (n, fragment) in segment.fragments.iter().enumerate() {
            let end = if n + 1 == parts { segment.bytes } else { fragment.end };
            let bits = u128::from(end.saturating_sub(before)) * 8_000_000;
            before = end;
            let duration = fragment.runs.first().map_or(ticks, |run| run.duration);
            let duration_us = scaled_us(signed(duration), times.timescale).unsigned_abs();
            // What is left when the fragment ends; less than nothing is no help for a client that begins later.
            backlog = backlog.saturating_add(bits).saturating_sub(rate * u128::from(duration_us));
            if backlog > allowed {
                return Some((place, (backlog - allowed) / rate));
            }
        }
    }
    None
}

/// Rule 71 (IOP).
pub(super) fn timecodes(stream: &Stream, findings: &mut Findings) {
    for (_, representation) in all(stream) {
        let listed = representation.segments.iter().map(|listed| listed.time.saturating_add(listed.duration)).max();
        let written = representation
            .address_child("SegmentTimeline")
            .and_then(|timeline| timeline.all("S").filter_map(|entry| entry.number("t")).max());
        let most = listed.max(written).max(Some(representation.offset)).unwrap_or(0);
        let decode = representation.segments.iter().filter_map(|listed| stream.segment(&listed.place));
        let decode = decode.flat_map(Segment::runs).filter_map(|run| run.decode_time).max().unwrap_or(0);
        if most.max(decode) >= TIMECODE_END {
            findings.fail(name(representation), format!("a timecode of {}", most.max(decode)));
        }
    }
}
