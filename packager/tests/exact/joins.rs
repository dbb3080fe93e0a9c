//! Sound that was made in pieces is as good where they meet as anywhere else.
//!
//! By default pieces are short, so that many meet in little time: 27 joins of each signal. `TEST_JOINS=long` also meets
//! pieces of four seconds, 105 joins of each.

use std::path::Path;

use vidstream_media::{Track, chunks::Segments};
use vidstream_packager::protocol::{Part, Rolls};

use crate::{
    made,
    signals::{self, Shape, Signal},
};

/// Samples of a coded frame.
const FRAME: usize = 1024;
/// Frames as near to a join, or to an end, are not away from it.
const AWAY_FRAMES: usize = 8;
/// Energy of a sample that is as good as silence: 70 dB below full scale.
const FLOOR: f64 = 1e-7;
/// Frames at joins must lie between the 1st and the 99th percentile of those away from joins, of which this part lies
/// beyond either one.
const TAIL: f64 = 0.01;
/// If frames at joins are like the others, some lie beyond by chance, as the binomial distribution has it. More are too
/// many if chance gives more with at most this probability: half a percent at either end, for a test at 99 %. Frames of
/// one join are neighbours and often lie beyond together, which makes it too strict rather than too lax.
const CHANCE_MAX: f64 = 0.005;
/// Among those that chance may put beyond, one broken join could hide: none has more than twice the noise of the worst
/// frame away from joins.
const WORST_DB_MAX: f64 = 3.0;
/// How much worse chunks may be than one pass.
const CHUNKED_DB_MAX: f64 = 1.0;
/// What a background chunk has at least (`BACKGROUND_CHUNK_S_MIN` of `vidstream_media::chunks`).
const CHUNK_S: usize = 20;
/// How much of a channel is left when six are mixed to two, at least: each has a part of the whole.
const MIXED_MIN: f64 = 0.2;

/// How a signal is cut.
#[derive(Clone, Copy)]
struct Cut {
    shape: Shape,
    seconds: usize,
    segment_s: usize,
    /// Segments of a piece.
    piece: u64,
    rolls: Rolls,
}

/// One signal, coded and decoded.
struct Coded {
    source: Vec<f32>,
    decoded: Vec<f32>,
    /// The first frame of each piece but the first.
    joins: Vec<usize>,
}

/// How good it is. Errors are in decibels below the signal around them; steps are of full scale.
#[derive(Debug)]
struct Score {
    /// Median signal to noise of all frames.
    snr_db: f64,
    /// Frames at joins.
    at_joins: usize,
    /// How many of them are better than 99 of 100 away from joins.
    better: usize,
    /// How many of them are worse than 99 of 100 away from joins.
    worse: usize,
    /// How much worse the worst of them is than the worst away from joins.
    worst_db: f64,
    /// The largest step to the first sample of a piece, beyond the source's.
    step_at_joins: f64,
    /// The largest of those away from joins but for one in a thousand.
    step_away: f64,
}

fn wants_long() -> bool {
    std::env::var("TEST_JOINS").is_ok_and(|wanted| wanted == "long")
}

/// Pieces of one segment of a second.
fn short(seconds: usize) -> Cut {
    Cut { shape: signals::STEREO, seconds, segment_s: 1, piece: 1, rolls: Rolls::default() }
}

#[test]
fn joins_are_as_good_as_what_lies_between() {
    gst::init().unwrap();
    let mut cuts = vec![short(28)];
    if wants_long() {
        cuts.push(Cut { segment_s: 4, ..short(420) });
    }
    for cut in cuts {
        let mut joins = 0;
        for signal in signals::ALL {
            let coded = Coded::make(signal, cut);
            let score = coded.score();
            println!("{signal:?}, {} joins {} s apart: {score:.3?}", coded.joins.len(), cut.segment_s);
            assert_eq!(coded.decoded.len(), coded.source.len().next_multiple_of(2 * FRAME), "{signal:?}");
            assert!(score.is_clean(), "{signal:?}: {score:?}");
            joins += coded.joins.len();
        }
        assert!(joins >= 100, "{joins}");
    }
}

#[test]
fn joins_of_other_sources_are_as_good() {
    gst::init().unwrap();
    let stereo = signals::STEREO;
    for shape in [Shape { channels: 1, ..stereo }, Shape { channels: 6, ..stereo }, Shape { rate: 44_100, ..stereo }] {
        let coded = Coded::make(Signal::Music, Cut { shape, ..short(16) });
        let score = coded.score();
        println!("{shape:?}, {} joins: {score:.3?}", coded.joins.len());
        assert_eq!(coded.decoded.len(), coded.source.len().next_multiple_of(2 * FRAME), "{shape:?}");
        assert!(coded.joins.len() >= 16 && score.is_clean(), "{shape:?}: {score:?}");
    }
}

#[test]
fn without_rolls_joins_are_heard() {
    // The window that reaches past the end of a piece has nothing in its second half.
    const ALIASED: &str = "the aliasing of the next piece's first frame stays: with a sine window an error 3 dB below \
        the signal, whatever that is, and a step";
    // Here every window has all its samples; what starts anew is rate control.
    const STARTED: &str = "frames away from joins are all good, and those where rate control starts are not";
    gst::init().unwrap();
    let usual = Rolls::default();
    let (no_post, no_pre) = (Rolls { post_frames: 0, ..usual }, Rolls { pre_frames: 0, ..usual });
    let rows = [(no_post, ALIASED), (no_pre, STARTED)];
    for (rolls, why) in rows {
        for signal in signals::ALL {
            let score = Coded::make(signal, Cut { rolls, ..short(16) }).score();
            println!("{signal:?} with {rolls:?}: {score:.3?}");
            assert!(!score.is_clean(), "{signal:?} with {rolls:?}, {why}: {score:?}");
        }
    }
}

#[test]
fn chunks_are_as_good_as_one_pass() {
    gst::init().unwrap();
    for signal in signals::ALL {
        let snr_db = |piece| {
            let cut = Cut { segment_s: 4, piece, ..short(3 * CHUNK_S) };
            Coded::make(signal, cut).score().snr_db
        };
        let (chunked, whole) = (snr_db(CHUNK_S as u64 / 4), snr_db(u64::MAX));
        println!("{signal:?}: median SNR {chunked:.2} dB in chunks of {CHUNK_S} s, {whole:.2} dB in one pass");
        assert!(chunked >= whole - CHUNKED_DB_MAX, "{signal:?}: {chunked} dB, {whole} dB in one pass");
    }
}

#[test]
fn chance_puts_few_frames_beyond_a_percentile() {
    // By the binomial distribution more than 3 of 48 are beyond once in 730 times, more than 2 once in 80.
    let cases = [(0, 0), (1, 1), (48, 3), (81, 4), (1000, 19)];
    for (frames, most) in cases {
        assert_eq!(by_chance(frames), most, "of {frames}");
    }
}

// === impl Coded ===

impl Coded {
    fn make(signal: Signal, cut: Cut) -> Self {
        let folder = tempfile::tempdir().unwrap();
        let source = signals::samples(signal, cut.shape, cut.seconds, folder.path());
        let path = folder.path().join("source.wav");
        signals::write(&source, cut.shape, &path);
        let mut coded = Self::code(source, &path, folder.path(), cut);
        if cut.shape.channels > 2 {
            coded.mix();
        }
        coded
    }

    fn code(source: Vec<f32>, path: &Path, folder: &Path, cut: Cut) -> Self {
        let (plan, _) = made::plan(path, folder, cut.segment_s as f64);
        let count = plan.timeline.segments();
        let mut parts: Vec<Part> = Vec::new();
        let mut first = 1;
        while first <= count {
            let segments = Segments { first, last: first.saturating_add(cut.piece - 1).min(count) };
            parts.extend(made::encode(&plan, path, folder, segments, cut.rolls));
            first = segments.last + 1;
        }
        let grid = plan.audio_grid().unwrap();
        let first_frame = |part: &Part| plan.timeline.audio_frames(grid, part.segments.first).start as usize;
        let joins = parts.iter().skip(1).map(first_frame).collect();
        let parts: Vec<&Part> = parts.iter().collect();
        let coded = folder.join("coded.mp4");
        std::fs::write(&coded, made::track_of(&plan, &parts, Track::Audio, folder)).unwrap();
        Self { source, decoded: signals::read(&coded, cut.shape.rate, &[]), joins }
    }

    /// Makes the source as loud as a mix has it, in which silent channels have their part, too: by least squares.
    fn mix(&mut self) {
        let pairs = || self.source.iter().zip(&self.decoded).map(|(a, b)| (f64::from(*a), f64::from(*b)));
        let gain = pairs().map(|(a, b)| a * b).sum::<f64>() / pairs().map(|(a, _)| a * a).sum::<f64>();
        assert!((MIXED_MIN..=1.0).contains(&gain), "a channel at the front is {gain} of the mix");
        for sample in &mut self.source {
            *sample *= gain as f32;
        }
    }

    fn frames(&self) -> usize {
        self.source.len() / 2 / FRAME
    }

    /// Mean energy of the source's samples in a frame and those beside it.
    fn energy(&self, frame: usize) -> f64 {
        let near = &self.source[(frame - 1) * FRAME * 2..(frame + 2) * FRAME * 2];
        near.iter().map(|sample| f64::from(*sample).powi(2)).sum::<f64>() / near.len() as f64
    }

    fn error_db(&self, frame: usize) -> f64 {
        let range = frame * FRAME * 2..(frame + 1) * FRAME * 2;
        let pairs = self.source[range.clone()].iter().zip(&self.decoded[range]);
        let error = pairs.map(|(a, b)| f64::from(a - b).powi(2)).sum::<f64>() / (FRAME * 2) as f64;
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
        let frames = AWAY_FRAMES..self.frames() - AWAY_FRAMES;
        let errors: Vec<(usize, f64)> = frames.clone().map(|frame| (from_join(frame), self.error_db(frame))).collect();
        let those = |test: fn(usize) -> bool| -> Vec<f64> {
            let mut errors: Vec<f64> = errors.iter().filter(|(far, _)| test(*far)).map(|(_, error)| *error).collect();
            errors.sort_by(f64::total_cmp);
            errors
        };
        let away = those(|far| far > AWAY_FRAMES);
        // The transform of a frame reaches into the one before.
        let at_joins = those(|far| far <= 1);
        let far = frames.filter(|frame| from_join(*frame) > AWAY_FRAMES);
        let mut steps: Vec<f64> =
            far.flat_map(|frame| frame * FRAME..(frame + 1) * FRAME).map(|at| self.step(at)).collect();
        steps.sort_by(f64::total_cmp);
        Score {
            snr_db: -percentile(&those(|_| true), 0.5),
            at_joins: at_joins.len(),
            better: at_joins.iter().filter(|error| **error < percentile(&away, TAIL)).count(),
            worse: at_joins.iter().filter(|error| **error > percentile(&away, 1.0 - TAIL)).count(),
            worst_db: percentile(&at_joins, 1.0) - percentile(&away, 1.0),
            step_at_joins: self.joins.iter().map(|join| self.step(join * FRAME)).fold(f64::MIN, f64::max),
            step_away: percentile(&steps, 0.999),
        }
    }
}

// === impl Score ===

impl Score {
    fn is_clean(&self) -> bool {
        self.better.max(self.worse) <= by_chance(self.at_joins)
            && self.worst_db <= WORST_DB_MAX
            && self.step_at_joins <= self.step_away
    }
}

/// How many of so many frames may lie beyond a percentile: more do so by chance with a probability of at most
/// [`CHANCE_MAX`].
fn by_chance(frames: usize) -> usize {
    let mut beyond = 0;
    let mut exactly = (1.0 - TAIL).powf(frames as f64);
    let mut more = 1.0 - exactly;
    while more > CHANCE_MAX {
        beyond += 1;
        exactly *= (frames + 1 - beyond) as f64 / beyond as f64 * TAIL / (1.0 - TAIL);
        more -= exactly;
    }
    beyond
}

fn percentile(sorted: &[f64], part: f64) -> f64 {
    sorted.get(((sorted.len() as f64 - 1.0) * part).round().max(0.0) as usize).copied().unwrap_or(f64::NAN)
}
