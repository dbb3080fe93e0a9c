//! NAL units of a sample: whether its picture is an IDR, and whether captions ride along (CTA-708 in SEI).

/// Units looked at in one sample.
const UNITS_MAX: usize = 256;
/// Bytes of a unit in which captions are looked for; they come first in theirs.
const SEI_BYTES_MAX: usize = 4096;
/// `user_data_registered_itu_t_t35` (ITU-T H.264 §D.1.6): country, provider and `GA94` of ATSC A/53 captions.
const CAPTIONS: &[u8] = &[0xb5, 0x00, 0x31, b'G', b'A', b'9', b'4', 0x03];

/// How a picture is coded.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) struct Picture {
    /// The first slice is of an IDR picture.
    pub(super) idr: bool,
    /// There is a slice, and every unit has its length.
    pub(super) whole: bool,
}

/// Reads as many units as there are bytes; H.265 if `hevc`, else H.264.
pub(super) fn picture(sample: &[u8], length_bytes: usize, hevc: bool) -> Picture {
    let mut rest = sample;
    let mut picture = Picture::default();
    let mut slice = None;
    for _ in 0..UNITS_MAX {
        let Some((unit, after)) = first_unit(rest, length_bytes) else { break };
        rest = after;
        let Some(header) = unit.first() else { continue };
        let (kind, slices, idr) = if hevc {
            let kind = header >> 1 & 0x3f;
            (kind, kind < 32, matches!(kind, 19 | 20))
        } else {
            let kind = header & 0x1f;
            (kind, (1..=5).contains(&kind), kind == 5)
        };
        if slices && slice.is_none() {
            slice = Some(kind);
            picture.idr = idr;
        }
    }
    picture.whole = rest.is_empty() && slice.is_some();
    picture
}

/// Whether captions ride along with any of the samples, which lie one behind the other.
pub(super) fn captions(samples: &[u8], length_bytes: usize, hevc: bool) -> bool {
    let mut rest = samples;
    while let Some((unit, after)) = first_unit(rest, length_bytes) {
        let sei = unit.first().is_some_and(|header| if hevc { header >> 1 & 0x3f == 39 } else { header & 0x1f == 6 });
        let head = unit.get(..SEI_BYTES_MAX).unwrap_or(unit);
        if sei && head.windows(CAPTIONS.len()).any(|window| window == CAPTIONS) {
            return true;
        }
        rest = after;
    }
    false
}

/// The first unit and what lies behind it; `None` at the end, or if it is cut short.
fn first_unit(bytes: &[u8], length_bytes: usize) -> Option<(&[u8], &[u8])> {
    let (length, after) = bytes.split_at_checked(length_bytes)?;
    let length = length.iter().fold(0_usize, |sum, byte| sum << 8 | usize::from(*byte));
    after.split_at_checked(length)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn unit(header: &[u8]) -> Vec<u8> {
        let mut bytes = u32::try_from(header.len()).unwrap().to_be_bytes().to_vec();
        bytes.extend(header);
        bytes
    }

    #[test]
    fn the_first_slice_decides() {
        let cases = [
            (vec![vec![9], vec![0x65, 1]], false, (true, true)),
            (vec![vec![0x41, 1], vec![0x65]], false, (false, true)),
            (vec![vec![9]], false, (false, false)),
            (vec![vec![0x26, 1]], true, (true, true)),
            (vec![vec![0x2a, 1]], true, (false, true)),
        ];
        for (units, hevc, (idr, whole)) in cases {
            let sample: Vec<u8> = units.iter().flat_map(|header| unit(header)).collect();
            let found = picture(&sample, 4, hevc);
            assert_eq!((found.idr, found.whole), (idr, whole), "{units:?}");
        }
        assert!(!picture(&[0, 0, 0, 9, 0x65], 4, false).whole);
    }

    #[test]
    fn captions_are_seen() {
        let mut sei = vec![6, 4, 20];
        sei.extend(CAPTIONS);
        // In a sample behind others, too.
        let samples = [unit(&[0x65, 1]), unit(&[0x41, 1]).repeat(UNITS_MAX), unit(&sei)].concat();
        assert!(captions(&samples, 4, false));
        assert!(!captions(&samples, 4, true) && !captions(&samples[..samples.len() - 1], 4, false));
    }

    #[test]
    fn so_many_units_are_looked_at_and_so_many_bytes_of_one_for_captions() {
        for (before, found) in [(UNITS_MAX - 1, true), (UNITS_MAX, false)] {
            let sample = [unit(&[9]).repeat(before), unit(&[0x65, 1])].concat();
            assert_eq!(picture(&sample, 4, false), Picture { idr: found, whole: found }, "{before}");
        }
        for (before, found) in [(SEI_BYTES_MAX - CAPTIONS.len(), true), (SEI_BYTES_MAX - CAPTIONS.len() + 1, false)] {
            let sei = [vec![6; before], CAPTIONS.to_vec()].concat();
            assert_eq!(captions(&unit(&sei), 4, false), found, "{before}");
        }
    }
}
