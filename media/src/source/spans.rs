//! Which packets a segment needs: from the sync packet before its first picture to the last packet
//! that any of its pictures is decoded from.

use std::ops::Range;

use super::{Packet, packets::SegmentSpan};
use crate::{
    rational::{mul_div_ceil, mul_div_round},
    timeline::{AudioGrid, Timeline},
};

/// Sound decoded before a segment: two seconds that the encoder's rate control settles in (96 AAC frames at 44.1 kHz),
/// and what decoders themselves need (80 ms for Opus, the bit reservoir of MP3), with room to spare.
const AUDIO_PREROLL_NS: i64 = 2_600_000_000;
/// Sound decoded after a segment: two AAC frames that the encoder ends with, and its look-ahead.
const AUDIO_POSTROLL_NS: i64 = 200_000_000;
/// Packets read past the last one known to be needed: the second field of a picture, say.
const VIDEO_SLACK_PACKETS: usize = 2;
const NS_PER_S: u64 = 1_000_000_000;

/// The pictures of a source in the order in which they are shown.
#[derive(Debug)]
pub struct Shown<'a> {
    packets: &'a [Packet],
    /// Indexes of packets, by presentation time.
    order: Vec<usize>,
    /// Indexes of sync packets, ascending.
    syncs: Vec<usize>,
}

// === impl Shown ===

impl<'a> Shown<'a> {
    /// Orders packets, which are in decode order.
    pub fn new(packets: &'a [Packet]) -> Self {
        let mut order: Vec<usize> = (0..packets.len()).collect();
        order.sort_by_key(|&at| packets.get(at).map(|packet| packet.pts_ns));
        let syncs = packets.iter().enumerate().filter(|(_, packet)| packet.sync).map(|(at, _)| at).collect();
        Self { packets, order, syncs }
    }

    /// The times of the pictures, ascending, in nanoseconds.
    pub fn times_ns(&self) -> Vec<i64> {
        self.order.iter().filter_map(|&at| self.packets.get(at)).map(|packet| packet.pts_ns).collect()
    }

    /// The presented interval [t0, t1): from the first picture that is shown at or after `start_ns`
    /// (or goes on being shown then) to the end of the last, no later than `end_ns`.
    /// `None` if no picture is shown.
    pub fn interval(&self, start_ns: i64, end_ns: Option<i64>) -> Option<(i64, i64)> {
        let end_limit = end_ns.unwrap_or(i64::MAX);
        let end_of = |packet: &Packet| packet.pts_ns.saturating_add_unsigned(packet.duration_ns);
        let shown = |packet: &&Packet| end_of(packet) > start_ns && packet.pts_ns < end_limit;
        let t0 = self.packets.iter().filter(shown).map(|packet| packet.pts_ns).min()?.max(start_ns);
        let t1 = self.packets.iter().filter(shown).map(end_of).max()?.min(end_limit);
        (t1 > t0).then_some((t0, t1))
    }

    /// The output frames at which a sync picture is first shown, ascending and without repeats.
    pub fn sync_frames(&self, timeline: &Timeline, t0_ns: i64) -> Vec<u64> {
        let mut frames: Vec<u64> = self
            .syncs
            .iter()
            .filter_map(|&at| self.packets.get(at))
            .map(|packet| frame_of(timeline, packet.pts_ns.saturating_sub(t0_ns)))
            .filter(|&frame| frame < timeline.frames)
            .collect();
        frames.sort_unstable();
        frames.dedup();
        frames
    }

    /// The packets that the frames of a segment are decoded from, and an earlier place to start.
    fn span(&self, timeline: &Timeline, t0_ns: i64, frames: &Range<u64>) -> (Range<usize>, usize) {
        let first = self.shown_at(timeline, t0_ns, frames.start);
        let last = self.shown_at(timeline, t0_ns, frames.end.saturating_sub(1));
        let wanted = self.order.get(first..=last.max(first)).unwrap_or_default();
        let lowest = wanted.iter().copied().min().unwrap_or(0);
        let highest = wanted.iter().copied().max().unwrap_or(0);
        let first_pts = wanted.first().and_then(|&at| self.packets.get(at)).map_or(0, |packet| packet.pts_ns);
        // Pictures shown before their sync picture but decoded after it (leading pictures of an open
        // GOP) refer to the GOP before: then decoding starts one sync packet earlier.
        let before = self.syncs.partition_point(|&at| at <= lowest);
        let candidates = self.syncs.get(..before).unwrap_or_default();
        let leads = |at: &&usize| self.packets.get(**at).is_some_and(|packet| packet.pts_ns <= first_pts);
        let place = candidates.iter().rev().position(|at| leads(&at)).map_or(0, |back| before - 1 - back);
        let start = candidates.get(place).copied().unwrap_or(0).min(lowest);
        let earlier = place.checked_sub(1).and_then(|place| candidates.get(place)).copied().unwrap_or(0);
        let end = (highest + 1 + VIDEO_SLACK_PACKETS).min(self.packets.len());
        (start..end.max(start), earlier.min(start))
    }

    /// The place in `order` of the picture that output frame `frame` shows.
    fn shown_at(&self, timeline: &Timeline, t0_ns: i64, frame: u64) -> usize {
        let time = t0_ns.saturating_add(middle_ns(timeline, frame));
        let after = self.order.partition_point(|&at| self.packets.get(at).is_some_and(|packet| packet.pts_ns <= time));
        after.saturating_sub(1)
    }
}

/// Sound as the spans see it.
#[derive(Clone, Copy, Debug)]
pub struct Sound<'a> {
    /// Its packets, by time.
    pub packets: &'a [Packet],
    /// The planned audio track.
    pub grid: AudioGrid,
}

/// The spans of all segments. Records of sound come after those of pictures.
pub fn spans(timeline: &Timeline, t0_ns: i64, shown: Option<&Shown<'_>>, sound: Option<Sound<'_>>) -> Vec<SegmentSpan> {
    let audio_base = shown.map_or(0, |shown| shown.packets.len());
    let records = |range: Range<usize>| range.start as u64..range.end as u64;
    (1..=timeline.segments())
        .map(|n| {
            let frames = timeline.segment_frames(n);
            let (video, earlier) = shown.map_or((0..0, 0), |shown| shown.span(timeline, t0_ns, &frames));
            let audio = sound.map_or(0..0, |sound| audio_span(timeline, t0_ns, sound, n));
            SegmentSpan {
                video: records(video),
                video_earlier: earlier as u64,
                audio: records(audio.start + audio_base..audio.end + audio_base),
            }
        })
        .collect()
}

fn audio_span(timeline: &Timeline, t0_ns: i64, sound: Sound<'_>, n: u64) -> Range<usize> {
    let frames = timeline.audio_frames(sound.grid, n);
    let at = |frame: u64| {
        let samples = frame.saturating_mul(u64::from(sound.grid.frame_samples));
        let ns = mul_div_round(samples, NS_PER_S, u64::from(sound.grid.sample_rate));
        t0_ns.saturating_add(i64::try_from(ns).unwrap_or(i64::MAX))
    };
    let from = at(frames.start).saturating_sub(AUDIO_PREROLL_NS);
    let to = at(frames.end).saturating_add(AUDIO_POSTROLL_NS);
    let start =
        sound.packets.partition_point(|packet| packet.pts_ns.saturating_add_unsigned(packet.duration_ns) <= from);
    let end = sound.packets.partition_point(|packet| packet.pts_ns < to);
    start..end.max(start)
}

/// The middle of an output frame, in nanoseconds from t0.
fn middle_ns(timeline: &Timeline, frame: u64) -> i64 {
    let half_frames = frame.saturating_mul(2).saturating_add(1).saturating_mul(u64::from(timeline.fps.den));
    let ns = mul_div_round(half_frames, NS_PER_S, u64::from(timeline.fps.num) * 2);
    i64::try_from(ns).unwrap_or(i64::MAX)
}

/// The first output frame whose middle is not before a time, in nanoseconds from t0.
fn frame_of(timeline: &Timeline, from_t0_ns: i64) -> u64 {
    let ns = u64::try_from(from_t0_ns).unwrap_or(0);
    let half_frame_ns = mul_div_round(u64::from(timeline.fps.den), NS_PER_S, u64::from(timeline.fps.num) * 2);
    let past_first_middle = ns.saturating_sub(half_frame_ns);
    mul_div_ceil(past_first_middle, u64::from(timeline.fps.num), u64::from(timeline.fps.den) * NS_PER_S)
}

#[cfg(test)]
mod tests;
