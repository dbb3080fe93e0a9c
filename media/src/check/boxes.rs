//! A walk over the boxes of served bytes (ISO/IEC 14496-12 §4.2), with nothing in common with the writer's own reader.

use std::ops::Range;

/// Boxes looked at in one container; a broken file must not cost more.
const BOXES_MAX: usize = 1 << 16;

/// One box. Offsets count from the start of the bytes that were walked.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Atom {
    pub(super) kind: [u8; 4],
    /// Its first byte.
    pub(super) start: usize,
    /// Its payload, as far as the bytes reach.
    pub(super) body: Range<usize>,
    /// Where it says that it ends, which may be beyond the bytes.
    pub(super) end: usize,
}

/// The boxes of a container, and whether its bytes are boxes to the end.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(super) struct Atoms {
    pub(super) list: Vec<Atom>,
    /// What is wrong, if the walk did not reach the end. A last box that is cut short is in the list nevertheless.
    pub(super) fault: Option<&'static str>,
}

/// Big-endian fields; a field that is not there is `None`, and so are all after it.
#[derive(Clone, Copy, Debug)]
pub(super) struct Fields<'a>(&'a [u8]);

pub(super) fn walk(bytes: &[u8], range: Range<usize>) -> Atoms {
    let end = range.end.min(bytes.len());
    let mut at = range.start.min(end);
    let mut atoms = Atoms::default();
    while at < end {
        if atoms.list.len() == BOXES_MAX {
            atoms.fault = Some("too many boxes");
            break;
        }
        let Some((kind, header, size)) = header(bytes.get(at..end).unwrap_or_default()) else {
            atoms.fault = Some("a box header is cut short");
            break;
        };
        if size < header {
            atoms.fault = Some("a box is smaller than its header");
            break;
        }
        let stop = at.saturating_add(size);
        atoms.list.push(Atom { kind, start: at, body: (at + header).min(end)..stop.min(end), end: stop });
        if stop > end {
            atoms.fault = Some("a box runs past the end of its bytes");
            break;
        }
        at = stop;
    }
    atoms
}

/// The body of the first child of this kind.
pub(super) fn child(bytes: &[u8], parent: &Range<usize>, kind: [u8; 4]) -> Option<Range<usize>> {
    walk(bytes, parent.clone()).list.into_iter().find(|atom| atom.kind == kind).map(|atom| atom.body)
}

/// The body that lies below all these kinds, each the first of its parent.
pub(super) fn descend(bytes: &[u8], parent: &Range<usize>, kinds: &[[u8; 4]]) -> Option<Range<usize>> {
    kinds.iter().try_fold(parent.clone(), |body, kind| child(bytes, &body, *kind))
}

/// Kind, header length and size of the box that begins here. Size 0 runs to the end.
fn header(bytes: &[u8]) -> Option<([u8; 4], usize, usize)> {
    let mut fields = Fields(bytes);
    let size = fields.u32()?;
    let kind = fields.array()?;
    Some(match size {
        0 => (kind, 8, bytes.len()),
        1 => (kind, 16, usize::try_from(fields.u64()?).unwrap_or(usize::MAX)),
        size => (kind, 8, usize::try_from(size).unwrap_or(usize::MAX)),
    })
}

// === impl Atoms ===

impl Atoms {
    pub(super) fn of_kind(&self, kind: [u8; 4]) -> impl Iterator<Item = &Atom> {
        self.list.iter().filter(move |atom| atom.kind == kind)
    }

    pub(super) fn has(&self, kind: [u8; 4]) -> bool {
        self.of_kind(kind).next().is_some()
    }
}

// === impl Fields ===

impl<'a> Fields<'a> {
    pub(super) fn of(bytes: &'a [u8], body: &Range<usize>) -> Self {
        Self(bytes.get(body.clone()).unwrap_or_default())
    }

    pub(super) fn array<const N: usize>(&mut self) -> Option<[u8; N]> {
        let Some((head, rest)) = self.0.split_first_chunk::<N>() else {
            self.0 = &[];
            return None;
        };
        self.0 = rest;
        Some(*head)
    }

    pub(super) fn skip(&mut self, bytes: usize) -> Option<()> {
        let rest = self.0.get(bytes..);
        self.0 = rest.unwrap_or_default();
        rest.map(|_| ())
    }

    pub(super) fn u8(&mut self) -> Option<u8> {
        self.array::<1>().map(|[byte]| byte)
    }

    pub(super) fn u16(&mut self) -> Option<u16> {
        self.array().map(u16::from_be_bytes)
    }

    pub(super) fn u32(&mut self) -> Option<u32> {
        self.array().map(u32::from_be_bytes)
    }

    pub(super) fn u64(&mut self) -> Option<u64> {
        self.array().map(u64::from_be_bytes)
    }

    /// 32 bits of version 0, 64 of version 1.
    pub(super) fn word(&mut self, version: u8) -> Option<u64> {
        if version == 0 { self.u32().map(u64::from) } else { self.u64() }
    }

    /// Version and flags of a full box.
    pub(super) fn version_flags(&mut self) -> Option<(u8, u32)> {
        let [version, a, b, c] = self.array()?;
        Some((version, u32::from_be_bytes([0, a, b, c])))
    }

    pub(super) fn rest(&self) -> &'a [u8] {
        self.0
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_walk_ends_at_the_first_lie_and_says_which() {
        let cases: [(&[u8], usize, Option<&str>); 6] = [
            (b"", 0, None),
            (b"\0\0\0\x08free\0\0\0\0free", 2, None),
            (b"\0\0\0\x07free", 0, Some("a box is smaller than its header")),
            (b"\0\0\0\x09free", 1, Some("a box runs past the end of its bytes")),
            (b"\0\0\0", 0, Some("a box header is cut short")),
            (b"\0\0\0\x01free\xff\xff\xff\xff\xff\xff\xff\xff", 1, Some("a box runs past the end of its bytes")),
        ];
        for (bytes, count, fault) in cases {
            let atoms = walk(bytes, 0..bytes.len());
            assert_eq!((atoms.list.len(), atoms.fault), (count, fault), "{bytes:?}");
        }
    }
    #[test]
    fn so_many_boxes_are_read_and_not_one_more() {
        let read = |count: usize| {
            let bytes = b"\0\0\0\x08free".repeat(count);
            let atoms = walk(&bytes, 0..bytes.len());
            (atoms.list.len(), atoms.fault.is_some())
        };
        assert_eq!([BOXES_MAX, BOXES_MAX + 1].map(read), [(BOXES_MAX, false), (BOXES_MAX, true)]);
    }
}
