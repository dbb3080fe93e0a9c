//! Sound: where the source has it, to the sample, and joins that are not heard.

use std::path::{Path, PathBuf};

use vidstream_media::Track;

use crate::{
    film::{self, Film},
    outcome::Bench,
    planned::Wanted,
    scan,
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
    format!("'0.8*lt(mod(n+{half}\\,{period})\\,20)'", half = period / 2.0).replace('n', "n")
}

/// Where the loudest sample of each click is.
fn peaks(samples: &[f32]) -> Vec<usize> {
    samples.chunks(CLICK_EVERY).filter(|chunk| chunk.len() == CLICK_EVERY).enumerate().map(|(n, chunk)| {
        let loudest = chunk.iter().enumerate().max_by(|a, b| a.1.abs().total_cmp(&b.1.abs())).unwrap().0;
        n * CLICK_EVERY + loudest
    }).collect()
}

#[test]
fn clicks_are_where_the_source_has_them() {
    let dir = Bench::folder();
    for (name, rate, options) in [
        ("aac.mp4", 48_000, &["-c:a", "aac", "-b:a", "192k"][..]),
        ("pcm.mov", 44_100, &["-c:a", "pcm_s16le"]),
        ("aac44.mkv", 44_100, &["-c:a", "aac", "-b:a", "192k"]),
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
        let found = peaks(&samples);
        let expected = peaks(&film::samples(&source));
        eprintln!("{name} {:?}", found.iter().zip(&expected).map(|(a,b)| *a as i64- *b as i64).collect::<Vec<_>>());
    }
}
