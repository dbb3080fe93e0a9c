//! Units between the start codes of a byte stream (ITU-T H.264 annex B, H.265 annex B, ISO 13818-2 §6.2.1).

/// Where units start, behind their start codes. Lazy: whoever stops at a picture does not search it.
pub(super) fn starts(data: &[u8]) -> impl Iterator<Item = usize> {
    let mut from = 0;
    std::iter::from_fn(move || {
        from = start_code(data, from)?;
        Some(from)
    })
}

/// The unit that starts there, without the zeros behind it, which are the next start code's or nobody's.
pub(super) fn unit(data: &[u8], start: usize) -> &[u8] {
    let end = start_code(data, start).map_or(data.len(), |next| next - 3);
    let mut unit = data.get(start..end).unwrap_or_default();
    while let [rest @ .., 0] = unit {
        unit = rest;
    }
    unit
}

/// The place behind the next start code `00 00 01`.
fn start_code(data: &[u8], from: usize) -> Option<usize> {
    let rest = data.get(from..)?;
    rest.windows(3).position(|three| three == [0, 0, 1]).map(|at| from + at + 3)
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn zeros_behind_a_unit_are_no_part_of_it() {
        let data = [0, 0, 0, 1, 9, 0xf0, 0, 0, 0, 0, 1, 0x67, 0, 7, 0, 0];
        let units: Vec<&[u8]> = starts(&data).map(|start| unit(&data, start)).collect();
        assert_eq!(units, [&[9_u8, 0xf0][..], &[0x67, 0, 7]]);
    }

    proptest! {
        #[test]
        fn units_lie_one_behind_the_other_and_hold_no_start_code(
            data in prop::collection::vec(prop_oneof![3 => Just(0_u8), 2 => Just(1), 1 => any::<u8>()], 0..200),
        ) {
            let mut end = 0;
            for start in starts(&data) {
                prop_assert!(data[..start].ends_with(&[0, 0, 1]) && end + 3 <= start);
                let unit = unit(&data, start);
                prop_assert!(!unit.ends_with(&[0]) && !unit.windows(3).any(|three| three == [0, 0, 1]));
                end = start + unit.len();
                prop_assert_eq!(&data[start..end], unit);
            }
        }
    }
}
