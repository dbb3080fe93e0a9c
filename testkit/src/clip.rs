//! Makes clips: pictures drawn here, sound looped from one second, coded by ffmpeg.

use std::{
    ffi::OsString,
    fs, io,
    path::{Path, PathBuf},
};

use anyhow::{Context as _, Result};

use crate::{
    beep, cache,
    encoding::Encoding,
    ffmpeg::{self, Ffmpeg},
    scene::{Content, Moment, Painter},
};

/// A clip: every frame shows its number as a counter, every whole second flashes and beeps.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct Clip {
    /// Width in pixels, even.
    pub width: u32,
    /// Height in pixels, even.
    pub height: u32,
    /// Frames per second as a fraction.
    pub fps: (u32, u32),
    /// Number of frames.
    pub frames: u32,
    /// The sound, if any.
    pub audio: Option<Audio>,
    /// What the pictures show.
    pub content: Content,
}

/// A clip's sound.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct Audio {
    /// Samples per second.
    pub rate: u32,
    /// Channels, all alike.
    pub channels: u16,
    /// How much longer than the pictures it lasts, in milliseconds.
    pub longer_ms: u32,
}

// === impl Audio ===

impl Default for Audio {
    /// Stereo at 48 kHz, as long as the pictures.
    fn default() -> Self {
        Self { rate: 48_000, channels: 2, longer_ms: 0 }
    }
}

// === impl Clip ===

impl Clip {
    /// A clip with stereo sound of `seconds` at a whole frame rate.
    pub fn new((width, height): (u32, u32), fps: u32, seconds: u32) -> Self {
        Self {
            width,
            height,
            fps: (fps, 1),
            frames: fps * seconds,
            audio: Some(Audio::default()),
            content: Content::default(),
        }
    }

    /// Length of the pictures in seconds.
    pub fn seconds(&self) -> f64 {
        f64::from(self.frames) * f64::from(self.fps.1) / f64::from(self.fps.0)
    }

    /// Writes the clip to `path`, whose extension chooses the container.
    ///
    /// # Errors
    /// If ffmpeg is missing or refuses the settings, or the file cannot be written.
    pub fn write(&self, path: &Path, encoding: &Encoding) -> Result<()> {
        let folder = tempfile::tempdir().context("no temporary folder")?;
        let args = self.args(path, encoding, folder.path())?;
        let mut run = Ffmpeg::start("error", &args)?;
        let pictures = run.child.stdin.take().context("ffmpeg without standard input")?;
        ffmpeg::widen(&pictures);
        let drawn = self.draw(pictures);
        // ffmpeg's own words say more than the broken pipe that they cause.
        run.finish().with_context(|| format!("cannot make {}", path.display()))?;
        drawn.context("cannot hand pictures to ffmpeg")
    }

    /// The clip's file of this extension in the cache, made if it is not there yet.
    ///
    /// # Errors
    /// As of [`Clip::write`].
    pub fn cached(&self, encoding: &Encoding, extension: &str) -> Result<PathBuf> {
        cache::file(&(self, encoding), extension, |path| self.write(path, encoding))
    }

    fn args(&self, path: &Path, encoding: &Encoding, folder: &Path) -> Result<Vec<OsString>> {
        let mut args: Vec<OsString> = Vec::new();
        let mut push = |more: &[&str]| args.extend(more.iter().map(OsString::from));
        push(&["-f", "rawvideo", "-pix_fmt", "yuv420p"]);
        push(&["-video_size", &format!("{}x{}", self.width, self.height)]);
        push(&["-framerate", &format!("{}/{}", self.fps.0, self.fps.1), "-i", "pipe:0"]);
        if let Some(audio) = self.audio {
            let second = folder.join("second.wav");
            fs::write(&second, beep::wav(audio.rate, audio.channels))?;
            let seconds = self.seconds() + f64::from(audio.longer_ms) / 1000.0;
            push(&["-stream_loop", "-1", "-t", &format!("{seconds:.6}"), "-i"]);
            args.push(second.into());
        }
        args.extend(["-map", "0:v:0"].map(OsString::from));
        args.extend(encoding.video_args().into_iter().map(OsString::from));
        if self.audio.is_some() {
            args.extend(["-map", "1:a:0"].map(OsString::from));
            args.extend(encoding.audio_args().into_iter().map(OsString::from));
        }
        let extension = path.extension().and_then(|extension| extension.to_str()).unwrap_or_default();
        args.extend(encoding.container_args(extension).into_iter().map(OsString::from));
        args.push(path.into());
        Ok(args)
    }

    fn draw(&self, mut to: impl io::Write) -> io::Result<()> {
        let mut painter = Painter::new(self.content, self.width as usize, self.height as usize);
        for frame in 0..self.frames {
            let moment = Moment { frame: frame as usize, fps: self.fps };
            to.write_all(painter.paint(moment, frame))?;
        }
        to.flush()
    }
}

/// Writes a film of `copies` times the same file, packets copied.
///
/// This is the cheap way to hours of film; the counters start anew with each copy, which only a new encode could avoid.
///
/// # Errors
/// If ffmpeg cannot read the file or write the other.
pub fn loop_copies(file: &Path, copies: u32, to: &Path) -> Result<()> {
    let mut args: Vec<OsString> = vec!["-stream_loop".into(), copies.saturating_sub(1).to_string().into()];
    args.extend(["-i".into(), file.into()]);
    args.extend(["-map", "0", "-c", "copy"].map(OsString::from));
    args.push(to.into());
    ffmpeg::run(&args)
}

/// The counter that frame `n` of a clip shows; clips longer than the counter wrap.
pub fn expected(n: u64) -> u32 {
    u32::try_from(n % u64::from(crate::counter::VALUES)).unwrap_or_default()
}

/// Frame shown at `seconds` by a clip of `fps` frames per second.
pub fn frame_at(seconds: f64, fps: (u32, u32)) -> usize {
    let exact = seconds * f64::from(fps.0) / f64::from(fps.1);
    // Printed times are rounded: half a thousandth of a frame is not the frame before.
    crate::paint::whole(exact + 0.001)
}
