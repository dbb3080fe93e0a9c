//! NAL units of H.264 samples, as far as a checker must see them (ITU-T H.264 §7.3.1, ISO/IEC 14496-15 §5.3.2).

/// Coded slice of an IDR picture.
const IDR: u8 = 5;
/// Coded slices: 1 to 4 of other pictures, 5 of an IDR picture.
const SLICES: std::ops::RangeInclusive<u8> = 1..=IDR;

/// What the NAL units of a sample say.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Picture {
    /// The first slice is of an IDR picture.
    Idr,
    /// The first slice is of another picture.
    Other,
    /// There is no slice, or a length prefix is wrong.
    Broken,
}

/// Looks at each 4-byte length prefix of a sample, and at the type of its first slice.
pub(super) fn picture(sample: &[u8]) -> Picture {
    let mut rest = sample;
    let mut first_slice = None;
    while !rest.is_empty() {
        let Some((length, after)) = rest.split_first_chunk::<4>() else { return Picture::Broken };
        let length = usize::try_from(u32::from_be_bytes(*length)).unwrap_or(usize::MAX);
        let Some((unit, after)) = after.split_at_checked(length) else { return Picture::Broken };
        let Some(header) = unit.first() else { return Picture::Broken };
        let unit_type = header & 0x1f;
        if first_slice.is_none() && SLICES.contains(&unit_type) {
            first_slice = Some(unit_type);
        }
        rest = after;
    }
    match first_slice {
        Some(IDR) => Picture::Idr,
        Some(_) => Picture::Other,
        None => Picture::Broken,
    }
}
