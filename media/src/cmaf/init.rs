//! The initialisation segment: `ftyp` + `moov` without samples (ISO/IEC 14496-12 §8.2, 23000-19 §7.3).
//!
//! Leaf boxes are mp4-atom's. The containers around them are put here, since mp4-atom writes
//! `mvex` before `trak` and `stbl` before `vmhd`, against the order that ISO/IEC 14496-12 §6.3.4
//! recommends and players were tested with.

use mp4_atom::{
    Audio, Avcc, Colr, Dinf, Dref, Encode, Esds, FourCC, Ftyp, Hdlr, Mdhd, Mvhd, Pasp, Smhd, Stco, Stsc, Stsz, Stts,
    Tkhd, Trex, Url, Visual, Vmhd, esds,
};

use super::{Error, TRACK_ID, boxes::put, language};
use crate::{
    codec::DecoderConfig,
    plan::{AudioTrack, Plan, VideoTrack},
    track::Track,
};

/// BT.709 in ISO/IEC 23091-2, for primaries, transfer and matrix alike.
const BT709: u16 = 1;
/// `objectTypeIndication` of MPEG-4 audio (ISO/IEC 14496-1 §7.2.6.6).
const MPEG4_AUDIO: u8 = 0x40;
/// `streamType` of audio (ISO/IEC 14496-1 §7.2.6.6).
const AUDIO_STREAM: u8 = 0x05;
/// Decoder input buffer of AAC, 6144 bits a channel (ISO/IEC 14496-3 §4.5.3), in bytes.
const AAC_BUFFER_BYTES: u32 = 768;
/// The length prefixes of NAL units that every rung uses, in bytes.
pub(super) const NAL_LENGTH_BYTES: u8 = 4;

/// The two kinds of sample entries with what they are made from.
#[derive(Clone, Copy, Debug)]
enum Entry<'a> {
    Avc(&'a VideoTrack, &'a [u8]),
    Aac(&'a AudioTrack, &'a [u8]),
}

/// The initialisation segment of a track; the same bytes for the same input.
///
/// # Errors
/// [`Error::UnknownTrack`] if the plan lacks the track, [`Error::Config`] if the configuration is
/// malformed or of another kind, [`Error::TooLarge`] if a dimension exceeds its field.
pub fn init(plan: &Plan, track: Track, config: &DecoderConfig) -> Result<Vec<u8>, Error> {
    let entry = match (track, config) {
        (Track::Audio, DecoderConfig::Aac(config)) => {
            Entry::Aac(plan.audio.as_ref().ok_or(Error::UnknownTrack(track))?, check_aac(config)?)
        }
        (Track::Rung(_) | Track::Trick, DecoderConfig::Avc(record)) => {
            Entry::Avc(plan.video(track).ok_or(Error::UnknownTrack(track))?, check_avc(record)?)
        }
        _ => return Err(Error::Config("the codec is not one of this track")),
    };
    let timescale = plan.timescale(track);
    let mut out = Vec::with_capacity(1024);
    atom(&mut out, &ftyp(entry))?;
    put(&mut out, *b"moov", |out| {
        atom(
            out,
            &Mvhd { timescale, rate: 1.into(), volume: 1.into(), next_track_id: TRACK_ID + 1, ..Mvhd::default() },
        )?;
        put(out, *b"trak", |out| trak(out, entry, timescale))?;
        put(out, *b"mvex", |out| {
            let trex = Trex { track_id: TRACK_ID, default_sample_description_index: 1, ..Trex::default() };
            atom(out, &trex)
        })
    })?;
    Ok(out)
}

fn ftyp(entry: Entry<'_>) -> Ftyp {
    let brand = |code: &[u8; 4]| FourCC::new(code);
    // iso6 is what HLS asks for (RFC 8216bis §3.1.2). cmf2 is for video only.
    let mut compatible_brands = vec![brand(b"iso6"), brand(b"cmfc")];
    match entry {
        Entry::Avc(..) => compatible_brands.extend([brand(b"cmf2"), brand(b"avc1")]),
        Entry::Aac(..) => compatible_brands.push(brand(b"mp41")),
    }
    Ftyp { major_brand: brand(b"iso6"), minor_version: 0, compatible_brands }
}

fn trak(out: &mut Vec<u8>, entry: Entry<'_>, timescale: u32) -> Result<(), Error> {
    let mut tkhd = Tkhd { track_id: TRACK_ID, enabled: true, in_movie: true, ..Tkhd::default() };
    let (handler, name, language) = match entry {
        Entry::Avc(video, _) => {
            tkhd.width = dimension(video.width)?.into();
            tkhd.height = dimension(video.height)?.into();
            (b"vide", "video", language::UNDETERMINED)
        }
        Entry::Aac(audio, _) => {
            tkhd.volume = 1.into();
            (b"soun", "audio", language::iso_639_2(&audio.language))
        }
    };
    atom(out, &tkhd)?;
    put(out, *b"mdia", |out| {
        atom(out, &Mdhd { timescale, language: language.to_owned(), ..Mdhd::default() })?;
        atom(out, &Hdlr { handler: FourCC::new(handler), name: name.to_owned() })?;
        put(out, *b"minf", |out| minf(out, entry))
    })
}

fn minf(out: &mut Vec<u8>, entry: Entry<'_>) -> Result<(), Error> {
    match entry {
        Entry::Avc(..) => atom(out, &Vmhd::default())?,
        Entry::Aac(..) => atom(out, &Smhd::default())?,
    }
    // An empty URL says that the media is in this file.
    atom(out, &Dinf { dref: Dref { entries: vec![Url::default().into()] } })?;
    put(out, *b"stbl", |out| {
        put(out, *b"stsd", |out| {
            out.extend_from_slice(&[0; 4]);
            out.extend_from_slice(&1_u32.to_be_bytes());
            match entry {
                Entry::Avc(video, record) => put(out, *b"avc1", |out| avc1(out, video, record)),
                Entry::Aac(audio, config) => put(out, *b"mp4a", |out| mp4a(out, audio, config)),
            }
        })?;
        atom(out, &Stts::default())?;
        atom(out, &Stsc::default())?;
        atom(out, &Stsz::default())?;
        atom(out, &Stco::default())
    })
}

/// ISO/IEC 14496-12 §12.1.3 and 14496-15 §5.4.2. The record is stored as the encoder gave it.
fn avc1(out: &mut Vec<u8>, video: &VideoTrack, record: &[u8]) -> Result<(), Error> {
    let visual = Visual {
        data_reference_index: 1,
        width: dimension(video.width)?,
        height: dimension(video.height)?,
        ..Visual::default()
    };
    atom(out, &visual)?;
    put(out, *b"avcC", |out| {
        out.extend_from_slice(record);
        Ok(())
    })?;
    let colr = Colr::Nclx {
        colour_primaries: BT709,
        transfer_characteristics: BT709,
        matrix_coefficients: BT709,
        full_range_flag: false,
    };
    atom(out, &colr)?;
    atom(out, &Pasp { h_spacing: 1, v_spacing: 1 })
}

/// ISO/IEC 14496-14 §6.7.2.
fn mp4a(out: &mut Vec<u8>, audio: &AudioTrack, config: &[u8]) -> Result<(), Error> {
    let channels = u16::try_from(audio.channels).map_err(|_| Error::TooLarge("the channel count"))?;
    // A rate above the 16-bit field is written as 0; the AudioSpecificConfig has it.
    let rate = u16::try_from(audio.grid.sample_rate).unwrap_or(0);
    atom(out, &Audio { data_reference_index: 1, channel_count: channels, sample_size: 16, sample_rate: rate.into() })?;
    let buffer = AAC_BUFFER_BYTES * u32::from(channels);
    let dec_config = esds::DecoderConfig {
        object_type_indication: MPEG4_AUDIO,
        stream_type: AUDIO_STREAM,
        buffer_size_db: buffer.try_into().map_err(|_| Error::TooLarge("the decoder buffer"))?,
        max_bitrate: audio.bitrate_bps,
        avg_bitrate: audio.bitrate_bps,
        dec_specific: Some(esds::DecoderSpecific { raw: config.to_vec(), ..esds::DecoderSpecific::default() }),
        ..esds::DecoderConfig::default()
    };
    let es_desc = esds::EsDescriptor {
        es_id: 0,
        depends_on_es_id: None,
        url: None,
        ocr_es_id: None,
        stream_priority: 0,
        dec_config,
        sl_config: esds::SLConfig::default(),
    };
    atom(out, &Esds { es_desc })
}

/// Parameter sets must be in the record, since `avc1` samples carry none (ISO/IEC 14496-15 §5.4.2.1).
fn check_avc(record: &[u8]) -> Result<&[u8], Error> {
    let mut rest = record;
    let parsed = <Avcc as mp4_atom::Atom>::decode_body(&mut rest)
        .map_err(|_| Error::Config("not an AVC configuration record"))?;
    if parsed.length_size != NAL_LENGTH_BYTES {
        return Err(Error::Config("NAL units need length prefixes of 4 bytes"));
    }
    if parsed.sequence_parameter_sets.is_empty() || parsed.picture_parameter_sets.is_empty() {
        return Err(Error::Config("a parameter set is missing"));
    }
    Ok(record)
}

/// Five bits of object type, four of frequency and four of channels are the least (ISO/IEC 14496-3 §1.6.2.1).
fn check_aac(config: &[u8]) -> Result<&[u8], Error> {
    const BYTES_MAX: usize = 64;
    if config.len() < 2 || config.len() > BYTES_MAX {
        return Err(Error::Config("not an AudioSpecificConfig"));
    }
    Ok(config)
}

fn dimension(pixels: u32) -> Result<u16, Error> {
    u16::try_from(pixels).map_err(|_| Error::TooLarge("a picture dimension"))
}

/// mp4-atom can fail only on values that the callers above already checked.
fn atom(out: &mut Vec<u8>, value: &impl Encode) -> Result<(), Error> {
    value.encode(out).map_err(|_| Error::TooLarge("a box"))
}
