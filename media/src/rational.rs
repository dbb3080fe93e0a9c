//! Frame rates as fractions, and the integer arithmetic of times that are multiples of them.

use serde::{Deserialize, Serialize};

/// A positive fraction, in lowest terms. `30000/1001` is a frame rate in frames per second.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub struct Rational {
    /// The numerator, at least 1.
    pub num: u32,
    /// The denominator, at least 1.
    pub den: u32,
}

impl Rational {
    /// The fraction in lowest terms; a zero on either side becomes 1.
    pub fn new(num: u32, den: u32) -> Self {
        let (num, den) = (num.max(1), den.max(1));
        let divisor = gcd(num, den);
        Self { num: num / divisor, den: den / divisor }
    }

    /// The value as a float, for printing only.
    pub fn as_f64(self) -> f64 {
        f64::from(self.num) / f64::from(self.den)
    }
}

/// `a * b / c` rounded to the nearest integer, halves up, without overflow inside; saturates.
pub fn mul_div_round(a: u64, b: u64, c: u64) -> u64 {
    let c = u128::from(c.max(1));
    let value = (u128::from(a) * u128::from(b) + c / 2) / c;
    u64::try_from(value).unwrap_or(u64::MAX)
}

/// `a * b / c` rounded up, without overflow inside; saturates.
pub fn mul_div_ceil(a: u64, b: u64, c: u64) -> u64 {
    let c = u128::from(c.max(1));
    let value = (u128::from(a) * u128::from(b)).div_ceil(c);
    u64::try_from(value).unwrap_or(u64::MAX)
}

/// Ticks as microseconds, rounded to the nearest; the resolution of every printed time.
pub fn micros(ticks: u64, timescale: u32) -> u64 {
    mul_div_round(ticks, 1_000_000, u64::from(timescale))
}

fn gcd(a: u32, b: u32) -> u32 {
    if b == 0 { a } else { gcd(b, a % b) }
}
