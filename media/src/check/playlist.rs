//! The text of a playlist: its lines and tags with their numbers, and what is wrong with it as text.
//!
//! Tolerant by intent: a rule can only be judged on a playlist that breaks it if reading does not stop there.

use std::collections::BTreeMap;

/// Lines of one playlist; a film of ten hours with an I-frame a second has half of them.
const LINES_MAX: usize = 1 << 18;

/// A line as it was served, and what it is.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Kind {
    /// `#EXT…`: its name without `#`, and what follows the colon.
    Tag { name: String, value: String },
    /// A URI on a line of its own.
    Uri(String),
}

/// One line that says something.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Line {
    /// Its number, from 1.
    pub(super) number: usize,
    pub(super) kind: Kind,
}

/// The text of one playlist.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(super) struct Text {
    /// Tags and URIs in order; comments and blank lines are left out.
    pub(super) lines: Vec<Line>,
    /// What RFC 8216bis §4.1 and §4.4.1.1 forbid, with the line.
    pub(super) faults: Vec<(usize, &'static str)>,
}

/// One value of an attribute list (§4.2).
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Value {
    pub(super) text: String,
    pub(super) quoted: bool,
}

/// An attribute list; the first of equal names counts.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(super) struct Attributes(BTreeMap<String, Value>);

// === impl Text ===

impl Text {
    pub(super) fn read(bytes: &[u8]) -> Self {
        let mut text = Self::default();
        if bytes.starts_with(b"\xef\xbb\xbf") {
            text.faults.push((1, "it begins with a byte order mark"));
        }
        let decoded = String::from_utf8_lossy(bytes);
        if decoded.contains('\u{fffd}') && std::str::from_utf8(bytes).is_err() {
            text.faults.push((0, "it is not UTF-8"));
        }
        let decoded = decoded.trim_start_matches('\u{feff}');
        if decoded.lines().next() != Some("#EXTM3U") {
            text.faults.push((1, "its first line is not #EXTM3U"));
        }
        if decoded.lines().nth(LINES_MAX).is_some() {
            text.faults.push((LINES_MAX, "it has more lines than are read"));
        }
        for (number, line) in (1..).zip(decoded.lines().take(LINES_MAX)) {
            // `lines` has taken the CR of a CRLF.
            if line.chars().any(char::is_control) {
                text.faults.push((number, "a control character"));
            }
            text.line(number, line);
        }
        text
    }

    fn line(&mut self, number: usize, line: &str) {
        let kind = match line.strip_prefix('#') {
            Some(tag) if tag.starts_with("EXT") => {
                let (name, value) = tag.split_once(':').unwrap_or((tag, ""));
                Kind::Tag { name: name.to_owned(), value: value.to_owned() }
            }
            Some(_) => return,
            None if line.trim().is_empty() => return,
            None => Kind::Uri(line.trim().to_owned()),
        };
        self.lines.push(Line { number, kind });
    }

    /// Whether it is a playlist at all.
    pub(super) fn is_playlist(&self) -> bool {
        self.has("EXTM3U")
    }

    /// Whether it lists variants; else it lists segments.
    pub(super) fn is_multivariant(&self) -> bool {
        const OWN: [&str; 5] = [
            "EXT-X-STREAM-INF",
            "EXT-X-I-FRAME-STREAM-INF",
            "EXT-X-MEDIA",
            "EXT-X-IMAGE-STREAM-INF",
            "EXT-X-SESSION-KEY",
        ];
        OWN.iter().any(|name| self.has(name))
    }

    pub(super) fn has(&self, name: &str) -> bool {
        self.tags(name).next().is_some()
    }

    /// Every tag: line number, name, value.
    pub(super) fn all_tags(&self) -> impl Iterator<Item = (usize, &str, &str)> {
        self.lines.iter().filter_map(|line| match &line.kind {
            Kind::Tag { name, value } => Some((line.number, name.as_str(), value.as_str())),
            Kind::Uri(_) => None,
        })
    }

    /// The tags of this name: line number and value.
    pub(super) fn tags(&self, wanted: &str) -> impl Iterator<Item = (usize, &str)> {
        let found = move |&(_, name, _): &(usize, &str, &str)| name == wanted;
        self.all_tags().filter(found).map(|(number, _, value)| (number, value))
    }

    /// The value of the first tag of this name.
    pub(super) fn value(&self, name: &str) -> Option<&str> {
        self.tags(name).next().map(|(_, value)| value)
    }
}

// === impl Attributes ===

impl Attributes {
    /// Reads what can be read; a part without `=` is skipped.
    pub(super) fn read(list: &str) -> Self {
        let mut values = BTreeMap::new();
        let mut rest = list;
        while let Some((name, after)) = rest.split_once('=') {
            let (value, next) = if let Some(quoted) = after.strip_prefix('"') {
                let (text, next) = quoted.split_once('"').unwrap_or((quoted, ""));
                (Value { text: text.to_owned(), quoted: true }, next.split_once(',').map_or("", |(_, next)| next))
            } else {
                let (text, next) = after.split_once(',').unwrap_or((after, ""));
                (Value { text: text.trim().to_owned(), quoted: false }, next)
            };
            values.entry(name.trim().to_owned()).or_insert(value);
            rest = next;
        }
        Self(values)
    }

    pub(super) fn value(&self, name: &str) -> Option<&Value> {
        self.0.get(name)
    }

    pub(super) fn get(&self, name: &str) -> Option<&str> {
        self.0.get(name).map(|value| value.text.as_str())
    }

    pub(super) fn has(&self, name: &str) -> bool {
        self.0.contains_key(name)
    }

    /// A decimal integer.
    pub(super) fn number(&self, name: &str) -> Option<u64> {
        self.get(name)?.parse().ok()
    }

    /// `WIDTHxHEIGHT`.
    pub(super) fn resolution(&self, name: &str) -> Option<(u32, u32)> {
        pair(self.get(name)?)
    }

    pub(super) fn iter(&self) -> impl Iterator<Item = (&str, &str)> {
        self.0.iter().map(|(name, value)| (name.as_str(), value.text.as_str()))
    }
}

/// Two numbers with an `x` between.
pub(super) fn pair(text: &str) -> Option<(u32, u32)> {
    let (left, right) = text.split_once('x')?;
    Some((left.trim().parse().ok()?, right.trim().parse().ok()?))
}

/// Decimal seconds as microseconds, digits beyond the sixth rounded; `None` if that is no such number.
pub(super) fn micros(seconds: &str) -> Option<u64> {
    let (whole, fraction) = seconds.trim().split_once('.').unwrap_or((seconds.trim(), ""));
    let digits = |text: &str| text.bytes().all(|byte| byte.is_ascii_digit());
    if whole.is_empty() || !digits(whole) || !digits(fraction) {
        return None;
    }
    let mut us: u64 = 0;
    for place in 0..6 {
        us = us * 10 + fraction.as_bytes().get(place).map_or(0, |digit| u64::from(digit - b'0'));
    }
    let up = fraction.as_bytes().get(6).is_some_and(|digit| *digit >= b'5');
    whole.parse::<u64>().ok()?.checked_mul(1_000_000)?.checked_add(us + u64::from(up))
}

/// `n[@o]` of a byte range.
pub(super) fn byte_range(text: &str) -> Option<(u64, Option<u64>)> {
    match text.trim().split_once('@') {
        Some((length, offset)) => Some((length.parse().ok()?, Some(offset.parse().ok()?))),
        None => Some((text.trim().parse().ok()?, None)),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn attribute_lists_are_read_with_quotes_commas_and_gaps() {
        let list = Attributes::read("A=1,B=\"x,y=z\", C=4x3,broken,D=\"\"");
        assert_eq!((list.number("A"), list.get("B"), list.resolution("C")), (Some(1), Some("x,y=z"), Some((4, 3))));
        assert!(list.value("B").unwrap().quoted && !list.value("A").unwrap().quoted);
    }

    #[test]
    fn seconds_are_exact_to_the_microsecond() {
        let cases = [
            ("4.004", Some(4_004_000)),
            ("6", Some(6_000_000)),
            ("0.0000005", Some(1)),
            ("1.2x", None),
            ("-1", None),
            (".5", None),
            ("99999999999999999999", None),
        ];
        for (text, us) in cases {
            assert_eq!(micros(text), us, "{text}");
        }
    }

    #[test]
    fn what_is_wrong_as_text_is_found() {
        let faults = |bytes: &[u8]| Text::read(bytes).faults.iter().map(|fault| fault.0).collect::<Vec<_>>();
        assert_eq!(faults(b"#EXTM3U\r\n#EXT-X-ENDLIST\r\n"), Vec::<usize>::new());
        assert_eq!(faults(b"\xef\xbb\xbf#EXTM3U\n"), [1]);
        assert_eq!(faults(b"#EXTM3U \n"), [1]);
        assert_eq!(faults(b"#EXTM3U\n#EXT\x07\n"), [2]);
        assert_eq!(faults(b"#EXTM3U\n#\xff\n"), [0]);
        let long = |lines: usize| faults(("#EXTM3U\n".to_owned() + &"#\n".repeat(lines - 1)).as_bytes());
        assert_eq!([LINES_MAX, LINES_MAX + 1].map(long), [vec![], vec![LINES_MAX]]);
    }
}
