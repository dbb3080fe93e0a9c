//! The frame counter: a strip of black and white cells that survives low rates, scaling and tiling.
//!
//! This is the one description of the strip; `testkit/js/counter.mjs` is its twin for browsers.
//!
//! - The strip is the lowest eighth of the picture. Its upper quarter is a grey guard (luma 128), so that the picture
//!   above does not bleed into the cells when scaled.
//! - Below the guard lie [`CELLS`] cells of equal width over the full width: [`BITS`] bits of the counter, most
//!   significant first, then [`CHECK_BITS`] bits of checksum. White (luma 235) is 1, black (luma 16) is 0; chroma is
//!   neutral.
//! - The checksum is a CRC-4 (x^4 + x + 1, start 0, most significant bit first) of the counter, XOR 0b1010: neither a
//!   black nor a white strip is valid, and any two wrong bits within 15 are noticed.
//! - A reader averages the middle third of each cell. From 110 to 146 it is neither black nor white, and there is no
//!   counter.
//!
//! All positions are fractions of the picture, so a reader needs its displayed size only.

/// Bits of the counter.
pub const BITS: u32 = 20;
/// Bits of the checksum.
pub const CHECK_BITS: u32 = 4;
/// Cells of the strip.
pub const CELLS: u32 = BITS + CHECK_BITS;
/// The first value that does not fit: counters are below it, and a painter wraps.
pub const VALUES: u32 = 1 << BITS;

const GUARD: u8 = 128;
const WHITE: u8 = 235;
const BLACK: u8 = 16;
/// Means in this range (of 0 to 255) are neither black nor white.
const UNCLEAR: std::ops::RangeInclusive<u32> = 110..=146;

/// The pixels of a rectangle of a plane: columns and rows.
struct Area {
    columns: std::ops::Range<usize>,
    rows: std::ops::Range<usize>,
}

/// Paints the strip of `value` (modulo [`VALUES`]) into a luma plane of `width` x `height`, `stride` bytes a row.
///
/// A plane smaller than it claims is painted as far as it goes.
pub fn paint(luma: &mut [u8], (width, height): (usize, usize), stride: usize, value: u32) {
    let cells = word(value);
    let (strip, cells_top) = (height * 7 / 8, height * 29 / 32);
    let mut row = vec![BLACK; width];
    for cell in 0..CELLS {
        if (cells >> (CELLS - 1 - cell)) & 1 == 1
            && let Some(pixels) = row.get_mut(columns(width, cell))
        {
            pixels.fill(WHITE);
        }
    }
    for y in strip..height {
        let Some(pixels) = luma.get_mut(y * stride..y * stride + width) else { return };
        if y < cells_top {
            pixels.fill(GUARD);
        } else {
            pixels.copy_from_slice(&row);
        }
    }
}

/// The counter of a luma plane of `width` x `height`, `stride` bytes a row; `None` if there is none to be sure of.
pub fn read(luma: &[u8], (width, height): (usize, usize), stride: usize) -> Option<u32> {
    let mut cells = 0;
    for cell in 0..CELLS {
        let mean = mean(luma, stride, &middle(width, height, cell))?;
        if UNCLEAR.contains(&mean) {
            return None;
        }
        cells = (cells << 1) | u32::from(mean > *UNCLEAR.end());
    }
    let value = cells >> CHECK_BITS;
    (word(value) == cells).then_some(value)
}

/// Counter and checksum as the cells show them, the first cell being the highest bit.
fn word(value: u32) -> u32 {
    let value = value % VALUES;
    (value << CHECK_BITS) | checksum(value)
}

fn checksum(value: u32) -> u32 {
    let mut crc = 0;
    for bit in (0..BITS).rev() {
        let top = (crc >> 3) & 1;
        crc = (crc << 1) & 0xF;
        if top ^ ((value >> bit) & 1) == 1 {
            crc ^= 0b0011;
        }
    }
    crc ^ 0b1010
}

fn columns(width: usize, cell: u32) -> std::ops::Range<usize> {
    let edge = |cell: u32| width * cell as usize / CELLS as usize;
    edge(cell)..edge(cell + 1)
}

/// The middle third of a cell, at least one pixel.
fn middle(width: usize, height: usize, cell: u32) -> Area {
    let third = |from: usize, parts: usize, size: usize, unit: usize| {
        let (start, end) = ((from * 3 + 1) * size / (parts * 3), (from * 3 + 1 + unit) * size / (parts * 3));
        start..end.max(start + 1)
    };
    // The cells cover 29/32 to 32/32 of the height; their middle third is 30/32 to 31/32.
    let (top, bottom) = (height * 30 / 32, height * 31 / 32);
    Area { columns: third(cell as usize, CELLS as usize, width, 1), rows: top..bottom.max(top + 1) }
}

fn mean(luma: &[u8], stride: usize, area: &Area) -> Option<u32> {
    let (mut sum, mut count) = (0, 0);
    for y in area.rows.clone() {
        let row = luma.get(y * stride + area.columns.start..y * stride + area.columns.end)?;
        sum += row.iter().map(|&pixel| u32::from(pixel)).sum::<u32>();
        count += u32::try_from(row.len()).ok()?;
    }
    sum.checked_div(count)
}

#[cfg(test)]
mod tests {
    use super::*;

    const SIZES: [(usize, usize); 6] = [(1920, 1080), (1280, 720), (426, 240), (160, 90), (90, 160), (322, 182)];

    #[test]
    fn every_bit_is_read_back_at_every_size() {
        for (width, height) in SIZES {
            let stride = width + 7;
            let mut luma = vec![99; stride * height];
            for value in (0..BITS).map(|bit| 1 << bit).chain([0, 1, VALUES - 1, 0xA_5A5A]) {
                paint(&mut luma, (width, height), stride, value);
                assert_eq!(read(&luma, (width, height), stride), Some(value), "{width}x{height}");
            }
            assert_eq!(luma[0], 99, "the picture above is untouched");
        }
    }

    #[test]
    fn a_painter_wraps() {
        let mut luma = vec![0; 160 * 90];
        paint(&mut luma, (160, 90), 160, VALUES + 3);
        assert_eq!(read(&luma, (160, 90), 160), Some(3));
    }

    #[test]
    fn plain_pictures_have_no_counter() {
        for shade in [0, 16, 110, 128, 146, 235, 255] {
            assert_eq!(read(&vec![shade; 160 * 90], (160, 90), 160), None, "shade {shade}");
        }
        assert_eq!(read(&[0; 10], (160, 90), 160), None, "a plane that is too short");
        assert_eq!(read(&[], (0, 0), 0), None);
    }

    #[test]
    fn one_and_two_wrong_cells_are_noticed() {
        for value in [0, 1, 1234, 0xF_FFFF] {
            let good = word(value);
            for a in 0..CELLS {
                for b in a..CELLS.min(a + 14) {
                    let bad = good ^ (1 << a) ^ if a == b { 0 } else { 1 << b };
                    assert_ne!(word(bad >> CHECK_BITS), bad, "{value}: cells {a} and {b}");
                }
            }
        }
    }

    #[test]
    fn the_strip_is_as_described() {
        // The same numbers stand in testkit/js/counter.test.mjs.
        assert_eq!(word(0), 0b1010);
        assert_eq!(word(1), (1 << 4) | (0b0011 ^ 0b1010));
        assert_eq!(word(12_345), (12_345 << 4) | checksum(12_345));
        assert_eq!([checksum(12_345), checksum(0xF_FFFF), checksum(54_000)], [11, 13, 8]);
    }
}
