//! I-frame playlists: the trick track's whole segments, and byte ranges into the rungs' segments.

use super::text::{Lines, Seconds};
use crate::{
    bandwidth::{self, Rates, Span},
    presentation::Presentation,
    rational::{micros, mul_div_round},
    track::Track,
};

/// EXT-X-MAP with EXT-X-I-FRAMES-ONLY needs version 5 (RFC 8216bis §8).
const VERSION: u8 = 5;

/// One I-frame of a rung.
#[derive(Clone, Copy)]
struct Entry {
    /// The segment that holds it.
    segment: u64,
    /// Where its `moof` begins in that segment, in bytes.
    offset: u64,
    /// From there to the end of the picture's data (packaging rule 42).
    bytes: u64,
    /// Until the next I-frame, or the end (§4.4.3.6).
    duration_us: u64,
}

/// `{track}/iframes.m3u8`. The trick track's is known from the plan; a rung's only once the
/// presentation is ready, since it lists byte offsets. `None` where there is none (yet).
pub fn iframes(presentation: &Presentation, track: Track) -> Option<String> {
    match track {
        Track::Audio => None,
        Track::Trick => trick(presentation),
        Track::Rung(_) => rung(presentation, track),
    }
}

/// Rates of a rung's I-frame playlist, by the same windows over its ranges (packaging rule 45).
pub(super) fn rates(presentation: &Presentation, track: Track) -> Option<Rates> {
    let entries = entries(presentation, track)?;
    let span = |entry: &Entry| Span { duration_us: entry.duration_us, bytes: Some(entry.bytes) };
    let spans: Vec<Span> = entries.iter().map(span).collect();
    bandwidth::of(&spans, target_duration_s(&entries))
}

fn trick(presentation: &Presentation) -> Option<String> {
    let plan = &presentation.plan;
    plan.trick.as_ref()?;
    let mut lines = header(plan.track_target_duration_s(Track::Trick));
    for n in 1..=plan.segments(Track::Trick) {
        let span = plan.segment_us(Track::Trick, n)?;
        lines.line(format_args!("#EXTINF:{},", Seconds(span.end - span.start)));
        lines.line(format_args!("{n}.m4s"));
    }
    Some(lines.finish())
}

fn rung(presentation: &Presentation, track: Track) -> Option<String> {
    let entries = entries(presentation, track)?;
    let mut lines = header(target_duration_s(&entries));
    for entry in &entries {
        lines.line(format_args!("#EXTINF:{},", Seconds(entry.duration_us)));
        lines.line(format_args!("#EXT-X-BYTERANGE:{}@{}", entry.bytes, entry.offset));
        lines.line(format_args!("{}.m4s", entry.segment));
    }
    Some(lines.finish())
}

fn header(target_duration_s: u64) -> Lines {
    let mut lines = Lines::finished(VERSION, target_duration_s);
    lines.line(format_args!("#EXT-X-I-FRAMES-ONLY"));
    lines.line(format_args!("#EXT-X-MAP:URI=\"init.mp4\""));
    lines
}

/// All I-frames of a rung; `None` unless every segment is stored with one fragment a GOP.
fn entries(presentation: &Presentation, track: Track) -> Option<Vec<Entry>> {
    let plan = &presentation.plan;
    if !presentation.ready || plan.video(track).is_none() {
        return None;
    }
    let timeline = &plan.timeline;
    let at = |frame: u64| micros(timeline.ticks(frame), timeline.timescale);
    let mut entries = Vec::new();
    for segment in 1..=plan.segments(track) {
        let (_, stored) = presentation.stored(track, segment)?;
        let gops = timeline.segment_gops(segment);
        if gops.len() != stored.fragments.len() {
            return None;
        }
        let mut offset = 0;
        for (gop, fragment) in gops.iter().zip(&stored.fragments) {
            entries.push(Entry {
                segment,
                offset,
                bytes: u64::from(fragment.first_sample_end),
                duration_us: at(gop.end) - at(gop.start),
            });
            offset += u64::from(fragment.bytes);
        }
    }
    Some(entries)
}

fn target_duration_s(entries: &[Entry]) -> u64 {
    let longest_us = entries.iter().map(|entry| entry.duration_us).max();
    mul_div_round(longest_us.unwrap_or(0), 1, 1_000_000).max(1)
}
