//! A walk over boxes that cannot run away: every step takes at least the eight bytes of a header.

use mp4_atom::Atom;

/// A box's kind.
pub type Kind = [u8; 4];

/// Bytes that hold any header: size, kind and the 64-bit size (ISO 14496-12 §4.2.2).
pub const HEADER_BYTES_MAX: u32 = 16;

/// The head of a box.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Header {
    /// Its kind.
    pub kind: Kind,
    /// Bytes of the header itself, 8 or 16.
    pub header_bytes: u64,
    /// Bytes of the whole box; `None`: to the end of the file.
    pub bytes: Option<u64>,
}

/// Reads a header from the first bytes of a box; `None` if they are too few or make no sense.
pub fn header(bytes: &[u8]) -> Option<Header> {
    let size = u64::from(u32_at(bytes, 0)?);
    let kind = *bytes.get(4..8)?.first_chunk()?;
    let (header_bytes, total) = match size {
        0 => (8, None),
        1 => (16, Some(u64_at(bytes, 8)?)),
        _ => (8, Some(size)),
    };
    if total.is_some_and(|total| total < header_bytes) {
        return None;
    }
    Some(Header { kind, header_bytes, bytes: total })
}

/// The boxes inside `body`, as kind and content. Ends at the first that does not fit.
pub(super) fn children(body: &[u8]) -> Children<'_> {
    Children { rest: body }
}

/// The content of the first child of this kind.
pub(super) fn child(body: &[u8], kind: Kind) -> Option<&[u8]> {
    children(body).find(|(found, _)| *found == kind).map(|(_, content)| content)
}

/// The content of the box reached by this path of kinds.
pub(super) fn descend<'a>(body: &'a [u8], path: &[Kind]) -> Option<&'a [u8]> {
    path.iter().try_fold(body, |inside, kind| child(inside, *kind))
}

/// Reads a leaf box; `None` if it is absent or damaged.
pub(super) fn leaf<T: Atom>(body: &[u8]) -> Option<T> {
    let content = child(body, T::KIND.into())?;
    decode(content)
}

/// Reads the content of a leaf box.
pub(super) fn decode<T: Atom>(mut content: &[u8]) -> Option<T> {
    T::decode_body(&mut content).ok()
}

pub(super) fn u16_at(bytes: &[u8], at: usize) -> Option<u16> {
    bytes.get(at..)?.first_chunk().map(|raw| u16::from_be_bytes(*raw))
}

pub(in crate::source) fn u32_at(bytes: &[u8], at: usize) -> Option<u32> {
    bytes.get(at..)?.first_chunk().map(|raw| u32::from_be_bytes(*raw))
}

pub(super) fn u64_at(bytes: &[u8], at: usize) -> Option<u64> {
    bytes.get(at..)?.first_chunk().map(|raw| u64::from_be_bytes(*raw))
}

/// Iterator of [`children`].
pub(super) struct Children<'a> {
    rest: &'a [u8],
}

impl<'a> Iterator for Children<'a> {
    type Item = (Kind, &'a [u8]);

    fn next(&mut self) -> Option<Self::Item> {
        let head = header(self.rest)?;
        let start = usize::try_from(head.header_bytes).ok()?;
        let end = head.bytes.map_or(Some(self.rest.len()), |total| usize::try_from(total).ok())?;
        let content = self.rest.get(start..end)?;
        self.rest = self.rest.get(end..)?;
        Some((head.kind, content))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn headers_have_three_forms_of_size() {
        let plain = header(&[0, 0, 0, 12, b'f', b'r', b'e', b'e']).unwrap();
        assert_eq!((plain.header_bytes, plain.bytes), (8, Some(12)));
        let rest = header(&[0, 0, 0, 0, b'm', b'd', b'a', b't']).unwrap();
        assert_eq!(rest.bytes, None);
        let large = header(&[0, 0, 0, 1, b'm', b'd', b'a', b't', 0, 0, 0, 1, 0, 0, 0, 0]).unwrap();
        assert_eq!((large.header_bytes, large.bytes), (16, Some(1 << 32)));
        assert_eq!(header(&[0, 0, 0, 7, b'f', b'r', b'e', b'e']), None);
        assert_eq!(header(&[0, 0, 0, 1, b'm', b'd', b'a', b't', 0, 0, 0, 0, 0, 0, 0, 9]), None);
        assert_eq!(header(&[0, 0, 0]), None);
    }

    #[test]
    fn children_end_at_the_first_that_does_not_fit() {
        let mut body = vec![0, 0, 0, 9, b'a', b'a', b'a', b'a', 7];
        body.extend([0, 0, 0, 99, b'b', b'b', b'b', b'b', 7]);
        let found: Vec<_> = children(&body).collect();
        assert_eq!(found, [(*b"aaaa", [7].as_slice())]);
        assert_eq!(child(&body, *b"bbbb"), None);
    }
}
