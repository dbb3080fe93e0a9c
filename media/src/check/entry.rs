//! Sample entries: what the samples are, how large and how coloured, and the codec string that their configuration asks
//! for (RFC 6381, ISO/IEC 14496-15 annex E).

use std::ops::Range;

use super::{
    boxes::{Atoms, Fields, walk},
    codec_string,
};

/// Bytes of a visual sample entry before its boxes, counted from its body.
const VISUAL_BYTES: usize = 78;
/// The same of an audio sample entry.
const AUDIO_BYTES: usize = 28;

/// The first sample entry of a track.
#[derive(Clone, Debug, Default)]
pub(super) struct Entry {
    /// The four-character code; the original format if the samples are encrypted.
    pub(super) format: [u8; 4],
    /// What the document should say in CODECS or `@codecs`.
    pub(super) codec: String,
    pub(super) encrypted: Option<Protection>,
    /// Width and height in pixels.
    pub(super) size: (u32, u32),
    /// Bytes of a NAL unit's length, for H.264 and H.265.
    pub(super) nal_length: Option<usize>,
    /// Whether there is a `colr`, and its transfer characteristics if it is of CICP.
    pub(super) has_colour: bool,
    pub(super) transfer: Option<u16>,
    pub(super) aspect: Option<(u32, u32)>,
    pub(super) channels: u32,
    pub(super) sample_rate: u32,
    /// Whether it is E-AC-3 with the objects of Dolby Atmos.
    pub(super) has_objects: bool,
    /// The configuration, so that two initialisation segments can be told apart.
    pub(super) configuration: Vec<u8>,
}

/// What `sinf` says.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(super) struct Protection {
    pub(super) scheme: [u8; 4],
    pub(super) default_kid: [u8; 16],
    /// Encrypted and clear blocks of the pattern.
    pub(super) pattern: (u8, u8),
    pub(super) iv_bytes: u8,
}

// === impl Entry ===

impl Entry {
    pub(super) fn is_hevc(&self) -> bool {
        matches!(&self.format, b"hvc1" | b"hev1")
    }
}

pub(super) fn read(bytes: &[u8], kind: [u8; 4], body: &Range<usize>, handler: [u8; 4]) -> Entry {
    let mut entry = Entry { format: kind, ..Entry::default() };
    let mut fields = Fields::of(bytes, body);
    let fixed = match &handler {
        b"vide" => {
            fields.skip(24);
            let (width, height) = (fields.u16().unwrap_or(0), fields.u16().unwrap_or(0));
            entry.size = (u32::from(width), u32::from(height));
            VISUAL_BYTES
        }
        b"soun" => {
            fields.skip(16);
            entry.channels = fields.u16().map_or(0, u32::from);
            fields.skip(6);
            entry.sample_rate = fields.u32().map_or(0, |rate| rate >> 16);
            AUDIO_BYTES
        }
        _ => 8,
    };
    let boxes = walk(bytes, (body.start + fixed).min(body.end)..body.end);
    if let Some(sinf) = boxes.of_kind(*b"sinf").next() {
        protection(bytes, &walk(bytes, sinf.body.clone()), &mut entry);
    }
    if let Some(colr) = boxes.of_kind(*b"colr").next() {
        entry.has_colour = true;
        let mut fields = Fields::of(bytes, &colr.body);
        if fields.array() == Some(*b"nclx") {
            fields.u16();
            entry.transfer = fields.u16();
        }
    }
    if let Some(pasp) = boxes.of_kind(*b"pasp").next() {
        let mut fields = Fields::of(bytes, &pasp.body);
        entry.aspect = fields.u32().zip(fields.u32());
    }
    entry.codec = codec(bytes, &boxes, &mut entry);
    entry
}

fn protection(bytes: &[u8], sinf: &Atoms, entry: &mut Entry) {
    let mut protection = Protection::default();
    if let Some(frma) = sinf.of_kind(*b"frma").next() {
        entry.format = Fields::of(bytes, &frma.body).array().unwrap_or(entry.format);
    }
    if let Some(schm) = sinf.of_kind(*b"schm").next() {
        let mut fields = Fields::of(bytes, &schm.body);
        fields.version_flags();
        protection.scheme = fields.array().unwrap_or_default();
    }
    let schi = sinf.of_kind(*b"schi").next().map(|schi| walk(bytes, schi.body.clone()));
    if let Some(tenc) = schi.and_then(|schi| schi.of_kind(*b"tenc").next().cloned()) {
        let mut fields = Fields::of(bytes, &tenc.body);
        fields.skip(5);
        let blocks = fields.u8().unwrap_or(0);
        protection.pattern = (blocks >> 4, blocks & 15);
        fields.skip(1);
        protection.iv_bytes = fields.u8().unwrap_or(0);
        protection.default_kid = fields.array().unwrap_or_default();
    }
    entry.encrypted = Some(protection);
}

fn codec(bytes: &[u8], boxes: &Atoms, entry: &mut Entry) -> String {
    let name = String::from_utf8_lossy(&entry.format).into_owned();
    let body = |kind: [u8; 4]| boxes.of_kind(kind).next().and_then(|atom| bytes.get(atom.body.clone()));
    if let Some(record) = body(*b"avcC") {
        entry.configuration = record.to_vec();
        entry.nal_length = record.get(4).map(|byte| usize::from(byte & 3) + 1);
        let byte = |at: usize| record.get(at).copied().unwrap_or(0);
        return format!("{name}.{:02x}{:02x}{:02x}", byte(1), byte(2), byte(3));
    }
    if let Some(record) = body(*b"hvcC") {
        entry.configuration = record.to_vec();
        entry.nal_length = record.get(21).map(|byte| usize::from(byte & 3) + 1);
        return format!("{name}{}", codec_string::hevc(record).unwrap_or_default());
    }
    if let Some(record) = body(*b"av1C") {
        entry.configuration = record.to_vec();
        return format!("{name}{}", codec_string::av1(record).unwrap_or_default());
    }
    if let Some(record) = body(*b"vpcC") {
        entry.configuration = record.to_vec();
        return format!("{name}{}", codec_string::vp9(record).unwrap_or_default());
    }
    if let Some(record) = body(*b"dec3") {
        entry.configuration = record.to_vec();
        entry.has_objects = has_objects(record).unwrap_or(false);
        return name;
    }
    if let Some(esds) = body(*b"esds") {
        entry.configuration = esds.to_vec();
        let (object, config) = elementary_stream(esds);
        if let Some(audio) = config.and_then(audio_object) {
            if entry.channels == 0 || audio.channels > 0 {
                entry.channels = audio.channels;
            }
            return format!("{name}.{object:x}.{}", audio.object_type);
        }
        return format!("{name}.{object:x}");
    }
    name
}

/// Behind the substreams of an `EC3SpecificBox` (ETSI TS 102 366 annex F.6, TS 103 420 annex E).
fn has_objects(record: &[u8]) -> Option<bool> {
    let mut fields = Fields::of(record, &(0..record.len()));
    let independent = fields.u16()? & 7;
    for _ in 0..=independent {
        let [_, _, dependent] = fields.array()?;
        if dependent >> 1 & 15 > 0 {
            fields.skip(1)?;
        }
    }
    Some(fields.u8()? & 1 == 1)
}

/// What an `AudioSpecificConfig` says first (ISO/IEC 14496-3 §1.6.2.1).
struct AudioObject {
    object_type: u8,
    channels: u32,
}

/// `objectTypeIndication` and the decoder specific information of an `esds` (ISO/IEC 14496-1 §7.2.6).
fn elementary_stream(esds: &[u8]) -> (u8, Option<&[u8]>) {
    const ES: u8 = 3;
    const DECODER: u8 = 4;
    const SPECIFIC: u8 = 5;
    let mut object = 0;
    let mut fields = Fields::of(esds, &(4..esds.len()));
    // Each descriptor is opened in turn, since they are nested in this order.
    while let (Some(tag), Some(length)) = (fields.u8(), descriptor_length(&mut fields)) {
        match tag {
            ES => {
                fields.skip(2);
                let flags = fields.u8().unwrap_or(0);
                fields.skip(usize::from(flags >> 7) * 2);
                if flags & 0x40 != 0 {
                    let url = fields.u8().unwrap_or(0);
                    fields.skip(usize::from(url));
                }
                fields.skip(usize::from(flags >> 5 & 1) * 2);
            }
            DECODER => {
                object = fields.u8().unwrap_or(0);
                fields.skip(12);
            }
            SPECIFIC => return (object, fields.rest().get(..length)),
            _ => {
                fields.skip(length);
            }
        }
    }
    (object, None)
}

fn descriptor_length(fields: &mut Fields<'_>) -> Option<usize> {
    let mut length = 0;
    for _ in 0..4 {
        let byte = fields.u8()?;
        length = length << 7 | usize::from(byte & 0x7f);
        if byte & 0x80 == 0 {
            break;
        }
    }
    Some(length)
}

fn audio_object(config: &[u8]) -> Option<AudioObject> {
    let bits = Fields::of(config, &(0..config.len())).array::<2>().map(u16::from_be_bytes)?;
    let object_type = match u8::try_from(bits >> 11).ok()? {
        31 => 32 + u8::try_from(bits >> 5 & 0x3f).ok()?,
        plain => plain,
    };
    // Frequency index 15 is followed by 24 bits, and an escaped object type shifts all: channels stay unknown then.
    let is_plain = object_type < 31 && bits >> 7 & 15 != 15;
    let channels = match bits >> 3 & 15 {
        7 => 8,
        count => u32::from(count),
    };
    Some(AudioObject { object_type, channels: if is_plain { channels } else { 0 } })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn objects_of_atmos_are_told_behind_all_substreams() {
        let cases: [(&[u8], Option<bool>); 6] = [
            (&[0x18, 0, 0x20, 0x0f, 0, 1, 16], Some(true)),
            (&[0x18, 0, 0x20, 0x0f, 0, 0, 0], Some(false)),
            (&[0x18, 0, 0x20, 0x0f, 0], None),
            // A dependent substream says where its channels are.
            (&[0x18, 0, 0x20, 0x0f, 2, 0, 1, 16], Some(true)),
            (&[0x18, 1, 0x20, 0x0f, 0, 0x20, 0x0f, 0, 1, 16], Some(true)),
            (&[], None),
        ];
        for (record, expected) in cases {
            assert_eq!(has_objects(record), expected, "{record:?}");
        }
    }
}
