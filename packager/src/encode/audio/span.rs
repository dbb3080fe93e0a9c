//! Which audio frames a job keeps, and which samples of the source's rate the encoder must be given for them.

use std::ops::Range;

use vidstream_media::{
    Plan,
    rational::{mul_div_ceil, mul_div_round},
    timeline::AudioGrid,
};

use super::align::Layout;
use crate::{encode::coder::FrameOf, protocol::EncodeJob};

/// Frames of pre-roll before the head of the film, where there is silence, of which an encoder learns nothing.
const SILENT_FRAMES_MAX: i64 = 4;

/// Packets that an encoder makes before the one that decodes to its first input frame.
const PRIMING_PACKETS: u64 = 1;
/// The encoder is started up to this many frames earlier, to start on a sample of the source.
const PHASE_FRAMES_MAX: u64 = 16;

/// The sound of a job.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Span {
    /// The frames that are kept.
    pub(super) frames: Range<u64>,
    /// The frame that the encoder starts with; negative at the head.
    pub(super) start: i64,
    /// Samples per second of what the encoder's resampler is given.
    pub(super) rate: u32,
    /// Samples of that rate from the presentation's start to the encoder's.
    first: i64,
    /// Samples of that rate from the presentation's start to where the encoder ends.
    end: i64,
    /// Samples of that rate in the presentation; what lies past it is silence.
    total: i64,
}

// === impl Span ===

impl Span {
    pub(super) fn new(job: &EncodeJob, grid: AudioGrid, rate: u32) -> Self {
        let (timeline, segments, rolls) = (&job.plan.timeline, job.segments, job.audio_rolls);
        let frames = timeline.audio_frames(grid, segments.first).start..timeline.audio_frames(grid, segments.last).end;
        let phase = i64::try_from(phase_frames(grid, rate)).unwrap_or(1);
        let start = (signed(frames.start) - i64::from(rolls.pre_frames)).max(-SILENT_FRAMES_MAX);
        let start = start.div_euclid(phase) * phase;
        let source_samples = |frame: u64| {
            mul_div_ceil(
                frame.saturating_mul(u64::from(grid.frame_samples)),
                u64::from(rate),
                u64::from(grid.sample_rate),
            )
        };
        let first = signed(source_samples(start.unsigned_abs()));
        let total =
            mul_div_round(timeline.frames, u64::from(timeline.fps.den) * u64::from(rate), u64::from(timeline.fps.num));
        Self {
            start,
            rate,
            first: if start < 0 { -first } else { first },
            end: signed(source_samples(frames.end + u64::from(rolls.post_frames))),
            total: signed(total),
            frames,
        }
    }

    /// What the aligner must deliver.
    pub(super) fn layout(&self, t0_ns: i64, sample_bytes: u32) -> Layout {
        Layout { rate: self.rate, sample_bytes, t0_ns, wanted: self.first..self.end, content: 0..self.total }
    }

    /// Tells the frame of each packet by counting.
    pub(super) fn frame_of(&self) -> FrameOf {
        let (start, kept) = (self.start, self.frames.clone());
        Box::new(move |_, packet| {
            let frame = start + signed(packet) - signed(PRIMING_PACKETS);
            u64::try_from(frame).ok().filter(|frame| kept.contains(frame))
        })
    }

    /// Frames of the grid that are done when the encoder was given `samples`.
    pub(super) fn grid_frames_done(&self, plan: &Plan, samples: u64) -> u64 {
        let lead = signed(self.frames.start) - self.start;
        let fed = signed(mul_div_round(
            samples,
            u64::from(plan.timeline.fps.num),
            u64::from(plan.timeline.fps.den) * u64::from(self.rate),
        ));
        u64::try_from(fed - lead).unwrap_or(0)
    }
}

/// Frames after which the source's samples and the frames of the grid fall together again, so that the
/// resampler has the same phase in every job; 1 where that is too far.
fn phase_frames(grid: AudioGrid, rate: u32) -> u64 {
    let out_unit = u64::from(grid.sample_rate / gcd(grid.sample_rate, rate).max(1));
    let frame = u64::from(grid.frame_samples);
    let frames = out_unit / gcd64(out_unit, frame).max(1);
    if frames <= PHASE_FRAMES_MAX { frames.max(1) } else { 1 }
}

fn gcd(a: u32, b: u32) -> u32 {
    if b == 0 { a } else { gcd(b, a % b) }
}

fn gcd64(a: u64, b: u64) -> u64 {
    if b == 0 { a } else { gcd64(b, a % b) }
}

fn signed(value: u64) -> i64 {
    i64::try_from(value).unwrap_or(i64::MAX)
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;

    use vidstream_media::{Rational, Timeline, chunks::Segments, timeline::Config};

    use super::*;
    use crate::protocol::Rolls;

    const AAC: AudioGrid = AudioGrid { sample_rate: 48_000, frame_samples: 1024 };

    #[test]
    fn phases_repeat_soon_for_common_rates() {
        let phases =
            [48_000, 44_100, 32_000, 22_050, 16_000, 11_025, 8_000, 96_000].map(|rate| phase_frames(AAC, rate));
        assert_eq!(phases, [1, 5, 3, 5, 3, 5, 3, 1]);
        assert_eq!(phase_frames(AAC, 44_056), 1);
    }
    fn job(first: u64, last: u64) -> EncodeJob {
        let plan = Plan {
            timeline: Timeline::new(Rational::new(30, 1), 18_000, Config::default()),
            rungs: Vec::new(),
            trick: None,
            audio: None,
            storyboard: None,
            target_duration_s: 4,
            chunks: Vec::new(),
        };
        EncodeJob {
            segments: Segments { first, last },
            filler: None,
            threads: 1,
            audio_rolls: Rolls::default(),
            publish_every: None,
            elements: BTreeMap::new(),
            plan,
        }
    }

    #[test]
    fn sound_is_encoded_from_two_seconds_before_to_two_frames_after_and_only_its_own_is_kept() {
        for (first, last, pre) in [(1, 1, 4), (2, 2, 96), (4, 9, 96), (151, 151, 96)] {
            let span = Span::new(&job(first, last), AAC, 48_000);
            let Range { start, end } = span.frames.clone();
            let begin = (signed(start) - pre).max(-4);
            assert_eq!(span.start, begin, "{first}");
            assert_eq!((span.first, span.end), (begin * 1024, signed(end + 2) * 1024), "{first}");
            // The encoder's own delay is a packet.
            let frame_of = span.frame_of();
            let skipped = u64::try_from(signed(start) - begin).unwrap();
            let packets = [skipped, skipped + 1, skipped + end - start, skipped + 1 + end - start];
            let kept = packets.map(|packet| frame_of(gst::ClockTime::ZERO, packet));
            assert_eq!(kept, [None, Some(start), Some(end - 1), None], "{first}");
        }
    }
}
