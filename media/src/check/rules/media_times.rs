//! Rules 9, 10, 12, 13, 16, 18 and 19: what playlists say beside what the samples are.

use super::{
    super::{
        init::Track,
        media::{Entry, Media},
        report::Findings,
        segment::Segment,
        stream::{Stream, Times, signed},
    },
    media::seconds,
};

/// Times that should be equal may differ by this much where one of them is printed.
const PRINTED_US: i64 = 1000;

/// The frame of the video, else of the playlist itself: what Apple 8.1 measures by.
fn frame_us(stream: &Stream, times: &[Times]) -> i64 {
    let video = stream.main_video().filter_map(|media| stream.times(media.segments.first()?)).map(|t| t.frame_us());
    video.max().or_else(|| times.iter().map(Times::frame_us).max()).unwrap_or(0)
}

/// Rule 9 (Apple 8.1).
pub(super) fn sums(stream: &Stream, findings: &mut Findings) {
    for media in stream.main() {
        let Some(times) = stream.all_times(media) else { continue };
        let allowed = frame_us(stream, &times);
        let Some(first) = times.first() else { continue };
        let mut stated: i64 = 0;
        let mut shift: i64 = 0;
        // The greatest and the least error of a prefix: their difference is the worst of any run.
        let (mut least, mut most) = (0_i64, 0_i64);
        for (n, (entry, time)) in media.segments.iter().zip(&times).enumerate() {
            if entry.discontinuity && n > 0 {
                // Times begin anew.
                shift = (time.start_us() - first.start_us()).saturating_sub(stated);
            }
            stated = stated.saturating_add(signed(entry.duration_us.unwrap_or(0)));
            let next = times.get(n + 1).filter(|_| !media.segments.get(n + 1).is_some_and(|next| next.discontinuity));
            let ends = (next.map_or(time.end_us(), Times::start_us) - first.start_us()).saturating_sub(shift);
            let error = stated.saturating_sub(ends);
            (least, most) = (least.min(error), most.max(error));
            let off = most.saturating_sub(least);
            if off > allowed {
                let reason = format!("up to here EXTINF is off by {off} us, more than a frame");
                findings.fail(stream.line(&media.url, entry.line), reason);
                break;
            }
        }
    }
}

/// Rule 10 (§3).
pub(super) fn durations(stream: &Stream, findings: &mut Findings) {
    for media in stream.main() {
        for entry in &media.segments {
            let (Some(stated), Some(times)) = (entry.duration_us, stream.times(entry)) else { continue };
            let real = times.end_us() - times.start_us();
            if (signed(stated) - real).abs() > (times.frame_us() / 2).max(PRINTED_US) {
                let reason = format!("EXTINF is {} s, and its samples last {real} us", seconds(stated));
                findings.fail(stream.line(&media.url, entry.line), reason);
            }
        }
    }
}

/// Rule 12 (§6.2.4, Apple 8.7). A `WebVTT` segment has no time but those of its cues, of which the first may come later;
/// that they are on the timeline of the media is rule 74.
pub(super) fn starts(stream: &Stream, findings: &mut Findings) {
    let start = |media: &Media| stream.times(media.segments.first()?).map(|times| times.start_us());
    let mut known = stream.main().chain(stream.subtitles()).filter_map(|media| Some((media, start(media)?)));
    let Some((first, at)) = known.next() else { return };
    for (media, start) in known.filter(|(_, start)| (start - at).abs() > PRINTED_US) {
        let reason = format!("it starts at {start} us, and {} at {at} us", stream.name(&first.url));
        findings.fail(stream.name(&media.url), reason);
    }
}

/// Rule 13 (§6.2.4, Apple 8.3).
pub(super) fn lengths(stream: &Stream, findings: &mut Findings) {
    let target = stream.main().filter_map(|media| media.target_s).min().unwrap_or(0);
    let allowed = signed(target.saturating_mul(1_000_000));
    let longest = stream.main().map(|media| (signed(media.duration_us()), media)).max_by_key(|(us, _)| *us);
    let Some((most, reference)) = longest else { return };
    for media in stream.main() {
        let us = signed(media.duration_us());
        if most - us > allowed {
            let reason = format!("it lasts {us} us, and {} {most} us", stream.name(&reference.url));
            findings.fail(stream.name(&media.url), reason);
        }
    }
}

/// Rule 16 (§4.4.4.3, §6.2.4; Apple 8.14).
pub(super) fn discontinuities(stream: &Stream, findings: &mut Findings) {
    for media in stream.main() {
        for pair in media.segments.windows(2) {
            let [before, after] = pair else { continue };
            if after.discontinuity {
                continue;
            }
            if let Some(change) = change(stream, before, after) {
                let reason = format!("{change} without EXT-X-DISCONTINUITY");
                findings.fail(stream.line(&media.url, after.line), reason);
            }
        }
    }
    let points = |media: &Media| -> Vec<usize> {
        let marked = media.segments.iter().enumerate().filter(|(n, entry)| *n > 0 && entry.discontinuity);
        marked.map(|(n, _)| n).collect()
    };
    let Some(first) = stream.main().next() else { return };
    for media in stream.main().filter(|media| points(media) != points(first)) {
        let reason = format!("its discontinuities are not those of {}", stream.name(&first.url));
        findings.fail(stream.name(&media.url), reason);
    }
}

fn change(stream: &Stream, before: &Entry, after: &Entry) -> Option<&'static str> {
    let (left, right) = (stream.init(before.map.as_ref())?, stream.init(after.map.as_ref())?);
    if left.tracks.len() != right.tracks.len() {
        return Some("another number of tracks");
    }
    let format = |track: &Track| track.entry.as_ref().map(|entry| (entry.format, entry.configuration.clone()));
    let (left, right) = (left.track()?, right.track()?);
    if before.map != after.map && (format(left) != format(right) || left.timescale != right.timescale) {
        return Some("another format");
    }
    if left.is_video() && frame_rates_differ(stream.segment(&before.place)?, stream.segment(&after.place)?) {
        return Some("another frame rate");
    }
    let (left, right) = (stream.times(before)?, stream.times(after)?);
    let gap = right.start_us() - left.end_us();
    let frame = left.frame_us().max(right.frame_us()).max(PRINTED_US);
    (gap.abs() > frame).then_some("a jump of the timestamps")
}

/// Whether the frames of two segments of one timescale last differently by more than the tick that rounding moves. Frames
/// of a segment that do not last equally long among themselves have no rate to compare.
fn frame_rates_differ(left: &Segment, right: &Segment) -> bool {
    let frames = |segment: &Segment| {
        let shortest = segment.runs().map(|run| run.shortest).min()?;
        let longest = segment.runs().map(|run| run.longest).max()?;
        let ticks: u128 = segment.runs().map(|run| u128::from(run.duration)).sum();
        let count: u128 = segment.runs().map(|run| u128::from(run.samples)).sum();
        (longest - shortest <= 1 && count > 1).then_some((ticks, count))
    };
    // Of the means, as one fraction.
    let apart = |((ticks, count), (others, other_count)): ((u128, u128), (u128, u128))| {
        (ticks * other_count).abs_diff(others * count) > count * other_count
    };
    frames(left).zip(frames(right)).is_some_and(apart)
}

/// Rule 18 (Apple 8.22).
pub(super) fn boundaries(stream: &Stream, findings: &mut Findings) {
    let Some(reference) = stream.main_video().next().or_else(|| stream.main().next()) else { return };
    let Some(expected) = stream.all_times(reference) else { return };
    for media in stream.main() {
        let Some(times) = stream.all_times(media) else { continue };
        if times.len() != expected.len() {
            let reason =
                format!("{} segments, and {} has {}", times.len(), stream.name(&reference.url), expected.len());
            findings.fail(stream.name(&media.url), reason);
            continue;
        }
        for ((entry, time), expected) in media.segments.iter().zip(&times).zip(&expected) {
            // Audio is cut at the nearest of its own frames.
            let allowed = if stream.is_video(media) { PRINTED_US } else { time.frame_us() };
            let distance = (time.start_us() - expected.start_us()).abs();
            if distance > allowed {
                let reason =
                    format!("it begins {distance} us away from the segment of {}", stream.name(&reference.url));
                findings.fail(stream.line(&media.url, entry.line), reason);
                break;
            }
        }
    }
}

/// Rule 19 (Apple 7.4, 9.11, 9.12).
pub(super) fn independent(stream: &Stream, findings: &mut Findings) {
    for media in stream.main_video() {
        let known = stream.track(media).and_then(|track| track.entry.as_ref()).is_some_and(|entry| {
            // Of other codecs, and of encrypted pictures, the sync flag is all there is.
            entry.nal_length.is_some() && entry.encrypted.is_none()
        });
        for entry in &media.segments {
            let Some(run) = stream.segment(&entry.place).and_then(|segment| segment.runs().next()) else { continue };
            let is_sync = run.first_flags & 0x1_0000 == 0;
            if !is_sync || known && !run.picture.idr {
                findings.fail(stream.line(&media.url, entry.line), "its first picture is no IDR");
            }
        }
    }
    let tag = "EXT-X-INDEPENDENT-SEGMENTS";
    let in_all = stream.main_video().all(|media| media.text.has(tag));
    if let Some(multivariant) =
        stream.multivariant.as_ref().filter(|multivariant| !multivariant.text.has(tag) && !in_all)
    {
        let reason = format!("{tag} is neither here nor in every video playlist");
        findings.must(stream.name(&multivariant.url), reason);
    }
}
