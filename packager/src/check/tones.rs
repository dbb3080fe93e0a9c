//! Sound of the made-up film: chords, a sweep, noise and silence, all of it a function of the sample.

use std::f64::consts::TAU;

use super::planned::{AUDIO_GRID, CHANNELS};

/// Seconds of a passage: none of them ends on the grid.
const PASSAGE_S: f64 = 1.7;
/// Passages before they come again.
const PASSAGES: u64 = 4;
/// The tones of a chord, in hertz.
const CHORD_HZ: [f64; 3] = [220.0, 554.4, 1244.5];
/// Where a sweep begins, and what it gains each second.
const SWEEP_HZ: f64 = 300.0;
const SWEEP_HZ_PER_S: f64 = 900.0;

/// Bytes of one sample of all channels, as 32-bit floats.
pub(super) const SAMPLE_BYTES: u32 = 4 * CHANNELS;

/// Sample `n` of all channels, interleaved 32-bit floats.
pub(super) fn sample(n: u64) -> Vec<u8> {
    (0..CHANNELS).flat_map(|channel| value(n, channel).to_le_bytes()).collect()
}

#[expect(clippy::cast_precision_loss, clippy::cast_possible_truncation, reason = "seconds of sound, levels below 1")]
fn value(n: u64, channel: u32) -> f32 {
    let seconds = n as f64 / f64::from(AUDIO_GRID.sample_rate);
    let passage = (seconds / PASSAGE_S).floor();
    let inside = seconds - passage * PASSAGE_S;
    let turn = f64::from(channel) * 0.2;
    let level = match passage_of(passage) % PASSAGES {
        0 => CHORD_HZ.iter().map(|hertz| ((hertz * seconds + turn) * TAU).sin()).sum::<f64>() * 0.2,
        1 => ((SWEEP_HZ * inside + SWEEP_HZ_PER_S * inside * inside / 2.0 + turn) * TAU).sin() * 0.5,
        2 => (scrambled(n * 2 + u64::from(channel)) - 0.5) * 0.2 + ((330.0 * seconds + turn) * TAU).sin() * 0.3,
        _ => 0.0,
    };
    level as f32
}

#[expect(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "a small count")]
fn passage_of(passage: f64) -> u64 {
    passage as u64
}

/// A number from 0 to 1 without any order.
#[expect(clippy::cast_precision_loss, reason = "53 bits")]
fn scrambled(n: u64) -> f64 {
    let mut mixed = n.wrapping_mul(0x9E37_79B9_7F4A_7C15);
    mixed = (mixed ^ (mixed >> 29)).wrapping_mul(0xBF58_476D_1CE4_E5B9);
    (mixed >> 11) as f64 / (1_u64 << 53) as f64
}
