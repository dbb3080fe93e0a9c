//! Sound: where the source has it, to the sample, and joins that are not heard.

use std::path::{Path, PathBuf};

use vidstream_media::Track;

use crate::{
    film::{self, Film},
    outcome::Bench,
    planned::Wanted,
};

/// Clicks lie this many samples apart, the first at half of it: not on any segment's or frame's edge.
const CLICK_EVERY: usize = 24_000;

/// A film of ten seconds with sound that `expression` gives, as ffmpeg's `aevalsrc` reads it.
fn film(dir: &Path, name: &str, rate: u32, expression: &str, options: &[&str]) -> PathBuf {
    let sound = format!("aevalsrc={expression}:s={rate}:d=10");
    let mut all = vec!["-f", "lavfi", "-i", sound.as_str(), "-c:v", "libx264", "-preset", "ultrafast", "-g", "60"];
    all.extend(options);
    Film { size: (160, 96), fps: "30", frames: 300, options: &all, name }.make(dir)
}

fn bench(source: &Path, channels: u32, runs: &[(u64, u64)]) -> Bench {
    let plan = Wanted { channels, rungs: &[(160, 96)], ..Wanted::default() }.plan();
    let mut bench = Bench::new(Bench::folder(), source, plan);
    bench.run_all(runs);
    bench.verify();
    bench
}

/// A burst of 20 samples around every click.
fn clicks(rate: u32) -> String {
    let period = f64::from(rate) / 48_000.0 * 24_000.0;
    format!("'0.8*lt(mod(n+{half}\\,{period})\\,20)'", half = period / 2.0)
}

/// Where the loudest sample of each click is.
fn peaks(samples: &[f32]) -> Vec<usize> {
    samples
        .chunks(CLICK_EVERY)
        .filter(|chunk| chunk.len() == CLICK_EVERY)
        .enumerate()
        .map(|(n, chunk)| {
            let loudest = chunk.iter().enumerate().max_by(|a, b| a.1.abs().total_cmp(&b.1.abs())).unwrap().0;
            n * CLICK_EVERY + loudest
        })
        .collect()
}

/// How far each click is from where it belongs, in samples of 48 kHz.
fn offsets(samples: &[f32]) -> Vec<i64> {
    let place = |n: usize| i64::try_from(CLICK_EVERY / 2 + n * CLICK_EVERY).unwrap();
    peaks(samples).iter().enumerate().map(|(n, &at)| i64::try_from(at).unwrap() - place(n)).collect()
}

#[test]
fn clicks_are_where_the_source_has_them() {
    let dir = Bench::folder();
    for (name, rate, options) in [
        ("aac.mp4", 48_000, &["-c:a", "aac", "-b:a", "192k"][..]),
        ("aac44.mkv", 44_100, &["-c:a", "aac", "-b:a", "192k"]),
        ("pcm.mov", 44_100, &["-c:a", "pcm_s16le"]),
        ("opus.mp4", 48_000, &["-c:a", "libopus", "-b:a", "160k"]),
        ("opus.mkv", 48_000, &["-c:a", "libopus", "-b:a", "160k"]),
        ("mp3.mkv", 44_100, &["-c:a", "libmp3lame", "-b:a", "192k"]),
        ("ac3.ts", 48_000, &["-c:a", "ac3", "-b:a", "192k"]),
        ("flac.mkv", 96_000, &["-c:a", "flac"]),
    ] {
        let source = film(dir.path(), name, rate, &clicks(rate), options);
        let made = bench(&source, 1, &[(1, 1), (2, 3), (4, 4)]);
        let samples = film::samples(&made.file(Track::Audio));
        // Ten seconds, rounded up to whole frames.
        assert_eq!(samples.len(), 480_000_usize.div_ceil(1024) * 1024, "{name}");
        let found = offsets(&samples);
        // The loudest of the 20 samples of a click may be any of them. ffmpeg's Matroska writer puts the
        // picture 6.5 to 7 ms after sound with Opus' delay, and so the file says.
        let expected = if name == "opus.mkv" { -336..=-264 } else { -24..=44 };
        assert!(found.iter().all(|off| expected.contains(off)), "{name}: {found:?}");
    }
}

#[test]
fn sound_that_begins_late_and_ends_early_is_silent_there() {
    let dir = Bench::folder();
    // Sound from 1.25 s to 7.25 s of a film of ten.
    let options = ["-af", "atrim=0:6,asetpts=PTS+1.25/TB", "-c:a", "aac", "-b:a", "128k"];
    let source = film(dir.path(), "a.mkv", 48_000, "0.5*sin(2*PI*440*t)", &options);
    let made = bench(&source, 1, &[(1, 1), (2, 2), (3, 3), (4, 4)]);
    let samples = film::samples(&made.file(Track::Audio));
    let loud: Vec<usize> =
        samples.iter().enumerate().filter(|(_, sample)| sample.abs() > 0.1).map(|(at, _)| at).collect();
    let (first, last) = (*loud.first().unwrap(), *loud.last().unwrap());
    assert!(first.abs_diff(60_000) < 96, "{first}");
    assert!(last.abs_diff(348_000) < 1100, "{last}");
}

/// The largest difference from what is expected.
fn error(samples: &[f32], expected: &dyn Fn(usize) -> f32, range: std::ops::Range<usize>) -> f32 {
    range.map(|at| (samples[at] - expected(at)).abs()).fold(0.0, f32::max)
}

#[test]
fn joins_are_as_good_as_the_middle() {
    let dir = Bench::folder();
    for (name, rate, codec) in [("a.mp4", 48_000, "aac"), ("b.mov", 44_100, "pcm_s16le")] {
        let source = film(dir.path(), name, rate, "0.5*sin(2*PI*997*t)", &["-c:a", codec, "-b:a", "192k"]);
        let made = bench(&source, 1, &[(1, 1), (2, 2), (3, 3), (4, 4)]);
        let samples = film::samples(&made.file(Track::Audio));
        let tone = |at: usize| 0.5 * (2.0 * std::f32::consts::PI * 997.0 * (at % 48_000) as f32 / 48_000.0).sin();
        let middle = error(&samples, &tone, 140_000..180_000);
        for segment in 2..=4 {
            let join = made.plan.timeline.audio_frames(crate::planned::AAC, segment).start as usize * 1024;
            let found = error(&samples, &tone, join - 2048..join + 2048);
            assert!(found < 4.0 * middle, "{name}: {found} at the start of segment {segment}, {middle} elsewhere");
        }
    }
}
