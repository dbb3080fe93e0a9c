//! The `Range` header (RFC 9110 §14.2), one range at a time. Pure.

use std::ops::Range;

/// What a `Range` header asks of a representation.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Wanted {
    /// Nothing that is understood or supported: the whole representation is sent.
    Whole,
    /// These bytes; never empty and never past the end.
    Part(Range<u64>),
    /// Bytes that the representation does not have.
    Unsatisfiable,
}

/// Reads a header value against a representation of `size` bytes.
///
/// Several ranges are ignored, which RFC 9110 §14.2 allows: no player of ours needs them, and
/// overlapping ones are a way to ask for more bytes than there are.
pub(crate) fn parse(value: &str, size: u64) -> Wanted {
    let Some((unit, set)) = value.split_once('=') else { return Wanted::Whole };
    if !unit.trim().eq_ignore_ascii_case("bytes") {
        return Wanted::Whole;
    }
    let mut specs = set.split(',').map(|spec| spec.trim_matches([' ', '\t'])).filter(|spec| !spec.is_empty());
    match (specs.next(), specs.next()) {
        (Some(spec), None) => one(spec, size),
        (Some(_), Some(_)) => Wanted::Whole,
        // An empty set of ranges holds no satisfiable one.
        (None, _) => Wanted::Unsatisfiable,
    }
}

fn one(spec: &str, size: u64) -> Wanted {
    let Some((first, last)) = spec.split_once('-') else { return Wanted::Whole };
    if first.is_empty() {
        return match number(last) {
            Some(0) => Wanted::Unsatisfiable,
            Some(_) if size == 0 => Wanted::Unsatisfiable,
            Some(suffix) => Wanted::Part(size.saturating_sub(suffix)..size),
            None => Wanted::Whole,
        };
    }
    let Some(start) = number(first) else { return Wanted::Whole };
    let end = match number(last) {
        _ if last.is_empty() => size,
        Some(last) if last < start => return Wanted::Whole,
        Some(last) => last.saturating_add(1).min(size),
        None => return Wanted::Whole,
    };
    if start >= size { Wanted::Unsatisfiable } else { Wanted::Part(start..end) }
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
        use Wanted::{Part, Unsatisfiable, Whole};
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
            ("bytes=0-1,4-5", Whole),
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
        fn a_part_is_never_empty_nor_past_the_end(value in "bytes=[0-9, -]{0,24}", size: u64) {
            if let Wanted::Part(part) = parse(&value, size) {
                prop_assert!(part.start < part.end && part.end <= size);
            }
        }
    }
}
