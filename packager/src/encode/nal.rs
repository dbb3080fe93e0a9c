//! H.264 samples with four-byte lengths (ISO/IEC 14496-15 §5.3.3): what must not be in them is taken out.

use std::borrow::Cow;

const LENGTH_BYTES: usize = 4;
/// NAL unit types (ITU-T H.264 table 7-1) that `avc1` samples do not carry: parameter sets, which are
/// in the `avcC`, and access unit delimiters, which only cost bytes.
const LEFT_OUT: [u8; 3] = [7, 8, 9];

/// The NAL units of a sample; `None` if a length is wrong.
pub(crate) fn units(sample: &[u8]) -> Option<Vec<&[u8]>> {
    let mut units = Vec::new();
    let mut rest = sample;
    while !rest.is_empty() {
        let (prefix, tail) = rest.split_first_chunk::<LENGTH_BYTES>()?;
        let length = usize::try_from(u32::from_be_bytes(*prefix)).ok()?;
        let (unit, next) = tail.split_at_checked(length)?;
        units.push(unit);
        rest = next;
    }
    Some(units)
}

/// The type of a NAL unit (ITU-T H.264 table 7-1); 0 for an empty one.
pub(crate) fn unit_type(unit: &[u8]) -> u8 {
    unit.first().map_or(0, |header| header & 0x1f)
}

/// The sample without parameter sets and delimiters; a malformed one comes back as it is.
pub(crate) fn without_parameter_sets(sample: &[u8]) -> Cow<'_, [u8]> {
    let Some(units) = units(sample) else { return Cow::Borrowed(sample) };
    let is_left_out = |unit: &&[u8]| LEFT_OUT.contains(&unit_type(unit));
    if !units.iter().any(is_left_out) {
        return Cow::Borrowed(sample);
    }
    let mut bytes = Vec::with_capacity(sample.len());
    for unit in units.into_iter().filter(|unit| !is_left_out(unit)) {
        bytes.extend_from_slice(&u32::try_from(unit.len()).unwrap_or(u32::MAX).to_be_bytes());
        bytes.extend_from_slice(unit);
    }
    Cow::Owned(bytes)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn sample(units: &[&[u8]]) -> Vec<u8> {
        units.iter().flat_map(|unit| [&u32::try_from(unit.len()).unwrap().to_be_bytes()[..], unit].concat()).collect()
    }

    #[test]
    fn parameter_sets_and_delimiters_are_left_out() {
        let full = sample(&[&[0x09, 0xf0], &[0x67, 1, 2], &[0x68, 3], &[0x65, 9, 9, 9]]);
        assert_eq!(without_parameter_sets(&full), sample(&[&[0x65, 9, 9, 9]]));
    }

    #[test]
    fn other_samples_are_not_copied() {
        let plain = sample(&[&[0x06, 5], &[0x41, 1, 2, 3]]);
        assert!(matches!(without_parameter_sets(&plain), Cow::Borrowed(same) if same == plain));
        let cut = [0, 0, 0, 9, 0x67, 1];
        assert!(matches!(without_parameter_sets(&cut), Cow::Borrowed(same) if same == cut));
    }
}
