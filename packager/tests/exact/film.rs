//! Makes the film of a row, and knows of each of its pictures when it is shown.

use std::{
    path::{Path, PathBuf},
    process::Command,
};

use vidstream_testkit::{Audio, Clip, Content, Encoding, encoding::Index};

use crate::table::Row;

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
const HOLE: std::ops::Range<u32> = 157..517;
/// Pictures before the first one that an edit list shows; it lies inside a GOP.
const CUT_FRAMES: u32 = 37;
/// How much longer than its pictures long sound is, in milliseconds.
const LONGER_MS: u32 = 1500;
/// Late sound starts as much later, or at this part of a short film.
const LATE_S: f64 = 1.25;
const LATE_PART: f64 = 0.375;
/// Short sound ends after this part of the film.
const SHORT_PART: f64 = 0.625;

/// A film and what is known of it.
pub(crate) struct Film {
    pub(crate) path: PathBuf,
    /// Frames per second that its presentation must have.
    pub(crate) fps: (u32, u32),
    /// The pictures that are presented, in order.
    pub(crate) pictures: Vec<Picture>,
    /// Length of the presentation in nanoseconds.
    pub(crate) length_ns: i64,
}

/// A picture of a film.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Picture {
    /// The number painted on it.
    pub(crate) counter: u32,
    /// When it is shown, in nanoseconds from the first one.
    pub(crate) at_ns: i64,
    /// Whether it shows the flash of a new second, as the first to do so.
    pub(crate) flashes: bool,
}

/// Makes the film of a row in `folder`.
pub(crate) fn make(row: &Row, folder: &Path) -> Film {
    let fps = rate(row);
    let cut = if row.get("container") == "mp4-edits" { CUT_FRAMES } else { 0 };
    let shown = (row.seconds() * f64::from(fps.0) / f64::from(fps.1)).round() as u32;
    let clip = Clip { fps, frames: cut + shown, audio: audio(row), content: Content::Plain, ..Clip::new(SIZE, 1, 1) };
    let path = folder.join(format!("film.{}", extension(row)));
    let encoding = encoding(row, fps, shown, clip.seconds());
    if cut == 0 {
        clip.write(&path, &encoding).unwrap();
    } else {
        let whole = folder.join("whole.mp4");
        clip.write(&whole, &encoding).unwrap();
        cut_off(&whole, f64::from(cut) * f64::from(fps.1) / f64::from(fps.0), &path);
    }
    let pictures = pictures(row, fps, cut..cut + shown);
    let frame_ns = frame_ns(fps, 1);
    let length_ns = pictures.last().unwrap().at_ns + frame_ns;
    Film { path, fps, pictures, length_ns }
}

fn rate(row: &Row) -> (u32, u32) {
    match row.get("rate") {
        "23.976" => (24_000, 1001),
        "29.97" => (30_000, 1001),
        "59.94" => (60_000, 1001),
        "12.5" => (25, 2),
        "vfr" | "hole" => PAINTED,
        whole => (whole.parse().unwrap(), 1),
    }
}

fn frame_ns((num, den): (u32, u32), frames: i64) -> i64 {
    (frames * i64::from(den) * 1_000_000_000 + i64::from(num) / 2) / i64::from(num)
}

/// The pictures with these numbers that are in the film.
fn pictures(row: &Row, fps: (u32, u32), numbers: std::ops::Range<u32>) -> Vec<Picture> {
    let kept = numbers.filter(|&n| match row.get("rate") {
        "vfr" => n % 10 != 7,
        "hole" => n % 5 != 3 && !HOLE.contains(&n),
        _ => true,
    });
    let time_ns = |n: u32| {
        let moved = row.get("rate") == "vfr" && n % 3 == 1;
        frame_ns(fps, i64::from(n)) + if moved { MOVED_TICKS * 1_000_000_000 / TICKS } else { 0 }
    };
    // Whole seconds of the painted clip, at which it beeps.
    let second = |n: u32| u64::from(n) * u64::from(fps.1) / u64::from(fps.0);
    let all: Vec<u32> = kept.collect();
    let first_ns = time_ns(all[0]);
    all.iter()
        .map(|&n| Picture { counter: n, at_ns: time_ns(n) - first_ns, flashes: n == 0 || second(n) != second(n - 1) })
        .collect()
}

fn audio(row: &Row) -> Option<Audio> {
    let channels = match row.get("channels") {
        "none" => return None,
        "mono" => 1,
        "stereo" => 2,
        _ => 6,
    };
    let longer_ms = if row.get("extent") == "long" { LONGER_MS } else { 0 };
    Some(Audio { rate: row.get("hertz").parse().unwrap(), channels, longer_ms })
}

fn extension(row: &Row) -> &'static str {
    match row.get("container") {
        "mp4" | "mp4-first" | "mp4-fragments" | "mp4-edits" => "mp4",
        "mkv" | "mkv-live" => "mkv",
        other => other,
    }
}

fn encoding(row: &Row, fps: (u32, u32), frames: u32, length_s: f64) -> Encoding {
    let container = row.get("container");
    // About four fifths of a second, and some GOPs even in half a second.
    let gop = (fps.0 * 4 / 5 / fps.1).min(frames / 3).max(3);
    let mut extra: Vec<String> = Vec::new();
    let mut add = |words: &[&str]| extra.extend(words.iter().map(|word| (*word).to_owned()));
    let timing =
        format!("settb=1/{TICKS},setpts='PTS+if(eq(mod(N,3),1),{MOVED_TICKS},0)',select='not(eq(mod(n,10),7))'");
    let hole = format!("select='not(eq(mod(n,5),3))*(lt(n,{})+gte(n,{}))'", HOLE.start, HOLE.end);
    match row.get("rate") {
        "vfr" => add(&["-vf", &timing, "-fps_mode", "passthrough", "-enc_time_base", &format!("1:{TICKS}")]),
        "hole" => add(&["-vf", &hole, "-fps_mode", "passthrough"]),
        _ => {}
    }
    match row.get("extent") {
        "silent" => add(&["-af", "volume=0"]),
        "late" => add(&["-af", &format!("asetpts=PTS+{}/TB", LATE_S.min(length_s * LATE_PART))]),
        "short" => add(&["-af", &format!("atrim=end={}", length_s * SHORT_PART)]),
        _ => {}
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
        bframes: if row.get("b") == "some" { 2 } else { 0 },
        open_gop: row.get("gop") == "open",
        audio: sound_codec(row).to_owned(),
        audio_bps: if row.get("channels") == "5.1" { 384_000 } else { 128_000 },
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
    match (row.get("container"), row.get("channels"), row.get("hertz")) {
        ("ts" | "avi", "5.1", _) => "ac3",
        // With the delay of MP3 ffmpeg would move the first picture of an AVI; without, PCM cannot be late.
        ("avi", ..) if row.get("extent") == "late" => "libmp3lame",
        ("mov" | "avi", ..) => "pcm_s16le",
        ("webm" | "mkv-live", _, "48000") => "libopus",
        ("webm", ..) => "libvorbis",
        _ => "aac",
    }
}

/// Cuts off the start as trimming tools do: packets from the key picture before it, and an edit list.
fn cut_off(whole: &Path, start_s: f64, to: &Path) {
    let start = format!("{start_s:.6}");
    let mut ffmpeg = Command::new("ffmpeg");
    ffmpeg.args(["-v", "error", "-nostdin", "-y", "-ss", &start, "-i"]).arg(whole).args(["-map", "0", "-c", "copy"]);
    assert!(ffmpeg.arg(to).status().unwrap().success());
}
