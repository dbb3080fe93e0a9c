//! The index that a finished chunk leaves: where each segment lies and where its I-frames are.
//!
//! Times are not here: the grid already knows them.

use serde::{Deserialize, Serialize};

use crate::{chunks::Segments, crc32::Crc32, track::Track};

/// What one finished chunk stored, one object a track.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Chunk {
    /// The segments that the chunk covers.
    pub segments: Segments,
    /// The fencing token of the attempt that stored the objects; part of their keys.
    pub token: u64,
    /// Its tracks.
    pub tracks: Vec<TrackChunk>,
}

/// The fragments of one track in one chunk, back to back in one object.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct TrackChunk {
    /// Which track.
    pub track: Track,
    /// The number of the first segment (for the trick track: picture) in the object.
    pub first: u64,
    /// The segments in order.
    pub segments: Vec<Segment>,
}

/// One segment: one or more fragments, each `moof` + `mdat`.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Segment {
    /// Offset of the first fragment in the object, in bytes.
    pub offset: u64,
    /// The fragments in order; never empty.
    pub fragments: Vec<Fragment>,
    /// The checksum of all its bytes; absent of what was stored before there were any.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub crc32: Option<Crc32>,
}

/// One fragment: a GOP, a trick picture or the audio of a segment.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Fragment {
    /// Bytes of `moof` and `mdat`.
    pub bytes: u32,
    /// Bytes from the start of the `moof` to the end of the first sample (packaging rule 42).
    pub first_sample_end: u32,
}

// === impl Chunk ===

impl Chunk {
    /// The part of the chunk that belongs to a track.
    pub fn track(&self, track: Track) -> Option<&TrackChunk> {
        self.tracks.iter().find(|part| part.track == track)
    }
}

// === impl TrackChunk ===

impl TrackChunk {
    /// The segment numbered `n`, if it is in this object.
    pub fn segment(&self, n: u64) -> Option<&Segment> {
        let position = usize::try_from(n.checked_sub(self.first)?).ok()?;
        self.segments.get(position)
    }

    /// Bytes of the whole object.
    pub fn bytes(&self) -> u64 {
        self.segments.iter().map(Segment::bytes).sum()
    }
}

// === impl Segment ===

impl Segment {
    /// A segment that begins at `offset` of its object, before its first fragment.
    pub fn new(offset: u64) -> Self {
        Self { offset, fragments: Vec::new(), crc32: Some(Crc32::EMPTY) }
    }

    /// Appends a fragment, which is these bytes.
    pub fn push(&mut self, fragment: Fragment, bytes: &[u8]) {
        self.fragments.push(fragment);
        self.crc32 = self.crc32.map(|sum| sum.and(bytes));
    }

    /// Whether these bytes have the checksum of the segment, if it has one.
    pub fn matches(&self, bytes: &[u8]) -> bool {
        self.crc32.is_none_or(|sum| sum == Crc32::of(bytes))
    }

    /// Bytes of the segment.
    pub fn bytes(&self) -> u64 {
        self.fragments.iter().map(|fragment| u64::from(fragment.bytes)).sum()
    }
}
