//! Pictures: the right ones, each in its frame, whatever the source and the chunking.

use std::path::Path;

use vidstream_media::{Plan, Track};
use vidstream_packager::protocol::{Filler, Input, StoredGop};
use vidstream_testkit::{decode, ssim};

use crate::{
    film::Film,
    outcome::Bench,
    planned::{Wanted, job},
    scan::{self, Scanned},
};

const RUNG: Track = Track::Rung(180);
/// Mean structural similarity from which on pictures look the same.
const ALIKE_MIN: f64 = 0.9;

/// Ten seconds at 30 fps in 320x180: segments of 2, 2, 4 and 2 seconds.
fn film(dir: &Path, name: &str, options: &[&str]) -> Scanned {
    let path = Film { size: (320, 180), fps: "30", frames: 300, options, name }.make(dir);
    scan::scan(&path)
}

/// What each frame of the rung shows when `runs` are made one by one.
fn shown(source: &Scanned, plan: &Plan, runs: &[(u64, u64)]) -> Vec<u32> {
    let mut bench = Bench::with(Bench::folder(), source, plan.clone(), 0, false);
    bench.run_all(runs);
    bench.verify();
    assert_eq!(bench.warnings(), Vec::<&_>::new());
    let counters = bench.counters(RUNG);
    counters
        .iter()
        .enumerate()
        .map(|(frame, counter)| counter.unwrap_or_else(|| panic!("frame {frame} has no counter")))
        .collect()
}

/// Every chunking of the source shows these numbers.
#[track_caller]
fn shows(source: &Scanned, wanted: &Wanted<'_>, expected: &[u32]) {
    let plan = wanted.plan();
    let last = plan.timeline.segments();
    let one_by_one: Vec<(u64, u64)> = (1..=last).map(|n| (n, n)).collect();
    for runs in [&[(1, last)][..], &one_by_one, &[(1, 2), (3, last)]] {
        let found = shown(source, &plan, runs);
        let wrong: Vec<(usize, u32, u32)> = found
            .iter()
            .zip(expected)
            .enumerate()
            .filter(|(_, (a, b))| a != b)
            .map(|(n, (&a, &b))| (n, a, b))
            .collect();
        assert_eq!((found.len(), wrong), (expected.len(), Vec::new()), "{runs:?}: (frame, shown, expected)");
    }
}

fn all() -> Vec<u32> {
    (0..300).collect()
}

#[test]
fn closed_gops_with_b_frames() {
    let dir = Bench::folder();
    let source = film(dir.path(), "a.mp4", &["-c:v", "libx264", "-preset", "veryfast", "-g", "50", "-bf", "3"]);
    shows(&source, &Wanted::default(), &all());
}

#[test]
fn open_gops() {
    let dir = Bench::folder();
    let open = [
        "-c:v",
        "libx264",
        "-preset",
        "veryfast",
        "-bf",
        "3",
        "-x264-params",
        "open-gop=1:keyint=40:min-keyint=40:scenecut=0",
    ];
    for name in ["a.mp4", "a.mkv", "a.ts"] {
        shows(&film(dir.path(), name, &open), &Wanted::default(), &all());
    }
}

#[test]
fn one_sync_picture_only() {
    let dir = Bench::folder();
    let source = film(dir.path(), "a.mp4", &["-c:v", "libx264", "-preset", "veryfast", "-g", "900", "-bf", "2"]);
    shows(&source, &Wanted::default(), &all());
}

#[test]
fn other_codecs() {
    let dir = Bench::folder();
    let hevc = ["-c:v", "libx265", "-preset", "ultrafast", "-x265-params", "log-level=none:keyint=45:open-gop=1"];
    let av1 = ["-c:v", "libaom-av1", "-usage", "realtime", "-cpu-used", "8", "-g", "60"];
    let vp9 = ["-c:v", "libvpx-vp9", "-deadline", "realtime", "-cpu-used", "8", "-g", "70"];
    let vp8 = ["-c:v", "libvpx", "-deadline", "realtime", "-cpu-used", "8", "-auto-alt-ref", "1", "-b:v", "1M"];
    for (name, options) in [
        ("hevc.mp4", &hevc[..]),
        ("av1.mp4", &av1),
        ("vp9.webm", &vp9),
        ("vp8.webm", &vp8),
        ("mpeg2.ts", &["-c:v", "mpeg2video", "-g", "15", "-bf", "2", "-q:v", "3"]),
        ("mpeg4.avi", &["-c:v", "mpeg4", "-q:v", "3"]),
        ("prores.mov", &["-c:v", "prores_ks", "-profile:v", "0"]),
        ("mjpeg.mov", &["-c:v", "mjpeg", "-q:v", "3"]),
    ] {
        shows(&film(dir.path(), name, options), &Wanted::default(), &all());
    }
}

#[test]
fn uneven_times_show_the_latest_picture_at_mid_frame() {
    let dir = Bench::folder();
    // Pictures 0..=99 at 30 fps, then a hole of two seconds, then the rest at 20 fps.
    let setpts = "setpts='if(lt(N,100),N/30,(N-100)/20+100/30+2)/TB'";
    let options = [
        "-vf",
        setpts,
        "-fps_mode",
        "passthrough",
        "-enc_time_base",
        "1:6000",
        "-c:v",
        "libx264",
        "-preset",
        "veryfast",
        "-g",
        "50",
        "-bf",
        "2",
        "-frames:v",
        "200",
    ];
    let source = film(dir.path(), "a.mkv", &options);
    let exact = |n: u32| if n < 100 { f64::from(n) / 30.0 } else { f64::from(n - 100) / 20.0 + 100.0 / 30.0 + 2.0 };
    // Matroska keeps whole milliseconds.
    let time = |n: u32| (exact(n) * 1000.0).round() / 1000.0;
    let expected: Vec<u32> = (0..300)
        .map(|frame| (0..200).rev().find(|&n| time(n) <= (f64::from(frame) + 0.5) / 30.0).unwrap_or(0))
        .collect();
    shows(&source, &Wanted::default(), &expected);
}

#[test]
fn rungs_and_trick_pictures_show_the_same() {
    let dir = Bench::folder();
    let source = film(dir.path(), "a.mp4", &["-c:v", "libx264", "-preset", "veryfast"]);
    let plan = Wanted { rungs: &[(640, 360), (320, 180), (214, 120)], ..Wanted::default() }.plan();
    let mut bench = Bench::with(Bench::folder(), &source, plan, 0, false);
    bench.run_all(&[(1, 1), (2, 3), (4, 4)]);
    bench.verify();
    for rung in [360, 180, 120] {
        assert_eq!(bench.counters(Track::Rung(rung)), all().into_iter().map(Some).collect::<Vec<_>>());
    }
    assert_eq!(bench.counters(Track::Trick), (0..10).map(|n| Some(n * 30)).collect::<Vec<_>>());
}

#[test]
fn the_first_chunk_looks_like_the_source() {
    let dir = Bench::folder();
    let source = film(dir.path(), "a.mp4", &["-c:v", "libx264", "-preset", "veryfast"]);
    let mut bench = Bench::with(Bench::folder(), &source, Wanted::default().plan(), 0, false);
    bench.run_all(&[(1, 1)]);
    bench.verify();
    let lumas = |path: &Path| decode::lumas(&["-i", path.to_str().unwrap()], (320, 180), 300).unwrap();
    let (ours, theirs) = (lumas(&bench.file(RUNG)), lumas(&dir.path().join("a.mp4")));
    assert_eq!((ours.len(), theirs.len()), (60, 300));
    let alike: Vec<f64> = ours.iter().zip(&theirs).map(|(a, b)| ssim(a, b, (320, 180))).collect();
    let mean = alike.iter().sum::<f64>() / alike.len() as f64;
    assert!(mean >= ALIKE_MIN, "{mean}: {alike:?}");
}

#[test]
fn the_first_chunk_is_coded_with_the_settings_of_all_others() {
    let dir = Bench::folder();
    let source = film(dir.path(), "a.mp4", &["-c:v", "libx264", "-preset", "veryfast"]);
    let plan = Wanted { rungs: &[(320, 180), (214, 120)], ..Wanted::default() }.plan();
    let mut bench = Bench::with(Bench::folder(), &source, plan.clone(), 0, false);
    for (first, last, threads) in [(1, 1, 2), (2, 3, 1), (4, 4, 1)] {
        let mut piece = job(&plan, first, last);
        piece.threads = threads;
        bench.run(&piece).unwrap();
    }
    assert_eq!(bench.parts.len(), 3);
    for track in [RUNG, Track::Rung(120), Track::Trick] {
        let said: Vec<Vec<String>> = bench.parts.iter().map(|part| settings(&bench.object(track, part))).collect();
        assert!(said[0].iter().any(|word| word.starts_with("crf=")), "{track}: {:?}", said[0]);
        for later in &said[1..] {
            assert_eq!(*later, said[0], "{track}");
        }
    }
}

/// What x264 was told, as it says in user data before the first picture of a job; without its threads, of which a chunk
/// that somebody waits for has more.
fn settings(object: &[u8]) -> Vec<String> {
    const START: &[u8] = b"options: ";
    let start = object.windows(START.len()).position(|window| window == START).unwrap() + START.len();
    let text: Vec<u8> = object[start..].iter().copied().take_while(|&byte| byte != 0).collect();
    let words = String::from_utf8(text).unwrap();
    let is_threads = |word: &str| word.starts_with("threads=") || word.starts_with("lookahead_threads=");
    words.split(' ').filter(|word| !is_threads(word)).map(str::to_owned).collect()
}

#[test]
fn a_job_publishes_runs_as_they_are_done() {
    let dir = Bench::folder();
    let source = film(dir.path(), "a.mp4", &["-c:v", "libx264", "-preset", "veryfast", "-g", "300"]);
    let plan = Wanted::default().plan();
    let mut bench = Bench::with(Bench::folder(), &source, plan.clone(), 0, false);
    let mut run_through = job(&plan, 1, 4);
    run_through.publish_every = Some(3);
    bench.run(&run_through).unwrap();
    let spans: Vec<_> = bench.parts.iter().map(|part| (part.segments.first, part.segments.last, part.last)).collect();
    assert_eq!(spans, [(1, 3, false), (4, 4, true)]);
    bench.verify();
    assert_eq!(bench.counters(RUNG), all().into_iter().map(Some).collect::<Vec<_>>());
}

#[test]
fn encoders_with_other_settings_of_threads_give_the_same_configuration() {
    let dir = Bench::folder();
    let source = film(dir.path(), "a.mp4", &["-c:v", "libx264", "-preset", "veryfast"]);
    for plugin in ["x264", "openh264"] {
        let plan = Wanted { plugin, ..Wanted::default() }.plan();
        let mut bench = Bench::with(Bench::folder(), &source, plan.clone(), 0, false);
        for (first, last, threads) in [(1, 1, 1), (2, 3, 2), (4, 4, 3)] {
            let mut piece = job(&plan, first, last);
            piece.threads = threads;
            bench.run(&piece).unwrap();
        }
        bench.verify();
        bench.config(RUNG);
        bench.config(Track::Trick);
        assert_eq!(bench.counters(RUNG), all().into_iter().map(Some).collect::<Vec<_>>(), "{plugin}");
    }
}

#[test]
fn filler_shows_the_last_picture_and_keeps_the_grid_and_the_configuration() {
    let dir = Bench::folder();
    let source = film(dir.path(), "a.mp4", &["-c:v", "libx264", "-preset", "veryfast"]);
    let plan = Wanted { channels: 2, ..Wanted::default() }.plan();
    let mut bench = Bench::with(Bench::folder(), &source, plan.clone(), 0, false);
    bench.run_all(&[(1, 2)]);
    let mut filler = job(&plan, 3, 3);
    filler.filler = Some(Filler { before: Some(last_gop(&bench)) });
    bench.run(&filler).unwrap();
    // What is stored may be damaged, and the first chunk has nothing before it.
    let mut black = job(&plan, 4, 4);
    let damaged = StoredGop { offset: 1, ..last_gop(&bench) };
    black.filler = Some(Filler { before: Some(damaged) });
    bench.run(&black).unwrap();
    bench.verify();
    let counters = bench.counters(RUNG);
    assert_eq!(counters[..120], (0..120).map(Some).collect::<Vec<_>>());
    assert_eq!(counters[120..240], [Some(119); 120]);
    assert_eq!(counters[240..], [None; 60]);
    bench.config(Track::Audio);
}

/// The GOP that was stored last.
fn last_gop(bench: &Bench) -> StoredGop {
    let part = bench.parts.last().unwrap();
    let stored = part.tracks.iter().find(|stored| stored.track == RUNG).unwrap();
    let bytes = stored.segments.last().unwrap().fragments.last().unwrap().bytes;
    StoredGop {
        config: bench.config(RUNG),
        object: Input::Media { track: RUNG, first: part.segments.first, token: 1 },
        offset: stored.bytes() - u64::from(bytes),
        bytes,
    }
}
