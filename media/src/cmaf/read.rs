//! Fragments read back from stored bytes, by a box walk of our own that trusts nothing it reads.
//!
//! Memory is bounded by the input: each sample takes at least one byte of its `mdat`.

use std::ops::Range;

use super::{
    Error, SAMPLES_MAX,
    boxes::{Found, Walk, child, malformed},
    write::{TRUN_COMPOSITION_OFFSET, TRUN_DATA_OFFSET, TRUN_DURATION, TRUN_FIRST_FLAGS, TRUN_FLAGS, TRUN_SIZE},
};

/// `base-data-offset-present` (ISO/IEC 14496-12 §8.8.7.1).
const TFHD_BASE_OFFSET: u32 = 0x01;
const TFHD_DESCRIPTION: u32 = 0x02;
const TFHD_DURATION: u32 = 0x08;
const TFHD_SIZE: u32 = 0x10;
const TFHD_FLAGS: u32 = 0x20;
const TFHD_BASE_IS_MOOF: u32 = 0x02_0000;
/// `sample_is_non_sync_sample` (ISO/IEC 14496-12 §8.8.3.1).
const NON_SYNC: u32 = 0x0001_0000;

/// A fragment as stored.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ReadFragment {
    /// Offset of its `moof`.
    pub offset: u64,
    /// Bytes of `moof` and `mdat`.
    pub bytes: u64,
    /// The `mfhd` sequence number.
    pub sequence: u32,
    /// The track it belongs to.
    pub track_id: u32,
    /// The `tfdt` time, in ticks.
    pub base_decode_time: u64,
    /// Where the body of the `mdat` is in the bytes read.
    pub mdat: Range<usize>,
    /// The samples in decode order; never empty.
    pub samples: Vec<ReadSample>,
}

/// A sample as stored.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ReadSample {
    /// Where its data is in the bytes read; never empty.
    pub data: Range<usize>,
    /// How long it lasts, in ticks.
    pub duration: u32,
    /// Presentation time minus decode time, in ticks.
    pub composition_offset: i32,
    /// Whether it is a sync sample.
    pub sync: bool,
    /// Whether `sample_depends_on` says that it needs no other sample.
    pub independent: bool,
}

/// What a `tfhd` gives to samples that do not say it themselves.
#[derive(Clone, Copy, Debug)]
struct Defaults {
    track_id: u32,
    duration: Option<u32>,
    size: Option<u32>,
    flags: Option<u32>,
}

/// The fragments in `bytes`, in order. Other boxes between fragments (`styp`, `sidx`, `emsg`) are skipped.
///
/// # Errors
/// [`Error::Malformed`] at the first box that is cut short, contradicts itself, or is not as CMAF
/// wants it: one `traf` with one `trun` a `moof`, addressed from the `moof`, defaults in the `tfhd`.
pub fn read_fragments(bytes: &[u8]) -> Result<Vec<ReadFragment>, Error> {
    let mut fragments = Vec::new();
    let mut walk = Walk::new(bytes, 0..bytes.len());
    while let Some(found) = walk.next() {
        let found = found?;
        match &found.kind {
            b"moof" => {
                let mdat = walk.next().ok_or_else(|| malformed(found.start, "a moof without mdat"))??;
                if mdat.kind != *b"mdat" {
                    return Err(malformed(mdat.start, "a moof is not followed by its mdat"));
                }
                fragments.push(read_fragment(bytes, &found, &mdat)?);
            }
            b"mdat" => return Err(malformed(found.start, "an mdat without moof")),
            _ => {}
        }
    }
    Ok(fragments)
}

fn read_fragment(bytes: &[u8], moof: &Found, mdat: &Found) -> Result<ReadFragment, Error> {
    let mfhd = needed(bytes, moof, *b"mfhd", "a moof needs one mfhd")?;
    let traf = needed(bytes, moof, *b"traf", "a moof needs one traf")?;
    let tfhd = needed(bytes, &traf, *b"tfhd", "a traf needs one tfhd")?;
    let tfdt = needed(bytes, &traf, *b"tfdt", "a traf needs one tfdt")?;
    let trun = needed(bytes, &traf, *b"trun", "a traf needs one trun")?;

    let mut fields = mfhd.fields(bytes);
    fields.version_flags()?;
    let sequence = fields.u32()?;
    let mut fields = tfdt.fields(bytes);
    let base_decode_time = match fields.version_flags()? {
        (0, _) => u64::from(fields.u32()?),
        (1, _) => fields.u64()?,
        _ => return Err(malformed(tfdt.start, "unknown version of tfdt")),
    };
    let defaults = read_defaults(bytes, &tfhd)?;
    let samples = read_run(bytes, &trun, defaults, moof.start, &mdat.body)?;
    check_times(&samples, base_decode_time, trun.start)?;
    Ok(ReadFragment {
        offset: offset(moof.start),
        bytes: offset(mdat.body.end - moof.start),
        sequence,
        track_id: defaults.track_id,
        base_decode_time,
        mdat: mdat.body.clone(),
        samples,
    })
}

fn needed(bytes: &[u8], parent: &Found, kind: [u8; 4], what: &'static str) -> Result<Found, Error> {
    child(bytes, parent.body.clone(), kind, what)?.ok_or_else(|| malformed(parent.start, what))
}

fn read_defaults(bytes: &[u8], tfhd: &Found) -> Result<Defaults, Error> {
    let mut fields = tfhd.fields(bytes);
    let (_, flags) = fields.version_flags()?;
    if flags & TFHD_BASE_IS_MOOF == 0 || flags & TFHD_BASE_OFFSET != 0 {
        return Err(malformed(tfhd.start, "data must be addressed from the moof"));
    }
    let track_id = fields.u32()?;
    fields.optional_u32(flags & TFHD_DESCRIPTION != 0)?;
    Ok(Defaults {
        track_id,
        duration: fields.optional_u32(flags & TFHD_DURATION != 0)?,
        size: fields.optional_u32(flags & TFHD_SIZE != 0)?,
        flags: fields.optional_u32(flags & TFHD_FLAGS != 0)?,
    })
}

fn read_run(
    bytes: &[u8],
    trun: &Found,
    defaults: Defaults,
    moof: usize,
    mdat: &Range<usize>,
) -> Result<Vec<ReadSample>, Error> {
    let mut fields = trun.fields(bytes);
    let (version, flags) = fields.version_flags()?;
    if version > 1 {
        return Err(malformed(trun.start, "unknown version of trun"));
    }
    let has = |bit: u32| flags & bit != 0;
    let count = usize::try_from(fields.u32()?).unwrap_or(usize::MAX);
    if count == 0 || count > SAMPLES_MAX {
        return Err(malformed(trun.start, "too few or too many samples"));
    }
    if !has(TRUN_DATA_OFFSET) {
        return Err(malformed(trun.start, "a trun without data offset"));
    }
    let data_offset = fields.i32()?;
    let mut first_flags = fields.optional_u32(has(TRUN_FIRST_FLAGS))?;
    let entry_fields =
        [TRUN_DURATION, TRUN_SIZE, TRUN_FLAGS, TRUN_COMPOSITION_OFFSET].iter().filter(|&&bit| has(bit)).count();
    // Before anything is reserved: the fields must be there, and each sample needs a byte of data.
    if fields.remaining() < count * entry_fields * 4 || mdat.len() < count {
        return Err(malformed(trun.start, "more samples than data"));
    }
    let outside = || malformed(trun.start, "sample data outside of the mdat");
    let mut at =
        isize::try_from(data_offset).ok().and_then(|delta| moof.checked_add_signed(delta)).ok_or_else(outside)?;
    if at < mdat.start {
        return Err(outside());
    }
    let missing = || malformed(trun.start, "a default is missing in the tfhd");
    let mut samples = Vec::with_capacity(count);
    for _ in 0..count {
        let duration = fields.optional_u32(has(TRUN_DURATION))?.or(defaults.duration).ok_or_else(missing)?;
        let size = fields.optional_u32(has(TRUN_SIZE))?.or(defaults.size).ok_or_else(missing)?;
        let own_flags = fields.optional_u32(has(TRUN_FLAGS))?;
        let sample_flags = first_flags.take().or(own_flags).or(defaults.flags).ok_or_else(missing)?;
        let composition_offset = match (has(TRUN_COMPOSITION_OFFSET), version) {
            (false, _) => 0,
            (true, 0) => {
                i32::try_from(fields.u32()?).map_err(|_| malformed(trun.start, "a composition offset is too large"))?
            }
            (true, _) => fields.i32()?,
        };
        let end = usize::try_from(size).ok().and_then(|size| at.checked_add(size)).ok_or_else(outside)?;
        if size == 0 || end > mdat.end {
            return Err(outside());
        }
        let sync = sample_flags & NON_SYNC == 0;
        let independent = (sample_flags >> 24) & 3 == 2;
        samples.push(ReadSample { data: at..end, duration, composition_offset, sync, independent });
        at = end;
    }
    Ok(samples)
}

/// Times must not wrap, so that whoever sums them need not ask.
fn check_times(samples: &[ReadSample], base_decode_time: u64, trun: usize) -> Result<(), Error> {
    let total = samples.iter().map(|sample| u64::from(sample.duration)).sum::<u64>();
    match base_decode_time.checked_add(total).map(i64::try_from) {
        Some(Ok(_)) => Ok(()),
        _ => Err(malformed(trun, "a decode time is too large")),
    }
}

fn offset(value: usize) -> u64 {
    u64::try_from(value).unwrap_or(u64::MAX)
}
