//! Units between the start codes of a byte stream (ITU-T H.264 annex B, H.265 annex B, ISO 13818-2 §6.2.1).

/// Where units start, behind their start codes. Lazy: whoever stops at a picture does not search it.
pub(super) fn starts(data: &[u8]) -> impl Iterator<Item = usize> {
    let mut from = 0;
    std::iter::from_fn(move || {
        from = start_code(data, from)?;
        Some(from)
    })
}

/// The unit that starts there, without the zeros that belong to the next start code.
pub(super) fn unit(data: &[u8], start: usize) -> &[u8] {
    let Some(next) = start_code(data, start) else { return data.get(start..).unwrap_or_default() };
    let mut unit = data.get(start..next - 3).unwrap_or_default();
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
