//! Pictures of the made-up film: hard cuts, noise, flat fades, fast motion, all of it a function of the frame.

use super::planned::SIZE;

/// In scenes of cuts a picture stands for this many frames.
const CUT_FRAMES: u64 = 5;
/// Pixels that a fast scene moves each frame.
const PAN_PIXELS: u64 = 14;
/// Levels that a fading scene gains each frame.
const FADE_LEVELS: u64 = 3;

/// What a scene shows.
#[derive(Clone, Copy)]
enum Kind {
    /// A picture that stands still.
    Still,
    /// One that moves fast.
    Pan,
    /// Nothing that can be predicted.
    Noise,
    /// One colour that slowly changes.
    Fade,
    /// A new picture every few frames.
    Cuts,
}

/// Scenes in turn, and how many frames each lasts: 37 is prime, so that cuts fall anywhere on the grid.
/// The noise outlasts a segment and its join, so that an encoder has no easy pictures to make up for it.
const SCENES: [(Kind, u64); 5] =
    [(Kind::Still, 37), (Kind::Pan, 37), (Kind::Noise, 3 * 37), (Kind::Fade, 37), (Kind::Cuts, 37)];

/// Bytes of a picture.
pub(super) fn picture_bytes() -> usize {
    let (width, height) = (usize_of(SIZE.0), usize_of(SIZE.1));
    width * height * 3 / 2
}

/// The picture of frame `n`: I420, limited range.
pub(super) fn picture(n: u64) -> Vec<u8> {
    let (kind, scene, at) = place(n);
    match kind {
        Kind::Still => texture(scene, 0),
        Kind::Pan => texture(scene, at * PAN_PIXELS),
        Kind::Noise => noise(n),
        Kind::Fade => flat(scene, 30 + at * FADE_LEVELS),
        Kind::Cuts => texture(n / CUT_FRAMES + 1000, 0),
    }
}

/// The scene of a frame: what it shows, its number, and the frame's place in it.
fn place(n: u64) -> (Kind, u64, u64) {
    let mut at = n;
    for (scene, (kind, frames)) in (0..).zip(SCENES.into_iter().cycle()) {
        if at < frames {
            return (kind, scene, at);
        }
        at -= frames;
    }
    (Kind::Still, 0, 0)
}

/// Waves with grain in them; another seed is another picture.
fn texture(seed: u64, shift: u64) -> Vec<u8> {
    let (width, height) = (u64::from(SIZE.0), u64::from(SIZE.1));
    let mut bytes = Vec::with_capacity(picture_bytes());
    let (wide, high) = (seed % 5 + 2, seed % 3 + 1);
    for y in 0..height {
        for x in (0..width).map(|x| x + shift) {
            let wave = triangle(x * wide + y * high) / 2 + triangle(x * 9 + seed * 40) / 8 + triangle(y * wide) / 4;
            let grain = mix(x ^ (y << 20) ^ (seed << 40)) & 7;
            bytes.push(level(40 + wave + grain));
        }
    }
    for plane in 0..2 {
        for y in 0..height / 2 {
            bytes.extend(
                (0..width / 2).map(|x| x + shift / 2).map(|x| {
                    level(96 + triangle(x * (wide + plane) + seed * 60) / 6 + triangle(y * (high + plane)) / 8)
                }),
            );
        }
    }
    bytes
}

fn flat(seed: u64, luma: u64) -> Vec<u8> {
    let chroma = [level(100 + seed % 50), level(150 - seed % 40)];
    let luma_bytes = picture_bytes() * 2 / 3;
    let mut bytes = vec![level(luma); luma_bytes];
    for value in chroma {
        bytes.resize(bytes.len() + luma_bytes / 4, value);
    }
    bytes
}

fn noise(seed: u64) -> Vec<u8> {
    let words = (0..(picture_bytes() as u64).div_ceil(8)).map(|at| mix((seed << 32) ^ at));
    let mut bytes: Vec<u8> = words.flat_map(u64::to_le_bytes).collect();
    bytes.truncate(picture_bytes());
    bytes
}

/// 0 to 255 and back, once every 510.
fn triangle(at: u64) -> u64 {
    let at = at % 510;
    if at < 255 { at } else { 510 - at }
}

/// Thorough scrambling (the finaliser of `SplitMix64`).
fn mix(value: u64) -> u64 {
    let mut mixed = value.wrapping_add(0x9E37_79B9_7F4A_7C15);
    mixed = (mixed ^ (mixed >> 30)).wrapping_mul(0xBF58_476D_1CE4_E5B9);
    mixed = (mixed ^ (mixed >> 27)).wrapping_mul(0x94D0_49BB_1331_11EB);
    mixed ^ (mixed >> 31)
}

fn level(value: u64) -> u8 {
    u8::try_from(value.clamp(16, 235)).unwrap_or(u8::MAX)
}

fn usize_of(value: u32) -> usize {
    usize::try_from(value).unwrap_or(usize::MAX)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn frames_are_whole_and_cut_where_scenes_change() {
        let change = |a: u64, b: u64| -> u64 {
            let (a, b) = (picture(a), picture(b));
            assert_eq!((a.len(), b.len()), (picture_bytes(), picture_bytes()));
            let luma = picture_bytes() * 2 / 3;
            a.iter().zip(&b).take(luma).map(|(a, b)| u64::from(a.abs_diff(*b))).sum::<u64>() / luma as u64
        };
        assert_eq!(change(0, 1), 0, "a still scene");
        assert!(change(36, 37) > 15, "a cut: {}", change(36, 37));
        assert!(change(180, 181) > 30, "noise: {}", change(180, 181));
        assert_eq!(change(190, 191), FADE_LEVELS, "a fade");
    }
}
