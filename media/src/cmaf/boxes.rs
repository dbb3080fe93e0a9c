//! The box layer (ISO/IEC 14496-12 §4.2): writing a box around a body, and a bounded walk over untrusted bytes.

use std::ops::Range;

use super::Error;

/// Bytes of a box header with a 32-bit size.
pub(super) const HEADER_BYTES: usize = 8;
/// Bytes of a box header with a 64-bit size.
const LARGE_HEADER_BYTES: usize = 16;

/// A box found in a byte string; offsets count from the start of that string.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Found {
    /// The four-character code.
    pub(super) kind: [u8; 4],
    /// Where its header starts.
    pub(super) start: usize,
    /// What follows its header.
    pub(super) body: Range<usize>,
}

/// The boxes within a range of `bytes`, in order. Stops after the first error.
#[derive(Debug)]
pub(super) struct Walk<'a> {
    bytes: &'a [u8],
    at: usize,
    end: usize,
}

/// Reads big-endian fields of one box body; every read is checked.
#[derive(Debug)]
pub(super) struct Fields<'a> {
    rest: &'a [u8],
    start: usize,
}

/// Appends a box whose body `write` appends.
pub(super) fn put(
    out: &mut Vec<u8>,
    kind: [u8; 4],
    write: impl FnOnce(&mut Vec<u8>) -> Result<(), Error>,
) -> Result<(), Error> {
    let start = out.len();
    out.extend_from_slice(&[0; 4]);
    out.extend_from_slice(&kind);
    write(out)?;
    let size = u32::try_from(out.len() - start).map_err(|_| Error::TooLarge("a box"))?;
    if let Some(field) = out.get_mut(start..start + 4) {
        field.copy_from_slice(&size.to_be_bytes());
    }
    Ok(())
}

/// An error about the box that starts at `start`.
pub(super) fn malformed(start: usize, what: &'static str) -> Error {
    Error::Malformed { offset: u64::try_from(start).unwrap_or(u64::MAX), what }
}

/// The only child of this kind in a parent's body; several are an error, none is `None`.
pub(super) fn child(
    bytes: &[u8],
    parent: Range<usize>,
    kind: [u8; 4],
    many: &'static str,
) -> Result<Option<Found>, Error> {
    let mut only = None;
    for found in Walk::new(bytes, parent) {
        let found = found?;
        if found.kind != kind {
            continue;
        }
        if only.is_some() {
            return Err(malformed(found.start, many));
        }
        only = Some(found);
    }
    Ok(only)
}

// === impl Found ===

impl Found {
    /// Reads the fields of the body.
    pub(super) fn fields<'a>(&self, bytes: &'a [u8]) -> Fields<'a> {
        Fields { rest: bytes.get(self.body.clone()).unwrap_or_default(), start: self.start }
    }
}

// === impl Walk ===

impl<'a> Walk<'a> {
    /// The boxes in `range`, which is clipped to `bytes`.
    pub(super) fn new(bytes: &'a [u8], range: Range<usize>) -> Self {
        let end = range.end.min(bytes.len());
        Self { bytes, at: range.start.min(end), end }
    }

    fn step(&mut self) -> Result<Found, Error> {
        let start = self.at;
        let short = || malformed(start, "a box header is cut short");
        let header = self.bytes.get(start..self.end).unwrap_or_default();
        let (size, rest) = header.split_first_chunk::<4>().ok_or_else(short)?;
        let (kind, rest) = rest.split_first_chunk::<4>().ok_or_else(short)?;
        let room = self.end - start;
        let (header_bytes, size) = match u32::from_be_bytes(*size) {
            // 0: the box runs to the end of what holds it.
            0 => (HEADER_BYTES, room),
            1 => {
                let (large, _) = rest.split_first_chunk::<8>().ok_or_else(short)?;
                (LARGE_HEADER_BYTES, usize::try_from(u64::from_be_bytes(*large)).unwrap_or(usize::MAX))
            }
            size => (HEADER_BYTES, usize::try_from(size).unwrap_or(usize::MAX)),
        };
        if size < header_bytes {
            return Err(malformed(start, "a box is smaller than its header"));
        }
        if size > room {
            return Err(malformed(start, "a box runs past the end of what holds it"));
        }
        self.at = start + size;
        Ok(Found { kind: *kind, start, body: start + header_bytes..start + size })
    }
}

impl Iterator for Walk<'_> {
    type Item = Result<Found, Error>;

    fn next(&mut self) -> Option<Self::Item> {
        if self.at >= self.end {
            return None;
        }
        let found = self.step();
        if found.is_err() {
            self.at = self.end;
        }
        Some(found)
    }
}

// === impl Fields ===

impl Fields<'_> {
    /// The next `N` bytes.
    pub(super) fn array<const N: usize>(&mut self) -> Result<[u8; N], Error> {
        let (head, rest) =
            self.rest.split_first_chunk::<N>().ok_or_else(|| malformed(self.start, "a box is cut short"))?;
        self.rest = rest;
        Ok(*head)
    }

    /// Version and flags of a full box.
    pub(super) fn version_flags(&mut self) -> Result<(u8, u32), Error> {
        let [version, a, b, c] = self.array()?;
        Ok((version, u32::from_be_bytes([0, a, b, c])))
    }

    /// A 16-bit field.
    pub(super) fn u16(&mut self) -> Result<u16, Error> {
        self.array().map(u16::from_be_bytes)
    }

    /// A 32-bit field.
    pub(super) fn u32(&mut self) -> Result<u32, Error> {
        self.array().map(u32::from_be_bytes)
    }

    /// A signed 32-bit field.
    pub(super) fn i32(&mut self) -> Result<i32, Error> {
        self.array().map(i32::from_be_bytes)
    }

    /// A 64-bit field.
    pub(super) fn u64(&mut self) -> Result<u64, Error> {
        self.array().map(u64::from_be_bytes)
    }

    /// A 32-bit field that is there only if `present`.
    pub(super) fn optional_u32(&mut self, present: bool) -> Result<Option<u32>, Error> {
        if present { self.u32().map(Some) } else { Ok(None) }
    }

    /// Bytes not yet read.
    pub(super) fn remaining(&self) -> usize {
        self.rest.len()
    }
}
