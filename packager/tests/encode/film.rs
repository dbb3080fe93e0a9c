//! Sources: films whose every picture says which it is, made by ffmpeg.

use std::{
    io::Write,
    path::{Path, PathBuf},
    process::{Command, Stdio},
};

use vidstream_testkit::counter;

/// A film to make.
pub(crate) struct Film<'a> {
    /// Width and height.
    pub(crate) size: (usize, usize),
    /// Frames per second, as ffmpeg reads it.
    pub(crate) fps: &'a str,
    /// How many pictures.
    pub(crate) frames: u32,
    /// ffmpeg's further inputs, codecs and options.
    pub(crate) options: &'a [&'a str],
    /// The file's name, whose suffix is its container.
    pub(crate) name: &'a str,
}

impl Film<'_> {
    /// Makes the film in `dir`.
    pub(crate) fn make(&self, dir: &Path) -> PathBuf {
        let path = dir.join(self.name);
        let size = format!("{}x{}", self.size.0, self.size.1);
        let mut ffmpeg = Command::new("ffmpeg")
            .args([
                "-v", "error", "-y", "-f", "rawvideo", "-pix_fmt", "yuv420p", "-s", &size, "-r", self.fps, "-i", "-",
            ])
            .args(self.options)
            .arg(&path)
            .stdin(Stdio::piped())
            .spawn()
            .unwrap();
        let mut pipe = ffmpeg.stdin.take().unwrap();
        for number in 0..self.frames {
            // ffmpeg may have had enough, -frames or -t say.
            if pipe.write_all(&self.picture(number)).is_err() {
                break;
            }
        }
        drop(pipe);
        assert!(ffmpeg.wait().unwrap().success());
        path
    }

    /// A moving gradient over the counter's strip, so that wrong references show.
    fn picture(&self, number: u32) -> Vec<u8> {
        let (width, height) = self.size;
        let shift = usize::try_from(number).unwrap() * 3;
        let mut bytes: Vec<u8> =
            (0..width * height).map(|at| u8::try_from((at % width + at / width + shift) % 200 + 20).unwrap()).collect();
        counter::paint(&mut bytes, self.size, width, number);
        bytes.resize(width * height * 3 / 2, 128);
        bytes
    }
}

/// The counters that ffmpeg decodes from `path`; `None` where it cannot be read.
pub(crate) fn counters(path: &Path, size: (u32, u32)) -> Vec<Option<u32>> {
    let (width, height) = (usize::try_from(size.0).unwrap(), usize::try_from(size.1).unwrap());
    let out = Command::new("ffmpeg")
        .args(["-v", "error", "-i"])
        .arg(path)
        .args(["-fps_mode", "passthrough", "-f", "rawvideo", "-pix_fmt", "gray", "-"])
        .output()
        .unwrap();
    assert!(out.status.success() && out.stderr.is_empty(), "{}", String::from_utf8_lossy(&out.stderr));
    out.stdout.chunks_exact(width * height).map(|picture| counter::read(picture, (width, height), width)).collect()
}

/// Mono samples at 48 kHz that ffmpeg decodes from `path`.
pub(crate) fn samples(path: &Path) -> Vec<f32> {
    let out = Command::new("ffmpeg")
        .args(["-v", "error", "-i"])
        .arg(path)
        .args(["-f", "f32le", "-ac", "1", "-ar", "48000", "-"])
        .output()
        .unwrap();
    assert!(out.status.success(), "{}", String::from_utf8_lossy(&out.stderr));
    out.stdout.chunks_exact(4).map(|bytes| f32::from_le_bytes(bytes.try_into().unwrap())).collect()
}

/// Compares what frames show with what they should; says just where they differ.
#[track_caller]
pub(crate) fn assert_shows(shown: &[Option<u32>], expected: impl IntoIterator<Item = u32>) {
    let expected: Vec<u32> = expected.into_iter().collect();
    let pairs = shown.iter().zip(&expected).enumerate();
    let wrong: Vec<_> = pairs.filter(|(_, (a, b))| **a != Some(**b)).map(|(n, (&a, &b))| (n, a, b)).collect();
    assert_eq!((shown.len(), wrong), (expected.len(), Vec::new()), "(frame, shown, expected)");
}
