//! The media playlist of a rung or of the audio.

use super::text::{Lines, Seconds};
use crate::{presentation::Presentation, track::Track};

/// EXT-X-MAP without EXT-X-I-FRAMES-ONLY needs version 6 (RFC 8216bis §8).
const VERSION: u8 = 6;

/// `{track}/index.m3u8`, all segments of a rung or of the audio. `None` when there is no such track,
/// and for the trick track, whose list is [`iframes`](fn@super::iframes).
///
/// It is rendered from the plan alone, so its bytes are the same from the first chunk to the last.
pub fn media(presentation: &Presentation, track: Track) -> Option<String> {
    let plan = &presentation.plan;
    if track == Track::Trick || !plan.tracks().contains(&track) {
        return None;
    }
    let mut lines = Lines::finished(VERSION, plan.target_duration_s);
    lines.line(format_args!("#EXT-X-MAP:URI=\"init.mp4\""));
    for n in 1..=plan.segments(track) {
        let span = plan.segment_us(track, n)?;
        lines.line(format_args!("#EXTINF:{},", Seconds(span.end - span.start)));
        lines.line(format_args!("{n}.m4s"));
    }
    Some(lines.finish())
}
