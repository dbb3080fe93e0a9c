//! Tile sheets: their layout, and the WebVTT and JSON documents that say which tile shows when.
//!
//! Both documents are at `/v/{id}/{generation}/`, and their URLs are relative to it. They list every
//! tile from the start, whether its sheet is made yet or not.

mod json;
mod vtt;

use std::ops::Range;

pub use json::json;
pub use vtt::vtt;

use crate::{plan::Storyboard, rational::micros, timeline::Timeline};

/// The longer side of a tile, in pixels.
const TILE_SIDE: u64 = 160;
/// Tiles along the longer and the shorter direction of a sheet.
const TILES_LONG: u32 = 10;
const TILES_SHORT: u32 = 6;
/// Rows that may be added so that a sheet spans enough time.
const ROWS_EXTRA_MAX: u32 = 16;
/// A sheet spans at least this long (DASH-IF IOP, tiles of thumbnail images).
const SHEET_S_MIN: u64 = 60;
/// Tiles of a long film at most, so that its documents stay small; one a pixel of a wide seek bar.
const TILES_MAX: u64 = 1800;

/// One tile of the storyboard.
#[derive(Clone, Copy)]
struct Tile {
    /// Its sheet, from 1.
    sheet: u64,
    /// Left edge in the sheet, in pixels.
    x: u64,
    /// Upper edge in the sheet, in pixels.
    y: u64,
    /// The frames that it stands for: `start..end`.
    start: u64,
    end: u64,
}

/// The layout of the sheets for trick pictures of the given size in pixels.
///
/// Tiles keep the aspect ratio and stand for a second or more; a sheet spans a minute or more. The
/// last sheet always has room for time past its last tile, because a player that counts sheets by
/// duration asks for it.
pub fn layout(timeline: &Timeline, trick_width: u32, trick_height: u32) -> Storyboard {
    let (tile_width, tile_height) = tile_size(trick_width, trick_height);
    let wide = u64::from(tile_width) * u64::from(TILES_SHORT);
    let tall = u64::from(tile_height) * u64::from(TILES_LONG);
    let lying = u64::from(tile_width) * u64::from(TILES_LONG);
    let low = u64::from(tile_height) * u64::from(TILES_SHORT);
    let (columns, rows) =
        if wide.max(tall) <= lying.max(low) { (TILES_SHORT, TILES_LONG) } else { (TILES_LONG, TILES_SHORT) };
    let mut storyboard =
        Storyboard { tricks_per_tile: tricks_per_tile(timeline), columns, rows, tile_width, tile_height };
    for extra in 0..=ROWS_EXTRA_MAX {
        storyboard.rows = rows + extra;
        if spans_enough(storyboard, timeline) && has_room(storyboard, timeline) {
            break;
        }
    }
    storyboard
}

/// The times of the sheets in microseconds, in order; they cover the presentation.
pub(crate) fn sheets(layout: Storyboard, timeline: &Timeline) -> Vec<Range<u64>> {
    let per_sheet = layout.tiles_per_sheet().max(1);
    let count = layout.sheets(timeline);
    let at = |sheet: u64| {
        let frame = if sheet < count { tile_start(layout, timeline, sheet * per_sheet) } else { timeline.frames };
        micros(timeline.ticks(frame), timeline.timescale)
    };
    (0..count).map(|sheet| at(sheet)..at(sheet + 1)).collect()
}

/// Ticks of a full sheet, at the timescale of the video.
pub(crate) fn sheet_ticks(layout: Storyboard, timeline: &Timeline) -> u64 {
    timeline.ticks(tile_start(layout, timeline, layout.tiles_per_sheet().max(1)))
}

/// All tiles in order; their frames cover the presentation.
fn tiles(layout: Storyboard, timeline: &Timeline) -> impl Iterator<Item = Tile> {
    let count = layout.tiles(timeline);
    let per_sheet = layout.tiles_per_sheet().max(1);
    let columns = u64::from(layout.columns.max(1));
    let frames = timeline.frames;
    let span = tile_start(layout, timeline, 1);
    (0..count).map(move |tile| {
        let place = tile % per_sheet;
        Tile {
            sheet: tile / per_sheet + 1,
            x: place % columns * u64::from(layout.tile_width),
            y: place / columns * u64::from(layout.tile_height),
            start: tile * span,
            end: if tile + 1 == count { frames } else { (tile + 1) * span },
        }
    })
}

fn tile_start(layout: Storyboard, timeline: &Timeline, tile: u64) -> u64 {
    tile * u64::from(layout.tricks_per_tile.max(1)) * u64::from(timeline.trick_frames)
}

fn tile_size(width: u32, height: u32) -> (u32, u32) {
    let (width, height) = (u64::from(width.max(1)), u64::from(height.max(1)));
    let longer = width.max(height);
    // Even, since chroma is halved.
    let side = |length: u64| {
        let halves = (length * TILE_SIDE / 2 + longer / 2) / longer;
        u32::try_from(halves.max(1) * 2).unwrap_or(u32::MAX)
    };
    (side(width), side(height))
}

fn tricks_per_tile(timeline: &Timeline) -> u32 {
    let fps = timeline.fps;
    let second = u64::from(fps.num) / (u64::from(fps.den) * u64::from(timeline.trick_frames)).max(1);
    let tricks = second.max(timeline.tricks().div_ceil(TILES_MAX)).max(1);
    u32::try_from(tricks).unwrap_or(u32::MAX)
}

fn spans_enough(layout: Storyboard, timeline: &Timeline) -> bool {
    sheet_ticks(layout, timeline) >= SHEET_S_MIN * u64::from(timeline.timescale)
}

/// Whether no time lies past a full last sheet: the tail that joins the last trick picture could.
fn has_room(layout: Storyboard, timeline: &Timeline) -> bool {
    let listed = tile_start(layout, timeline, layout.tiles_per_sheet()) * layout.sheets(timeline);
    listed >= timeline.frames
}
