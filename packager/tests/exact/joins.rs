//! Sound that was made in pieces is as good where they meet as anywhere else.

use std::path::Path;

use vidstream_media::{Plan, Track, chunks::Segments};
use vidstream_packager::protocol::{Part, Rolls};

use crate::{
    made,
    signals::{self, Signal},
};

/// Samples of a coded frame.
const FRAME: usize = 1024;
/// Frames as near to a join are not away from it.
const AWAY_FRAMES: usize = 8;
/// Energy of a sample that is as good as silence: 70 dB below full scale.
const FLOOR: f64 = 1e-7;

static GQ: std::sync::atomic::AtomicI32 = std::sync::atomic::AtomicI32::new(0);
/// One signal, coded and decoded.
struct Coded {
    source: Vec<f32>,
    decoded: Vec<f32>,
    /// The first frame of each piece but the first.
    joins: Vec<usize>,
}

/// How good it is. Errors are in decibels below the signal around them; higher is worse.
#[derive(Debug)]
struct Score {
    median_snr_db: f64,
    away_p1: f64,
    away_p99: f64,
    away_max: f64,
    join_median: f64,
    join_p90: f64,
    join_max: f64,
    over: usize,
    joins: usize,
    step_away_p999: f64,
    step_away_max: f64,
    step_join_max: f64,
}

fn code(source: &[f32], folder: &Path, rolls: Rolls, piece: u64) -> Coded {
    let path = folder.join("source.wav");
    signals::write(source, &path);
    let (mut plan, _) = made::plan(&path, folder);
    let gq = GQ.load(std::sync::atomic::Ordering::SeqCst);
    if gq > 0 {
        plan.audio.as_mut().unwrap().encoder.settings.insert("global-quality".into(), gq.to_string());
    }
    let count = plan.timeline.segments();
    let mut parts: Vec<Part> = Vec::new();
    for first in (1..=count).step_by(piece as usize) {
        let segments = Segments { first, last: (first + piece - 1).min(count) };
        parts.extend(made::encode(&plan, &path, folder, segments, rolls));
    }
    let joins = parts.iter().skip(1).map(|part| first_frame(&plan, part.segments.first)).collect();
    let parts: Vec<&Part> = parts.iter().collect();
    let coded = folder.join("coded.mp4");
    std::fs::write(&coded, made::track_of(&plan, &parts, Track::Audio, folder)).unwrap();
    Coded { source: source.to_vec(), decoded: signals::read(&coded, &[]), joins }
}

fn first_frame(plan: &Plan, segment: u64) -> usize {
    plan.timeline.audio_frames(plan.audio_grid().unwrap(), segment).start as usize
}

// === impl Coded ===

impl Coded {
    fn frames(&self) -> usize {
        self.source.len() / 2 / FRAME
    }

    fn energy(&self, frame: usize) -> f64 {
        let of = |frame: usize| self.source[frame * FRAME * 2..(frame + 1) * FRAME * 2].iter();
        let near = frame.saturating_sub(1)..(frame + 2).min(self.frames());
        let count = near.len() * FRAME * 2;
        near.flat_map(of).map(|sample| f64::from(*sample).powi(2)).sum::<f64>() / count as f64
    }

    fn error_db(&self, frame: usize) -> f64 {
        let range = frame * FRAME * 2..(frame + 1) * FRAME * 2;
        let pairs = self.source[range.clone()].iter().zip(&self.decoded[range]);
        let error: f64 = pairs.map(|(a, b)| f64::from(a - b).powi(2)).sum::<f64>() / (FRAME * 2) as f64;
        10.0 * ((error + FLOOR / 100.0) / (self.energy(frame) + FLOOR)).log10()
    }

    /// How much larger the step to a sample is than the source's.
    fn step(&self, at: usize) -> f64 {
        let of = |samples: &[f32], channel: usize| {
            f64::from(samples[at * 2 + channel] - samples[(at - 1) * 2 + channel]).abs()
        };
        (0..2).map(|channel| of(&self.decoded, channel) - of(&self.source, channel)).fold(f64::MIN, f64::max)
    }

    fn score(&self) -> Score {
        let from_join = |frame: usize| self.joins.iter().map(|join| frame.abs_diff(*join)).min().unwrap_or(usize::MAX);
        let errors: Vec<(usize, f64)> =
            (AWAY_FRAMES..self.frames() - AWAY_FRAMES).map(|frame| (from_join(frame), self.error_db(frame))).collect();
        let sorted = |mut values: Vec<f64>| {
            values.sort_by(f64::total_cmp);
            values
        };
        let away = sorted(errors.iter().filter(|(far, _)| *far > AWAY_FRAMES).map(|(_, error)| *error).collect());
        let near = sorted(errors.iter().filter(|(far, _)| *far <= 1).map(|(_, error)| *error).collect());
        let steps = sorted(
            (AWAY_FRAMES * FRAME..(self.frames() - AWAY_FRAMES) * FRAME)
                .filter(|at| from_join(at / FRAME) > AWAY_FRAMES)
                .map(|at| self.step(at))
                .collect(),
        );
        let joined = sorted(self.joins.iter().map(|join| self.step(join * FRAME)).collect());
        let at = |values: &[f64], part: f64| {
            values.get(((values.len() as f64 - 1.0) * part).round().max(0.0) as usize).copied().unwrap_or(f64::NAN)
        };
        Score {
            median_snr_db: -at(&away, 0.5),
            away_p1: at(&away, 0.01),
            away_p99: at(&away, 0.99),
            away_max: at(&away, 1.0),
            join_median: at(&near, 0.5),
            join_p90: at(&near, 0.9),
            join_max: at(&near, 1.0),
            over: near.iter().filter(|error| **error > at(&away, 0.99)).count(),
            joins: self.joins.len(),
            step_away_p999: at(&steps, 0.999),
            step_away_max: at(&steps, 1.0),
            step_join_max: at(&joined, 1.0),
        }
    }

    fn by_distance(&self) -> Vec<f64> {
        [0, 1, 2, 4, 8, 16, 32, 64, 90]
            .map(|after| {
                let mut errors: Vec<f64> = self
                    .joins
                    .iter()
                    .filter(|join| **join + after < self.frames())
                    .map(|join| self.error_db(join + after))
                    .collect();
                errors.sort_by(f64::total_cmp);
                errors.get(errors.len() / 2).copied().unwrap_or(f64::NAN)
            })
            .to_vec()
    }
}

#[test]
fn joins_experiment() {
    gst::init().unwrap();
    let only = std::env::var("JOINS").unwrap_or_default();
    for signal in signals::ALL {
        let folder = tempfile::tempdir().unwrap();
        let source = signals::samples(signal, 44, folder.path());
        for (gq, pre, post, piece) in [
            (0, 4, 2, 1000),
            (2000, 4, 2, 1),
            (10_000, 4, 2, 1),
            (60_000, 4, 2, 1),
            (60_000, 8, 2, 1),
            (60_000, 24, 2, 1),
            (60_000, 4, 2, 5),
            (60_000, 4, 2, 1000),
        ] {
            GQ.store(gq, std::sync::atomic::Ordering::SeqCst);
            if !only.is_empty() && !format!("{signal:?}").contains(&only) {
                continue;
            }
            let bytes = |f: &Path| std::fs::metadata(f.join("coded.mp4")).map(|m| m.len()).unwrap_or(0);
            let coded = code(&source, folder.path(), Rolls { pre_frames: pre, post_frames: post }, piece);
            println!(
                "{signal:?} gq {gq} pre {pre} post {post} piece {piece} samples {} {}: {:.3?}",
                coded.source.len(),
                coded.decoded.len(),
                coded.score()
            );
            println!("    bytes {} after joins: {:.1?}", bytes(folder.path()), coded.by_distance());
        }
    }
}
