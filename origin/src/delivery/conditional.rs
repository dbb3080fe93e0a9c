//! Preconditions and ranges in the order of RFC 9110 §13.2.2. Pure.
//!
//! There is no `Last-Modified`, so the two conditions on dates are ignored (§13.1.3, §13.1.4), and an
//! `If-Range` with a date never holds.

use std::ops::Range;

use http::{HeaderMap, HeaderValue, Method, header};

use super::range::{self, Wanted};

/// What is to be sent of a representation.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Verdict {
    /// 200 and everything.
    Whole,
    /// 206 and these bytes.
    Part(Range<u64>),
    /// 304.
    NotModified,
    /// 412.
    PreconditionFailed,
    /// 416.
    Unsatisfiable,
}

/// Judges a GET or HEAD for a representation with this entity tag and size.
pub(crate) fn judge(method: &Method, headers: &HeaderMap, etag: &HeaderValue, size: u64) -> Verdict {
    if fails_if_match(headers, etag) {
        return Verdict::PreconditionFailed;
    }
    if lists(headers, &header::IF_NONE_MATCH, etag, Comparison::Weak) == Some(true) {
        return Verdict::NotModified;
    }
    // §14.2: ranges are defined for GET alone.
    if method != Method::GET || !holds_if_range(headers, etag) {
        return Verdict::Whole;
    }
    let mut ranges = headers.get_all(header::RANGE).iter();
    let (Some(value), None) = (ranges.next(), ranges.next()) else { return Verdict::Whole };
    match value.to_str().map(|text| range::parse(text, size)) {
        Ok(Wanted::Part(part)) => Verdict::Part(part),
        Ok(Wanted::Unsatisfiable) => Verdict::Unsatisfiable,
        Ok(Wanted::Whole) | Err(_) => Verdict::Whole,
    }
}

/// Whether there is an `If-Match` that this entity tag does not meet.
pub(crate) fn fails_if_match(headers: &HeaderMap, etag: &HeaderValue) -> bool {
    lists(headers, &header::IF_MATCH, etag, Comparison::Strong) == Some(false)
}

#[derive(Clone, Copy, PartialEq, Eq)]
enum Comparison {
    Strong,
    Weak,
}

/// Whether the entity tag is in the lists of a header; `None` without such a header.
fn lists(headers: &HeaderMap, name: &header::HeaderName, etag: &HeaderValue, comparison: Comparison) -> Option<bool> {
    let mut found = None;
    for value in headers.get_all(name) {
        found = Some(found.unwrap_or(false) || is_listed(value.as_bytes(), etag.as_bytes(), comparison));
    }
    found
}

fn is_listed(mut list: &[u8], etag: &[u8], comparison: Comparison) -> bool {
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
        if tag == etag && (comparison == Comparison::Weak || !weak) {
            return true;
        }
        list = rest;
    }
}

/// §13.1.5: without the header the range holds; with it, only for exactly this strong entity tag.
fn holds_if_range(headers: &HeaderMap, etag: &HeaderValue) -> bool {
    let mut values = headers.get_all(header::IF_RANGE).iter();
    match (values.next(), values.next()) {
        (None, _) => true,
        (Some(value), None) => value == etag,
        (Some(_), Some(_)) => false,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const ETAG: &str = "\"a,b\"";

    fn verdict(headers: &[(&'static str, &str)]) -> Verdict {
        let mut map = HeaderMap::new();
        for (name, value) in headers {
            map.append(*name, value.parse().unwrap());
        }
        judge(&Method::GET, &map, &HeaderValue::from_static(ETAG), 100)
    }

    #[test]
    fn conditions_come_in_order() {
        let cases: [(&[(&str, &str)], Verdict); 20] = [
            (&[], Verdict::Whole),
            (&[("if-none-match", ETAG)], Verdict::NotModified),
            (&[("if-none-match", "W/\"a,b\"")], Verdict::NotModified),
            (&[("if-none-match", "\"x\", W/\"y\",\"a,b\"")], Verdict::NotModified),
            (&[("if-none-match", "\"x\""), ("if-none-match", ETAG)], Verdict::NotModified),
            (&[("if-none-match", "*")], Verdict::NotModified),
            (&[("if-none-match", "\"a\"")], Verdict::Whole),
            (&[("if-none-match", "a,b")], Verdict::Whole),
            (&[("if-match", ETAG)], Verdict::Whole),
            (&[("if-match", "*")], Verdict::Whole),
            (&[("if-match", "W/\"a,b\"")], Verdict::PreconditionFailed),
            (&[("if-match", "\"x\""), ("if-none-match", ETAG)], Verdict::PreconditionFailed),
            (&[("if-none-match", ETAG), ("range", "bytes=0-1")], Verdict::NotModified),
            (&[("if-none-match", "\"x\""), ("if-modified-since", "Sun, 22 Nov 2026 00:00:00 GMT")], Verdict::Whole),
            (&[("range", "bytes=0-1")], Verdict::Part(0..2)),
            (&[("range", "bytes=0-1"), ("range", "bytes=0-1")], Verdict::Whole),
            (&[("range", "bytes=0-1"), ("if-range", ETAG)], Verdict::Part(0..2)),
            (&[("range", "bytes=0-1"), ("if-range", "W/\"a,b\"")], Verdict::Whole),
            (&[("range", "bytes=0-1"), ("if-range", "Sun, 22 Nov 2026 00:00:00 GMT")], Verdict::Whole),
            (&[("range", "bytes=100-"), ("if-range", ETAG)], Verdict::Unsatisfiable),
        ];
        for (headers, expected) in cases {
            assert_eq!(verdict(headers), expected, "{headers:?}");
        }
    }

    #[test]
    fn head_knows_no_range() {
        let mut map = HeaderMap::new();
        map.insert("range", "bytes=0-1".parse().unwrap());
        assert_eq!(judge(&Method::HEAD, &map, &HeaderValue::from_static(ETAG), 100), Verdict::Whole);
    }
}
