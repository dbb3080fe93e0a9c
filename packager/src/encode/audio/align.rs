//! Decoded sound laid on the presentation's clock: contiguous, silent where there is none.
//!
//! Containers round packet times, to a millisecond in Matroska. So the place of a run of blocks follows
//! from the mean of the extreme deviations of its first times, not from one of them, and later times
//! only matter when they leave that place for good. Every job thus finds the same place to a sample or two.

use std::ops::Range;

/// Blocks that are held until the place of the sound is known.
const HELD_BLOCKS: usize = 32;
/// The first blocks do not tell their place where enough follow: decoders cut what they cannot know
/// yet, and demuxers move times that would be negative.
const UNSURE_BLOCKS: usize = 2;
/// Blocks from which on there are enough.
const SURE_BLOCKS_MIN: usize = 6;
/// Times may deviate this far from the count of samples, in milliseconds, before they are believed.
const DEVIATION_MS_MAX: i64 = 40;
const SECOND_NS: i128 = 1_000_000_000;
/// Deviations are measured in this many parts of a sample.
const PARTS: i64 = 1000;

/// What is to be delivered. Samples are counted from the presentation's start.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Layout {
    /// Samples per second.
    pub(super) rate: u32,
    /// Bytes of a sample of all channels.
    pub(super) sample_bytes: u32,
    /// Start of the presentation on the clock of the blocks.
    pub(super) t0_ns: i64,
    /// The samples to deliver.
    pub(super) wanted: Range<i64>,
    /// The samples of the presentation; all others are silent.
    pub(super) content: Range<i64>,
}

/// Aligns blocks of decoded sound.
pub(super) struct Aligner {
    layout: Layout,
    width: usize,
    /// The next sample to deliver.
    next: i64,
    /// Where the next block belongs, once that is known.
    place: Option<i64>,
    held: Vec<Held>,
}

struct Held {
    pts_ns: i64,
    data: Vec<u8>,
}

// === impl Aligner ===

impl Aligner {
    pub(super) fn new(layout: Layout) -> Self {
        let width = usize::try_from(layout.sample_bytes).unwrap_or(1).max(1);
        Self { next: layout.wanted.start, width, layout, place: None, held: Vec::new() }
    }

    /// Takes a block and returns the samples that are certain now.
    pub(super) fn push(&mut self, pts_ns: i64, data: Vec<u8>) -> Vec<u8> {
        self.held.push(Held { pts_ns, data });
        if self.place.is_none() && self.held.len() < HELD_BLOCKS {
            return Vec::new();
        }
        self.release()
    }

    /// The rest, silence where blocks are missing.
    pub(super) fn finish(&mut self) -> Vec<u8> {
        let mut out = self.release();
        self.silence_to(self.layout.wanted.end, &mut out);
        out
    }

    /// Whether everything wanted was delivered.
    pub(super) fn is_full(&self) -> bool {
        self.next >= self.layout.wanted.end
    }

    fn release(&mut self) -> Vec<u8> {
        let held = std::mem::take(&mut self.held);
        let mut place = self.place.unwrap_or_else(|| self.first_place(&held));
        let mut out = Vec::new();
        for block in &held {
            let told = self.parts(block.pts_ns).div_euclid(PARTS);
            let deviation_max = DEVIATION_MS_MAX * i64::from(self.layout.rate) / 1000;
            if (told - place).abs() > deviation_max {
                place = told;
            }
            self.lay(place, &block.data, &mut out);
            place += self.samples(&block.data);
        }
        self.place = Some(place);
        out
    }

    /// The place of the first block: between the earliest and the latest that the times of the blocks
    /// up to the first gap tell.
    fn first_place(&self, held: &[Held]) -> i64 {
        let deviation_max = DEVIATION_MS_MAX * i64::from(self.layout.rate) * PARTS / 1000;
        let mut counted = 0;
        let told = held.iter().map(|block| {
            let told = self.parts(block.pts_ns) - counted * PARTS;
            counted += self.samples(&block.data);
            told
        });
        let told: Vec<i64> = told.collect();
        let unsure = if told.len() < SURE_BLOCKS_MIN { 0 } else { UNSURE_BLOCKS };
        let Some(&first) = told.get(unsure) else { return self.next };
        let near = told.iter().skip(unsure).take_while(|&&place| (place - first).abs() <= deviation_max);
        let (lowest, highest) =
            near.fold((first, first), |(lowest, highest), &place| (lowest.min(place), highest.max(place)));
        (lowest + highest + PARTS).div_euclid(2 * PARTS)
    }

    /// Puts a block at its place: silence before it, and nothing twice.
    fn lay(&mut self, place: i64, data: &[u8], out: &mut Vec<u8>) {
        let heard = self.layout.wanted.start.max(self.layout.content.start)
            ..self.layout.wanted.end.min(self.layout.content.end);
        let start = place.max(heard.start).max(self.next);
        let end = (place + self.samples(data)).min(heard.end);
        if start >= end {
            return;
        }
        self.silence_to(start, out);
        let bytes = |samples: i64| usize::try_from(samples).unwrap_or(0) * self.width;
        if let Some(samples) = data.get(bytes(start - place)..bytes(end - place)) {
            out.extend_from_slice(samples);
            self.next = end;
        }
    }

    fn silence_to(&mut self, sample: i64, out: &mut Vec<u8>) {
        let missing = usize::try_from(sample - self.next).unwrap_or(0);
        out.resize(out.len() + missing * self.width, 0);
        self.next = self.next.max(sample);
    }

    fn samples(&self, data: &[u8]) -> i64 {
        i64::try_from(data.len() / self.width).unwrap_or(0)
    }

    /// A time as parts of samples from the presentation's start.
    fn parts(&self, pts_ns: i64) -> i64 {
        let ns = i128::from(pts_ns) - i128::from(self.layout.t0_ns);
        let parts = (ns * i128::from(self.layout.rate) * i128::from(PARTS)).div_euclid(SECOND_NS);
        i64::try_from(parts).unwrap_or(if parts < 0 { i64::MIN / 4 } else { i64::MAX / 4 })
    }
}

#[cfg(test)]
mod tests;
