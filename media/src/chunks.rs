//! Where chunks begin and end: the first partition of a plan, and splits where somebody waits.

use serde::{Deserialize, Serialize};

use crate::timeline::Timeline;

/// Background chunks are at least this long: process start and seek cost 40 % at 8 s, 10 % at 20 s.
pub const BACKGROUND_CHUNK_S_MIN: f64 = 20.0;
/// Background chunks hold at least this many GOPs of the source, since a chunk decodes from a sync frame.
pub const BACKGROUND_SOURCE_GOPS_MIN: u64 = 4;

/// Where sync frames lie further apart, no background chunk begins: what it would be spared of decoding, its
/// own pieces pay many times over.
pub const SOURCE_GOP_S_MAX: f64 = 30.0;

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
/// in source GOPs, and ending where the next segment starts just after a sync frame whose GOP is short
/// enough; the last one of the film if there is none.
fn background_end(timeline: &Timeline, sync_frames: &[u64], first: u64, wanted: u64) -> u64 {
    let count = timeline.segments();
    let start = timeline.segment_frames(first).start;
    let after_start = sync_frames.partition_point(|&frame| frame <= start);
    let gops = usize::try_from(BACKGROUND_SOURCE_GOPS_MIN).unwrap_or(usize::MAX);
    let Some(&enough) = sync_frames.get(after_start.saturating_add(gops - 1)) else {
        return count;
    };
    let earliest = timeline.segment_frames(wanted.min(count)).end.max(enough);
    let later = sync_frames.get(sync_frames.partition_point(|&frame| frame < earliest)..).unwrap_or_default();
    let ends = later.iter().skip(1).chain([&timeline.frames]);
    let is_short =
        |start: u64, end: u64| timeline.seconds(timeline.ticks(end.saturating_sub(start))) <= SOURCE_GOP_S_MAX;
    let Some((&sync, _)) = later.iter().zip(ends).find(|&(&start, &end)| is_short(start, end)) else { return count };
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

    /// Chunks of a film with a sync frame every `gop` frames.
    fn chunks_of(timeline: &Timeline, gop: usize) -> Vec<Segments> {
        let syncs: Vec<u64> = (0..timeline.frames).step_by(gop).collect();
        partition(timeline, &syncs)
    }

    #[test]
    fn twenty_seconds_are_background_and_less_is_not() {
        let grid = |gop_s, segment_s| Timeline::new(Rational::new(30, 1), 18_000, Config { gop_s, segment_s });
        let third =
            |timeline: &Timeline| chunks_of(timeline, 1)[2..4].iter().map(|chunk| chunk.count()).collect::<Vec<_>>();
        // Four segments of 5 s are long enough, so the next chunk is no longer; four of 148 frames are not.
        let (five, less) = (grid(2.5, 5.0), grid(2.46, 4.92));
        assert_eq!(
            [&five, &less].map(|timeline| timeline.segment_frames(9)).map(|span| span.end - span.start),
            [150, 148]
        );
        assert_eq!((third(&five), third(&less)), (vec![4, 4], vec![4, 8]));
    }

    #[test]
    fn four_gops_of_the_source_are_enough_and_less_is_not() {
        // The first background chunk would be segments 8 to 15, frames 720 to 1680.
        let timeline = film(600);
        let with = |fourth: u64| {
            let later = (1740..timeline.frames).step_by(60);
            let syncs: Vec<u64> = [0, 720, 800, 900, 1000, fourth].into_iter().chain(later).collect();
            partition(&timeline, &syncs)[3]
        };
        assert_eq!(timeline.segment_frames(15).end, 1680);
        assert_eq!([with(1680), with(1681)], [15, 16].map(|last| Segments { first: 8, last }));
    }

    #[test]
    fn where_sync_frames_lie_more_than_half_a_minute_apart_one_job_runs_through() {
        // 120 GOPs of 901 frames.
        let timeline = film(3604);
        let counts = |gop| chunks_of(&timeline, gop).len();
        assert!(counts(900) > 20, "every half minute");
        // The short first chunks, and the rest.
        assert_eq!([901, 1800, 200_000].map(counts), [4, 4, 4]);
        // A single hole only joins what lies around it.
        let hole = 30_000..32_000;
        let syncs: Vec<u64> = (0..timeline.frames).step_by(60).filter(|frame| !hole.contains(frame)).collect();
        let chunks = partition(&timeline, &syncs);
        assert!(chunks.len() > 80, "{}", chunks.len());
        let begins = chunks.iter().map(|chunk| timeline.segment_frames(chunk.first).start);
        assert_eq!(begins.filter(|start| (29_940..32_040).contains(start)).count(), 0);
    }

    #[test]
    fn a_split_has_one_two_four_segments_and_never_more_than_the_normal_length() {
        let run = Segments { first: 8, last: 30 };
        let sizes = |wanted, length_max| {
            let (pieces, place) = split(run, wanted, length_max);
            (pieces.iter().map(|piece| piece.count()).collect::<Vec<_>>(), place)
        };
        assert_eq!(sizes(8, 8), (vec![1, 2, 4, 8, 8], 0));
        assert_eq!(sizes(9, 5), (vec![1, 1, 2, 4, 5, 5, 5], 1));
        assert_eq!(sizes(30, 8), (vec![22, 1], 1));
        assert_eq!(sizes(28, 0), (vec![20, 1, 1, 1], 1));
        // A segment outside of the run is the nearest one inside.
        assert_eq!((sizes(1, 8), sizes(99, 8)), (sizes(8, 8), sizes(30, 8)));
    }

    proptest! {
        #[test]
        fn background_chunks_are_long_enough_and_begin_just_after_a_sync_frame(seconds in 60u64..4000, gop in 1usize..=900) {
            let timeline = film(seconds);
            let chunks = chunks_of(&timeline, gop);
            let starts = |n: u64| timeline.segment_frames(n).start;
            // The first three are one, two and four segments long, since somebody waits for them.
            for pair in chunks.windows(2).skip(3) {
                let (start, end) = (starts(pair[0].first), starts(pair[1].first));
                prop_assert!(timeline.seconds(timeline.ticks(end - start)) >= BACKGROUND_CHUNK_S_MIN);
                let syncs = (0..timeline.frames).step_by(gop).filter(|sync| (start + 1..=end).contains(sync)).count() as u64;
                prop_assert!(syncs >= BACKGROUND_SOURCE_GOPS_MIN, "{} sync frames", syncs);
                let sync = end / gop as u64 * gop as u64;
                prop_assert!(sync > starts(pair[1].first - 1), "a segment before {} could have begun after {}", end, sync);
            }
        }

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
