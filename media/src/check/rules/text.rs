//! Rules 72 to 74: `WebVTT` segments.

use std::collections::BTreeSet;

use super::super::{
    media::Media,
    report::Findings,
    stream::{Stream, signed},
    text_track::{Cue, TextTrack},
};

/// A cue's times are printed in milliseconds.
const PRINTED_MS: i64 = 1;
/// Comparisons of cues with segments.
const COMPARISONS_MAX: usize = 1 << 27;
/// Ticks after which MPEG-2 timestamps begin anew.
const WRAP: i128 = 1 << 33;

fn tracks<'a>(stream: &'a Stream, media: &'a Media) -> impl Iterator<Item = (usize, u64, &'a TextTrack)> {
    media.segments.iter().filter_map(|entry| Some((entry.line, entry.duration_us?, stream.text(&entry.place)?)))
}

/// Start of the media on its timeline, in microseconds.
fn start_us(stream: &Stream) -> Option<i64> {
    let first = stream.main_video().next().or_else(|| stream.main().next())?.segments.first()?;
    stream.times(first).map(|times| times.start_us())
}

/// Rule 72 (§3.1.4; Apple 5.3).
pub(super) fn header(stream: &Stream, findings: &mut Findings) {
    for media in stream.subtitles() {
        for (line, _, track) in tracks(stream, media) {
            let at = stream.line(&media.url, line);
            match track.map {
                _ if !track.has_header => findings.fail(at, "it does not begin with WEBVTT"),
                None => findings.fail(at, "no X-TIMESTAMP-MAP in its header"),
                Some(map) if !map.is_closed => findings.fail(at, "no blank line after its header"),
                Some(_) => {}
            }
        }
    }
}

/// What moves a cue's time to the media timeline, in milliseconds.
fn shift_ms(track: &TextTrack) -> i64 {
    track.map.map_or(0, |map| signed(map.mpegts / 90) - signed(map.local_ms))
}

/// Whether so many cues are compared with so many segments, each with each.
fn are_compared(cues: usize, segments: usize) -> bool {
    cues.saturating_mul(segments) <= COMPARISONS_MAX
}

/// Rule 73 (§3.1.4).
pub(super) fn cues(stream: &Stream, findings: &mut Findings) {
    for media in stream.subtitles() {
        let moved = |cue: &Cue, shift: i64| {
            let time = |ms: u64| signed(ms).saturating_add(shift);
            (time(cue.start_ms), time(cue.end_ms), cue.text.clone())
        };
        let all: BTreeSet<(i64, i64, String)> = tracks(stream, media)
            .flat_map(|(_, _, track)| track.cues.iter().map(|cue| moved(cue, shift_ms(track))))
            .collect();
        if !are_compared(all.len(), media.segments.len()) {
            findings.fail(stream.name(&media.url), "it has more cues and segments than are compared");
            continue;
        }
        let mut start_us = start_us(stream).unwrap_or(0);
        for (line, duration_us, track) in tracks(stream, media) {
            let end_us = start_us.saturating_add(signed(duration_us));
            let own: BTreeSet<_> = track.cues.iter().map(|cue| moved(cue, shift_ms(track))).collect();
            let overlaps = |cue: &&(i64, i64, String)| {
                cue.0.saturating_add(PRINTED_MS) < end_us / 1000 && cue.1.saturating_sub(PRINTED_MS) > start_us / 1000
            };
            if let Some(cue) = all.iter().filter(overlaps).find(|cue| !own.contains(*cue)) {
                let reason = format!("the cue from {} to {} ms overlaps it and is not in it", cue.0, cue.1);
                findings.fail(stream.line(&media.url, line), reason);
            }
            start_us = end_us;
        }
    }
}

/// Rule 74: the cues of LOCAL 0 belong to the start of the media.
pub(super) fn mapping(stream: &Stream, findings: &mut Findings) {
    let Some(start_us) = start_us(stream) else { return };
    for media in stream.subtitles() {
        for (line, _, track) in tracks(stream, media) {
            let Some(map) = track.map else { continue };
            let local = i128::from(map.local_ms) * 90;
            let expected = (i128::from(start_us) * 9 / 100 + local).rem_euclid(WRAP);
            let apart = (i128::from(map.mpegts) - expected).rem_euclid(WRAP);
            if apart.min(WRAP - apart) > 90 {
                let reason = format!("MPEGTS is {}, and the media starts at {expected}", map.mpegts);
                findings.fail(stream.line(&media.url, line), reason);
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn so_many_comparisons_are_made_and_not_one_more() {
        assert!(are_compared(COMPARISONS_MAX, 1) && are_compared(1 << 14, 1 << 13));
        for (cues, segments) in [(COMPARISONS_MAX + 1, 1), ((1 << 14) + 1, 1 << 13), (usize::MAX, 2)] {
            assert!(!are_compared(cues, segments), "{cues} {segments}");
        }
    }
}
