//! The JSON storyboard, in the shape of Mux with a `url` for each tile, since there may be many sheets.

use serde::Serialize;

use super::tiles;
use crate::{presentation::Presentation, timeline::Timeline};

/// With one sheet this is exactly what readers of Mux storyboards expect.
#[derive(Serialize)]
struct Document {
    /// The first sheet, for readers that know only one.
    url: String,
    /// Pixels.
    tile_width: u32,
    tile_height: u32,
    /// Tiles side by side, and rows of them, on each sheet.
    columns: u32,
    rows: u32,
    /// Seconds.
    duration: f64,
    tiles: Vec<Entry>,
}

#[derive(Serialize)]
struct Entry {
    /// Seconds; the tile is shown until the next one starts.
    start: f64,
    /// Its sheet.
    url: String,
    /// Upper left corner in the sheet, in pixels.
    x: u64,
    y: u64,
}

/// `thumbnails.json`. `None` without a storyboard.
pub fn json(presentation: &Presentation) -> Option<String> {
    let layout = presentation.plan.storyboard?;
    let timeline = &presentation.plan.timeline;
    let sheet_url = |sheet: u64| format!("thumbnails/{sheet}.jpg");
    let entries = tiles(layout, timeline).map(|tile| Entry {
        start: seconds(timeline, tile.start),
        url: sheet_url(tile.sheet),
        x: tile.x,
        y: tile.y,
    });
    let document = Document {
        url: sheet_url(1),
        tile_width: layout.tile_width,
        tile_height: layout.tile_height,
        columns: layout.columns,
        rows: layout.rows,
        duration: seconds(timeline, timeline.frames),
        tiles: entries.collect(),
    };
    // Only maps with odd keys and failing Serialize implementations are refused; there are none here.
    serde_json::to_string(&document).ok()
}

/// Six decimals, as everywhere else.
fn seconds(timeline: &Timeline, frame: u64) -> f64 {
    let seconds = timeline.seconds(timeline.ticks(frame));
    (seconds * 1e6).round() / 1e6
}
