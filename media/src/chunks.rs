//! Where chunks begin and end: the first partition of a plan, and splits where somebody waits.

use serde::{Deserialize, Serialize};

use crate::timeline::Timeline;

/// Background chunks are at least this long: process start and seek cost 40 % at 8 s, 10 % at 20 s.
pub const BACKGROUND_CHUNK_S_MIN: f64 = 20.0;
/// Background chunks hold at least this many GOPs of the source, since a chunk decodes from a sync frame.
pub const BACKGROUND_SOURCE_GOPS_MIN: u64 = 4;

/// A run of segments, both ends included, counted from 1.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub struct Segments {
    /// The first segment.
    pub first: u64,
    /// The last segment.
    pub last: u64,
}

// === impl Segments ===

impl Segments {
    /// How many segments.
    pub fn count(self) -> u64 {
        (self.last + 1).saturating_sub(self.first)
    }

    /// Whether segment `n` is one of them.
    pub fn contains(self, n: u64) -> bool {
        (self.first..=self.last).contains(&n)
    }
}

/// The first partition: one segment, then 2, 4, … up to the background length, with background
/// edges moved to the segment that starts soonest after a source sync frame.
///
/// `sync_frames` are the output frames at which a source sync picture is shown, ascending.
pub fn partition(timeline: &Timeline, sync_frames: &[u64]) -> Vec<Segments> {
    let count = timeline.segments();
    let mut chunks = Vec::new();
    let mut first = 1;
    let mut length = 1;
    while first <= count {
        let wanted = first.saturating_add(length - 1);
        let background = is_background_length(timeline, first, wanted.min(count));
        let last = if background { background_end(timeline, sync_frames, first, wanted) } else { wanted };
        // A short last piece is not worth a process of its own.
        let rest = count.saturating_sub(last);
        let last = if rest < length.div_ceil(2) { count } else { last };
        chunks.push(Segments { first, last });
        first = last + 1;
        if !background {
            length *= 2;
        }
    }
    chunks
}

/// Splits a pending run where segment `wanted` begins: what lies before it stays whole, and from it
/// on the pieces have 1, 2, 4, … segments up to `length_max`. The second value is the place of the
/// piece that starts with `wanted`.
pub fn split(run: Segments, wanted: u64, length_max: u64) -> (Vec<Segments>, usize) {
    let wanted = wanted.clamp(run.first, run.last);
    let mut pieces = Vec::new();
    if wanted > run.first {
        pieces.push(Segments { first: run.first, last: wanted - 1 });
    }
    let place = pieces.len();
    let (mut first, mut length) = (wanted, 1);
    while first <= run.last {
        let last = (first + length - 1).min(run.last);
        pieces.push(Segments { first, last });
        first = last + 1;
        length = (length * 2).min(length_max.max(1));
    }
    (pieces, place)
}

fn is_background_length(timeline: &Timeline, first: u64, last: u64) -> bool {
    let frames = timeline.segment_frames(last).end.saturating_sub(timeline.segment_frames(first).start);
    timeline.seconds(timeline.ticks(frames)) >= BACKGROUND_CHUNK_S_MIN
}

/// The last segment of a background chunk that starts with `first`: at least `wanted`, long enough
/// in source GOPs, and ending where the next segment starts just after a sync frame.
fn background_end(timeline: &Timeline, sync_frames: &[u64], first: u64, wanted: u64) -> u64 {
    let count = timeline.segments();
    let start = timeline.segment_frames(first).start;
    let after_start = sync_frames.partition_point(|&frame| frame <= start);
    let gops = usize::try_from(BACKGROUND_SOURCE_GOPS_MIN).unwrap_or(usize::MAX);
    let Some(&enough) = sync_frames.get(after_start.saturating_add(gops - 1)) else {
        return count;
    };
    let earliest = timeline.segment_frames(wanted.min(count)).end.max(enough);
    let next_sync = sync_frames.get(sync_frames.partition_point(|&frame| frame < earliest));
    let Some(&sync) = next_sync else { return count };
    // The first segment that starts at or after that sync frame begins the next chunk.
    let holder = timeline.segment_of_frame(sync);
    let next = if timeline.segment_frames(holder).start < sync { holder + 1 } else { holder };
    next.saturating_sub(1).clamp(first, count)
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;
    use crate::{rational::Rational, timeline::Config};

    fn film(seconds: u64) -> Timeline {
        Timeline::new(Rational::new(30, 1), seconds * 30, Config::default())
    }

    #[test]
    fn the_first_chunks_are_short_and_grow() {
        let syncs: Vec<u64> = (0..600).map(|n| n * 60).collect();
        let chunks = partition(&film(600), &syncs);
        let counts: Vec<u64> = chunks.iter().take(5).map(|chunk| chunk.count()).collect();
        assert_eq!(counts[..3], [1, 2, 4]);
        assert!(counts[3] >= 5);
    }

    #[test]
    fn a_split_starts_with_one_segment_where_somebody_waits() {
        let (pieces, place) = split(Segments { first: 8, last: 20 }, 12, 8);
        assert_eq!(place, 1);
        let spans: Vec<(u64, u64)> = pieces.iter().map(|piece| (piece.first, piece.last)).collect();
        assert_eq!(spans, [(8, 11), (12, 12), (13, 14), (15, 18), (19, 20)]);
    }

    proptest! {
        #[test]
        fn partitions_and_splits_cover_every_segment_once(seconds in 1u64..4000, gop in 1u64..2000, wanted in 1u64..1000) {
            let timeline = film(seconds);
            let syncs: Vec<u64> = (0..timeline.frames).step_by(usize::try_from(gop).unwrap()).collect();
            let mut next = 1;
            for chunk in partition(&timeline, &syncs) {
                prop_assert_eq!(chunk.first, next);
                let (pieces, place) = split(chunk, wanted, 5);
                prop_assert!(place < pieces.len());
                for piece in pieces {
                    prop_assert_eq!(piece.first, next);
                    prop_assert!(piece.last >= piece.first);
                    next = piece.last + 1;
                }
            }
            prop_assert_eq!(next, timeline.segments() + 1);
        }
    }
}
