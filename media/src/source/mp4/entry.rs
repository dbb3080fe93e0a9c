//! Sample entries (§8.5.2, §12): codec, dimensions and decoder configuration.

use super::{Media, boxes, caps};

/// What says of a transfer that it is not known (ISO/IEC 23091-2 §8.2): 2, and what is reserved.
const UNKNOWN: [u16; 3] = [0, 2, 3];

/// The codec of a track and what a decoder must know before its first packet.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Codec {
    /// Short name, `h264` say; the four characters of the sample entry if it is not known.
    pub name: String,
    /// GStreamer caps of the packets, codec data included; `None` if this codec is not mapped.
    pub caps: Option<String>,
    /// Whether the samples are encrypted.
    pub encrypted: bool,
    /// Coded width in pixels; 0 for sound.
    pub width: u32,
    /// Coded height in pixels; 0 for sound.
    pub height: u32,
    /// Shape of a pixel, width to height, if `pasp` (§12.1.4.2) tells.
    pub pixel_aspect: Option<(u32, u32)>,
    /// Transfer characteristics (ISO/IEC 23091-2 §8.2), if `colr` (§12.1.5) tells them.
    pub transfer: Option<u16>,
    /// Channels; 0 for pictures.
    pub channels: u32,
    /// Samples per second; 0 for pictures.
    pub sample_rate: u32,
}

/// How samples become packets.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Packing {
    /// A sample is a packet.
    Samples,
    /// A sample is one frame of raw audio of this many bytes.
    Frames {
        /// Bytes of all channels of one instant.
        bytes: u32,
    },
}

/// The fixed part of a sound sample entry and the boxes after it.
struct Sound<'a> {
    channels: u32,
    bits: u32,
    sample_rate: u32,
    /// Version 2 only: `formatSpecificFlags` of `QuickTime` linear PCM.
    flags: Option<u32>,
    boxes: &'a [u8],
}

/// Bytes of `SampleEntry` and the fixed part of `VisualSampleEntry`.
const VISUAL_BYTES: usize = 78;
/// Bytes of `SampleEntry` and the fixed part of `AudioSampleEntry`, version 0.
const SOUND_BYTES: usize = 28;
/// Bytes that version 1 of `QuickTime` adds.
const SOUND_V1_BYTES: usize = 16;
/// Bytes that version 2 of `QuickTime` adds.
const SOUND_V2_BYTES: usize = 36;

/// Reads the first entry of the content of `stsd`. A track whose entries differ keeps the first.
pub(super) fn read(stsd: &[u8], media: Media) -> Option<(Codec, Packing)> {
    let (kind, body) = boxes::children(stsd.get(8..)?).next()?;
    match media {
        Media::Video => Some((visual(kind, body)?, Packing::Samples)),
        Media::Audio => sound(kind, body),
        Media::Other => Some((named(kind), Packing::Samples)),
    }
}

fn visual(kind: boxes::Kind, body: &[u8]) -> Option<Codec> {
    let width = u32::from(boxes::u16_at(body, 24)?);
    let height = u32::from(boxes::u16_at(body, 26)?);
    let inside = body.get(VISUAL_BYTES..)?;
    let pixel_aspect = boxes::child(inside, *b"pasp").and_then(|pasp| {
        let shape = (boxes::u32_at(pasp, 0)?, boxes::u32_at(pasp, 4)?);
        (shape.0 > 0 && shape.1 > 0 && shape != (1, 1)).then_some(shape)
    });
    // A second one may be an ICC profile.
    let colours = boxes::children(inside).filter(|(found, _)| found == b"colr");
    let transfer = colours.filter_map(|(_, colr)| transfer(colr)).find(|transfer| !UNKNOWN.contains(transfer));
    let mut codec = Codec { width, height, pixel_aspect, transfer, ..named(kind) };
    if let Some((name, stream)) = caps::video(kind, inside) {
        name.clone_into(&mut codec.name);
        codec.caps = Some(caps::with_picture(&stream, &codec));
    }
    Some(codec)
}

/// The transfer characteristics of a `colr` that names colours by numbers; `nclc` is that of `QuickTime`.
fn transfer(colr: &[u8]) -> Option<u16> {
    let is_numbers = colr.starts_with(b"nclx") || colr.starts_with(b"nclc");
    if is_numbers { boxes::u16_at(colr, 6) } else { None }
}

fn sound(kind: boxes::Kind, body: &[u8]) -> Option<(Codec, Packing)> {
    let sound = Sound::read(body)?;
    let mut codec = Codec { channels: sound.channels, sample_rate: sound.sample_rate, ..named(kind) };
    if let Some((name, stream, bytes)) = raw(kind, &sound) {
        name.clone_into(&mut codec.name);
        codec.caps = Some(caps::with_sound(&stream, &codec));
        return Some((codec, Packing::Frames { bytes }));
    }
    if let Some(coded) = caps::audio(kind, sound.boxes) {
        coded.name.clone_into(&mut codec.name);
        // The decoder configuration knows better than the entry.
        codec.channels = coded.channels.unwrap_or(codec.channels);
        codec.sample_rate = coded.sample_rate.unwrap_or(codec.sample_rate);
        codec.caps = Some(caps::with_sound(&coded.caps, &codec));
    }
    Some((codec, Packing::Samples))
}

/// A codec of which only the four characters are known.
fn named(kind: boxes::Kind) -> Codec {
    let printable = |byte: &u8| if byte.is_ascii_graphic() { char::from(*byte) } else { '_' };
    let name: String = kind.iter().filter(|byte| **byte != b' ').map(printable).collect();
    let encrypted = matches!(&kind, b"encv" | b"enca" | b"drmi" | b"drms");
    Codec { name, encrypted, ..Codec::default() }
}

// === impl Sound ===

impl<'a> Sound<'a> {
    fn read(body: &'a [u8]) -> Option<Self> {
        let version = boxes::u16_at(body, 8)?;
        if version == 2 {
            let rate = f64::from_bits(boxes::u64_at(body, 32)?);
            return Some(Self {
                channels: boxes::u32_at(body, 40)?,
                bits: boxes::u32_at(body, 48)?,
                sample_rate: whole_rate(rate),
                flags: boxes::u32_at(body, 52),
                boxes: body.get(SOUND_BYTES + SOUND_V2_BYTES..)?,
            });
        }
        let extra = if version == 1 { SOUND_V1_BYTES } else { 0 };
        Some(Self {
            channels: u32::from(boxes::u16_at(body, 16)?),
            bits: u32::from(boxes::u16_at(body, 18)?),
            sample_rate: boxes::u32_at(body, 24)? >> 16,
            flags: None,
            boxes: body.get(SOUND_BYTES + extra..).unwrap_or_default(),
        })
    }
}

/// Raw audio: its name, caps without rate and channels, and bytes of a frame.
fn raw(kind: boxes::Kind, sound: &Sound<'_>) -> Option<(&'static str, String, u32)> {
    const FLAG_FLOAT: u32 = 1;
    const FLAG_BIG_ENDIAN: u32 = 2;
    const FLAG_SIGNED: u32 = 4;
    let (bits, letter, big) = match &kind {
        b"sowt" => (sound.bits, 'S', false),
        b"twos" => (sound.bits, 'S', true),
        b"in24" => (24, 'S', !is_little(sound.boxes)),
        b"in32" => (32, 'S', !is_little(sound.boxes)),
        b"fl32" => (32, 'F', !is_little(sound.boxes)),
        b"fl64" => (64, 'F', !is_little(sound.boxes)),
        b"raw " => (8, 'U', false),
        b"ipcm" | b"fpcm" => {
            let pcm = boxes::child(sound.boxes, *b"pcmC")?;
            let letter = if kind == *b"fpcm" { 'F' } else { 'S' };
            (u32::from(*pcm.get(5)?), letter, pcm.get(4)? & 1 == 0)
        }
        b"lpcm" => {
            let flags = sound.flags?;
            let letter = if flags & FLAG_FLOAT != 0 {
                'F'
            } else if flags & FLAG_SIGNED != 0 {
                'S'
            } else {
                'U'
            };
            (sound.bits, letter, flags & FLAG_BIG_ENDIAN != 0)
        }
        b"ulaw" => return Some(("mulaw", "audio/x-mulaw".to_owned(), sound.channels)),
        b"alaw" => return Some(("alaw", "audio/x-alaw".to_owned(), sound.channels)),
        _ => return None,
    };
    let known = matches!((bits, letter), (8 | 16 | 24 | 32, 'S' | 'U') | (32 | 64, 'F'));
    let plausible = (1..=64).contains(&sound.channels);
    if !known || !plausible {
        return None;
    }
    let end = match (bits, big) {
        (8, _) => "",
        (_, true) => "BE",
        (_, false) => "LE",
    };
    let stream = format!("audio/x-raw,format=(string){letter}{bits}{end},layout=(string)interleaved");
    Some(("pcm", stream, sound.channels.saturating_mul(bits / 8)))
}

/// `enda` inside `wave`: 1 says little-endian.
fn is_little(inside: &[u8]) -> bool {
    let enda = boxes::descend(inside, &[*b"wave", *b"enda"]).or_else(|| boxes::child(inside, *b"enda"));
    enda.and_then(|body| boxes::u16_at(body, 0)) == Some(1)
}

#[expect(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "clamped to the range of audio rates")]
fn whole_rate(rate: f64) -> u32 {
    if rate.is_finite() { rate.clamp(0.0, 768_000.0) as u32 } else { 0 }
}
