//! How alike two pictures are: mean structural similarity of their luma.

const WINDOW: usize = 8;
const STEP: usize = 4;

/// Sums over one window of both pictures.
#[derive(Default)]
struct Sums {
    a: f64,
    b: f64,
    aa: f64,
    bb: f64,
    ab: f64,
}

/// Mean SSIM of two luma planes of `width` x `height` without padding, over windows of 8x8 every 4 pixels.
///
/// 1 is the same picture; below about 0.9 differences are plain to see. Planes smaller than a window or than they claim
/// give 0.
pub fn ssim(a: &[u8], b: &[u8], (width, height): (usize, usize)) -> f64 {
    let (mut total, mut windows) = (0.0, 0.0);
    if a.len() < width * height || b.len() < width * height {
        return 0.0;
    }
    for top in (0..(height + 1).saturating_sub(WINDOW)).step_by(STEP) {
        for left in (0..(width + 1).saturating_sub(WINDOW)).step_by(STEP) {
            let mut sums = Sums::default();
            for y in top..top + WINDOW {
                let span = y * width + left..y * width + left + WINDOW;
                let (Some(row_a), Some(row_b)) = (a.get(span.clone()), b.get(span)) else { return 0.0 };
                sums.add(row_a, row_b);
            }
            total += sums.similarity();
            windows += 1.0;
        }
    }
    if windows == 0.0 { 0.0 } else { total / windows }
}

// === impl Sums ===

impl Sums {
    fn add(&mut self, a: &[u8], b: &[u8]) {
        for (&a, &b) in a.iter().zip(b) {
            let (a, b) = (f64::from(a), f64::from(b));
            self.a += a;
            self.b += b;
            self.aa += a * a;
            self.bb += b * b;
            self.ab += a * b;
        }
    }

    /// Wang et al. 2004, equation 13, with its constants for 8 bits.
    fn similarity(&self) -> f64 {
        const N: f64 = 64.0;
        const C1: f64 = 0.01 * 255.0 * 0.01 * 255.0;
        const C2: f64 = 0.03 * 255.0 * 0.03 * 255.0;
        let (mean_a, mean_b) = (self.a / N, self.b / N);
        let (var_a, var_b) = (self.aa / N - mean_a * mean_a, self.bb / N - mean_b * mean_b);
        let covariance = self.ab / N - mean_a * mean_b;
        (2.0 * mean_a * mean_b + C1) * (2.0 * covariance + C2)
            / ((mean_a * mean_a + mean_b * mean_b + C1) * (var_a + var_b + C2))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn texture(seed: u32) -> Vec<u8> {
        let mut state = seed;
        (0..64 * 48)
            .map(|_| {
                state = state.wrapping_mul(1_664_525).wrapping_add(1_013_904_223);
                (state >> 24) as u8
            })
            .collect()
    }

    #[test]
    fn the_same_picture_is_one_and_another_is_not() {
        let a = texture(1);
        assert!((ssim(&a, &a, (64, 48)) - 1.0).abs() < 1e-9);
        assert!(ssim(&a, &texture(2), (64, 48)) < 0.2);
        let brighter: Vec<u8> = a.iter().map(|pixel| pixel.saturating_add(3)).collect();
        assert!(ssim(&a, &brighter, (64, 48)) > 0.95);
        assert!(ssim(&a, &a, (64, 49)) < 1e-9, "a plane smaller than it claims");
    }
}
