//! The WebVTT thumbnails track: one cue a tile, its text the sheet with a media fragment.

use std::fmt::{self, Write};

use super::tiles;
use crate::{
    presentation::Presentation,
    rational::{mul_div_ceil, mul_div_round},
};

/// A cue time in milliseconds.
struct Stamp(u64);

/// `thumbnails.vtt`: cues that cover the presentation without a gap or an overlap. `None` without a storyboard.
pub fn vtt(presentation: &Presentation) -> Option<String> {
    let layout = presentation.plan.storyboard?;
    let timeline = &presentation.plan.timeline;
    let scale = u64::from(timeline.timescale);
    let mut text = String::from("WEBVTT\n");
    for tile in tiles(layout, timeline) {
        let start = Stamp(mul_div_round(timeline.ticks(tile.start), 1000, scale));
        // The last cue reaches the end, which is rarely a whole millisecond.
        let end = if tile.end == timeline.frames {
            Stamp(mul_div_ceil(timeline.ticks(tile.end), 1000, scale))
        } else {
            Stamp(mul_div_round(timeline.ticks(tile.end), 1000, scale))
        };
        let written = write!(
            text,
            "\n{start} --> {end}\nthumbnails/{}.jpg#xywh={},{},{},{}\n",
            tile.sheet, tile.x, tile.y, layout.tile_width, layout.tile_height
        );
        debug_assert!(written.is_ok(), "a String takes every write");
    }
    Some(text)
}

// === impl Stamp ===

impl fmt::Display for Stamp {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let (seconds, ms) = (self.0 / 1000, self.0 % 1000);
        let (minutes, hours) = (seconds / 60 % 60, seconds / 3600);
        write!(f, "{hours:02}:{minutes:02}:{:02}.{ms:03}", seconds % 60)
    }
}
