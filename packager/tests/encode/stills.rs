//! Tile sheets and posters from stored pictures.

use std::{path::Path, process::Command};

use vidstream_media::{Crc32, Track, plan::Storyboard};
use vidstream_packager::{
    child::ChildIo,
    poster,
    protocol::{Input, Output, Picture, PosterJob, SheetJob},
    sheet,
};
use vidstream_testkit::counter;

use crate::{film::Film, outcome::Bench, planned::Wanted};

const LAYOUT: Storyboard = Storyboard { tricks_per_tile: 1, columns: 3, rows: 4, tile_width: 160, tile_height: 90 };

/// Ten seconds of film in two chunks: ten trick pictures.
fn made() -> Bench {
    let dir = Bench::folder();
    let options = ["-c:v", "libx264", "-preset", "veryfast"];
    let source = Film { size: (1280, 720), fps: "30", frames: 300, options: &options, name: "a.mp4" }.make(dir.path());
    let mut plan = Wanted { rungs: &[(640, 360)], ..Wanted::default() }.plan();
    plan.storyboard = Some(LAYOUT);
    let trick = plan.trick.as_mut().unwrap();
    (trick.width, trick.height) = (320, 180);
    let mut bench = Bench::new(dir, &source, plan);
    bench.run_all(&[(1, 2), (3, 4)]);
    bench
}

/// Where the I-frames of a track's segments lie.
fn pictures(bench: &Bench, track: Track) -> Vec<Picture> {
    let mut pictures = Vec::new();
    for part in &bench.parts {
        let chunk = part.tracks.iter().find(|chunk| chunk.track == track).unwrap();
        let object = Input::Media { track, first: part.segments.first, token: 0 };
        for segment in &chunk.segments {
            pictures.push(Picture { object, offset: segment.offset, bytes: segment.fragments[0].first_sample_end });
        }
    }
    pictures
}

/// The luma that ffmpeg decodes from an image, in limited range.
fn luma(path: &Path, (width, height): (usize, usize)) -> Vec<u8> {
    let filter = "scale=in_range=full:out_range=limited,format=gray";
    let out = Command::new("ffmpeg")
        .args(["-v", "error", "-i"])
        .arg(path)
        .args(["-vf", filter, "-f", "rawvideo", "-"])
        .output()
        .unwrap();
    assert!(out.status.success(), "{}", String::from_utf8_lossy(&out.stderr));
    assert_eq!(out.stdout.len(), width * height);
    out.stdout
}

#[test]
fn a_sheet_shows_every_trick_picture_in_its_tile() {
    let bench = made();
    let mut pictures = pictures(&bench, Track::Trick);
    // A picture that is no picture leaves its tile black and the others alone.
    pictures[4].bytes = 40;
    let job = SheetJob { plan: bench.plan.clone(), n: 1, config: bench.config(Track::Trick), pictures };
    let (io, local) = ChildIo::local(bench.dir.path(), &bench.dir.path().join("source")).unwrap();
    let report = sheet::run(&io, &job).unwrap();
    let path = local.path(Output::Sheet { n: 1 });
    let image = std::fs::read(&path).unwrap();
    assert_eq!((report.bytes, report.crc32), (image.len() as u64, Crc32::of(&image)));

    let (width, height) = (480, 360);
    let pixels = luma(&path, (width, height));
    let tile = |n: usize| {
        let (left, top) = (n % 3 * 160, n / 3 * 90);
        let rows: Vec<u8> =
            (top..top + 90).flat_map(|row| &pixels[row * width + left..row * width + left + 160]).copied().collect();
        counter::read(&rows, (160, 90), 160)
    };
    let expected: Vec<Option<u32>> = (0..12).map(|n| (n < 10 && n != 4).then_some(n * 30)).collect();
    assert_eq!((0..12).map(tile).collect::<Vec<_>>(), expected);
    assert!(pixels[270 * width + 320] <= 18, "a tile without a picture is black");
}

#[test]
fn a_poster_is_the_picture_with_the_most_to_see() {
    let bench = made();
    let track = Track::Rung(360);
    let candidates = pictures(&bench, track);
    let job = PosterJob { plan: bench.plan.clone(), track, config: bench.config(track), candidates };
    let (io, local) = ChildIo::local(bench.dir.path(), &bench.dir.path().join("source")).unwrap();
    let report = poster::run(&io, &job).unwrap();
    let path = local.path(Output::Poster);
    let image = std::fs::read(&path).unwrap();
    assert_eq!((report.bytes, report.crc32), (image.len() as u64, Crc32::of(&image)));
    let shown = counter::read(&luma(&path, (640, 360)), (640, 360), 640).unwrap();
    assert!([0, 60, 120, 240].contains(&shown), "{shown}");
}
