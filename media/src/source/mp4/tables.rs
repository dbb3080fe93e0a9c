//! The sample tables of `stbl` (§8.6, §8.7) as iterators over run-length entries.

use mp4_atom::{Co64, Ctts, CttsEntry, Stco, Stsc, StscEntry, Stss, Stsz, StszSamples, Stts, SttsEntry};

use super::{PACKETS_MAX, boxes};

/// The tables of a track. Tables that are absent or damaged are empty.
#[derive(Debug, Default)]
pub(super) struct Tables {
    /// Bytes of each sample.
    pub(super) sizes: StszSamples,
    /// Offset of each chunk.
    pub(super) chunks: Vec<u64>,
    /// Samples of each chunk.
    pub(super) layout: Vec<StscEntry>,
    /// Decoding times.
    pub(super) deltas: Vec<SttsEntry>,
    /// Composition offsets.
    pub(super) offsets: Vec<CttsEntry>,
    /// Sync samples, from 1; `None`: every one.
    pub(super) syncs: Option<Vec<u32>>,
}

/// Repeats a value a number of times, then goes to the next entry.
pub(super) struct Runs<I, T> {
    entries: I,
    left: u32,
    value: T,
    /// What follows the last entry: its value again, or this.
    after: Option<T>,
}

// === impl Tables ===

impl Tables {
    /// Reads the content of an `stbl`.
    pub(super) fn read(stbl: &[u8]) -> Self {
        let chunks = match boxes::leaf::<Co64>(stbl) {
            Some(wide) => wide.entries,
            None => boxes::leaf::<Stco>(stbl).unwrap_or_default().entries.into_iter().map(u64::from).collect(),
        };
        let sizes = boxes::leaf::<Stsz>(stbl).map(|stsz| stsz.samples);
        Self {
            sizes: sizes.or_else(|| compact_sizes(stbl)).unwrap_or_default(),
            chunks,
            layout: boxes::leaf::<Stsc>(stbl).unwrap_or_default().entries,
            deltas: boxes::leaf::<Stts>(stbl).unwrap_or_default().entries,
            offsets: boxes::leaf::<Ctts>(stbl).unwrap_or_default().entries,
            syncs: boxes::leaf::<Stss>(stbl).map(|stss| stss.entries),
        }
    }

    /// How many samples have a size of their own, which bounds what may be allocated for them.
    pub(super) fn listed(&self) -> usize {
        match &self.sizes {
            StszSamples::Identical { .. } => 0,
            StszSamples::Different { sizes } => sizes.len().min(PACKETS_MAX),
        }
    }

    /// Chunks in order, as offset and number of samples.
    pub(super) fn chunk_samples(&self) -> impl Iterator<Item = (u64, u32)> + '_ {
        let mut runs = self.layout.iter().peekable();
        let mut samples = 0;
        self.chunks.iter().zip(1_u32..).map(move |(&offset, number)| {
            while let Some(run) = runs.next_if(|run| run.first_chunk <= number) {
                samples = run.samples_per_chunk;
            }
            (offset, samples)
        })
    }

    /// The decoding time step after each sample; the last one repeats for ever.
    pub(super) fn steps(&self) -> impl Iterator<Item = u32> + '_ {
        Runs::new(self.deltas.iter().map(|entry| (entry.sample_count, entry.sample_delta)), None)
    }

    /// Decoding time after the last sample, where a fragment without a time of its own begins.
    pub(super) fn duration_ticks(&self) -> i64 {
        self.deltas.iter().fold(0, |sum: i64, entry| {
            let span = i64::from(entry.sample_count).saturating_mul(i64::from(entry.sample_delta));
            sum.saturating_add(span)
        })
    }

    /// The composition offset of each sample. Some writers put signed values into version 0.
    pub(super) fn composition_offsets(&self) -> impl Iterator<Item = i64> + '_ {
        let signed = |offset: i64| u32::try_from(offset).map_or(offset, |raw| i64::from(raw.cast_signed()));
        Runs::new(self.offsets.iter().map(move |entry| (entry.sample_count, signed(entry.sample_offset))), Some(0))
    }

    /// The size of each sample, for at most [`PACKETS_MAX`] + 1 of them.
    pub(super) fn sample_sizes(&self) -> Box<dyn Iterator<Item = u32> + '_> {
        match &self.sizes {
            StszSamples::Identical { count, size } => {
                let count = usize::try_from(*count).unwrap_or(usize::MAX).min(PACKETS_MAX + 1);
                Box::new(std::iter::repeat_n(*size, count))
            }
            StszSamples::Different { sizes } => Box::new(sizes.iter().copied()),
        }
    }
}

/// `stz2` (§8.7.3.3): sizes of 4, 8 or 16 bits.
fn compact_sizes(stbl: &[u8]) -> Option<StszSamples> {
    let body = boxes::child(stbl, *b"stz2")?;
    let bits = *body.get(7)?;
    let count = usize::try_from(boxes::u32_at(body, 8)?).ok()?;
    let raw = body.get(12..)?;
    let sizes: Vec<u32> = match bits {
        4 => raw.iter().flat_map(|byte| [u32::from(byte >> 4), u32::from(byte & 15)]).take(count).collect(),
        8 => raw.iter().map(|byte| u32::from(*byte)).take(count).collect(),
        16 => raw.as_chunks::<2>().0.iter().map(|two| u32::from(u16::from_be_bytes(*two))).take(count).collect(),
        _ => return None,
    };
    Some(StszSamples::Different { sizes })
}

// === impl Runs ===

impl<I, T: Copy + Default> Runs<I, T> {
    fn new(entries: I, after: Option<T>) -> Self {
        Self { entries, left: 0, value: T::default(), after }
    }
}

impl<I: Iterator<Item = (u32, T)>, T: Copy> Iterator for Runs<I, T> {
    type Item = T;

    fn next(&mut self) -> Option<T> {
        while self.left == 0 {
            match self.entries.next() {
                Some((count, value)) => (self.left, self.value) = (count, value),
                None => return Some(self.after.unwrap_or(self.value)),
            }
        }
        self.left -= 1;
        Some(self.value)
    }
}
