//! Query strings: `application/x-www-form-urlencoded`, decoded once. Pure.

use std::str::FromStr;

use crate::respond::{Kind, Problem};

/// The parameters of a query, the first of each name.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct Query {
    pairs: Vec<(String, String)>,
}

// === impl Query ===

impl Query {
    /// Reads a query without its question mark. Names that nobody asks for do no harm.
    pub(crate) fn parse(text: &str) -> Result<Self, Problem> {
        let mut pairs = Vec::new();
        for pair in text.split('&').filter(|pair| !pair.is_empty()) {
            let (name, value) = pair.split_once('=').unwrap_or((pair, ""));
            let malformed = || Kind::InvalidParameter.because("the query is not percent-encoded UTF-8");
            pairs.push((decode(name).ok_or_else(malformed)?, decode(value).ok_or_else(malformed)?));
        }
        Ok(Self { pairs })
    }

    /// The value of a parameter; absent when it is empty.
    pub(crate) fn text(&self, name: &str) -> Option<&str> {
        let pair = self.pairs.iter().find(|pair| pair.0 == name);
        pair.map(|pair| pair.1.as_str()).filter(|value| !value.is_empty())
    }

    /// The value of a parameter that is a number or a name from a list.
    pub(crate) fn parsed<T: FromStr>(&self, name: &'static str) -> Result<Option<T>, Problem> {
        let Some(text) = self.text(name) else { return Ok(None) };
        let malformed = |_| Kind::InvalidParameter.because(format!("the parameter {name} is not valid"));
        text.parse().map(Some).map_err(malformed)
    }
}

fn decode(text: &str) -> Option<String> {
    let mut bytes = Vec::with_capacity(text.len());
    let mut rest = text.bytes();
    while let Some(byte) = rest.next() {
        bytes.push(match byte {
            b'+' => b' ',
            b'%' => hex(rest.next()?)? << 4 | hex(rest.next()?)?,
            plain => plain,
        });
    }
    String::from_utf8(bytes).ok()
}

fn hex(digit: u8) -> Option<u8> {
    char::from(digit).to_digit(16).and_then(|value| u8::try_from(value).ok())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn decodes_once_and_refuses_what_is_malformed() {
        let query = Query::parse("title=A+%26+B%2520&limit=5&limit=6&empty=&flag&=x").unwrap();
        assert_eq!(query.text("title"), Some("A & B%20"));
        assert_eq!(query.parsed::<u32>("limit").unwrap(), Some(5));
        assert_eq!(query.text("empty"), None);
        assert_eq!(query.text("flag"), None);
        assert!(query.parsed::<u32>("title").is_err());
        for bad in ["a=%", "a=%4", "a=%zz", "a=%ff", "%c0%af=1"] {
            assert!(Query::parse(bad).is_err(), "{bad}");
        }
    }
}
