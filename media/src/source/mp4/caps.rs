//! GStreamer caps for the codecs of sample entries.
//!
//! The names and fields are those of GStreamer's own MP4 demuxer, so that the same decoders fit.

use std::fmt::Write;

use super::{boxes, entry::Codec};

/// A sound codec.
pub(super) struct Sound {
    pub(super) name: &'static str,
    pub(super) caps: String,
    /// What the decoder configuration says, if it does.
    pub(super) channels: Option<u32>,
    pub(super) sample_rate: Option<u32>,
}

/// `MPEG-4` decoder configuration: object type and `DecoderSpecificInfo` (ISO 14496-1 §7.2.6).
struct Esds<'a> {
    object_type: u8,
    specific: &'a [u8],
}

/// Channels above this are a damaged entry.
const CHANNELS_MAX: u32 = 64;

/// The codec of a visual sample entry whose boxes are `inside`: name and caps without dimensions.
pub(super) fn video(kind: boxes::Kind, inside: &[u8]) -> Option<(&'static str, String)> {
    let configured = |name, caps: &str, record: boxes::Kind| {
        let data = hex(boxes::child(inside, record)?);
        Some((name, format!("{caps},parsed=(boolean)true,codec_data=(buffer){data}")))
    };
    let plain = |name, caps: &str| Some((name, caps.to_owned()));
    match &kind {
        b"avc1" => configured("h264", "video/x-h264,stream-format=(string)avc,alignment=(string)au", *b"avcC"),
        b"avc3" => configured("h264", "video/x-h264,stream-format=(string)avc3,alignment=(string)au", *b"avcC"),
        b"hvc1" | b"dvh1" => {
            configured("h265", "video/x-h265,stream-format=(string)hvc1,alignment=(string)au", *b"hvcC")
        }
        b"hev1" | b"dvhe" => {
            configured("h265", "video/x-h265,stream-format=(string)hev1,alignment=(string)au", *b"hvcC")
        }
        b"av01" => configured("av1", "video/x-av1,stream-format=(string)obu-stream,alignment=(string)tu", *b"av1C"),
        b"vp08" => plain("vp8", "video/x-vp8"),
        b"vp09" => Some(vp9(inside)),
        b"mp4v" => mpeg4(inside),
        b"jpeg" | b"mjpa" | b"AVDJ" | b"dmb1" => plain("mjpeg", "image/jpeg,parsed=(boolean)true"),
        b"s263" | b"h263" | b"H263" => plain("h263", "video/x-h263,variant=(string)itu"),
        b"dvc " | b"dvcp" | b"dvsd" | b"dvpp" | b"dv5n" | b"dv5p" => {
            plain("dv", "video/x-dv,systemstream=(boolean)false")
        }
        b"m2v1" | b"mpg2" | b"mx5p" | b"mx5n" | b"mx3p" | b"mx3n" | b"hdv1" | b"hdv2" | b"hdv3" | b"hdv5" | b"hdv6"
        | b"xdv1" | b"xdv2" | b"xdv3" | b"xdv4" | b"xdv5" | b"xdv6" | b"xdva" | b"xdvb" | b"xdvc" | b"xdvd"
        | b"xdve" | b"xdvf" => {
            plain("mpeg2", "video/mpeg,mpegversion=(int)2,systemstream=(boolean)false,parsed=(boolean)true")
        }
        _ => Some(("prores", format!("video/x-prores,variant=(string){}", prores_variant(kind)?))),
    }
}

/// The codec of a sound sample entry whose boxes are `inside`.
pub(super) fn audio(kind: boxes::Kind, inside: &[u8]) -> Option<Sound> {
    let plain = |name, caps: &str| Some(Sound { name, caps: caps.to_owned(), channels: None, sample_rate: None });
    match &kind {
        b"mp4a" => {
            let body = boxes::child(inside, *b"esds").or_else(|| boxes::descend(inside, &[*b"wave", *b"esds"]))?;
            mpeg4_audio(&esds(body)?)
        }
        b"Opus" => opus(boxes::child(inside, *b"dOps")?),
        b"ac-3" => plain("ac3", "audio/x-ac3,framed=(boolean)true"),
        b"ec-3" => plain("eac3", "audio/x-eac3,framed=(boolean)true"),
        b".mp3" | b"mp3 " | b"ms\0U" => plain("mp3", MP3),
        b"fLaC" => flac(boxes::child(inside, *b"dfLa")?),
        b"alac" => {
            let config = boxes::child(inside, *b"alac").or_else(|| boxes::descend(inside, &[*b"wave", *b"alac"]))?;
            let bytes = u32::try_from(config.len() + 8).ok()?;
            let data = format!("{bytes:08x}{}{}", hex(b"alac"), hex(config));
            let caps = format!("audio/x-alac,codec_data=(buffer){data}");
            Some(Sound { name: "alac", caps, channels: None, sample_rate: None })
        }
        b"samr" => plain("amr", "audio/AMR"),
        b"sawb" => plain("amr-wb", "audio/AMR-WB"),
        _ => None,
    }
}

const MP3: &str = "audio/mpeg,mpegversion=(int)1,layer=(int)3,parsed=(boolean)true";

/// Adds what the container says about the picture.
pub(super) fn with_picture(stream: &str, codec: &Codec) -> String {
    let mut caps = stream.to_owned();
    // A decoder need not hear of a size that no codec has.
    let plausible = 1..=16_384;
    if plausible.contains(&codec.width) && plausible.contains(&codec.height) {
        let Codec { width, height, .. } = codec;
        add(&mut caps, format_args!(",width=(int){width},height=(int){height}"));
    }
    if let Some((across, down)) = codec.pixel_aspect {
        let fits = i32::try_from(across).is_ok() && i32::try_from(down).is_ok();
        if fits {
            add(&mut caps, format_args!(",pixel-aspect-ratio=(fraction){across}/{down}"));
        }
    }
    caps
}

/// Adds what the container says about the sound.
pub(super) fn with_sound(stream: &str, codec: &Codec) -> String {
    let mut caps = stream.to_owned();
    if codec.sample_rate > 0 {
        add(&mut caps, format_args!(",rate=(int){}", codec.sample_rate.min(768_000)));
    }
    if (1..=CHANNELS_MAX).contains(&codec.channels) {
        add(&mut caps, format_args!(",channels=(int){}", codec.channels));
    }
    if codec.channels > 2 && stream.starts_with("audio/x-raw") {
        add(&mut caps, format_args!(",channel-mask=(bitmask)0x0"));
    }
    caps
}

fn vp9(inside: &[u8]) -> (&'static str, String) {
    // `vpcC`: version and flags, then profile (VP codec binding §4.2).
    let profile = boxes::child(inside, *b"vpcC").and_then(|vpcc| vpcc.get(4).copied()).filter(|&profile| profile < 4);
    let mut caps = "video/x-vp9,parsed=(boolean)true,alignment=(string)super-frame".to_owned();
    if let Some(profile) = profile {
        add(&mut caps, format_args!(",profile=(string){profile}"));
    }
    ("vp9", caps)
}

fn mpeg4(inside: &[u8]) -> Option<(&'static str, String)> {
    let Esds { object_type, specific } = esds(boxes::child(inside, *b"esds")?)?;
    let mut caps = match object_type {
        0x20 => "video/mpeg,mpegversion=(int)4,systemstream=(boolean)false,parsed=(boolean)true".to_owned(),
        0x60..=0x65 => "video/mpeg,mpegversion=(int)2,systemstream=(boolean)false,parsed=(boolean)true".to_owned(),
        0x6a => "video/mpeg,mpegversion=(int)1,systemstream=(boolean)false,parsed=(boolean)true".to_owned(),
        0x6c => return Some(("mjpeg", "image/jpeg,parsed=(boolean)true".to_owned())),
        _ => return None,
    };
    if !specific.is_empty() {
        add(&mut caps, format_args!(",codec_data=(buffer){}", hex(specific)));
    }
    let name = match object_type {
        0x20 => "mpeg4",
        0x6a => "mpeg1",
        _ => "mpeg2",
    };
    Some((name, caps))
}

fn prores_variant(kind: boxes::Kind) -> Option<&'static str> {
    Some(match &kind {
        b"apcn" => "standard",
        b"apch" => "hq",
        b"apcs" => "lt",
        b"apco" => "proxy",
        b"ap4h" => "4444",
        b"ap4x" => "4444xq",
        _ => return None,
    })
}

fn mpeg4_audio(config: &Esds<'_>) -> Option<Sound> {
    let plain = |name, caps: &str| Some(Sound { name, caps: caps.to_owned(), channels: None, sample_rate: None });
    match config.object_type {
        0x40 | 0x66..=0x68 => {
            let (sample_rate, channels) = audio_specific(config.specific)?;
            let data = hex(config.specific);
            let caps = format!(
                "audio/mpeg,mpegversion=(int)4,framed=(boolean)true,stream-format=(string)raw,codec_data=(buffer){data}"
            );
            Some(Sound { name: "aac", caps, channels, sample_rate })
        }
        0x69 | 0x6b => plain("mp3", MP3),
        0xa5 => plain("ac3", "audio/x-ac3,framed=(boolean)true"),
        0xa6 => plain("eac3", "audio/x-eac3,framed=(boolean)true"),
        0xa9 => plain("dts", "audio/x-dts"),
        _ => None,
    }
}

/// Rate and channels of an `AudioSpecificConfig` (ISO 14496-3 §1.6.2.1).
fn audio_specific(config: &[u8]) -> Option<(Option<u32>, Option<u32>)> {
    const RATES: [u32; 13] =
        [96_000, 88_200, 64_000, 48_000, 44_100, 32_000, 24_000, 22_050, 16_000, 12_000, 11_025, 8_000, 7_350];
    if config.len() < 2 {
        return None;
    }
    let mut padded = [0; 8];
    for (to, from) in padded.iter_mut().zip(config) {
        *to = *from;
    }
    let mut rest = u64::from_be_bytes(padded);
    let mut take = |bits: u32| {
        let value = rest >> (64 - bits);
        rest <<= bits;
        u32::try_from(value).unwrap_or(0)
    };
    if take(5) == 31 {
        take(6);
    }
    let index = take(4);
    let rate =
        if index == 15 { Some(take(24)) } else { usize::try_from(index).ok().and_then(|at| RATES.get(at).copied()) };
    let channels = match take(4) {
        0 => None,
        7 => Some(8),
        count => Some(count),
    };
    Some((rate.filter(|&hz| hz > 0), channels))
}

/// `dOps` (Opus in ISOBMFF §4.3.2).
fn opus(config: &[u8]) -> Option<Sound> {
    let channels = u32::from(*config.get(1)?);
    let family = *config.get(10)?;
    let mut caps = format!("audio/x-opus,channel-mapping-family=(int){family}");
    if family == 0 {
        add(&mut caps, format_args!(",stream-count=(int)1,coupled-count=(int){}", i32::from(channels == 2)));
    } else {
        let mapping = config.get(13..13 + usize::try_from(channels).ok()?)?;
        let list = mapping.iter().map(|at| format!("(int){at}")).collect::<Vec<_>>().join(",");
        add(&mut caps, format_args!(",stream-count=(int){},coupled-count=(int){}", config.get(11)?, config.get(12)?));
        add(&mut caps, format_args!(",channel-mapping=(int)<{list}>"));
    }
    Some(Sound { name: "opus", caps, channels: Some(channels), sample_rate: Some(48_000) })
}

/// `dfLa` (FLAC in ISOBMFF §3.3.2): its first block is STREAMINFO, 34 bytes.
fn flac(config: &[u8]) -> Option<Sound> {
    let block = config.get(8..42)?;
    let caps =
        format!("audio/x-flac,framed=(boolean)true,streamheader=(buffer)<{},80000022{}>", hex(b"fLaC"), hex(block));
    Some(Sound { name: "flac", caps, channels: None, sample_rate: None })
}

/// Walks the descriptors of `esds`: ES (3), decoder configuration (4), specific info (5).
fn esds(body: &[u8]) -> Option<Esds<'_>> {
    let (tag, es, _) = descriptor(body.get(4..)?)?;
    if tag != 3 {
        return None;
    }
    let flags = *es.get(2)?;
    let mut at = 3;
    if flags & 0x80 != 0 {
        at += 2;
    }
    if flags & 0x40 != 0 {
        at += 1 + usize::from(*es.get(at)?);
    }
    if flags & 0x20 != 0 {
        at += 2;
    }
    let (tag, config, _) = descriptor(es.get(at..)?)?;
    if tag != 4 {
        return None;
    }
    let specific = config.get(13..).and_then(descriptor).filter(|(tag, ..)| *tag == 5);
    Some(Esds { object_type: *config.first()?, specific: specific.map_or(&[][..], |(_, content, _)| content) })
}

/// Tag, content and rest of a descriptor; sizes are one to four bytes of seven bits.
fn descriptor(bytes: &[u8]) -> Option<(u8, &[u8], &[u8])> {
    let (&tag, mut rest) = bytes.split_first()?;
    let mut size = 0_usize;
    for _ in 0..4 {
        let (&byte, after) = rest.split_first()?;
        rest = after;
        size = (size << 7) | usize::from(byte & 0x7f);
        if byte & 0x80 == 0 {
            break;
        }
    }
    // Some writers count a byte too many at the end.
    let content = rest.get(..size.min(rest.len()))?;
    Some((tag, content, rest.get(content.len()..)?))
}

fn hex(bytes: &[u8]) -> String {
    let mut text = String::with_capacity(bytes.len() * 2);
    for byte in bytes {
        add(&mut text, format_args!("{byte:02x}"));
    }
    text
}

/// Appends; writing to a text cannot fail.
fn add(text: &mut String, arguments: std::fmt::Arguments<'_>) {
    let written = text.write_fmt(arguments);
    debug_assert!(written.is_ok(), "a string takes any text");
}
