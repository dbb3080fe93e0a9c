//! The part of rule 29 that is about formats over a base: Dolby Vision beside its base codec, and HDR10.

use super::super::{boxes::Fields, needs, playlist::Attributes};

/// Codecs of Dolby Vision that have a base which others can play, with the codec of that base (Apple appendix).
const OVER_A_BASE: [(&str, &str); 2] = [("dvh1.08", "hvc1"), ("dav1.10", "av01")];
/// SEI that go before the picture, and the payload that says which display the film was mastered on (ITU-T H.265 §7.4.2.2,
/// annex D).
const PREFIX_SEI: u8 = 39;
const MASTERING_DISPLAY: usize = 137;

/// What CODECS, SUPPLEMENTAL-CODECS and VIDEO-RANGE of one tag say wrongly of Dolby Vision.
pub(super) fn vision(attributes: &Attributes) -> Option<String> {
    let names = |base: &str| needs::codecs(attributes).any(|name| name.starts_with(base));
    for (over, base) in OVER_A_BASE {
        // Profile 10.0 has no base, and stands in CODECS alone.
        let stands_alone = over.starts_with("dav1") && !names(base);
        if let Some(name) = needs::codecs(attributes).find(|name| name.starts_with(over) && !stands_alone) {
            return Some(format!("{name} belongs in SUPPLEMENTAL-CODECS beside its base codec"));
        }
    }
    let supplemental = attributes.get("SUPPLEMENTAL-CODECS").unwrap_or_default();
    for entry in supplemental.split(',').map(str::trim) {
        let Some((_, base)) = OVER_A_BASE.iter().find(|(over, _)| entry.starts_with(over)) else { continue };
        if !names(base) {
            return Some(format!("{entry} is over a base of {base}, which CODECS does not name"));
        }
        let range = match entry.split('/').nth(1) {
            Some("db1p") => "PQ",
            Some("db4h") => "HLG",
            _ => return Some(format!("{entry} has neither the brand db1p nor db4h")),
        };
        if attributes.get("VIDEO-RANGE").is_some_and(|declared| declared != range) {
            return Some(format!("{entry} is over a base of {range}, and VIDEO-RANGE says something else"));
        }
    }
    None
}

/// Whether a decoder configuration of H.265 has the SEI by which PQ is HDR10 (ISO/IEC 14496-15 §8.3.3.1).
pub(super) fn is_hdr10(record: &[u8]) -> bool {
    has_mastering_display(record).unwrap_or(false)
}

fn has_mastering_display(record: &[u8]) -> Option<bool> {
    let mut fields = Fields::of(record, &(22..record.len()));
    for _ in 0..fields.u8()? {
        let kind = fields.u8()? & 0x3f;
        for _ in 0..fields.u16()? {
            let length = usize::from(fields.u16()?);
            let unit = fields.rest().get(..length)?;
            fields.skip(length)?;
            if kind == PREFIX_SEI && holds(unit, MASTERING_DISPLAY) {
                return Some(true);
            }
        }
    }
    Some(false)
}

/// Whether a SEI unit has a payload of this kind (ITU-T H.265 §7.3.5), behind the two bytes of its header.
fn holds(unit: &[u8], wanted: usize) -> bool {
    let mut fields = Fields::of(unit, &(2..unit.len()));
    while let Some(kind) = number(&mut fields) {
        let Some(bytes) = number(&mut fields) else { break };
        if kind == wanted {
            return true;
        }
        fields.skip(bytes);
    }
    false
}

/// A sum of bytes of which the first that is not 255 is the last.
fn number(fields: &mut Fields<'_>) -> Option<usize> {
    let mut sum: usize = 0;
    loop {
        let byte = fields.u8()?;
        sum = sum.saturating_add(usize::from(byte));
        if byte < 255 {
            return Some(sum);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_over_a_base_is_supplemental_and_fits_its_base() {
        let cases = [
            ("CODECS=\"hvc1.2.4\",SUPPLEMENTAL-CODECS=\"dvh1.08.07/db1p\",VIDEO-RANGE=PQ", None),
            ("CODECS=\"hvc1.2.4\",SUPPLEMENTAL-CODECS=\"dvh1.08.07/db4h\",VIDEO-RANGE=HLG", None),
            ("CODECS=\"av01.0.13M.10\",SUPPLEMENTAL-CODECS=\"dav1.10.09/db4h\",VIDEO-RANGE=HLG", None),
            ("CODECS=\"dav1.10.09\",VIDEO-RANGE=PQ", None),
            ("CODECS=\"dvh1.05.06\",VIDEO-RANGE=PQ", None),
            ("CODECS=\"dvh1.08.07\",VIDEO-RANGE=PQ", Some("belongs in")),
            ("CODECS=\"av01.0.13M.10,dav1.10.09\",VIDEO-RANGE=PQ", Some("belongs in")),
            ("CODECS=\"avc1.64001f\",SUPPLEMENTAL-CODECS=\"dvh1.08.07/db1p\"", Some("does not name")),
            ("CODECS=\"hvc1.2.4\",SUPPLEMENTAL-CODECS=\"dvh1.08.07\",VIDEO-RANGE=PQ", Some("neither")),
            ("CODECS=\"hvc1.2.4\",SUPPLEMENTAL-CODECS=\"dvh1.08.07/db2g\",VIDEO-RANGE=SDR", Some("neither")),
            ("CODECS=\"hvc1.2.4\",SUPPLEMENTAL-CODECS=\"dvh1.08.07/db4h\",VIDEO-RANGE=PQ", Some("something else")),
        ];
        for (list, expected) in cases {
            let told = vision(&Attributes::read(list));
            let is_expected =
                expected.map_or(told.is_none(), |part| told.as_ref().is_some_and(|told| told.contains(part)));
            assert!(is_expected, "{list}: {told:?}");
        }
    }

    #[test]
    fn hdr10_is_told_by_its_mastering_display() {
        let record = |kind: u8, unit: &[u8]| {
            let length = u16::try_from(unit.len()).unwrap().to_be_bytes();
            [&[0; 22][..], &[1, 0x80 | kind, 0, 1], &length, unit].concat()
        };
        let others: Vec<u8> = [&[78, 1, 255, 2, 1, 0][..], &[144, 4, 0, 0, 0, 0], &[0x80]].concat();
        let mastering: Vec<u8> = [&others[..12], &[137, 24], &[0; 24], &[0x80]].concat();
        assert!(is_hdr10(&record(39, &mastering)));
        assert!(!is_hdr10(&record(39, &others)));
        assert!(!is_hdr10(&record(33, &mastering)));
        for bytes in 0..record(39, &others).len() {
            assert!(!is_hdr10(&record(39, &others)[..bytes]), "{bytes}");
        }
    }
}
