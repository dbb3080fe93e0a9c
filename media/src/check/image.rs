//! A picture file: what it is and how large, from its first bytes.

/// Segments of a JPEG file before its frame header.
const MARKERS_MAX: usize = 64;

/// What rules ask of a picture.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) struct Image {
    pub(super) bytes: u64,
    pub(super) format: Option<Format>,
    /// Width and height in pixels.
    pub(super) size: Option<(u32, u32)>,
}

/// The formats that tiles may have.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Format {
    Jpeg,
    Png,
}

// === impl Image ===

impl Image {
    pub(super) fn read(bytes: &[u8]) -> Self {
        let (format, size) = if bytes.starts_with(&[0xff, 0xd8]) {
            (Some(Format::Jpeg), jpeg_size(bytes))
        } else if bytes.starts_with(b"\x89PNG\r\n\x1a\n") {
            (Some(Format::Png), png_size(bytes))
        } else {
            (None, None)
        };
        Self { bytes: u64::try_from(bytes.len()).unwrap_or(u64::MAX), format, size }
    }
}

/// Of the first frame header (ITU-T T.81 §B.2.2).
fn jpeg_size(bytes: &[u8]) -> Option<(u32, u32)> {
    let mut rest = bytes.get(2..)?;
    for _ in 0..=MARKERS_MAX {
        let ([0xff, marker], after) = rest.split_first_chunk::<2>()? else { return None };
        let (length, body) = after.split_first_chunk::<2>()?;
        // All frame headers but the tables that share their numbers.
        if matches!(marker, 0xc0..=0xcf) && !matches!(marker, 0xc4 | 0xc8 | 0xcc) {
            let [_, h1, h2, w1, w2] = body.first_chunk::<5>()?;
            return Some((u32::from(u16::from_be_bytes([*w1, *w2])), u32::from(u16::from_be_bytes([*h1, *h2]))));
        }
        rest = after.get(usize::from(u16::from_be_bytes(*length))..)?;
    }
    None
}

fn png_size(bytes: &[u8]) -> Option<(u32, u32)> {
    let field = |at: usize| bytes.get(at..)?.first_chunk::<4>().map(|bytes| u32::from_be_bytes(*bytes));
    Some((field(16)?, field(20)?))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn sizes_are_read() {
        let jpeg = [0xff, 0xd8, 0xff, 0xe0, 0, 4, 1, 2, 0xff, 0xc0, 0, 8, 8, 0, 90, 0, 160];
        assert_eq!(Image::read(&jpeg).size, Some((160, 90)));
        assert_eq!(Image::read(b"GIF89a").format, None);
        assert_eq!(Image::read(&[0xff, 0xd8, 0xff]).size, None);
    }

    #[test]
    fn so_many_segments_may_stand_before_the_frame_header_and_not_one_more() {
        for (before, size) in [(MARKERS_MAX, Some((160, 90))), (MARKERS_MAX + 1, None)] {
            let frame = [0xff, 0xc0, 0, 8, 8, 0, 90, 0, 160];
            let jpeg = [&[0xff, 0xd8][..], &[0xff, 0xe0, 0, 2].repeat(before), &frame].concat();
            assert_eq!(Image::read(&jpeg).size, size, "{before}");
        }
    }
}
