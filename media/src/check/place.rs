//! Where something is served: a URL, and a part of it.

use std::fmt;

use url::Url;

/// Bytes of a URL. Documents may name half a million segments below a base that they choose.
const URL_BYTES_MAX: usize = 4 << 10;

/// What a request asks for.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Place {
    /// The absolute URL, without a fragment.
    pub url: String,
    /// First byte and number of bytes; `None` asks for all.
    pub range: Option<(u64, u64)>,
}

// === impl Place ===

impl Place {
    pub(super) fn whole(url: &str) -> Self {
        Self { url: url.to_owned(), range: None }
    }

    /// The URL without the folder of the document that was checked.
    pub(super) fn short(&self, base: &str) -> String {
        let name = short(&self.url, base);
        self.range.map_or_else(|| name.to_owned(), |(offset, bytes)| format!("{name} ({bytes}@{offset})"))
    }
}

impl fmt::Display for Place {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.range {
            Some((offset, bytes)) => write!(f, "{} ({bytes}@{offset})", self.url),
            None => f.write_str(&self.url),
        }
    }
}

/// `url` relative to the folder `base`, if it lies there.
pub(super) fn short<'a>(url: &'a str, base: &str) -> &'a str {
    url.strip_prefix(base).filter(|rest| !rest.is_empty()).unwrap_or(url)
}

/// A reference of a document, resolved as RFC 3986 §5.2 says; `None` if it is none, or too long.
pub(super) fn resolve(base: &str, reference: &str) -> Option<String> {
    let reference = Some(reference.trim()).filter(|reference| reference.len() <= URL_BYTES_MAX)?;
    let mut url = Url::parse(base).ok()?.join(reference).ok()?;
    url.set_fragment(None);
    Some(String::from(url)).filter(|url| url.len() <= URL_BYTES_MAX)
}

/// The folder of a URL, with the slash at its end.
pub(super) fn folder(url: &str) -> String {
    resolve(url, ".").unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_url_has_so_many_bytes_and_not_one_more() {
        let base = "http://h/folder/";
        let length = |bytes: usize| resolve(base, &"x".repeat(bytes - base.len())).map(|url| url.len());
        assert_eq!([URL_BYTES_MAX, URL_BYTES_MAX + 1].map(length), [Some(URL_BYTES_MAX), None]);
        // However short the result would be.
        assert_eq!(resolve(base, &"../".repeat(URL_BYTES_MAX)), None);
    }

    #[test]
    fn references_are_resolved_and_cannot_leave_the_root() {
        let base = "file:///v/a/master.m3u8";
        let cases = [
            ("1/x.m4s", "file:///v/a/1/x.m4s"),
            ("../b.m4s#t=1", "file:///v/b.m4s"),
            ("../../../../etc/passwd", "file:///etc/passwd"),
            ("http://other/x", "http://other/x"),
        ];
        for (reference, url) in cases {
            assert_eq!(resolve(base, reference).as_deref(), Some(url));
        }
        assert_eq!(folder(base), "file:///v/a/");
        assert_eq!(short("file:///v/a/1/x.m4s", &folder(base)), "1/x.m4s");
    }
}
