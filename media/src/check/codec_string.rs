//! What follows the name of a format in CODECS, as the configuration of a sample entry has it.

use std::fmt::Write as _;

use super::boxes::Fields;

/// `.A4.41.L93.B0`, the part after `hvc1` (ISO/IEC 14496-15 annex E.3).
pub(super) fn hevc(record: &[u8]) -> Option<String> {
    let mut fields = Fields::of(record, &(1..record.len()));
    let profile = fields.u8()?;
    let compatibility = fields.u32()?.reverse_bits();
    let constraints: [u8; 6] = fields.array()?;
    let level = fields.u8()?;
    let space = match profile >> 6 {
        0 => "",
        1 => "A",
        2 => "B",
        _ => "C",
    };
    let tier = if profile & 0x20 == 0 { 'L' } else { 'H' };
    let mut text = format!(".{space}{}.{compatibility:X}.{tier}{level}", profile & 0x1f);
    let used = constraints.iter().rposition(|byte| *byte != 0).map_or(0, |last| last + 1);
    for byte in constraints.iter().take(used) {
        // Writing to a string cannot fail.
        let _ = write!(text, ".{byte:X}");
    }
    Some(text)
}

/// `.0.04M.08`, the part after `av01` that must be there (AV1 in ISOBMFF §5, the codec's parameters string).
pub(super) fn av1(record: &[u8]) -> Option<String> {
    let [_, profile_level, flags, ..] = *record else { return None };
    let tier = if flags >> 7 == 1 { 'H' } else { 'M' };
    let depth = match (flags >> 6 & 1, flags >> 5 & 1) {
        (0, _) => 8,
        (_, 0) => 10,
        _ => 12,
    };
    Some(format!(".{}.{:02}{tier}.{depth:02}", profile_level >> 5, profile_level & 0x1f))
}

/// `.00.10.08`, the part after `vp09` that must be there (VP codec in ISOBMFF, the codec's parameters string).
pub(super) fn vp9(record: &[u8]) -> Option<String> {
    let [_, _, _, _, profile, level, depth, ..] = *record else { return None };
    Some(format!(".{profile:02}.{level:02}.{:02}", depth >> 4))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_of_av1_and_vp9_have_what_must_be_there() {
        // Main, level 3.0; professional, level 5.1, high tier, 12 bits.
        assert_eq!(av1(&[0x81, 0x04, 0x0c, 0]).unwrap(), ".0.04M.08");
        assert_eq!(av1(&[0x81, 0x4d, 0xe0, 0]).unwrap(), ".2.13H.12");
        assert_eq!(av1(&[0x81, 0x4d]), None);
        // Profile 2, level 5.1, 10 bits.
        assert_eq!(vp9(&[1, 0, 0, 0, 2, 51, 0xa2, 9, 16, 9, 0, 0]).unwrap(), ".02.51.10");
        assert_eq!(vp9(&[1, 0, 0, 0, 2]), None);
    }
}
