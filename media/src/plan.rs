//! The plan of a generation: everything about its streams that is known before a frame is encoded.

use std::{collections::BTreeMap, ops::Range};

use serde::{Deserialize, Serialize};

use crate::{
    chunks::Segments,
    rational::{micros, mul_div_round},
    timeline::{AudioGrid, Timeline},
    track::Track,
};

/// The promise that a generation keeps: grid, tracks, encoders and chunks. Stored once, never changed.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Plan {
    /// The grid that all tracks share.
    pub timeline: Timeline,
    /// Video renditions, largest first; empty for audio-only sources.
    pub rungs: Vec<VideoTrack>,
    /// The trick-play rendition; absent for audio-only sources.
    pub trick: Option<VideoTrack>,
    /// The audio rendition; absent for silent sources.
    pub audio: Option<AudioTrack>,
    /// The tile sheets; absent for audio-only sources.
    pub storyboard: Option<Storyboard>,
    /// EXT-X-TARGETDURATION, in seconds.
    pub target_duration_s: u64,
    /// The first partition of the segments into jobs; the queue may split them later.
    pub chunks: Vec<Segments>,
}

/// A planned video rendition.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct VideoTrack {
    /// Which track this is.
    pub track: Track,
    /// Width in square pixels, even.
    pub width: u32,
    /// Height in square pixels, even.
    pub height: u32,
    /// The peak that the encoder may not exceed over its buffer, in bits per second.
    pub cap_bps: u32,
    /// The expected average, in bits per second.
    pub target_bps: u32,
    /// The VBV buffer, in milliseconds of the cap.
    pub buffer_ms: u32,
    /// The encoder, pinned.
    pub encoder: Encoder,
}

/// The planned audio rendition.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct AudioTrack {
    /// Its sample timeline.
    pub grid: AudioGrid,
    /// Channels, 1 or 2.
    pub channels: u32,
    /// Bits per second.
    pub bitrate_bps: u32,
    /// The language, BCP 47, `und` if unknown.
    pub language: String,
    /// The encoder, pinned.
    pub encoder: Encoder,
}

/// A pinned encoder: a worker without this plugin and version does not claim the video's jobs.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Encoder {
    /// The plugin's name.
    pub plugin: String,
    /// The plugin's version.
    pub version: String,
    /// The codec it makes: `h264`, `aac`.
    pub codec: String,
    /// Element properties by name, as the plugin's manifest mapped them.
    pub settings: BTreeMap<String, String>,
}

/// The layout of the tile sheets made from the trick pictures.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Storyboard {
    /// Trick pictures from one tile to the next, at least 1.
    pub tricks_per_tile: u32,
    /// Tiles side by side.
    pub columns: u32,
    /// Rows of tiles.
    pub rows: u32,
    /// Width of a tile in pixels.
    pub tile_width: u32,
    /// Height of a tile in pixels.
    pub tile_height: u32,
}

// === impl Plan ===

impl Plan {
    /// The planned video track, trick track included.
    pub fn video(&self, track: Track) -> Option<&VideoTrack> {
        self.rungs.iter().chain(self.trick.as_ref()).find(|video| video.track == track)
    }

    /// All tracks: rungs largest first, trick, audio.
    pub fn tracks(&self) -> Vec<Track> {
        let videos = self.rungs.iter().chain(self.trick.as_ref()).map(|video| video.track);
        videos.chain(self.audio.as_ref().map(|_| Track::Audio)).collect()
    }

    /// The audio grid, if there is audio.
    pub fn audio_grid(&self) -> Option<AudioGrid> {
        self.audio.as_ref().map(|audio| audio.grid)
    }

    /// How many `{n}.m4s` the track has.
    pub fn segments(&self, track: Track) -> u64 {
        match track {
            Track::Trick => self.timeline.tricks(),
            _ => self.timeline.segments(),
        }
    }

    /// Ticks per second of the track.
    pub fn timescale(&self, track: Track) -> u32 {
        match (track, &self.audio) {
            (Track::Audio, Some(audio)) => audio.grid.sample_rate,
            _ => self.timeline.timescale,
        }
    }

    /// Start and duration of segment `n` of the track, in its own ticks; `None` when there is none.
    pub fn segment_ticks(&self, track: Track, n: u64) -> Option<(u64, u64)> {
        let (span, unit) = match track {
            Track::Audio => {
                let grid = self.audio_grid()?;
                (self.timeline.audio_frames(grid, n), u64::from(grid.frame_samples))
            }
            Track::Trick => (self.timeline.trick_frames(n), u64::from(self.timeline.frame_ticks)),
            Track::Rung(_) => (self.timeline.segment_frames(n), u64::from(self.timeline.frame_ticks)),
        };
        (!span.is_empty()).then(|| (span.start * unit, (span.end - span.start) * unit))
    }

    /// Start and end of segment `n` of the track in microseconds; `None` when there is none.
    ///
    /// Each end is rounded on its own and the printed duration is their difference, so that the sum
    /// over any run of segments is exact to a microsecond, however long the film (packaging rule 9).
    pub fn segment_us(&self, track: Track, n: u64) -> Option<Range<u64>> {
        let (start, duration) = self.segment_ticks(track, n)?;
        let timescale = self.timescale(track);
        Some(micros(start, timescale)..micros(start.saturating_add(duration), timescale))
    }

    /// EXT-X-TARGETDURATION of the playlist that lists all segments of the track, in seconds.
    ///
    /// Audio and rungs share one; the trick track's I-frame playlist has its own (rules 8 and 40).
    pub fn track_target_duration_s(&self, track: Track) -> u64 {
        if track != Track::Trick {
            return self.target_duration_s;
        }
        let spans = (1..=self.segments(track)).filter_map(|n| self.segment_us(track, n));
        let longest_us = spans.map(|span| span.end - span.start).max().unwrap_or(0);
        mul_div_round(longest_us, 1, 1_000_000).max(1)
    }
}

// === impl AudioTrack ===

impl AudioTrack {
    /// The language as documents may print it: a BCP 47 tag, `und` where the source said something else.
    pub fn language_tag(&self) -> &str {
        let subtag = |text: &str| (1..=8).contains(&text.len()) && text.bytes().all(|b| b.is_ascii_alphanumeric());
        let tag = self.language.as_str();
        let alphabetic = tag.split('-').next().is_some_and(|first| first.bytes().all(|b| b.is_ascii_alphabetic()));
        if alphabetic && tag.split('-').all(subtag) { tag } else { "und" }
    }
}

// === impl Storyboard ===

impl Storyboard {
    /// Tiles on a full sheet.
    pub fn tiles_per_sheet(&self) -> u64 {
        u64::from(self.columns) * u64::from(self.rows)
    }

    /// Tiles of the whole presentation.
    pub fn tiles(&self, timeline: &Timeline) -> u64 {
        timeline.tricks().div_ceil(u64::from(self.tricks_per_tile.max(1)))
    }

    /// Sheets of the whole presentation.
    pub fn sheets(&self, timeline: &Timeline) -> u64 {
        self.tiles(timeline).div_ceil(self.tiles_per_sheet().max(1))
    }

    /// The trick pictures shown on sheet `n` (from 1), one for each tile, in order.
    pub fn sheet_tricks(&self, timeline: &Timeline, n: u64) -> Vec<u64> {
        let per_sheet = self.tiles_per_sheet();
        let step = u64::from(self.tricks_per_tile.max(1));
        let first = n.saturating_sub(1).saturating_mul(per_sheet);
        let last = first.saturating_add(per_sheet).min(self.tiles(timeline));
        (first..last).map(|tile| tile * step + 1).collect()
    }
}
