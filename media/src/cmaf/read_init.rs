//! An initialisation segment read back: time scale, kind and decoder configuration.

use mp4_atom::{Atom, Avcc, Decode, Esds};

use super::{
    Error,
    boxes::{Found, child, malformed},
};
use crate::codec::DecoderConfig;

/// Bytes of a visual sample entry before its boxes (ISO/IEC 14496-12 §12.1.3).
const VISUAL_ENTRY_BYTES: usize = 78;
/// Bytes of an audio sample entry before its boxes (ISO/IEC 14496-12 §12.2.3).
const AUDIO_ENTRY_BYTES: usize = 28;

/// What an initialisation segment says.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ReadInit {
    /// The track's id, which its fragments repeat.
    pub track_id: u32,
    /// Ticks per second, at least 1.
    pub timescale: u32,
    /// What the track carries.
    pub kind: Kind,
    /// The decoder configuration.
    pub config: DecoderConfig,
}

/// What a track carries.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Kind {
    /// Pictures.
    Video {
        /// Width of the sample entry in pixels.
        width: u16,
        /// Height of the sample entry in pixels.
        height: u16,
    },
    /// Sound.
    Audio {
        /// Channels of the sample entry.
        channels: u16,
    },
}

/// Reads the only track of an initialisation segment.
///
/// # Errors
/// [`Error::Malformed`] if a box is missing or broken, or there are several tracks or sample
/// entries; [`Error::Config`] if the sample entry is neither `avc1` nor `mp4a`.
pub fn read_init(bytes: &[u8]) -> Result<ReadInit, Error> {
    let whole = Found { kind: *b"file", start: 0, body: 0..bytes.len() };
    path(bytes, &whole, &[*b"ftyp"])?;
    let trak = path(bytes, &whole, &[*b"moov", *b"trak"])?;
    let mut fields = path(bytes, &trak, &[*b"tkhd"])?.fields(bytes);
    skip_times(&mut fields)?;
    let track_id = fields.u32()?;
    let mdhd = path(bytes, &trak, &[*b"mdia", *b"mdhd"])?;
    let mut fields = mdhd.fields(bytes);
    skip_times(&mut fields)?;
    let timescale = fields.u32()?;
    if timescale == 0 {
        return Err(malformed(mdhd.start, "the time scale is 0"));
    }
    let stsd = path(bytes, &trak, &[*b"mdia", *b"minf", *b"stbl", *b"stsd"])?;
    let (kind, config) = read_entry(bytes, &stsd)?;
    Ok(ReadInit { track_id, timescale, kind, config })
}

/// Version, flags, creation and modification time of a header box.
fn skip_times(fields: &mut super::boxes::Fields<'_>) -> Result<(), Error> {
    if fields.version_flags()?.0 == 0 { fields.array::<8>().map(|_| ()) } else { fields.array::<16>().map(|_| ()) }
}

/// Follows box types down from a parent; each must be there once.
fn path(bytes: &[u8], parent: &Found, kinds: &[[u8; 4]]) -> Result<Found, Error> {
    let mut at = parent.clone();
    for &kind in kinds {
        at = child(bytes, at.body.clone(), kind, "a box is there more than once")?
            .ok_or_else(|| malformed(at.start, "a needed box is missing"))?;
    }
    Ok(at)
}

fn read_entry(bytes: &[u8], stsd: &Found) -> Result<(Kind, DecoderConfig), Error> {
    let mut fields = stsd.fields(bytes);
    fields.version_flags()?;
    if fields.u32()? != 1 {
        return Err(malformed(stsd.start, "not exactly one sample entry"));
    }
    let entries = Found { body: stsd.body.start + 8..stsd.body.end, ..stsd.clone() };
    if let Some(entry) = child(bytes, entries.body.clone(), *b"avc1", "several sample entries")? {
        let mut fields = entry.fields(bytes);
        fields.array::<24>()?;
        let kind = Kind::Video { width: fields.u16()?, height: fields.u16()? };
        let avcc = inner(bytes, &entry, VISUAL_ENTRY_BYTES, *b"avcC")?;
        let record = bytes.get(avcc.body).unwrap_or_default();
        Avcc::decode_body(&mut &*record).map_err(|_| Error::Config("not an AVC configuration record"))?;
        return Ok((kind, DecoderConfig::Avc(record.to_vec())));
    }
    if let Some(entry) = child(bytes, entries.body, *b"mp4a", "several sample entries")? {
        let mut fields = entry.fields(bytes);
        fields.array::<16>()?;
        let kind = Kind::Audio { channels: fields.u16()? };
        let esds = inner(bytes, &entry, AUDIO_ENTRY_BYTES, *b"esds")?;
        let esds = bytes.get(esds.start..esds.body.end).unwrap_or_default();
        return Ok((kind, DecoderConfig::Aac(audio_specific_config(esds)?)));
    }
    Err(Error::Config("neither H.264 nor AAC"))
}

/// A box inside a sample entry, after the entry's own fields.
fn inner(bytes: &[u8], entry: &Found, skip: usize, kind: [u8; 4]) -> Result<Found, Error> {
    let start = entry.body.start.saturating_add(skip).min(entry.body.end);
    path(bytes, &Found { body: start..entry.body.end, ..entry.clone() }, &[kind])
}

fn audio_specific_config(mut esds: &[u8]) -> Result<Vec<u8>, Error> {
    let decoded = Esds::decode(&mut esds).map_err(|_| Error::Config("not an elementary stream descriptor"))?;
    let specific = decoded.es_desc.dec_config.dec_specific;
    specific.map(|specific| specific.raw).ok_or(Error::Config("no AudioSpecificConfig"))
}
