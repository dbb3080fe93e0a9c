//! The one snapshot that every HLS playlist, MPD and storyboard is rendered from.

use std::{collections::BTreeMap, sync::Arc};

use crate::{
    bandwidth::Rates,
    codec::DecoderConfig,
    crc32::Crc32,
    id::VideoId,
    index::{Chunk, Segment},
    plan::Plan,
    track::Track,
};

/// One generation of one video as far as it is made.
#[derive(Clone, Debug)]
pub struct Presentation {
    /// The video.
    pub id: VideoId,
    /// Its generation, from 1.
    pub generation: u32,
    /// What was promised.
    pub plan: Arc<Plan>,
    /// The decoder configuration of each track that has a finished chunk.
    pub configs: BTreeMap<Track, DecoderConfig>,
    /// The finished chunks, by their first segment; they do not overlap.
    pub chunks: BTreeMap<u64, Arc<Chunk>>,
    /// The finished tile sheets, by number, and their object's fencing token.
    pub sheets: BTreeMap<u64, Sheet>,
    /// The poster, once there is one.
    pub poster: Option<Poster>,
    /// Whether everything is made, measured and checked.
    pub ready: bool,
    /// Rates measured over all segments, from `finalize` on.
    pub measured: BTreeMap<Track, Rates>,
}

/// A stored tile sheet.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Sheet {
    /// The fencing token of the attempt that stored it; part of its key.
    pub token: u64,
    /// Bytes of the image.
    pub bytes: u64,
    /// Their checksum; absent of what was stored before there were any.
    pub crc32: Option<Crc32>,
}

/// A stored poster.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Poster {
    /// The fencing token of the attempt that stored it; part of its key.
    pub token: u64,
    /// The checksum of its bytes; absent of what was stored before there were any.
    pub crc32: Option<Crc32>,
}

/// Where a segment is.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Located {
    /// Stored: in the object of this track, chunk and token.
    Stored(Place),
    /// Planned and not yet made; `segment` is the grid segment whose chunk brings it.
    Pending {
        /// The segment of the grid to ask the queue for.
        segment: u64,
    },
    /// There is no such track or segment, nor will there be.
    Absent,
}

/// A byte range of a stored object.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Place {
    /// The number of the first segment of the object's chunk, part of its key.
    pub chunk_first: u64,
    /// The fencing token of the attempt that stored it, part of its key.
    pub token: u64,
    /// Offset of the segment in the object.
    pub offset: u64,
    /// Bytes of the segment.
    pub bytes: u64,
    /// Their checksum, if it is known.
    pub crc32: Option<Crc32>,
}

// === impl Presentation ===

impl Presentation {
    /// Where segment (or trick picture) `n` of a track is.
    pub fn locate(&self, track: Track, n: u64) -> Located {
        let known = self.plan.tracks().contains(&track);
        if !known || n == 0 || n > self.plan.segments(track) {
            return Located::Absent;
        }
        let segment = self.grid_segment(track, n);
        match self.stored(track, n) {
            Some((chunk, part)) => Located::Stored(Place {
                chunk_first: chunk.segments.first,
                token: chunk.token,
                offset: part.offset,
                bytes: part.bytes(),
                crc32: part.crc32,
            }),
            None => Located::Pending { segment },
        }
    }

    /// The index entry of segment `n` of a track and the chunk that holds it.
    pub fn stored(&self, track: Track, n: u64) -> Option<(&Chunk, &Segment)> {
        let segment = self.grid_segment(track, n);
        let (_, chunk) = self.chunks.range(..=segment).next_back()?;
        if !chunk.segments.contains(segment) {
            return None;
        }
        let part = chunk.track(track)?.segment(n)?;
        Some((chunk, part))
    }

    /// Whether the first segment of every track is stored, so that a player can start.
    pub fn playable(&self) -> bool {
        let tracks = self.plan.tracks();
        !tracks.is_empty()
            && tracks.iter().all(|&track| self.stored(track, 1).is_some() && self.configs.contains_key(&track))
    }

    /// Whether every planned segment is stored.
    pub fn complete(&self) -> bool {
        let stored: u64 = self.chunks.values().map(|chunk| chunk.segments.count()).sum();
        stored == self.plan.timeline.segments()
    }

    /// The segment of the grid whose chunk brings segment `n` of a track.
    pub fn grid_segment(&self, track: Track, n: u64) -> u64 {
        match track {
            Track::Trick => self.plan.timeline.segment_of_trick(n),
            _ => n,
        }
    }
}
