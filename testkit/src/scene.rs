//! What the pictures show: scrolling landscapes with drifting balls, cut every few seconds, cheap to draw.
//!
//! Each scene is painted once as three wide bands (sky, hills, ground) with grain in them; a frame is a row-by-row copy
//! of them, each shifted at its own speed. So a 720p frame costs little more than copying it.

use std::f64::consts::TAU;

use crate::paint::{Colour, Picture, as_f64, whole};

/// What a clip's pictures show, besides counter and flash.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
pub enum Content {
    /// Scrolling landscapes with grain and a cut to another every 5 to 8 seconds.
    #[default]
    Scenes,
    /// One landscape that stands still under drifting balls: no cuts, little motion.
    Calm,
    /// Only the counter strip and the flash on grey: about half the cost of scenes, for long clips.
    Plain,
}

/// Seconds of each scene, in turn: uneven, so that cuts fall anywhere on the grid.
const SCENE_SECONDS: [usize; 6] = [7, 5, 8, 6, 5, 7];
/// Speed of sky, hills and ground, in pixels a frame at 1280 wide.
const SPEEDS: [usize; 3] = [2, 4, 8];
/// The flash lasts as long as the beep.
const FLASH_S: f64 = 0.05;

/// A frame's place on the clip's time line.
#[derive(Clone, Copy)]
pub(crate) struct Moment {
    pub(crate) frame: usize,
    /// Frames per second as a fraction.
    pub(crate) fps: (u32, u32),
}

/// Draws the pictures of one clip, in any order.
pub(crate) struct Painter {
    content: Content,
    scenes: Vec<Option<Scene>>,
    picture: Picture,
}

/// A landscape: its bands and the colours of its balls.
struct Scene {
    bands: Vec<Band>,
    balls: Vec<Colour>,
}

/// A horizontal band of a scene, twice as wide as the picture and periodic, so that any shift is one slice of a row.
struct Band {
    top: usize,
    speed: usize,
    texture: Picture,
}

// === impl Moment ===

impl Moment {
    fn seconds(self) -> f64 {
        as_f64(self.frame) * f64::from(self.fps.1) / f64::from(self.fps.0)
    }

    /// The scene shown and the whole second it belongs to.
    fn scene(self) -> usize {
        let cycle: usize = SCENE_SECONDS.iter().sum();
        let mut rest = whole(self.seconds()) % cycle;
        for (scene, &length) in SCENE_SECONDS.iter().enumerate() {
            if rest < length {
                return scene;
            }
            rest -= length;
        }
        0
    }

    fn is_flash(self) -> bool {
        self.seconds().fract() < FLASH_S
    }
}

// === impl Painter ===

impl Painter {
    pub(crate) fn new(content: Content, width: usize, height: usize) -> Self {
        let scenes = SCENE_SECONDS.iter().map(|_| None).collect();
        let mut picture = Picture::new(width, height);
        let (width, height) = (picture.width, picture.height);
        picture.fill(&(0..width), &(0..height), (96, 128, 128));
        Self { content, scenes, picture }
    }

    /// The picture of one frame as I420 bytes, with `counter` on it.
    pub(crate) fn paint(&mut self, moment: Moment, counter: u32) -> &[u8] {
        let (number, shift) = match self.content {
            Content::Scenes => (moment.scene(), moment.frame),
            Content::Calm | Content::Plain => (0, 0),
        };
        let picture = &mut self.picture;
        if self.content != Content::Plain
            && let Some(slot) = self.scenes.get_mut(number)
        {
            let scene = slot.get_or_insert_with(|| Scene::new(number, picture.width, picture.height));
            scene.draw(picture, shift, moment.seconds());
        }
        flash(picture, moment.is_flash());
        picture.counter(counter);
        &picture.data
    }
}

/// A square at the upper left, an eighth of the picture's height: white while the beep sounds, else black.
fn flash(picture: &mut Picture, on: bool) {
    let side = picture.height / 8;
    picture.fill(&(0..side), &(0..side), if on { (235, 128, 128) } else { (16, 128, 128) });
}

/// Whether the flash is on in a luma plane of `width` x `height` without padding.
pub(crate) fn is_flash(luma: &[u8], (width, height): (usize, usize)) -> bool {
    let side = height / 8;
    luma.get(side / 2 * width + side / 2).is_some_and(|&pixel| pixel > 128)
}

// === impl Scene ===

impl Scene {
    fn new(number: usize, width: usize, height: usize) -> Self {
        let hue = as_f64(number) / as_f64(SCENE_SECONDS.len());
        // Tops of sky, hills and ground, and the end of the picture.
        let edges = [0, height * 5 / 16, height * 10 / 16, height].map(|edge| edge & !1);
        let bands = SPEEDS
            .iter()
            .zip(edges.iter().zip(edges.iter().skip(1)))
            .enumerate()
            .map(|(layer, (&speed, (&top, &end)))| Band {
                top,
                // Even, so that chroma moves by whole samples.
                speed: (speed * width / 1280).max(2) & !1,
                texture: landscape(width, end - top, hue, layer),
            })
            .collect();
        let balls = (0..3).map(|ball| colour(hue + 0.3 + as_f64(ball) / 3.0, 150.0, 70.0)).collect();
        Self { bands, balls }
    }

    fn draw(&mut self, picture: &mut Picture, shift: usize, seconds: f64) {
        for band in &mut self.bands {
            band.draw(picture, shift);
        }
        let (width, height) = (as_f64(picture.width), as_f64(picture.height));
        for (ball, &colour) in self.balls.iter().enumerate() {
            let phase = as_f64(ball) * 2.1;
            let x = 0.5 + 0.38 * (seconds * 0.7 + phase).sin();
            let y = 0.42 + 0.25 * (seconds * 1.1 + phase * 1.7).sin();
            picture.disc((x * width, y * height), height * (0.05 + 0.02 * as_f64(ball)), colour);
        }
    }
}

// === impl Band ===

impl Band {
    fn draw(&mut self, picture: &mut Picture, shift: usize) {
        let width = picture.width;
        let left = ((self.speed * shift) % width) & !1;
        for y in 0..self.texture.height {
            copy(picture.row(0, self.top + y), self.texture.row(0, y), left);
            if y % 2 == 0 {
                for plane in [1, 2] {
                    let row = picture.row(plane, self.top / 2 + y / 2);
                    copy(row, self.texture.row(plane, y / 2), left / 2);
                }
            }
        }
    }
}

fn copy(to: &mut [u8], from: &[u8], left: usize) {
    if let Some(from) = from.get(left..left + to.len()) {
        to.copy_from_slice(from);
    }
}

/// A band's texture: gradient and waves, grainy, with the period `width`, drawn twice side by side.
fn landscape(width: usize, height: usize, hue: f64, layer: usize) -> Picture {
    let mut texture = Picture::new(width * 2, height);
    let depth = as_f64(layer);
    let (luma, cb, cr) = colour(hue + depth * 0.13, 180.0 - 35.0 * depth - 40.0 * hue, 28.0 + 8.0 * depth);
    let waves: Vec<f64> = (0..width)
        .map(|x| {
            let turn = as_f64(x) / as_f64(width) * TAU;
            let wide = (turn * (2.0 + (hue * 6.0).floor())).sin() * 0.2;
            wide + (turn * (7.0 + depth)).sin() * 0.08 + (turn * 23.0).sin() * 0.03
        })
        .collect();
    let mut grain = 0x9E37_79B9_u32 ^ u32::from(luma) << layer;
    for y in 0..height {
        let down = as_f64(y) / as_f64(height.max(1));
        for plane in 0..3 {
            let step = if plane == 0 { 1 } else { 2 };
            if plane > 0 && y % 2 == 1 {
                continue;
            }
            let base = f64::from([luma, cb, cr].get(plane).copied().unwrap_or(128));
            let row = texture.row(plane, y / step);
            let half = row.len() / 2;
            let (first, second) = row.split_at_mut(half);
            for (pixel, &wave) in first.iter_mut().zip(waves.iter().step_by(step)) {
                grain = grain.wrapping_mul(1_664_525).wrapping_add(1_013_904_223);
                // Below the wave's line the band is a hill: darker, and steeper the further down.
                let hill = if down > 0.4 + 0.2 * hue + wave { 1.0 } else { 0.0 };
                let shade =
                    if plane == 0 { 40.0 * (0.5 - down) - 40.0 * hill } else { (down - 0.5) * 12.0 + hill * 6.0 };
                let noise = if plane == 0 { f64::from(grain >> 29) - 3.5 } else { 0.0 };
                *pixel = level(base + shade + noise);
            }
            second.copy_from_slice(first);
        }
    }
    texture
}

/// A colour of the wheel (`hue` in turns) in limited range.
fn colour(hue: f64, luma: f64, saturation: f64) -> Colour {
    let turn = hue * TAU;
    (level(luma), level(128.0 + saturation * turn.cos()), level(128.0 + saturation * turn.sin()))
}

#[expect(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "clamped to limited range first")]
fn level(value: f64) -> u8 {
    value.clamp(16.0, 235.0) as u8
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::counter;

    #[test]
    fn scenes_move_and_cut_and_carry_their_counter() {
        let mut painter = Painter::new(Content::Scenes, 320, 180);
        let mut show = |frame| painter.paint(Moment { frame, fps: (30, 1) }, 7).to_vec();
        let (first, next, later) = (show(3), show(4), show(8 * 30));
        let alike = |a: &[u8], b: &[u8]| crate::ssim(&a[..320 * 156], &b[..320 * 156], (320, 156));
        assert_eq!(counter::read(&first[..320 * 180], (320, 180), 320), Some(7));
        assert!(first != next, "a moving picture");
        assert!(alike(&first, &later) < 0.75, "another scene after the cut: {}", alike(&first, &later));
    }

    #[test]
    fn the_flash_is_on_at_each_whole_second_at_any_rate() {
        for fps in [(30, 1), (24_000, 1001), (25, 1), (60, 1)] {
            let mut painter = Painter::new(Content::Plain, 160, 90);
            let lit: Vec<usize> =
                (0..140).filter(|&frame| is_flash(painter.paint(Moment { frame, fps }, 0), (160, 90))).collect();
            for second in 0..2 {
                let expected = (second * fps.0 as usize).div_ceil(fps.1 as usize);
                assert!(lit.contains(&expected), "{fps:?}: {lit:?}");
            }
        }
    }
}
