//! Makes the film of a row, and knows of each of its pictures when it is shown.

use std::{
    ops::Range,
    path::{Path, PathBuf},
};

use anyhow::{Context as _, Result};

use super::table::Row;
use crate::{
    clip::{Audio, Clip},
    encoding::{Encoding, Index},
    ffmpeg, paint,
    scene::Content,
};

/// Width and height of all films.
const SIZE: (u32, u32) = (192, 108);
/// Of films without a rate: what is painted, before pictures are moved or left out.
const PAINTED: (u32, u32) = (30, 1);
/// Ticks a second in which pictures of uneven films are moved.
const TICKS: i64 = 90_000;
/// How far every third picture of an uneven film is moved: a quarter of a frame, so that none comes
/// near the middle of an output frame, where a container's rounding would decide.
const MOVED_TICKS: i64 = 720;
/// The pictures of a screen recording that are not there: twelve seconds.
const HOLE: Range<u32> = 157..517;
/// B-frames in a row, where there are some.
const B_FRAMES: u32 = 2;
/// Pictures before the first one that an edit list shows; it lies inside a GOP, and does not lead the next one: ffmpeg
/// would cut before that, and leave out the pictures that lead. Films without a rate have the picture at the cut, and where
/// it belongs: else ffmpeg would read the next one as if it were shown at the cut, and all sound late by that.
const CUT_FRAMES: u32 = 39;
/// How much longer than its pictures long sound is, in milliseconds.
const LONGER_MS: u32 = 1500;
/// Late sound starts as much after the first picture that is shown, or at this part of a short film.
const LATE_S: f64 = 1.25;
const LATE_PART: f64 = 0.375;
/// Short sound ends after this part of what is shown.
pub const SHORT_PART: f64 = 0.625;

/// A film and what is known of it.
#[derive(Clone, Debug)]
pub struct Film {
    /// The file.
    pub path: PathBuf,
    /// Frames per second that its presentation must have.
    pub fps: (u32, u32),
    /// The pictures that are presented, in order.
    pub pictures: Vec<Picture>,
    /// Length of the presentation in nanoseconds.
    pub length_ns: i64,
}

/// A picture of a film.
#[derive(Clone, Copy, Debug)]
pub struct Picture {
    /// The number painted on it.
    pub counter: u32,
    /// When it is shown, in nanoseconds from the first one.
    pub at_ns: i64,
    /// Whether it shows the flash of a new second, as the first to do so.
    pub flashes: bool,
}

// === impl Film ===

impl Film {
    /// Makes the film of a row in `folder`, which is there.
    ///
    /// # Errors
    /// If the row makes no sense, ffmpeg is missing or refuses the settings, or the folder cannot be written.
    pub fn make(row: &Row, folder: &Path) -> Result<Self> {
        let fps = rate(row)?;
        let seconds: f64 = row.seconds.parse().with_context(|| format!("`{row}` has no length"))?;
        let cut = if row.container == "mp4-edits" { CUT_FRAMES } else { 0 };
        let shown = u32::try_from(paint::whole((seconds * f64::from(fps.0) / f64::from(fps.1)).round()))?;
        let clip =
            Clip { fps, frames: cut + shown, audio: audio(row)?, content: Content::Plain, ..Clip::new(SIZE, 1, 1) };
        let path = folder.join(format!("film.{}", extension(row)));
        let cut_s = f64::from(cut) * f64::from(fps.1) / f64::from(fps.0);
        let encoding = encoding(row, gop(row, fps, shown), cut_s..clip.seconds());
        if cut == 0 {
            clip.write(&path, &encoding)?;
        } else {
            let whole = folder.join("whole.mp4");
            clip.write(&whole, &encoding)?;
            cut_off(&whole, cut_s, &path)?;
        }
        let pictures = pictures(row, fps, cut..cut + shown);
        let last = pictures.last().with_context(|| format!("`{row}` has no pictures"))?;
        Ok(Self { path, fps, length_ns: last.at_ns + frame_ns(fps, 1), pictures })
    }
}

fn rate(row: &Row) -> Result<(u32, u32)> {
    Ok(match row.rate {
        "23.976" => (24_000, 1001),
        "29.97" => (30_000, 1001),
        "59.94" => (60_000, 1001),
        "12.5" => (25, 2),
        "vfr" | "hole" => PAINTED,
        whole => (whole.parse::<u32>().with_context(|| format!("`{row}` has no frame rate"))?, 1),
    })
}

fn frame_ns((num, den): (u32, u32), frames: i64) -> i64 {
    (frames * i64::from(den) * 1_000_000_000 + i64::from(num) / 2) / i64::from(num)
}

/// The pictures with these numbers that are in the film.
fn pictures(row: &Row, fps: (u32, u32), numbers: Range<u32>) -> Vec<Picture> {
    let kept = numbers.filter(|&n| match row.rate {
        "vfr" => n % 10 != 7,
        "hole" => n % 5 != 3 && !HOLE.contains(&n),
        _ => true,
    });
    let time_ns = |n: u32| {
        let moved = row.rate == "vfr" && n % 3 == 1;
        frame_ns(fps, i64::from(n)) + if moved { MOVED_TICKS * 1_000_000_000 / TICKS } else { 0 }
    };
    // Whole seconds of the painted clip, at which it beeps.
    let second = |n: u32| u64::from(n) * u64::from(fps.1) / u64::from(fps.0);
    let all: Vec<u32> = kept.collect();
    let first_ns = all.first().map_or(0, |&n| time_ns(n));
    all.iter()
        .map(|&n| Picture { counter: n, at_ns: time_ns(n) - first_ns, flashes: n == 0 || second(n) != second(n - 1) })
        .collect()
}

fn audio(row: &Row) -> Result<Option<Audio>> {
    let channels = match row.channels {
        "none" => return Ok(None),
        "mono" => 1,
        "stereo" => 2,
        _ => 6,
    };
    let longer_ms = if row.extent == "long" { LONGER_MS } else { 0 };
    let rate = row.hertz.parse::<u32>().with_context(|| format!("the sound of `{row}` has no rate"))?;
    Ok(Some(Audio { rate, channels, longer_ms }))
}

fn extension(row: &Row) -> &'static str {
    match row.container {
        "mp4" | "mp4-first" | "mp4-fragments" | "mp4-edits" => "mp4",
        "mkv" | "mkv-live" => "mkv",
        other => other,
    }
}

/// Frames of a GOP: about four fifths of a second, and some GOPs even in half a second.
fn gop(row: &Row, fps: (u32, u32), frames: u32) -> u32 {
    // From a key picture on x264 codes in groups, whatever the pictures show: B-frames and what follows them. B-frames lead
    // the next key picture unless it comes right after a group; all of them do if it ends one.
    let group = B_FRAMES + 1;
    let gop = (fps.0 * 4 / 5 / fps.1).min(frames / 3).max(group);
    if row.gop == "open" { gop.next_multiple_of(group) } else { gop }
}

/// How a film is coded of which this part, in seconds, is shown.
fn encoding(row: &Row, gop: u32, shown_s: Range<f64>) -> Encoding {
    let container = row.container;
    let length_s = shown_s.end - shown_s.start;
    let mut extra: Vec<String> = Vec::new();
    let mut add = |words: &[&str]| extra.extend(words.iter().map(|word| (*word).to_owned()));
    let timing =
        format!("settb=1/{TICKS},setpts='PTS+if(eq(mod(N,3),1),{MOVED_TICKS},0)',select='not(eq(mod(n,10),7))'");
    let hole = format!("select='not(eq(mod(n,5),3))*(lt(n,{})+gte(n,{}))'", HOLE.start, HOLE.end);
    match row.rate {
        "vfr" => add(&["-vf", &timing, "-fps_mode", "passthrough", "-enc_time_base", &format!("1:{TICKS}")]),
        "hole" => add(&["-vf", &hole, "-fps_mode", "passthrough"]),
        _ => {}
    }
    match row.extent {
        "silent" => add(&["-af", "volume=0"]),
        "late" => add(&["-af", &format!("asetpts=PTS+{}/TB", shown_s.start + LATE_S.min(length_s * LATE_PART))]),
        "short" => add(&["-af", &format!("atrim=end={}", shown_s.start + length_s * SHORT_PART)]),
        _ => {}
    }
    if container == "mp4-fragments" && row.b == "none" && row.channels != "none" {
        // Else ffmpeg, which writes the index before it knows of the padding of the sound, shows the first picture longer.
        // With B-frames all is later than the padding.
        add(&["-movflags", "+delay_moov"]);
    }
    if container == "mkv-live" {
        add(&["-f", "matroska", "-live", "1"]);
    }
    let is_webm = container == "webm";
    if is_webm {
        add(&["-deadline", "realtime", "-cpu-used", "8", "-b:v", "0"]);
    }
    Encoding {
        video: if is_webm { "libvpx-vp9" } else { "libx264" }.to_owned(),
        preset: (!is_webm).then(|| "ultrafast".to_owned()),
        gop,
        bframes: if row.b == "some" { B_FRAMES } else { 0 },
        open_gop: row.gop == "open",
        audio: sound_codec(row).to_owned(),
        audio_bps: if row.channels == "5.1" { 384_000 } else { 128_000 },
        index: match container {
            "mp4-first" => Index::First,
            "mp4-fragments" => Index::Fragmented,
            _ => Index::Last,
        },
        extra,
        ..Encoding::default()
    }
}

/// What is usual in the container and can hold the sound.
fn sound_codec(row: &Row) -> &'static str {
    match (row.container, row.channels, row.hertz) {
        ("ts" | "avi", "5.1", _) => "ac3",
        ("mov" | "avi", ..) => "pcm_s16le",
        ("webm" | "mkv-live", _, "48000") => "libopus",
        ("webm", ..) => "libvorbis",
        _ => "aac",
    }
}

/// Cuts off the start as trimming tools do: packets from the key picture before it, and an edit list.
fn cut_off(whole: &Path, start_s: f64, to: &Path) -> Result<()> {
    let start = format!("{start_s:.6}");
    let [map, all, codec, copied] = ["-map", "0", "-c", "copy"].map(Path::new);
    ffmpeg::run(&[Path::new("-ss"), Path::new(&start), Path::new("-i"), whole, map, all, codec, copied, to])
}
