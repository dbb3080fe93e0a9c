//! One fragment: `moof` + `mdat` (ISO/IEC 14496-12 §8.8), appended to an object in one piece.

use super::{Error, SAMPLES_MAX, TRACK_ID, boxes::HEADER_BYTES};
use crate::index;

/// `sample_depends_on` = 2: needs no other sample (ISO/IEC 14496-12 §8.8.3.1).
pub(super) const SYNC_FLAGS: u32 = 0x0200_0000;
/// `sample_depends_on` = 1 and `sample_is_non_sync_sample`.
pub(super) const NON_SYNC_FLAGS: u32 = 0x0101_0000;

const FULL_HEADER_BYTES: usize = HEADER_BYTES + 4;
const MFHD_BYTES: usize = FULL_HEADER_BYTES + 4;
const TFHD_BYTES: usize = FULL_HEADER_BYTES + 12;
const TFDT_BYTES: usize = FULL_HEADER_BYTES + 8;
/// Header, sample count and data offset.
const TRUN_BYTES: usize = FULL_HEADER_BYTES + 8;

/// `default-base-is-moof`, `default-sample-duration` and `default-sample-flags`; the brand `cmf2`
/// wants the defaults in each `tfhd` (ISO/IEC 23000-19 §7.7.2).
const TFHD_FLAGS: u32 = 0x02_0000 | 0x08 | 0x20;
pub(super) const TRUN_DATA_OFFSET: u32 = 0x01;
pub(super) const TRUN_FIRST_FLAGS: u32 = 0x04;
pub(super) const TRUN_DURATION: u32 = 0x0100;
pub(super) const TRUN_SIZE: u32 = 0x0200;
pub(super) const TRUN_FLAGS: u32 = 0x0400;
pub(super) const TRUN_COMPOSITION_OFFSET: u32 = 0x0800;

/// What a fragment says about itself; [`super::slots`] computes it from the grid.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Fragment {
    /// The `mfhd` sequence number, increasing over the track.
    pub sequence: u32,
    /// The `tfdt` time in ticks of the track: when the first sample is decoded, and since the
    /// composition offsets are signed, also when the first picture is shown.
    pub base_decode_time: u64,
}

/// One sample in decode order.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Sample<'a> {
    /// Its bytes, never empty: for H.264 length-prefixed NAL units.
    pub data: &'a [u8],
    /// How long it lasts, in ticks of the track, at least 1.
    pub duration: u32,
    /// Presentation time minus decode time, in ticks.
    pub composition_offset: i32,
    /// Whether decoding can start with it.
    pub sync: bool,
}

/// How the track run is laid out: which fields its samples carry.
#[derive(Clone, Copy, Debug)]
struct Layout {
    flags: u32,
    default_duration: u32,
    default_flags: u32,
    moof_bytes: usize,
    total_bytes: usize,
}

/// Appends one fragment to `out` and tells its size and the end of its first sample.
///
/// `out` is left as it was on an error. The first sample must be a sync sample, so that an I-frame
/// range, from the start of the `moof` to the end of that sample, can be cut from the fragment.
///
/// # Errors
/// [`Error::Samples`] if there are none, too many, an empty or timeless one, or the first is no sync
/// sample; [`Error::TooLarge`] if a size or time does not fit its field.
pub fn write_fragment(out: &mut Vec<u8>, fragment: Fragment, samples: &[Sample<'_>]) -> Result<index::Fragment, Error> {
    check(fragment, samples)?;
    let layout = Layout::of(samples)?;
    let data_offset = layout.moof_bytes + HEADER_BYTES;
    let first_bytes = samples.first().map_or(0, |sample| sample.data.len());
    let written =
        index::Fragment { bytes: field(layout.total_bytes)?, first_sample_end: field(data_offset + first_bytes)? };
    let mdat_bytes = field(layout.total_bytes - layout.moof_bytes)?;

    out.reserve(layout.total_bytes);
    write_moof(out, fragment, samples, layout)?;
    put_header(out, mdat_bytes, *b"mdat");
    for sample in samples {
        out.extend_from_slice(sample.data);
    }
    Ok(written)
}

// === impl Layout ===

impl Layout {
    fn of(samples: &[Sample<'_>]) -> Result<Self, Error> {
        let first = samples.first().ok_or(Error::Samples("a fragment needs a sample"))?;
        let mut flags = TRUN_DATA_OFFSET | TRUN_SIZE;
        if samples.iter().any(|sample| sample.duration != first.duration) {
            flags |= TRUN_DURATION;
        }
        if samples.iter().any(|sample| sample.composition_offset != 0) {
            flags |= TRUN_COMPOSITION_OFFSET;
        }
        let rest = samples.get(1..).unwrap_or_default();
        let syncs = rest.iter().filter(|sample| sample.sync).count();
        let mut default_flags = SYNC_FLAGS;
        if syncs == 0 && !rest.is_empty() {
            default_flags = NON_SYNC_FLAGS;
            flags |= TRUN_FIRST_FLAGS;
        } else if syncs < rest.len() {
            flags |= TRUN_FLAGS;
        }
        let optional = [TRUN_DURATION, TRUN_SIZE, TRUN_FLAGS, TRUN_COMPOSITION_OFFSET];
        let entry_bytes = 4 * optional.iter().filter(|&&bit| flags & bit != 0).count();
        let first_flags_bytes = if flags & TRUN_FIRST_FLAGS != 0 { 4 } else { 0 };
        let trun_bytes = TRUN_BYTES + first_flags_bytes + entry_bytes * samples.len();
        let moof_bytes = HEADER_BYTES + MFHD_BYTES + traf_bytes(trun_bytes);
        let mut total_bytes = moof_bytes + HEADER_BYTES;
        for sample in samples {
            total_bytes = total_bytes.checked_add(sample.data.len()).ok_or(Error::TooLarge("a fragment"))?;
        }
        Ok(Self { flags, default_duration: first.duration, default_flags, moof_bytes, total_bytes })
    }

    fn has(self, bit: u32) -> bool {
        self.flags & bit != 0
    }
}

fn check(fragment: Fragment, samples: &[Sample<'_>]) -> Result<(), Error> {
    if samples.len() > SAMPLES_MAX {
        return Err(Error::Samples("too many for one fragment"));
    }
    if samples.first().is_some_and(|first| !first.sync) {
        return Err(Error::Samples("the first is not a sync sample"));
    }
    let mut time = fragment.base_decode_time;
    for sample in samples {
        if sample.data.is_empty() {
            return Err(Error::Samples("one is empty"));
        }
        if sample.duration == 0 {
            return Err(Error::Samples("one lasts no time"));
        }
        time = time.checked_add(u64::from(sample.duration)).ok_or(Error::TooLarge("a decode time"))?;
    }
    Ok(())
}

fn traf_bytes(trun_bytes: usize) -> usize {
    HEADER_BYTES + TFHD_BYTES + TFDT_BYTES + trun_bytes
}

fn write_moof(out: &mut Vec<u8>, fragment: Fragment, samples: &[Sample<'_>], layout: Layout) -> Result<(), Error> {
    put_header(out, field(layout.moof_bytes)?, *b"moof");

    put_full_header(out, field(MFHD_BYTES)?, *b"mfhd", 0, 0);
    put_u32(out, fragment.sequence);

    let traf = layout.moof_bytes - HEADER_BYTES - MFHD_BYTES;
    put_header(out, field(traf)?, *b"traf");

    put_full_header(out, field(TFHD_BYTES)?, *b"tfhd", 0, TFHD_FLAGS);
    put_u32(out, TRACK_ID);
    put_u32(out, layout.default_duration);
    put_u32(out, layout.default_flags);

    put_full_header(out, field(TFDT_BYTES)?, *b"tfdt", 1, 0);
    out.extend_from_slice(&fragment.base_decode_time.to_be_bytes());

    // Version 1: composition offsets are signed.
    put_full_header(out, field(traf - traf_bytes(0))?, *b"trun", 1, layout.flags);
    put_u32(out, field(samples.len())?);
    let data_offset = i32::try_from(layout.moof_bytes + HEADER_BYTES).map_err(|_| Error::TooLarge("a data offset"))?;
    out.extend_from_slice(&data_offset.to_be_bytes());
    if layout.has(TRUN_FIRST_FLAGS) {
        put_u32(out, SYNC_FLAGS);
    }
    for sample in samples {
        if layout.has(TRUN_DURATION) {
            put_u32(out, sample.duration);
        }
        put_u32(out, field(sample.data.len())?);
        if layout.has(TRUN_FLAGS) {
            put_u32(out, if sample.sync { SYNC_FLAGS } else { NON_SYNC_FLAGS });
        }
        if layout.has(TRUN_COMPOSITION_OFFSET) {
            out.extend_from_slice(&sample.composition_offset.to_be_bytes());
        }
    }
    Ok(())
}

fn put_header(out: &mut Vec<u8>, bytes: u32, kind: [u8; 4]) {
    put_u32(out, bytes);
    out.extend_from_slice(&kind);
}

fn put_full_header(out: &mut Vec<u8>, bytes: u32, kind: [u8; 4], version: u8, flags: u32) {
    put_header(out, bytes, kind);
    put_u32(out, u32::from(version) << 24 | flags);
}

fn put_u32(out: &mut Vec<u8>, value: u32) {
    out.extend_from_slice(&value.to_be_bytes());
}

fn field(value: usize) -> Result<u32, Error> {
    u32::try_from(value).map_err(|_| Error::TooLarge("a fragment"))
}
