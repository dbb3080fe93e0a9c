//! What a media segment says, read from its boxes and the heads of its samples (ISO/IEC 14496-12 §8.8).

use std::ops::Range;

use super::{
    boxes::{Atom, Atoms, Fields, walk},
    init::{Defaults, Init},
    nal::{self, Picture},
};

/// Samples of one segment.
const SAMPLES_MAX: u32 = 1 << 20;
/// Fragments of one segment whose first picture is looked at.
const PICTURES_MAX: usize = 4096;
/// Tracks of one fragment.
const TRACKS_MAX: usize = 64;

/// A media segment, or a part of one, reduced to what rules ask of it.
#[derive(Clone, Debug, Default)]
pub(super) struct Segment {
    pub(super) bytes: u64,
    pub(super) outer: Vec<Outer>,
    /// What is wrong with the outermost level. An I-frame's range ends within `mdat`, which is no fault.
    pub(super) fault: Option<&'static str>,
    pub(super) fragments: Vec<Fragment>,
    pub(super) index: Option<Index>,
    /// Whether any picture of it carries CTA-708 captions.
    pub(super) captions: bool,
    /// Whether there is a `prft` box.
    pub(super) producer_time: bool,
}

/// A box of the outermost level: its kind, its first byte and where it says that it ends.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Outer {
    pub(super) kind: [u8; 4],
    pub(super) start: u64,
    pub(super) end: u64,
}

/// One `moof` with the `mdat` after it.
#[derive(Clone, Debug, Default)]
pub(super) struct Fragment {
    /// First byte of the `moof`.
    pub(super) start: u64,
    /// Where its `mdat` says that it ends.
    pub(super) end: u64,
    pub(super) sequence: Option<u32>,
    pub(super) runs: Vec<Run>,
}

/// One `traf`, its runs taken together.
#[derive(Clone, Debug, Default)]
pub(super) struct Run {
    pub(super) track_id: u32,
    pub(super) truns: usize,
    pub(super) trun_version: u8,
    pub(super) base_is_moof: bool,
    pub(super) has_base_offset: bool,
    /// Whether `tfhd` repeats the default duration, size or flags, or `trun` carries them itself.
    pub(super) explicit_defaults: bool,
    pub(super) decode_time: Option<u64>,
    pub(super) samples: u32,
    /// Sum of the sample durations, in ticks.
    pub(super) duration: u64,
    /// The shortest and the longest of them.
    pub(super) shortest: u64,
    pub(super) longest: u64,
    /// Least presentation time and greatest end, in ticks, before the edit list.
    pub(super) start: i64,
    pub(super) end: i64,
    /// Presentation time of the first sample.
    pub(super) first_time: i64,
    pub(super) first_duration: u64,
    pub(super) first_flags: u32,
    /// Where the first sample's data lies, from the start of the `moof`.
    pub(super) first_data: Range<u64>,
    /// The same of all samples that follow it without a gap.
    pub(super) data: Range<u64>,
    pub(super) picture: Picture,
    /// Sync samples beside the first.
    pub(super) later_syncs: u32,
    /// Samples with an entry in `senc`.
    pub(super) encrypted_samples: Option<u32>,
    /// Sum of the sizes `saiz` gives, and of what `senc` holds.
    pub(super) aux: Option<(u64, u64)>,
}

/// A `sidx` (§8.16.3).
#[derive(Clone, Debug, Default)]
pub(super) struct Index {
    pub(super) timescale: u32,
    pub(super) earliest: u64,
    /// First byte of what it refers to, counted from its own end.
    pub(super) first_offset: u64,
    /// Bytes and ticks of each reference, and whether it starts with a stream access point.
    pub(super) references: Vec<Reference>,
    /// Where the box ends.
    pub(super) end: u64,
}

/// One reference of a `sidx`.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct Reference {
    pub(super) bytes: u64,
    pub(super) duration: u64,
}

// === impl Segment ===

impl Segment {
    /// Reads a segment; without its `init` sample times have no scale and defaults are 0.
    pub(super) fn read(bytes: &[u8], init: Option<&Init>) -> Self {
        let atoms = walk(bytes, 0..bytes.len());
        let outer = |atom: &Atom| Outer { kind: atom.kind, start: wide(atom.start), end: wide(atom.end) };
        let mut segment = Self {
            bytes: wide(bytes.len()),
            outer: atoms.list.iter().map(outer).collect(),
            fault: atoms.fault,
            producer_time: atoms.has(*b"prft"),
            ..Self::default()
        };
        let cut_in_data = atoms.list.last().is_some_and(|last| &last.kind == b"mdat" && last.end > bytes.len());
        if cut_in_data {
            segment.fault = None;
        }
        let mut room = SAMPLES_MAX;
        // However many runs claim the same bytes, no more are looked at for captions than there are.
        let mut looks = bytes.len();
        for (place, atom) in atoms.list.iter().enumerate() {
            if &atom.kind == b"moof" {
                let seen = init.filter(|_| segment.fragments.len() < PICTURES_MAX);
                let mut fragment = fragment(bytes, atom, init, &mut room);
                for run in &mut fragment.runs {
                    segment.captions |= pictures(bytes, atom.start, seen, run, &mut looks);
                }
                let data = atoms.list.get(place + 1..).unwrap_or_default().iter().find(|next| &next.kind == b"mdat");
                fragment.end = wide(data.map_or(atom.end, |data| data.end));
                segment.fragments.push(fragment);
            }
            if &atom.kind == b"sidx" && segment.index.is_none() {
                segment.index = index(bytes, atom);
            }
        }
        segment
    }

    /// All runs of the segment's first track.
    pub(super) fn runs(&self) -> impl Iterator<Item = &Run> {
        self.fragments.iter().filter_map(|fragment| fragment.runs.first())
    }

    /// Least presentation time and greatest end, in ticks, before the edit list.
    pub(super) fn span(&self) -> Option<(i64, i64)> {
        let start = self.runs().map(|run| run.start).min()?;
        Some((start, self.runs().map(|run| run.end).max()?))
    }
}

fn fragment(bytes: &[u8], moof: &Atom, init: Option<&Init>, room: &mut u32) -> Fragment {
    let children = walk(bytes, moof.body.clone());
    let sequence = children.of_kind(*b"mfhd").next().and_then(|mfhd| {
        let mut fields = Fields::of(bytes, &mfhd.body);
        fields.version_flags()?;
        fields.u32()
    });
    let mut fragment = Fragment { start: wide(moof.start), sequence, ..Fragment::default() };
    for traf in children.of_kind(*b"traf").take(TRACKS_MAX) {
        fragment.runs.push(run(bytes, &traf.body, init, room));
    }
    fragment
}

/// What `tfhd` gives to samples that say nothing themselves.
#[derive(Clone, Copy, Default)]
struct Common {
    duration: u32,
    size: u32,
    flags: u32,
}

fn run(bytes: &[u8], traf: &Range<usize>, init: Option<&Init>, room: &mut u32) -> Run {
    let children = walk(bytes, traf.clone());
    let mut run = Run { start: i64::MAX, end: i64::MIN, ..Run::default() };
    let mut common = Common::default();
    if let Some(tfhd) = children.of_kind(*b"tfhd").next() {
        common = header(bytes, &tfhd.body, init, &mut run).unwrap_or_default();
    }
    if let Some(tfdt) = children.of_kind(*b"tfdt").next() {
        let mut fields = Fields::of(bytes, &tfdt.body);
        run.decode_time = fields.version_flags().and_then(|(version, _)| fields.word(version));
    }
    for trun in children.of_kind(*b"trun") {
        run.truns += 1;
        samples(bytes, &trun.body, common, &mut run, room);
    }
    run.encrypted_samples = children.of_kind(*b"senc").next().and_then(|senc| {
        let mut fields = Fields::of(bytes, &senc.body);
        fields.version_flags()?;
        fields.u32()
    });
    run.aux = auxiliary(bytes, &children);
    if run.samples == 0 {
        (run.start, run.end) = (0, 0);
    }
    run
}

fn header(bytes: &[u8], body: &Range<usize>, init: Option<&Init>, run: &mut Run) -> Option<Common> {
    let mut fields = Fields::of(bytes, body);
    let (_, flags) = fields.version_flags()?;
    run.track_id = fields.u32()?;
    run.base_is_moof = flags & 0x02_0000 != 0;
    run.has_base_offset = flags & 1 != 0;
    let ours = |defaults: &&Defaults| defaults.track_id == run.track_id;
    let defaults = init.and_then(|init| init.defaults.iter().find(ours)).copied().unwrap_or_default();
    let mut common = Common { duration: defaults.duration, size: defaults.size, flags: defaults.flags };
    if flags & 1 != 0 {
        fields.u64()?;
    }
    if flags & 2 != 0 {
        fields.u32()?;
    }
    for (bit, field) in [(8, &mut common.duration), (16, &mut common.size), (32, &mut common.flags)] {
        if flags & bit != 0 {
            *field = fields.u32()?;
        }
    }
    run.explicit_defaults = flags & 8 != 0 && flags & 32 != 0;
    Some(common)
}

fn samples(bytes: &[u8], body: &Range<usize>, common: Common, run: &mut Run, room: &mut u32) -> Option<()> {
    let mut fields = Fields::of(bytes, body);
    let (version, flags) = fields.version_flags()?;
    let count = fields.u32()?.min(*room);
    *room -= count;
    let offset = if flags & 1 != 0 { Some(fields.u32()?.cast_signed()) } else { None };
    let first_flags = if flags & 4 != 0 { Some(fields.u32()?) } else { None };
    run.trun_version = run.trun_version.max(version);
    run.explicit_defaults |= flags & 0x100 != 0 && flags & 0x400 != 0;
    let base = i64::try_from(run.decode_time.unwrap_or(0)).unwrap_or(i64::MAX);
    let mut at = offset.map_or(run.data.end, |offset| u64::try_from(offset).unwrap_or(0));
    for n in 0..count {
        let mut field = |bit: u32, default: u32| if flags & bit != 0 { fields.u32() } else { Some(default) };
        let duration = u64::from(field(0x100, common.duration)?);
        let size = u64::from(field(0x200, common.size)?);
        let own = field(0x400, common.flags)?;
        let composition = field(0x800, 0)?;
        let sample_flags = first_flags.filter(|_| n == 0).unwrap_or(own);
        let shift = if version == 0 { i64::from(composition) } else { i64::from(composition.cast_signed()) };
        let decode = base.saturating_add(i64::try_from(run.duration).unwrap_or(i64::MAX));
        let time = decode.saturating_add(shift);
        if run.samples == 0 {
            run.first_data = at..at.saturating_add(size);
            run.data = at..at;
            (run.first_time, run.first_duration, run.first_flags) = (time, duration, sample_flags);
            run.shortest = duration;
        } else if sample_flags & 0x1_0000 == 0 {
            run.later_syncs += 1;
        }
        if run.data.end == at {
            run.data.end = at.saturating_add(size);
        }
        at = at.saturating_add(size);
        run.start = run.start.min(time);
        run.end = run.end.max(time.saturating_add(i64::try_from(duration).unwrap_or(i64::MAX)));
        (run.shortest, run.longest) = (run.shortest.min(duration), run.longest.max(duration));
        run.duration = run.duration.saturating_add(duration);
        run.samples = run.samples.saturating_add(1);
    }
    Some(())
}

/// Looks into the first sample, if it is there, and whether any has captions, as far as they are there and `looks` allows.
fn pictures(bytes: &[u8], moof: usize, init: Option<&Init>, run: &mut Run, looks: &mut usize) -> bool {
    let track = init.and_then(|init| init.tracks.iter().find(|track| track.id == run.track_id).or(init.track()));
    let Some(entry) = track.and_then(|track| track.entry.as_ref()) else { return false };
    let Some(length) = entry.nal_length else { return false };
    let place = |at: u64| usize::try_from(at).ok().and_then(|at| moof.checked_add(at));
    let data = |range: &Range<u64>| Some(place(range.start)?..place(range.end)?);
    if let Some(sample) = data(&run.first_data).and_then(|range| bytes.get(range)) {
        run.picture = nal::picture(sample, length, entry.is_hevc());
    }
    let Some(range) = data(&run.data) else { return false };
    let end = range.end.min(bytes.len()).min(range.start.saturating_add(*looks));
    let samples = bytes.get(range.start..end).unwrap_or_default();
    *looks -= samples.len();
    nal::captions(samples, length, entry.is_hevc())
}

/// Bytes of sample information as `saiz` sums them and as `senc` holds them (ISO/IEC 23001-7 §7).
fn auxiliary(bytes: &[u8], traf: &Atoms) -> Option<(u64, u64)> {
    let senc = traf.of_kind(*b"senc").next()?;
    let saiz = traf.of_kind(*b"saiz").next()?;
    // Version, flags and the count come first.
    let held = wide(senc.body.len().saturating_sub(8));
    let mut fields = Fields::of(bytes, &saiz.body);
    let (_, flags) = fields.version_flags()?;
    if flags & 1 != 0 {
        fields.skip(8)?;
    }
    let default = fields.u8()?;
    let count = fields.u32()?;
    let listed = if default == 0 {
        let sizes = fields.rest();
        sizes.iter().take(usize::try_from(count).unwrap_or(usize::MAX)).map(|size| u64::from(*size)).sum()
    } else {
        u64::from(default) * u64::from(count)
    };
    Some((listed, held))
}

/// Reads a `sidx`.
pub(super) fn index(bytes: &[u8], atom: &Atom) -> Option<Index> {
    let mut fields = Fields::of(bytes, &atom.body);
    let (version, _) = fields.version_flags()?;
    fields.u32()?;
    let timescale = fields.u32()?;
    let earliest = fields.word(version)?;
    let first_offset = fields.word(version)?;
    fields.u16()?;
    // 16 bits are bound enough.
    let count = fields.u16()?;
    let mut references = Vec::new();
    for _ in 0..count {
        let bytes = u64::from(fields.u32()? & 0x7fff_ffff);
        let duration = u64::from(fields.u32()?);
        fields.u32()?;
        references.push(Reference { bytes, duration });
    }
    Some(Index { timescale, earliest, first_offset, references, end: wide(atom.end) })
}

fn wide(value: usize) -> u64 {
    u64::try_from(value).unwrap_or(u64::MAX)
}

#[cfg(test)]
mod tests;
