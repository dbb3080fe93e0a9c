//! The image playlist of the tile sheets (Image Media Playlist 0.4, as Roku and Shaka read it).

use super::text::{Lines, Seconds};
use crate::{
    bandwidth::{self, Rates, Span},
    presentation::Presentation,
    rational::{micros, mul_div_round},
    storyboard,
};

/// Decimal EXTINF needs version 3 (RFC 8216bis §8); the image tags ask for none.
const VERSION: u8 = 3;
/// Bits of a JPEG pixel assumed while no sheet is made; sheets of films stay below it.
const PIXEL_BITS: u64 = 2;

/// `thumbnails.m3u8`: every sheet, whether it is made yet or not. `None` without a storyboard.
pub fn images(presentation: &Presentation) -> Option<String> {
    let layout = presentation.plan.storyboard?;
    let timeline = &presentation.plan.timeline;
    let sheets = storyboard::sheets(layout, timeline);
    let longest_us = sheets.iter().map(|span| span.end - span.start).max();
    let target_duration_s = mul_div_round(longest_us.unwrap_or(0), 1, 1_000_000).max(1);
    let mut lines = Lines::finished(VERSION, target_duration_s);
    lines.line(format_args!("#EXT-X-IMAGES-ONLY"));
    let tile_frames = u64::from(layout.tricks_per_tile) * u64::from(timeline.trick_frames);
    let tile_us = micros(timeline.ticks(tile_frames), timeline.timescale);
    for (n, span) in (1_u64..).zip(&sheets) {
        lines.line(format_args!("#EXTINF:{},", Seconds(span.end - span.start)));
        lines.line(format_args!(
            "#EXT-X-TILES:RESOLUTION={}x{},LAYOUT={}x{},DURATION={}",
            layout.tile_width,
            layout.tile_height,
            layout.columns,
            layout.rows,
            Seconds(tile_us)
        ));
        lines.line(format_args!("thumbnails/{n}.jpg"));
    }
    Some(lines.finish())
}

/// Rates of the sheets: as measured so far, else by their pixels. `None` without a storyboard.
pub(crate) fn rates(presentation: &Presentation) -> Option<Rates> {
    let layout = presentation.plan.storyboard?;
    let times = storyboard::sheets(layout, &presentation.plan.timeline);
    let pixels = u64::from(layout.tile_width) * u64::from(layout.tile_height) * layout.tiles_per_sheet();
    let expected_bytes = pixels.saturating_mul(PIXEL_BITS) / 8;
    let known = |n: u64| presentation.sheets.get(&n).map(|sheet| sheet.bytes);
    let guess = if presentation.sheets.is_empty() { Some(expected_bytes) } else { None };
    let span = |(n, times): (u64, &std::ops::Range<u64>)| Span {
        duration_us: times.end - times.start,
        bytes: known(n).or(guess),
    };
    let spans: Vec<Span> = (1..).zip(&times).map(span).collect();
    let longest_us = spans.iter().map(|span| span.duration_us).max().unwrap_or(0);
    bandwidth::of(&spans, mul_div_round(longest_us, 1, 1_000_000).max(1))
}
