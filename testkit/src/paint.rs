//! An I420 picture in one buffer, and the few shapes drawn on it.

use std::ops::Range;

use crate::counter;

/// Luma, Cb and Cr of one colour, limited range.
pub(crate) type Colour = (u8, u8, u8);

/// One picture: luma, then both chroma planes of half the size, back to back as ffmpeg's `yuv420p` rawvideo has them.
pub(crate) struct Picture {
    pub(crate) width: usize,
    pub(crate) height: usize,
    pub(crate) data: Vec<u8>,
}

// === impl Picture ===

impl Picture {
    /// A black picture; sizes are rounded down to even ones.
    pub(crate) fn new(width: usize, height: usize) -> Self {
        let (width, height) = (width & !1, height & !1);
        let mut data = vec![16; width * height];
        data.resize(width * height * 3 / 2, 128);
        Self { width, height, data }
    }

    /// The bytes of row `y` of plane 0 (luma), 1 (Cb) or 2 (Cr); empty outside.
    pub(crate) fn row(&mut self, plane: usize, y: usize) -> &mut [u8] {
        let luma = self.width * self.height;
        let (start, width) = match plane {
            0 => (y * self.width, self.width),
            1 => (luma + y * self.width / 2, self.width / 2),
            _ => (luma * 5 / 4 + y * self.width / 2, self.width / 2),
        };
        self.data.get_mut(start..start + width).unwrap_or_default()
    }

    /// Fills a rectangle; what lies outside is cut off.
    pub(crate) fn fill(&mut self, columns: &Range<usize>, rows: &Range<usize>, colour: Colour) {
        let (width, height) = (self.width, self.height);
        for y in rows.start..rows.end.min(height) {
            span(self.row(0, y), columns.start..columns.end.min(width), colour.0);
            if y % 2 == 0 {
                let half = columns.start / 2..columns.end.min(width) / 2;
                span(self.row(1, y / 2), half.clone(), colour.1);
                span(self.row(2, y / 2), half, colour.2);
            }
        }
    }

    /// Fills a disc; what lies outside is cut off.
    pub(crate) fn disc(&mut self, (centre_x, centre_y): (f64, f64), radius: f64, colour: Colour) {
        let rows = whole(centre_y - radius)..whole(centre_y + radius);
        for y in rows {
            let dy = as_f64(y) + 0.5 - centre_y;
            let half = (radius * radius - dy * dy).max(0.0).sqrt();
            self.fill(&(whole(centre_x - half)..whole(centre_x + half)), &(y..y + 1), colour);
        }
    }

    /// Paints the counter strip: luma cells on neutral chroma.
    pub(crate) fn counter(&mut self, value: u32) {
        let (width, height) = (self.width, self.height);
        self.fill(&(0..width), &(height * 7 / 8..height), (128, 128, 128));
        counter::paint(&mut self.data, (width, height), width, value);
    }
}

fn span(row: &mut [u8], range: Range<usize>, value: u8) {
    if let Some(pixels) = row.get_mut(range) {
        pixels.fill(value);
    }
}

/// The whole number at or below; negative ones become 0.
#[expect(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "positions on a picture, cut at 0")]
pub(crate) fn whole(value: f64) -> usize {
    value.max(0.0) as usize
}

#[expect(clippy::cast_precision_loss, reason = "positions and frame numbers stay far below 2^53")]
pub(crate) fn as_f64(value: usize) -> f64 {
    value as f64
}
