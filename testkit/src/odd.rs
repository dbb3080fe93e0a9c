//! Files as publishers send them by mistake: empty, cut off, of the wrong kind, with a lying header.

use std::{
    fs,
    path::{Path, PathBuf},
};

use anyhow::{Context as _, Result};

use crate::{
    clip::Clip,
    encoding::{Encoding, Index},
    scene::Content,
};

/// One odd file.
#[derive(Clone, Debug)]
pub struct Odd {
    /// What is odd, as in the file's name.
    pub name: &'static str,
    /// The file.
    pub path: PathBuf,
    /// What ffprobe makes of it.
    pub outcome: Outcome,
}

/// What ffprobe makes of an odd file. What becomes of it on the platform is told in `cli/tests/it/bad_files.rs`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Outcome {
    /// It cannot be read.
    Fails,
    /// It is read as a film.
    Plays,
    /// Either, as the version of ffprobe has it.
    Either,
}

/// Makes all odd files in `folder`, each of three seconds at most.
///
/// # Errors
/// If ffmpeg is missing or the folder cannot be written.
pub fn all(folder: &Path) -> Result<Vec<Odd>> {
    let clip = Clip { content: Content::Calm, ..Clip::new((320, 180), 25, 3) };
    let file = |name: &str| folder.join(name);
    let good = fs::read(clip.cached(&Encoding::default(), "mp4")?)?;
    let fast = fs::read(clip.cached(&Encoding { index: Index::First, ..Encoding::default() }, "mp4")?)?;
    let silent = Clip { audio: None, ..clip.clone() };
    let mut odd = Vec::new();
    let mut add = |name, path: PathBuf, outcome| odd.push(Odd { name, path, outcome });
    for (name, bytes, outcome) in [
        ("empty", Vec::new(), Outcome::Fails),
        ("garbage", garbage(200_000), Outcome::Fails),
        ("truncated", cut(&fast, 3, 5), Outcome::Either),
        ("missing_index", cut(&good, 4, 5), Outcome::Fails),
        ("zero_duration", zero_duration(&good), Outcome::Either),
        ("huge_dimensions", huge_dimensions(&good), Outcome::Either),
    ] {
        let path = file(&format!("{name}.mp4"));
        fs::write(&path, bytes).with_context(|| format!("cannot write {}", path.display()))?;
        add(name, path, outcome);
    }
    let matroska = file("wrong_extension.mp4");
    fs::copy(clip.cached(&Encoding::default(), "mkv")?, &matroska)?;
    add("wrong_extension", matroska, Outcome::Plays);
    let pictures = file("picture_only.mp4");
    fs::copy(silent.cached(&Encoding::default(), "mp4")?, &pictures)?;
    add("picture_only", pictures, Outcome::Plays);
    let sound = file("audio_only.m4a");
    audio_only(&clip, &sound)?;
    add("audio_only", sound, Outcome::Plays);
    Ok(odd)
}

/// `numerator`/`denominator` of the bytes, from the start.
pub fn cut(bytes: &[u8], numerator: usize, denominator: usize) -> Vec<u8> {
    let kept = bytes.len() * numerator / denominator;
    bytes.get(..kept).unwrap_or(bytes).to_vec()
}

/// `size` bytes of noise, always the same.
pub fn garbage(size: usize) -> Vec<u8> {
    let mut state = 0x2545_F491_u32;
    let byte = |_| {
        state = state.wrapping_mul(1_664_525).wrapping_add(1_013_904_223);
        (state >> 24).to_le_bytes().first().copied().unwrap_or_default()
    };
    (0..size).map(byte).collect()
}

/// The sound of a clip alone, as AAC in the container that the path's extension names.
///
/// # Errors
/// If ffmpeg is missing or the file cannot be written.
pub fn audio_only(clip: &Clip, to: &Path) -> Result<()> {
    let source = clip.cached(&Encoding::default(), "mp4")?;
    crate::ffmpeg::run(&[Path::new("-i"), &source, Path::new("-vn"), Path::new("-c:a"), Path::new("copy"), to])
}

/// An MP4 whose headers and sample tables say that nothing takes any time.
pub fn zero_duration(file: &[u8]) -> Vec<u8> {
    let mut file = file.to_vec();
    // Offsets from the type field, version 0: ISO/IEC 14496-12 §8.2.2, §8.4.2, §8.3.2.
    for (kind, offset) in [(b"mvhd", 20), (b"mdhd", 20), (b"tkhd", 24)] {
        for at in boxes(&file, *kind) {
            patch(&mut file, at + offset, &[0; 4]);
        }
    }
    // §8.6.1.2: count, then pairs of sample count and delta.
    for at in boxes(&file, *b"stts") {
        let count = file.get(at + 8..at + 12).and_then(|count| count.try_into().ok()).map_or(0, u32::from_be_bytes);
        for entry in 0..count as usize {
            patch(&mut file, at + 12 + entry * 8 + 4, &[0; 4]);
        }
    }
    file
}

/// An MP4 whose headers say 65535 x 65535; the stream inside is as small as before.
pub fn huge_dimensions(file: &[u8]) -> Vec<u8> {
    let mut file = file.to_vec();
    // Width and height follow each other: 16.16 in the track header, plain in the sample entry (§8.3.2, §12.1.3).
    if let Some(&at) = boxes(&file, *b"tkhd").first() {
        patch(&mut file, at + 80, &[0xFF, 0xFF, 0, 0, 0xFF, 0xFF, 0, 0]);
    }
    for at in boxes(&file, *b"avc1") {
        patch(&mut file, at + 28, &[0xFF; 4]);
    }
    file
}

/// Where the type fields of all boxes of a kind are, from the last `moov` on.
fn boxes(file: &[u8], kind: [u8; 4]) -> Vec<usize> {
    let places = |kind: &[u8; 4]| -> Vec<usize> {
        file.windows(4).enumerate().filter(|(_, found)| found == kind).map(|(at, _)| at).collect()
    };
    let index = places(b"moov").last().copied().unwrap_or_default();
    places(&kind).into_iter().filter(|&at| at > index).collect()
}

fn patch(file: &mut [u8], at: usize, bytes: &[u8]) {
    if let Some(place) = file.get_mut(at..at + bytes.len()) {
        place.copy_from_slice(bytes);
    }
}
