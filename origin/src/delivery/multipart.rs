//! Several ranges in one body: `multipart/byteranges` (RFC 9110 §14.6), of known length before a byte is read. Pure.

use std::ops::Range;

use bytes::{BufMut, Bytes, BytesMut};

/// What surrounds the parts.
pub(crate) struct Multipart<'a> {
    parts: &'a [Range<u64>],
    /// Stands before each part, in the order of the parts.
    heads: Vec<String>,
    tail: String,
    boundary: &'a str,
}

// === impl Multipart ===

impl<'a> Multipart<'a> {
    /// Parts of a representation of `size` bytes. The boundary must not occur in them; an entity tag does not, since
    /// it is computed from them.
    pub(crate) fn new(parts: &'a [Range<u64>], size: u64, content_type: &str, boundary: &'a str) -> Self {
        let head = |part: &Range<u64>| {
            let last = part.end.saturating_sub(1);
            format!(
                "\r\n--{boundary}\r\nContent-Type: {content_type}\r\nContent-Range: bytes {}-{last}/{size}\r\n\r\n",
                part.start
            )
        };
        Self { parts, heads: parts.iter().map(head).collect(), tail: format!("\r\n--{boundary}--\r\n"), boundary }
    }

    /// The media type of the whole.
    pub(crate) fn content_type(&self) -> String {
        format!("multipart/byteranges; boundary={}", self.boundary)
    }

    /// Bytes of the whole.
    pub(crate) fn length(&self) -> u64 {
        let heads: usize = self.heads.iter().map(String::len).sum();
        let parts: u64 = self.parts.iter().map(|part| part.end - part.start).sum();
        parts + (heads + self.tail.len()) as u64
    }

    /// The whole; `slice` gives the bytes of a part.
    pub(crate) fn body(&self, slice: impl Fn(&Range<u64>) -> Bytes) -> Bytes {
        let mut body = BytesMut::with_capacity(usize::try_from(self.length()).unwrap_or_default());
        for (head, part) in self.heads.iter().zip(self.parts) {
            body.put_slice(head.as_bytes());
            body.put_slice(&slice(part));
        }
        body.put_slice(self.tail.as_bytes());
        body.freeze()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_length_is_known_before_the_bytes() {
        let bytes = Bytes::from_static(b"0123456789");
        let multipart = Multipart::new(&[0..1, 8..10], 10, "video/mp4", "abc");
        let at = |offset: u64| usize::try_from(offset).unwrap();
        let body = multipart.body(|part| bytes.slice(at(part.start)..at(part.end)));
        let expected = "\r\n--abc\r\nContent-Type: video/mp4\r\nContent-Range: bytes 0-0/10\r\n\r\n0\
                        \r\n--abc\r\nContent-Type: video/mp4\r\nContent-Range: bytes 8-9/10\r\n\r\n89\
                        \r\n--abc--\r\n";
        assert_eq!(body, expected.as_bytes());
        assert_eq!(multipart.length(), body.len() as u64);
        assert_eq!(multipart.content_type(), "multipart/byteranges; boundary=abc");
    }
}
