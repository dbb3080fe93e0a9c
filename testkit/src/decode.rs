//! Reads counters, times, pictures and beeps back, by decoding with ffmpeg: files, playlists, manifests and URLs.
//!
//! `input` is what ffmpeg wants up to and including `-i NAME`, such as `["-i", "film.mp4"]` or
//! `["-ss", "8", "-i", "http://…/master.m3u8"]`; a `-map 0:v:N` after it picks another stream than the first.

use std::{ffi::OsStr, io::Read as _, process::Stdio};

use anyhow::{Context as _, Result, bail, ensure};

use crate::{
    beep, counter,
    ffmpeg::{self, Ffmpeg},
    scene,
};

/// Pictures are scaled to this before they are read: small enough to be quick, and proof against scaling by itself.
const READ_SIZE: (usize, usize) = (384, 216);
/// Samples per second of decoded sound.
pub const SOUND_RATE: u32 = 48_000;

/// What was read from one decoded picture.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Picture {
    /// Presentation time as ffmpeg gives it, seconds.
    pub pts_s: f64,
    /// The counter, if it can be read.
    pub counter: Option<u32>,
    /// Whether the flash is on.
    pub flash: bool,
}

/// The counters of all pictures in display order.
///
/// # Errors
/// If ffmpeg cannot read the input to its end.
pub fn counters<S: AsRef<OsStr>>(input: &[S]) -> Result<Vec<Option<u32>>> {
    Ok(pictures(input)?.into_iter().map(|picture| picture.counter).collect())
}

/// Time, counter and flash of all pictures in display order.
///
/// # Errors
/// If ffmpeg cannot read the input to its end.
pub fn pictures<S: AsRef<OsStr>>(input: &[S]) -> Result<Vec<Picture>> {
    let mut read = Vec::new();
    let pts_s = each_luma(input, READ_SIZE, &["-copyts"], |luma| {
        read.push((counter::read(luma, READ_SIZE, READ_SIZE.0), scene::is_flash(luma, READ_SIZE)));
    })?;
    ensure!(pts_s.len() == read.len(), "{} times for {} pictures", pts_s.len(), read.len());
    Ok(pts_s.into_iter().zip(read).map(|(pts_s, (counter, flash))| Picture { pts_s, counter, flash }).collect())
}

/// Time of the first picture, seconds.
///
/// # Errors
/// If ffmpeg cannot read the input or it has no picture.
pub fn first_picture_s<S: AsRef<OsStr>>(input: &[S]) -> Result<f64> {
    let pts_s = each_luma(input, READ_SIZE, &["-copyts", "-frames:v", "1"], |_| {})?;
    pts_s.first().copied().context("no picture")
}

/// The luma planes of the first `count` pictures, scaled to `size` without padding.
///
/// # Errors
/// If ffmpeg cannot read the input.
pub fn lumas<S: AsRef<OsStr>>(input: &[S], size: (usize, usize), count: usize) -> Result<Vec<Vec<u8>>> {
    let mut lumas = Vec::new();
    each_luma(input, size, &["-frames:v", &count.to_string()], |luma| lumas.push(luma.to_vec()))?;
    Ok(lumas)
}

/// The sound, mixed to one channel, [`SOUND_RATE`] samples per second, full scale 1.0.
///
/// # Errors
/// If ffmpeg cannot read the input or it has no sound.
pub fn sound<S: AsRef<OsStr>>(input: &[S]) -> Result<Vec<f32>> {
    let mut args: Vec<&OsStr> = input.iter().map(AsRef::as_ref).collect();
    let rate = SOUND_RATE.to_string();
    args.extend(["-vn", "-ac", "1", "-ar", &rate, "-f", "f32le", "pipe:1"].map(OsStr::new));
    let mut run = Ffmpeg::start("error", &args)?;
    let mut bytes = Vec::new();
    run.child.stdout.take().context("ffmpeg without standard output")?.read_to_end(&mut bytes)?;
    run.finish()?;
    Ok(bytes.as_chunks::<4>().0.iter().map(|&sample| f32::from_le_bytes(sample)).collect())
}

/// Seconds at which beeps start, from the start of the decoded sound.
///
/// # Errors
/// If ffmpeg cannot read the input or it has no sound.
pub fn beeps<S: AsRef<OsStr>>(input: &[S]) -> Result<Vec<f64>> {
    Ok(beep::onsets(&sound(input)?, SOUND_RATE))
}

/// Seconds at which beeps start on the input's own clock, on which [`pictures`] have their times too. A part of a film
/// after the end of its sound has none.
///
/// # Errors
/// If ffmpeg cannot read the input or it has no stream of sound.
pub fn beeps_on_clock<S: AsRef<OsStr>>(input: &[S]) -> Result<Vec<f64>> {
    // Or the mix of channels that are alike is louder than each, and the hum of six as loud as a beep.
    let mixed = format!("aresample={SOUND_RATE}:rematrix_maxval=1");
    let filter = format!("{mixed},aformat=sample_fmts=flt:channel_layouts=mono,ashowinfo");
    let mut args: Vec<&OsStr> = vec![OsStr::new("-copyts")];
    args.extend(input.iter().map(AsRef::as_ref));
    args.extend(["-map", "0:a:0", "-af", &filter, "-f", "f32le", "pipe:1"].map(OsStr::new));
    let mut run = Ffmpeg::start("info", &args)?;
    let mut bytes = Vec::new();
    run.child.stdout.take().context("ffmpeg without standard output")?.read_to_end(&mut bytes)?;
    let blocks = run.finish()?.blocks;
    let Some(&(first, _)) = blocks.first() else { return Ok(Vec::new()) };
    let mut at = 0;
    let samples: Vec<f32> = bytes.as_chunks::<4>().0.iter().map(|&sample| f32::from_le_bytes(sample)).collect();
    let mut placed: Vec<f32> = Vec::new();
    for (pts, count) in blocks {
        let block = samples.get(at..at + count).context("fewer samples than told")?;
        let place = usize::try_from(pts - first).unwrap_or_default();
        // What lies between blocks is silent.
        placed.resize(place.max(placed.len()), 0.0);
        placed.truncate(place);
        placed.extend_from_slice(block);
        at += count;
    }
    #[expect(clippy::cast_precision_loss, reason = "samples of a day stay below 2^53")]
    let start_s = first as f64 / f64::from(SOUND_RATE);
    Ok(beep::onsets(&placed, SOUND_RATE).into_iter().map(|at| start_s + at).collect())
}

/// What ffprobe says about format and streams.
///
/// # Errors
/// If ffprobe cannot read the input.
pub fn probe<S: AsRef<OsStr>>(input: &[S]) -> Result<serde_json::Value> {
    let output = ffmpeg::command("ffprobe")
        .args(["-v", "error", "-of", "json", "-show_format", "-show_streams"])
        .args(input)
        .stdin(Stdio::null())
        .output()
        .context("cannot start ffprobe: is it installed?")?;
    if !output.status.success() {
        bail!("ffprobe: {}", String::from_utf8_lossy(&output.stderr).trim());
    }
    Ok(serde_json::from_slice(&output.stdout)?)
}

/// Hands each picture's luma to `take`; the result is each picture's time in seconds.
fn each_luma<S: AsRef<OsStr>>(
    input: &[S],
    (width, height): (usize, usize),
    options: &[&str],
    mut take: impl FnMut(&[u8]),
) -> Result<Vec<f64>> {
    let mut args: Vec<&OsStr> = input.iter().map(AsRef::as_ref).collect();
    if !args.iter().any(|arg| *arg == "-map") {
        args.extend(["-map", "0:v:0"].map(OsStr::new));
    }
    let filter = format!("scale={width}:{height}:flags=area,format=gray,showinfo=checksum=0");
    args.extend(["-vf", &filter, "-fps_mode", "passthrough"].map(OsStr::new));
    args.extend(options.iter().map(OsStr::new));
    args.extend(["-an", "-f", "rawvideo", "-pix_fmt", "gray", "pipe:1"].map(OsStr::new));
    let mut run = Ffmpeg::start("info", &args)?;
    let mut pixels = run.child.stdout.take().context("ffmpeg without standard output")?;
    ffmpeg::widen(&pixels);
    let mut luma = vec![0; width * height];
    while read_whole(&mut pixels, &mut luma)? {
        take(&luma);
    }
    Ok(run.finish()?.pts_s)
}

/// Fills `buffer`; false at the end, where a part of a picture is an error.
fn read_whole(from: &mut impl std::io::Read, buffer: &mut [u8]) -> Result<bool> {
    let mut filled = 0;
    while let Some(rest) = buffer.get_mut(filled..).filter(|rest| !rest.is_empty()) {
        match from.read(rest)? {
            0 if filled == 0 => return Ok(false),
            0 => bail!("the last picture is not whole"),
            read => filled += read,
        }
    }
    Ok(true)
}
