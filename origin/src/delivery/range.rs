//! The `Range` header (RFC 9110 §14.2). Pure.

use std::ops::Range;

/// Ranges of one header; more are a way to make much work of little, and no player asks for so many.
const RANGES_MAX: usize = 8;

/// What a `Range` header asks of a representation.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Wanted {
    /// Nothing that is understood or supported: the whole representation is sent.
    Whole,
    /// These bytes; never empty and never past the end.
    Part(Range<u64>),
    /// Two or more such parts, in order and without overlap, so that together they are no more than there is.
    Parts(Vec<Range<u64>>),
    /// Bytes that the representation does not have.
    Unsatisfiable,
}

/// Reads a header value against a representation of `size` bytes.
///
/// Ranges that are too many, out of order or overlap are ignored, which RFC 9110 §14.2 allows: they are a
/// way to ask for more bytes than there are. Of several, those that cannot be had are left out.
pub(crate) fn parse(value: &str, size: u64) -> Wanted {
    let Some((unit, set)) = value.split_once('=') else { return Wanted::Whole };
    if !unit.trim().eq_ignore_ascii_case("bytes") {
        return Wanted::Whole;
    }
    let specs = set.split(',').map(|spec| spec.trim_matches([' ', '\t'])).filter(|spec| !spec.is_empty());
    let mut parts: Vec<Range<u64>> = Vec::new();
    for (place, spec) in specs.enumerate() {
        match one(spec, size) {
            Some(_) if place == RANGES_MAX => return Wanted::Whole,
            Some(part) if part.is_empty() => {}
            Some(part) if parts.last().is_some_and(|last| part.start < last.end) => return Wanted::Whole,
            Some(part) => parts.push(part),
            None => return Wanted::Whole,
        }
    }
    match (parts.pop(), parts.is_empty()) {
        // An empty set of ranges holds no satisfiable one.
        (None, _) => Wanted::Unsatisfiable,
        (Some(part), true) => Wanted::Part(part),
        (Some(part), false) => {
            parts.push(part);
            Wanted::Parts(parts)
        }
    }
}

/// The bytes of one range, empty if there are none; `None` for what is malformed.
fn one(spec: &str, size: u64) -> Option<Range<u64>> {
    let (first, last) = spec.split_once('-')?;
    if first.is_empty() {
        return Some(size.saturating_sub(number(last)?)..size);
    }
    let start = number(first)?;
    let end = if last.is_empty() { u64::MAX } else { number(last).filter(|&last| last >= start)?.saturating_add(1) };
    Some(start.min(size)..end.min(size))
}

/// Digits only; a number that no `u64` holds is not understood.
fn number(text: &str) -> Option<u64> {
    if text.bytes().all(|byte| byte.is_ascii_digit()) { text.parse().ok() } else { None }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn follows_the_table() {
        use Wanted::{Part, Parts, Unsatisfiable, Whole};
        let eight: Vec<String> = (0..8).map(|n| format!("{n}-{n}")).collect();
        let (eight, nine) = (format!("bytes={}", eight.join(",")), format!("bytes={},9-9", eight.join(",")));
        let cases = [
            ("bytes=0-0", Part(0..1)),
            ("bytes=0-1", Part(0..2)),
            ("bytes=5-", Part(5..100)),
            ("bytes=-10", Part(90..100)),
            ("bytes=-500", Part(0..100)),
            ("bytes=90-500", Part(90..100)),
            ("bytes=99-99", Part(99..100)),
            ("BYTES = 1-2", Part(1..3)),
            ("bytes=1-2,", Part(1..3)),
            ("bytes=100-", Unsatisfiable),
            ("bytes=100-200", Unsatisfiable),
            ("bytes=-0", Unsatisfiable),
            ("bytes=", Unsatisfiable),
            ("bytes=,", Unsatisfiable),
            ("bytes=5-3", Whole),
            ("bytes=0-1,4-5", Parts(vec![0..2, 4..6])),
            ("bytes= 0-1 ,\t4-5,, -3", Parts(vec![0..2, 4..6, 97..100])),
            ("bytes=0-1,2-3", Parts(vec![0..2, 2..4])),
            ("bytes=0-1,100-", Part(0..2)),
            ("bytes=-0,0-1,500-600", Part(0..2)),
            ("bytes=100-,200-", Unsatisfiable),
            ("bytes=4-5,0-1", Whole),
            ("bytes=0-5,3-9", Whole),
            ("bytes=0-,-1", Whole),
            ("bytes=0-1,x", Whole),
            (&eight, Parts((0..8).map(|n| n..n + 1).collect())),
            (&nine, Whole),
            ("bytes=a-b", Whole),
            ("bytes=+1-2", Whole),
            ("bytes=1-2x", Whole),
            ("bytes=-", Whole),
            ("bytes=18446744073709551616-", Whole),
            ("bytes=0-18446744073709551616", Whole),
            ("bytes=0-18446744073709551615", Part(0..100)),
            ("items=0-1", Whole),
            ("bytes", Whole),
            ("", Whole),
        ];
        for (value, wanted) in cases {
            assert_eq!(parse(value, 100), wanted, "{value}");
        }
        assert_eq!(parse("bytes=0-0", 0), Unsatisfiable);
        assert_eq!(parse("bytes=-1", 0), Unsatisfiable);
    }

    proptest! {
        #[test]
        fn parts_are_never_empty_nor_past_the_end_nor_overlap(value in "bytes=[0-9, -]{0,24}", size: u64) {
            let parts = match parse(&value, size) {
                Wanted::Part(part) => vec![part],
                Wanted::Parts(parts) => parts,
                Wanted::Whole | Wanted::Unsatisfiable => vec![],
            };
            let mut end = 0;
            for part in parts {
                prop_assert!(end <= part.start && part.start < part.end && part.end <= size);
                end = part.end;
            }
        }
    }
}
