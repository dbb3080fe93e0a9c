//! Preconditions and ranges in the order of RFC 9110 §13.2.2. Pure.

use std::{ops::Range, time::UNIX_EPOCH};

use http::{HeaderMap, HeaderValue, header};

use super::range::{self, Wanted};

/// What is to be sent of a representation.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Verdict {
    /// 200 and everything.
    Whole,
    /// 206 and these bytes.
    Part(Range<u64>),
    /// 206 and these parts.
    Parts(Vec<Range<u64>>),
    /// 304.
    NotModified,
    /// 412.
    PreconditionFailed,
    /// 416.
    Unsatisfiable,
}

/// What conditions are judged against.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Validators<'a> {
    /// The strong entity tag.
    pub(crate) etag: &'a HeaderValue,
    /// `Last-Modified`, in seconds since the Unix epoch; without one, conditions on dates are ignored.
    pub(crate) modified_s: Option<u64>,
    /// Whether parts are served.
    pub(crate) has_ranges: bool,
}

/// Judges a GET or HEAD for a representation of `size` bytes. A HEAD is told what a GET would be (§9.3.2).
pub(crate) fn judge(headers: &HeaderMap, validators: Validators<'_>, size: u64) -> Verdict {
    let Validators { etag, modified_s, has_ranges } = validators;
    let is_this = |tag: &[u8]| tag == etag.as_bytes();
    match lists(headers, &header::IF_MATCH, Comparison::Strong, is_this) {
        Some(false) => return Verdict::PreconditionFailed,
        None if is_older(date(headers, &header::IF_UNMODIFIED_SINCE), modified_s) => {
            return Verdict::PreconditionFailed;
        }
        _ => {}
    }
    match lists(headers, &header::IF_NONE_MATCH, Comparison::Weak, is_this) {
        Some(true) => return Verdict::NotModified,
        None if is_current(date(headers, &header::IF_MODIFIED_SINCE), modified_s) => return Verdict::NotModified,
        _ => {}
    }
    if !has_ranges || !holds_if_range(headers, etag, modified_s) {
        return Verdict::Whole;
    }
    let mut ranges = headers.get_all(header::RANGE).iter();
    let (Some(value), None) = (ranges.next(), ranges.next()) else { return Verdict::Whole };
    match value.to_str().map(|text| range::parse(text, size)) {
        Ok(Wanted::Part(part)) => Verdict::Part(part),
        Ok(Wanted::Parts(parts)) => Verdict::Parts(parts),
        Ok(Wanted::Unsatisfiable) => Verdict::Unsatisfiable,
        Ok(Wanted::Whole) | Err(_) => Verdict::Whole,
    }
}

/// Whether there is an `If-Match` of which no strong entity tag, quotes included, is meant.
pub(crate) fn fails_if_match(headers: &HeaderMap, is_meant: impl Fn(&[u8]) -> bool) -> bool {
    lists(headers, &header::IF_MATCH, Comparison::Strong, is_meant) == Some(false)
}

#[derive(Clone, Copy, PartialEq, Eq)]
enum Comparison {
    Strong,
    Weak,
}

/// Whether a header lists an entity tag that is meant; `None` without such a header.
fn lists(
    headers: &HeaderMap,
    name: &header::HeaderName,
    comparison: Comparison,
    is_meant: impl Fn(&[u8]) -> bool,
) -> Option<bool> {
    let mut found = None;
    for value in headers.get_all(name) {
        found = Some(found.unwrap_or(false) || is_listed(value.as_bytes(), comparison, &is_meant));
    }
    found
}

fn is_listed(mut list: &[u8], comparison: Comparison, is_meant: impl Fn(&[u8]) -> bool) -> bool {
    if list.trim_ascii() == b"*" {
        return true;
    }
    loop {
        while let Some(rest) = list.strip_prefix(b",").or(list.strip_prefix(b" ")).or(list.strip_prefix(b"\t")) {
            list = rest;
        }
        let (weak, quoted) = match list.strip_prefix(b"W/") {
            Some(rest) => (true, rest),
            None => (false, list),
        };
        let Some(inside) = quoted.strip_prefix(b"\"") else { return false };
        let Some(length) = inside.iter().position(|&byte| byte == b'"') else { return false };
        let (Some(tag), Some(rest)) = (quoted.get(..length + 2), quoted.get(length + 2..)) else { return false };
        // Our own tags are strong, so only the listed one can spoil a strong comparison.
        if is_meant(tag) && (comparison == Comparison::Weak || !weak) {
            return true;
        }
        list = rest;
    }
}

/// The one date of a header, in seconds since the Unix epoch; what is no date is ignored (§13.1.3, §13.1.4).
fn date(headers: &HeaderMap, name: &header::HeaderName) -> Option<u64> {
    let mut values = headers.get_all(name).iter();
    let (Some(value), None) = (values.next(), values.next()) else { return None };
    parse_date(value)
}

fn parse_date(value: &HeaderValue) -> Option<u64> {
    let time = httpdate::parse_http_date(value.to_str().ok()?).ok()?;
    time.duration_since(UNIX_EPOCH).ok().map(|since| since.as_secs())
}

fn is_older(date: Option<u64>, modified_s: Option<u64>) -> bool {
    matches!((date, modified_s), (Some(date), Some(modified)) if date < modified)
}

fn is_current(date: Option<u64>, modified_s: Option<u64>) -> bool {
    matches!((date, modified_s), (Some(date), Some(modified)) if modified <= date)
}

/// §13.1.5: without the header the range holds; with it, only for exactly this strong entity tag or date.
fn holds_if_range(headers: &HeaderMap, etag: &HeaderValue, modified_s: Option<u64>) -> bool {
    let mut values = headers.get_all(header::IF_RANGE).iter();
    match (values.next(), values.next()) {
        (None, _) => true,
        (Some(value), None) => value == etag || (modified_s.is_some() && parse_date(value) == modified_s),
        (Some(_), Some(_)) => false,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const ETAG: &str = "\"a,b\"";
    const BEFORE: &str = "Sun, 22 Nov 2026 00:00:00 GMT";
    const MODIFIED: &str = "Sun, 22 Nov 2026 00:00:01 GMT";
    const AFTER: &str = "Sun, 22 Nov 2026 00:00:02 GMT";

    fn verdict(headers: &[(&'static str, &str)], modified_s: Option<u64>, has_ranges: bool) -> Verdict {
        let mut map = HeaderMap::new();
        for (name, value) in headers {
            map.append(*name, value.parse().unwrap());
        }
        judge(&map, Validators { etag: &HeaderValue::from_static(ETAG), modified_s, has_ranges }, 100)
    }

    #[test]
    fn conditions_come_in_order() {
        use Verdict::{NotModified, Part, Parts, PreconditionFailed, Unsatisfiable, Whole};
        let modified_s = parse_date(&MODIFIED.parse().unwrap());
        assert_eq!(modified_s, Some(1_795_305_601));
        let cases: [(&[(&str, &str)], Verdict); 38] = [
            (&[], Whole),
            (&[("if-none-match", ETAG)], NotModified),
            (&[("if-none-match", "W/\"a,b\"")], NotModified),
            (&[("if-none-match", "\"x\", W/\"y\",\"a,b\"")], NotModified),
            (&[("if-none-match", "\"x\""), ("if-none-match", ETAG)], NotModified),
            (&[("if-none-match", "*")], NotModified),
            (&[("if-none-match", "\"a\"")], Whole),
            (&[("if-none-match", "a,b")], Whole),
            (&[("if-match", ETAG)], Whole),
            (&[("if-match", "*")], Whole),
            (&[("if-match", "W/\"a,b\"")], PreconditionFailed),
            (&[("if-match", "\"x\""), ("if-none-match", ETAG)], PreconditionFailed),
            (&[("if-none-match", ETAG), ("range", "bytes=0-1")], NotModified),
            (&[("if-modified-since", BEFORE)], Whole),
            (&[("if-modified-since", MODIFIED)], NotModified),
            (&[("if-modified-since", AFTER), ("range", "bytes=0-1")], NotModified),
            (&[("if-modified-since", "yesterday")], Whole),
            (&[("if-modified-since", AFTER), ("if-modified-since", AFTER)], Whole),
            (&[("if-none-match", "\"x\""), ("if-modified-since", AFTER)], Whole),
            (&[("if-unmodified-since", BEFORE)], PreconditionFailed),
            (&[("if-unmodified-since", MODIFIED)], Whole),
            (&[("if-unmodified-since", AFTER)], Whole),
            (&[("if-unmodified-since", "never")], Whole),
            (&[("if-match", ETAG), ("if-unmodified-since", BEFORE)], Whole),
            (&[("if-unmodified-since", BEFORE), ("if-none-match", ETAG)], PreconditionFailed),
            (&[("range", "bytes=0-1")], Part(0..2)),
            (&[("range", "bytes=0-1,4-4")], Parts(vec![0..2, 4..5])),
            (&[("range", "bytes=0-1"), ("range", "bytes=0-1")], Whole),
            (&[("range", "bytes=0-1"), ("if-range", ETAG)], Part(0..2)),
            (&[("range", "bytes=0-1"), ("if-range", "W/\"a,b\"")], Whole),
            (&[("range", "bytes=0-1"), ("if-range", BEFORE)], Whole),
            (&[("range", "bytes=0-1"), ("if-range", MODIFIED)], Part(0..2)),
            (&[("range", "bytes=0-1"), ("if-range", AFTER)], Whole),
            (&[("range", "bytes=0-1"), ("if-range", "soon")], Whole),
            (&[("range", "bytes=0-1"), ("if-range", ETAG), ("if-range", ETAG)], Whole),
            (&[("range", "bytes=100-"), ("if-range", ETAG)], Unsatisfiable),
            (&[("range", "bytes=100-"), ("if-range", "\"x\"")], Whole),
            (&[("if-range", "\"x\"")], Whole),
        ];
        for (headers, expected) in cases {
            assert_eq!(verdict(headers, modified_s, true), expected, "{headers:?}");
        }
    }

    #[test]
    fn what_has_no_date_or_no_ranges_ignores_those() {
        for name in ["if-modified-since", "if-unmodified-since"] {
            for date in [BEFORE, AFTER] {
                assert_eq!(verdict(&[(name, date)], None, true), Verdict::Whole, "{name}: {date}");
            }
        }
        assert_eq!(verdict(&[("range", "bytes=0-1"), ("if-range", "soon")], None, true), Verdict::Whole);
        assert_eq!(verdict(&[("range", "bytes=0-1")], None, false), Verdict::Whole);
    }
}
