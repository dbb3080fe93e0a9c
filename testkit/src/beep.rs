//! The sound: a beep at each whole second over a quiet hum, and the means to find the beeps again.
//!
//! One second of it is periodic, so a clip of any length loops a WAV file of one second. The hum is there to make a
//! hole between two beeps visible; its tones fit the second exactly, so the loop has no click.

use std::f64::consts::TAU;

/// Seconds a beep lasts.
pub const BEEP_S: f64 = 0.05;
/// Pitch of the beep, hertz.
pub const BEEP_HZ: f64 = 1000.0;
/// Peak of the beep, of full scale.
const BEEP_LEVEL: f64 = 0.5;
/// Peak of each tone of the hum, of full scale.
const HUM_LEVEL: f64 = 0.015;
const HUM_HZ: [f64; 3] = [220.0, 277.0, 330.0];
/// Seconds over which a beep starts and ends.
const EDGE_S: f64 = 0.001;
/// Above the hum's highest peak, below the beep's.
const ONSET_LEVEL: f32 = 0.15;
/// After an onset the next one is at least this far away.
const ONSET_GAP_S: f64 = 0.5;

/// One second as a WAV file: 16 bits, `rate` hertz, all `channels` alike.
pub fn wav(rate: u32, channels: u16) -> Vec<u8> {
    let bytes = u32::from(channels) * 2;
    let size = rate * bytes;
    let mut file = Vec::with_capacity(size as usize + 44);
    file.extend_from_slice(b"RIFF");
    file.extend_from_slice(&(size + 36).to_le_bytes());
    file.extend_from_slice(b"WAVEfmt \x10\0\0\0\x01\0");
    file.extend_from_slice(&channels.to_le_bytes());
    file.extend_from_slice(&rate.to_le_bytes());
    file.extend_from_slice(&size.to_le_bytes());
    file.extend_from_slice(&(channels * 2).to_le_bytes());
    file.extend_from_slice(b"\x10\0data");
    file.extend_from_slice(&size.to_le_bytes());
    for n in 0..rate {
        let sample = sample(f64::from(n) / f64::from(rate)).to_le_bytes();
        (0..channels).for_each(|_| file.extend_from_slice(&sample));
    }
    file
}

#[expect(clippy::cast_possible_truncation, reason = "levels stay within full scale")]
fn sample(seconds: f64) -> i16 {
    let tone = |hertz: f64| (seconds * hertz * TAU).sin();
    let hum: f64 = HUM_HZ.iter().map(|&hertz| tone(hertz) * HUM_LEVEL).sum();
    let edge = (seconds / EDGE_S).min((BEEP_S - seconds) / EDGE_S).clamp(0.0, 1.0);
    ((hum + tone(BEEP_HZ) * BEEP_LEVEL * edge) * f64::from(i16::MAX)) as i16
}

/// Seconds at which beeps start in mono samples (full scale 1.0) of `rate` hertz, to about a millisecond.
///
/// A beep is where a window of its length holds the most energy, so that what coders smear before it
/// does not make it early.
pub fn onsets(samples: &[f32], rate: u32) -> Vec<f64> {
    let per_second = f64::from(rate);
    let [length, gap] = [BEEP_S, ONSET_GAP_S].map(|seconds| crate::paint::whole(seconds * per_second));
    let mut energy = vec![0.0];
    for sample in samples {
        let before = energy.last().copied().unwrap_or_default();
        energy.push(before + f64::from(*sample) * f64::from(*sample));
    }
    let until = |at: usize| energy.get(at).or(energy.last()).copied().unwrap_or_default();
    let within = |start: usize| until(start + length) - until(start);
    let mut found: Vec<usize> = Vec::new();
    for (at, _) in samples.iter().enumerate().filter(|(_, sample)| sample.abs() > ONSET_LEVEL) {
        if found.last().is_none_or(|last| at > last + gap) {
            let near = at.saturating_sub(length)..at + length;
            found.extend(near.max_by(|&a, &b| within(a).total_cmp(&within(b)).then(b.cmp(&a))));
        }
    }
    found.into_iter().map(|at| crate::paint::as_f64(at) / per_second).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_second_starts_with_one_beep() {
        let file = wav(48_000, 1);
        assert_eq!(file.len(), 44 + 96_000);
        let samples: Vec<f32> = file[44..]
            .as_chunks::<2>()
            .0
            .iter()
            .map(|&pair| f32::from(i16::from_le_bytes(pair)) / f32::from(i16::MAX))
            .collect();
        let three = [samples.clone(), samples.clone(), samples].concat();
        let found = onsets(&three, 48_000);
        assert_eq!(found.len(), 3, "{found:?}");
        for (second, at) in found.iter().enumerate() {
            assert!((at - crate::paint::as_f64(second)).abs() < 0.001, "{found:?}");
        }
    }
}
