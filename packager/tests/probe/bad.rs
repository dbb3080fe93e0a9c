//! Files that cannot be played, and files that are only partly there.

use std::{
    fs,
    io::Write,
    path::Path,
    thread,
    time::{Duration, Instant},
};

use vidstream_media::Plan;
use vidstream_packager::{child::ChildIo, probe};

use crate::{
    film::film,
    probing::{self, probe as probe_file},
};

/// A bad file is judged within this.
const VERDICT_MAX: Duration = Duration::from_secs(10);

/// The code of the failure, which comes in time and with a sentence.
fn code(path: &Path) -> String {
    let started = Instant::now();
    let failure = match probe_file(path) {
        Err(failure) => failure,
        Ok(probed) => panic!("{}: {:?}", path.display(), probed.report.facts),
    };
    assert!(started.elapsed() < VERDICT_MAX, "{}: {:?}", path.display(), started.elapsed());
    assert!(!failure.retryable && failure.detail.len() > 40 && failure.title.len() > 10, "{failure:?}");
    failure.code
}

#[test]
fn what_is_no_film_is_told() {
    let dir = tempfile::tempdir().unwrap();
    let file = |name: &str, bytes: &[u8]| {
        let path = dir.path().join(name);
        fs::write(&path, bytes).unwrap();
        path
    };
    assert_eq!(code(&file("empty", b"")), "empty");
    assert_eq!(code(&file("one", b"x")), "not_media");
    let mut state = 1_u32;
    let noise: Vec<u8> = (0..3_000_000)
        .map(|_| {
            state = state.wrapping_mul(1_664_525).wrapping_add(1_013_904_223);
            state.to_be_bytes()[0]
        })
        .collect();
    assert_eq!(code(&file("noise", &noise)), "not_media");
    assert_eq!(code(&file("text", &b"just words, not a film\n".repeat(1000))), "not_media");
    assert_eq!(code(&file("zeros", &vec![0; 100_000])), "not_media");
    assert_eq!(code(&file("page.html", b"<!DOCTYPE html><html><body>404</body></html>")), "not_media");
    assert_eq!(
        code(&file("a.zip", b"PK\x03\x04\x14\0\0\0\0\0aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa")),
        "not_media"
    );
    let png = film(dir.path(), "a.png", "25", "-frames:v 1");
    assert_eq!(code(&png), "not_media");
    let jpeg = film(dir.path(), "a.jpg", "25", "-frames:v 1");
    assert_eq!(code(&jpeg), "not_media");
    let mut ftyp = b"\0\0\0\x18ftypisom\0\0\0\0isommp42".to_vec();
    assert_eq!(code(&file("ftyp.mp4", &ftyp)), "missing_index");
    ftyp.extend(&noise[..5000]);
    assert_eq!(code(&file("rubbish.mp4", &ftyp)), "missing_index");
}

#[test]
fn an_unfinished_recording_has_no_index() {
    let dir = tempfile::tempdir().unwrap();
    let path = film(dir.path(), "last.mp4", "25", "-c:v libx264 -c:a aac");
    let bytes = fs::read(&path).unwrap();
    for part in [bytes.len() / 2, bytes.len() - 500] {
        fs::write(&path, &bytes[..part]).unwrap();
        assert_eq!(code(&path), "missing_index");
    }
}

#[test]
fn a_film_cut_off_behind_its_index_is_played_as_far_as_it_goes() {
    let dir = tempfile::tempdir().unwrap();
    let path = film(dir.path(), "first.mp4", "25", "-c:v libx264 -g 25 -c:a aac -movflags +faststart");
    let bytes = fs::read(&path).unwrap();
    fs::write(&path, &bytes[..bytes.len() * 3 / 5]).unwrap();
    let probed = probe_file(&path).unwrap();
    assert_eq!(probed.warnings(), ["truncated"]);
    assert!((75..175).contains(&probed.report.plan.timeline.frames));
    // The index alone.
    let index = bytes.windows(4).position(|kind| kind == b"mdat").unwrap();
    fs::write(&path, &bytes[..index + 10]).unwrap();
    assert_eq!(code(&path), "malformed");
}

#[test]
fn pictures_that_cannot_be_decoded_are_told() {
    let dir = tempfile::tempdir().unwrap();
    let path = film(dir.path(), "codec.mp4", "25", "-c:v libx264 -an");
    let bytes = fs::read(&path).unwrap();
    let renamed = replace(&bytes, *b"avc1", *b"zzz1", 4);
    fs::write(&path, renamed).unwrap();
    assert_eq!(code(&path), "unsupported_codec");
    let locked = replace(&bytes, *b"avc1", *b"encv", 4);
    fs::write(&path, locked).unwrap();
    assert_eq!(code(&path), "unsupported_codec");
    // The media overwritten: the index is fine, no picture is.
    let at = bytes.windows(4).position(|kind| kind == b"mdat").unwrap();
    let end = bytes.windows(4).position(|kind| kind == b"moov").unwrap();
    let mut blank = bytes.clone();
    blank[at + 4..end - 4].fill(0xa5);
    fs::write(&path, blank).unwrap();
    assert_eq!(code(&path), "malformed");
}

/// Replaces every occurrence; at most `most` of them exist.
fn replace(bytes: &[u8], from: [u8; 4], to: [u8; 4], most: usize) -> Vec<u8> {
    let mut changed = bytes.to_vec();
    let places: Vec<usize> = bytes.windows(4).enumerate().filter(|(_, four)| *four == from).map(|(at, _)| at).collect();
    assert!((1..=most).contains(&places.len()));
    for at in places {
        changed[at..at + 4].copy_from_slice(&to);
    }
    changed
}

#[test]
fn a_growing_source_gives_the_same_plan() {
    let dir = tempfile::tempdir().unwrap();
    for (name, words) in [
        ("first.mp4", "-c:v libx264 -g 50 -c:a aac -movflags +faststart"),
        ("last.mp4", "-c:v libx264 -g 50 -c:a aac"),
        ("fragments.mp4", "-c:v libx264 -g 50 -c:a aac -movflags +frag_keyframe+empty_moov"),
        ("film.mkv", "-c:v libx264 -g 50 -c:a aac"),
        ("film.ts", "-c:v libx264 -g 50 -c:a aac"),
    ] {
        let path = film(dir.path(), name, "25", words);
        let whole = probe_file(&path).unwrap();
        let grown = grow(&path);
        assert_eq!(whole.report.plan, grown.report.plan, "{name}");
        assert_eq!(whole.index, grown.index, "{name}");
        assert_eq!((whole.video, whole.audio), (grown.video, grown.audio), "{name}");
    }
}

/// Probes a file whose bytes arrive in pieces while the probe runs.
fn grow(path: &Path) -> probing::Probed {
    let dir = tempfile::tempdir().unwrap();
    let growing = dir.path().join("source");
    let mut file = fs::File::create(&growing).unwrap();
    let (io, local) = ChildIo::local_growing(dir.path(), &growing).unwrap();
    let running = thread::spawn(move || probe::run(&io, &probing::job()));
    for piece in fs::read(path).unwrap().chunks(50_000) {
        file.write_all(piece).unwrap();
        thread::yield_now();
    }
    local.complete_source();
    let report = running.join().unwrap().unwrap();
    let _: &Plan = &report.plan;
    probing::read(report, &local, &growing)
}

#[test]
fn a_verdict_waits_for_the_last_byte() {
    let dir = tempfile::tempdir().unwrap();
    let growing = dir.path().join("source");
    fs::write(&growing, b"no film at all, only words").unwrap();
    let (io, local) = ChildIo::local_growing(dir.path(), &growing).unwrap();
    let running = thread::spawn(move || probe::run(&io, &probing::job()));
    assert!(!running.is_finished());
    local.complete_source();
    assert_eq!(running.join().unwrap().unwrap_err().code, "not_media");
}
