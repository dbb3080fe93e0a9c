//! Sounds to judge joins with: music, speech, a sweep and a tone, as sources of several kinds have them.

use std::{f64::consts::TAU, fs, path::Path, process::Command};

/// What pitches and times are counted in: samples per second. Sources of another rate play the same samples at theirs,
/// a little lower and slower.
const RATE: usize = 48_000;
/// What most sources have.
pub(crate) const STEREO: Shape = Shape { rate: RATE, channels: 2 };

/// How a source has its sound.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Shape {
    /// Samples per second.
    pub(crate) rate: usize,
    /// One, which both sides get; two; or six, of which all but the first two, left and right, are silent.
    pub(crate) channels: usize,
}

/// What is heard.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Signal {
    /// Plucked chords over a bass, with a hiss on every beat.
    Music,
    /// Sentences with pauses, spoken by espeak-ng.
    Speech,
    /// From the lowest tones to the highest in some seconds, and back.
    Chirp,
    /// One tone.
    Tone,
}

pub(crate) const ALL: [Signal; 4] = [Signal::Music, Signal::Speech, Signal::Chirp, Signal::Tone];

/// Spoken by espeak-ng, over and over.
const TEXT: &str = "A river that is wide at its mouth began as a spring between two stones. Whoever walks up along it \
    passes mills, bridges, and a lake; then the banks grow steep, the path narrow, and at last there is moss. \
    Seventy-six sheep stood there! Did they see us? Perhaps. We rested, shared some bread, and went back before dusk.";
/// Seconds of one sweep, and where it begins and ends, in hertz. It turns on no edge of a segment: the lowest and
/// the highest tone are coded unlike all others, so a join there would be like no frame away from joins.
const SWEEP_S: f64 = 13.37;
const SWEEP_HZ: (f64, f64) = (60.0, 14_000.0);
/// Pitch of the tone, on no line of the transform.
const TONE_HZ: f64 = 997.0;
/// Peak of sweep and tone, of full scale.
const LEVEL: f64 = 0.5;
/// Seconds from one chord to the next: on no edge of a segment or frame.
const BEAT_S: f64 = 0.37;
/// How long a string sounds, in seconds, and how fast it fades, per second.
const STRING_S: f64 = 1.1;
const FADING: f64 = 4.0;

/// Interleaved stereo samples, full scale 1, exactly as 16 bits hold them: what is heard of a source of this shape.
pub(crate) fn samples(signal: Signal, shape: Shape, seconds: usize, folder: &Path) -> Vec<f32> {
    let count = seconds * shape.rate;
    let stereo: Vec<[f64; 2]> = match signal {
        Signal::Music => music(count),
        Signal::Speech => return speech(count, folder),
        Signal::Chirp => (0..count).map(|at| both(sweep(at as f64 / RATE as f64))).collect(),
        Signal::Tone => (0..count).map(|at| both(LEVEL * (TAU * TONE_HZ * at as f64 / RATE as f64).sin())).collect(),
    };
    let whole = |sample: f64| (sample * 32_767.0).round().clamp(-32_768.0, 32_767.0) as f32 / 32_768.0;
    let is_mono = shape.channels == 1;
    stereo.into_iter().map(|sides| if is_mono { both(sides[0]) } else { sides }).flat_map(|of| of.map(whole)).collect()
}

/// Writes samples as a WAV file of this shape.
pub(crate) fn write(samples: &[f32], shape: Shape, path: &Path) {
    let all = samples.as_chunks::<2>().0.iter().flat_map(|sides| (0..shape.channels).map(move |at| sides.get(at)));
    let raw: Vec<u8> = all.flat_map(|sample| ((sample.unwrap_or(&0.0) * 32_768.0) as i16).to_le_bytes()).collect();
    let beside = path.with_extension("raw");
    fs::write(&beside, raw).unwrap();
    let (rate, channels) = (shape.rate.to_string(), shape.channels.to_string());
    let mut ffmpeg = ffmpeg();
    ffmpeg.args(["-f", "s16le", "-ar", &rate, "-ac", &channels, "-i"]).arg(beside).args(["-c", "copy"]).arg(path);
    assert!(ffmpeg.status().unwrap().success());
}

/// Interleaved stereo samples of a file, as many a second.
pub(crate) fn read(path: &Path, rate: usize, options: &[&str]) -> Vec<f32> {
    let rate = rate.to_string();
    let out = ffmpeg().args(options).arg("-i").arg(path).args(["-ar", &rate, "-ac", "2", "-f", "f32le", "-"]).output();
    let out = out.unwrap();
    assert!(out.status.success(), "{}", String::from_utf8_lossy(&out.stderr));
    out.stdout.as_chunks::<4>().0.iter().map(|&sample| f32::from_le_bytes(sample)).collect()
}

fn ffmpeg() -> Command {
    let mut command = Command::new("ffmpeg");
    command.args(["-v", "error", "-nostdin", "-y"]);
    command
}

fn both(sample: f64) -> [f64; 2] {
    [sample, sample]
}

fn sweep(seconds: f64) -> f64 {
    // Up and down again, so that it goes on without a step.
    let at = SWEEP_S - (seconds % (2.0 * SWEEP_S) - SWEEP_S).abs();
    let growth = (SWEEP_HZ.1 / SWEEP_HZ.0).ln() / SWEEP_S;
    LEVEL * (TAU * SWEEP_HZ.0 / growth * ((growth * at).exp() - 1.0)).sin()
}

fn music(count: usize) -> Vec<[f64; 2]> {
    const CHORDS: [[f64; 3]; 4] =
        [[220.0, 261.6, 329.6], [174.6, 220.0, 261.6], [196.0, 246.9, 293.7], [164.8, 207.7, 246.9]];
    let mut out = vec![[0.0; 2]; count];
    let mut noise = 0x2545_F491_u32;
    for beat in 0.. {
        let start = (f64::from(beat) * BEAT_S * RATE as f64) as usize;
        if start >= count {
            return out;
        }
        let chord = CHORDS[beat as usize / 4 % 4];
        let string = chord[beat as usize % 3] * if beat % 5 == 0 { 2.0 } else { 1.0 };
        let right = f64::from(beat % 4) / 3.0;
        for (pitch, level) in [(string, 0.2), (chord[0] / 2.0, 0.15)] {
            pluck(&mut out[start..], pitch, [level * (1.0 - right / 2.0), level * (0.5 + right / 2.0)]);
        }
        for (at, sample) in out[start..].iter_mut().take(RATE / 20).enumerate() {
            noise = noise.wrapping_mul(1_664_525).wrapping_add(1_013_904_223);
            let hiss = (f64::from(noise >> 16) / 32_768.0 - 1.0) * 0.03 * (-(at as f64) / 600.0).exp();
            *sample = [sample[0] + hiss, sample[1] + hiss];
        }
    }
    out
}

/// Adds a string: four partials that fade, the higher the faster.
fn pluck(out: &mut [[f64; 2]], pitch: f64, level: [f64; 2]) {
    for partial in 1..=4 {
        let order = f64::from(partial);
        let (sin, cos) = (TAU * pitch * order / RATE as f64).sin_cos();
        let fade = (-FADING * order.sqrt() / RATE as f64).exp();
        let (mut x, mut y) = (0.0, 1.0 / order);
        for (at, sample) in out.iter_mut().take((STRING_S * RATE as f64) as usize).enumerate() {
            (x, y) = ((x * cos + y * sin) * fade, (y * cos - x * sin) * fade);
            let attack = (at as f64 / 100.0).min(1.0);
            *sample = [sample[0] + x * attack * level[0], sample[1] + x * attack * level[1]];
        }
    }
}

fn speech(count: usize, folder: &Path) -> Vec<f32> {
    let spoken = folder.join("spoken.wav");
    let made = Command::new("espeak-ng").args(["-s", "160", "-w"]).arg(&spoken).arg(TEXT).status();
    assert!(made.expect("scripts/setup.sh test installs espeak-ng").success());
    let mut samples = read(&spoken, RATE, &["-stream_loop", "-1", "-t", &format!("{}", count / RATE + 1)]);
    samples.truncate(count * 2);
    assert_eq!(samples.len(), count * 2);
    samples.iter().map(|sample| (sample * 32_768.0).round().clamp(-32_768.0, 32_767.0) / 32_768.0).collect()
}
