//! Clips through ffmpeg and back: counters at low rates and small sizes, beeps on the flash, odd files that are odd.

use std::process::Command;

use vidstream_testkit::{
    Clip, Content, Encoding, clip, counters,
    decode::{self, Picture},
    encoding::Index,
    odd::{self, Outcome},
};

fn small() -> Clip {
    Clip::new((640, 360), 30, 3)
}

fn ffmpeg(args: &[&str]) {
    let status = Command::new("ffmpeg").args(["-v", "error", "-y"]).args(args).status();
    assert!(status.is_ok_and(|status| status.success()), "ffmpeg {args:?}");
}

fn unbroken(frames: u32) -> Vec<Option<u32>> {
    (0..frames).map(Some).collect()
}

#[test]
fn counters_survive_x264_at_a_low_rate_and_240p() {
    let folder = tempfile::tempdir().unwrap();
    let source = small().cached(&Encoding::default(), "mp4").unwrap();
    let poor = folder.path().join("poor.mp4");
    let (source, poor) = (source.to_str().unwrap(), poor.to_str().unwrap());
    ffmpeg(&[
        "-i",
        source,
        "-vf",
        "scale=426:240",
        "-c:v",
        "libx264",
        "-preset",
        "veryfast",
        "-b:v",
        "100k",
        "-an",
        poor,
    ]);
    assert_eq!(counters(&["-i", poor]).unwrap(), unbroken(90));
}

#[test]
fn counters_survive_jpeg_tiles_of_160_by_90() {
    let folder = tempfile::tempdir().unwrap();
    let source = small().cached(&Encoding::default(), "mp4").unwrap();
    let tile = folder.path().join("tile%02d.jpg");
    let (source, tile) = (source.to_str().unwrap(), tile.to_str().unwrap());
    ffmpeg(&["-i", source, "-vf", "scale=160:90", "-q:v", "8", tile]);
    assert_eq!(counters(&["-i", tile]).unwrap(), unbroken(90));
}

#[test]
fn every_container_codec_and_gop_keeps_the_counters() {
    let portrait = Clip { audio: None, ..Clip::new((360, 640), 25, 2) };
    let film = Clip { fps: (24_000, 1001), frames: 60, ..small() };
    let open = Encoding { bframes: 3, open_gop: true, gop: 24, ..Encoding::default() };
    let vp8 = Encoding {
        video: "libvpx".into(),
        preset: None,
        audio: "libopus".into(),
        extra: ["-deadline", "realtime", "-cpu-used", "8", "-b:v", "1M"].map(String::from).to_vec(),
        ..Encoding::default()
    };
    for (clip, encoding, extension) in [
        (&small(), Encoding { index: Index::First, ..Encoding::default() }, "mp4"),
        (&small(), Encoding { index: Index::Fragmented, ..Encoding::default() }, "mp4"),
        (&portrait, Encoding::default(), "mp4"),
        (&film, open.clone(), "mkv"),
        (&film, open, "ts"),
        (&small(), vp8, "webm"),
    ] {
        let path = clip.cached(&encoding, extension).unwrap();
        let read = counters(&["-i", path.to_str().unwrap()]).unwrap();
        assert_eq!(read, unbroken(clip.frames), "{extension} {encoding:?}");
    }
}

#[test]
fn beeps_sound_when_the_picture_flashes() {
    let path = small().cached(&Encoding::default(), "mp4").unwrap();
    let input = ["-i", path.to_str().unwrap()];
    let beeps = decode::beeps(&input).unwrap();
    let pictures = decode::pictures(&input).unwrap();
    let lit: Vec<&Picture> = pictures.iter().filter(|picture| picture.flash).collect();
    assert_eq!(beeps.len(), 3, "{beeps:?}");
    for (beep, second) in beeps.iter().zip([0.0, 1.0, 2.0]) {
        assert!((beep - second).abs() < 0.005, "{beeps:?}");
        assert!(lit.iter().any(|picture| (picture.pts_s - second).abs() < 0.001), "{lit:?}");
    }
    let nine = pictures.iter().find(|picture| picture.counter == Some(9)).unwrap();
    assert!((nine.pts_s - 0.3).abs() < 0.001, "{nine:?}");
    assert_eq!(clip::frame_at(nine.pts_s, (30, 1)), 9);
}

#[test]
fn times_of_a_long_film_are_read_as_exactly_as_those_of_a_short_one() {
    let path = small().cached(&Encoding::default(), "mp4").unwrap();
    let late = decode::pictures(&["-itsoffset", "7000", "-i", path.to_str().unwrap()]).unwrap();
    assert_eq!(late.len(), 90);
    for (frame, picture) in (0_u32..).zip(&late) {
        assert!((picture.pts_s - 7000.0 - f64::from(frame) / 30.0).abs() < 1e-6, "{frame}: {picture:?}");
    }
}

#[test]
fn a_part_without_sound_has_no_beeps_and_a_film_without_sound_is_an_error() {
    let folder = tempfile::tempdir().unwrap();
    let (path, soundless) = (small().cached(&Encoding::default(), "mp4").unwrap(), folder.path().join("soundless.mp4"));
    let (path, soundless) = (path.to_str().unwrap(), soundless.to_str().unwrap());
    ffmpeg(&["-i", path, "-c", "copy", "-an", soundless]);
    assert!(decode::beeps_on_clock(&["-ss", "2.5", "-t", "0.3", "-i", path]).unwrap().is_empty());
    assert!(decode::beeps_on_clock(&["-ss", "10", "-i", path]).unwrap().is_empty());
    assert!(decode::beeps_on_clock(&["-i", soundless]).is_err());
}

#[test]
fn pictures_of_two_encodes_are_compared_by_likeness() {
    let path = small().cached(&Encoding::default(), "mp4").unwrap();
    let other = small().cached(&Encoding { crf: Some(20), ..Encoding::default() }, "mp4").unwrap();
    let lumas = |path: &std::path::Path| decode::lumas(&["-i", path.to_str().unwrap()], (320, 180), 40).unwrap();
    let (a, b) = (lumas(&path), lumas(&other));
    assert_eq!((a.len(), b.len()), (40, 40));
    let same = vidstream_testkit::ssim(&a[30], &b[30], (320, 180));
    let apart = vidstream_testkit::ssim(&a[30], &b[0], (320, 180));
    assert!(same > 0.9 && apart < 0.8, "{same} {apart}");
}

#[test]
fn a_loop_repeats_the_counters() {
    let folder = tempfile::tempdir().unwrap();
    let path = small().cached(&Encoding::default(), "mp4").unwrap();
    let film = folder.path().join("film.mp4");
    clip::loop_copies(&path, 3, &film).unwrap();
    let read = counters(&["-i", film.to_str().unwrap()]).unwrap();
    assert_eq!(read, [unbroken(90), unbroken(90), unbroken(90)].concat());
}

#[test]
fn odd_files_are_odd() {
    let folder = tempfile::tempdir().unwrap();
    let odd = odd::all(folder.path()).unwrap();
    for file in &odd {
        let input = ["-i", file.path.to_str().unwrap()];
        let probed = decode::probe(&input);
        match file.outcome {
            Outcome::Fails => assert!(probed.is_err(), "{}: {probed:?}", file.name),
            Outcome::Plays => assert!(probed.is_ok(), "{}: {probed:?}", file.name),
            Outcome::Either => {}
        }
    }
    let path = |name: &str| odd.iter().find(|file| file.name == name).unwrap().path.to_str().unwrap();
    assert_eq!(decode::probe(&["-i", path("audio_only")]).unwrap()["streams"].as_array().unwrap().len(), 1);
    assert_eq!(decode::probe(&["-i", path("picture_only")]).unwrap()["streams"].as_array().unwrap().len(), 1);
    let huge = std::fs::read(path("huge_dimensions")).unwrap();
    assert!(huge.windows(8).any(|bytes| bytes == [0xFF, 0xFF, 0, 0, 0xFF, 0xFF, 0, 0]), "track header");
    let zero = decode::probe(&["-i", path("zero_duration")]);
    if let Ok(probed) = zero {
        let duration: f64 = probed["format"]["duration"].as_str().unwrap_or("0").parse().unwrap();
        assert!(duration < 0.1, "{duration}");
    }
}

#[test]
fn a_clip_that_cannot_be_made_says_why() {
    let folder = tempfile::tempdir().unwrap();
    let wrong = Encoding { video: "no-such-encoder".into(), ..Encoding::default() };
    let error = Clip { content: Content::Plain, ..small() }.write(&folder.path().join("x.mp4"), &wrong).unwrap_err();
    assert!(format!("{error:#}").contains("no-such-encoder"), "{error:#}");
}
