//! Sound is where the source has it, by itself and beside the pictures.

use std::ops::Range;

use vidstream_media::{Track, chunks::Segments};
use vidstream_testkit::{beep, decode, films::SHORT_PART};

use super::{Findings, PRINTED_S};
use crate::{
    boxes,
    sync::{self, Flash},
};

/// Beeps may be this far from where the source has them.
const BEEP_S: f64 = 0.005;
/// So may one at the very start, where a decoder has half of the first window only: the first frame fades in.
const FIRST_BEEP_S: f64 = 0.015;
/// Beeps as near to an end of what was decoded are cut.
const EDGE_S: f64 = 0.06;
/// What is still silence, of full scale.
const SILENCE: f32 = 0.01;

/// How far a beep may be from where it belongs, if that is at so many seconds.
fn tolerance_s(at_s: f64) -> f64 {
    if at_s < EDGE_S { FIRST_BEEP_S } else { BEEP_S }
}

// === impl Findings ===

impl Findings<'_> {
    /// The flashes of a rung: seen in its pictures, at the times of its boxes, beside those of the film.
    pub(super) fn flashes(&mut self, track: Track, frames: &Range<u64>, lit: &[bool], shown: &[i64]) -> Vec<Flash> {
        let (each_s, timescale) = (self.frame_s(), f64::from(self.plan_of().timescale(track)));
        // What a run begins with may have begun before it.
        let is_whole = |place: &usize| *place > 0 || frames.start == 0;
        let seen = sync::onsets(lit.iter().copied()).into_iter().filter(is_whole);
        let seen_s: Vec<f64> =
            seen.filter_map(|place| shown.get(place)).map(|&ticks| ticks as f64 / timescale).collect();
        let expected = &self.expected[frames.start as usize..frames.end as usize];
        let ruled = sync::onsets(expected.iter().map(|picture| picture.flashes)).into_iter().filter(is_whole);
        let ruled: Vec<usize> = ruled.collect();
        if seen_s.len() != ruled.len() {
            self.note(format!("{track}: flashes are seen at {seen_s:.4?}, the film has {}", ruled.len()));
            return Vec::new();
        }
        let flash = |(place, shown_s): (usize, f64)| Flash {
            source_s: expected[place].at_ns as f64 / 1e9,
            ruled_s: (frames.start + place as u64) as f64 * each_s,
            shown_s,
        };
        let flashes: Vec<Flash> = ruled.into_iter().zip(seen_s).map(flash).collect();
        // Only pictures that are not on the grid themselves are shown early or late.
        let moved_max_s = if self.row.rate == "vfr" { each_s / 2.0 } else { 0.0 };
        if let Some(flash) = flashes.iter().find(|of| (of.ruled_s - of.source_s).abs() > moved_max_s + PRINTED_S) {
            self.note(format!("{track}: no rule moves a flash so far: {flash:?}"));
        }
        flashes
    }

    /// Sound: every sample, and beeps where the source has them.
    pub(super) fn sound(&mut self, run: Segments, flashes: &[(Track, Vec<Flash>)]) {
        let made = self.made;
        let (timeline, grid) = (&made.plan.timeline, made.plan.audio_grid().unwrap());
        let frames = timeline.audio_frames(grid, run.first).start..timeline.audio_frames(grid, run.last).end;
        let mut at = frames.start * u64::from(grid.frame_samples);
        let start_s = at as f64 / f64::from(grid.sample_rate);
        for fragment in boxes::fragments(&made.track(Track::Audio, run)) {
            if fragment.start != at {
                self.note(format!("sound at {} after sound that ends at {at}", fragment.start));
            }
            at = fragment.start + fragment.ticks;
        }
        if at != frames.end * u64::from(grid.frame_samples) {
            self.note(format!("sound ends at sample {at}"));
        }
        let file = made.file(Track::Audio, run);
        let samples = decode::sound(&["-i", &file]).unwrap();
        let wanted = (frames.end - frames.start) * u64::from(grid.frame_samples) * u64::from(decode::SOUND_RATE);
        if (samples.len() as u64).abs_diff(wanted.div_ceil(u64::from(grid.sample_rate))) > 1 {
            self.note(format!("{} samples of sound for {frames:?}", samples.len()));
        }
        let silent = ((self.silent_from_s() - start_s).max(0.0) * f64::from(decode::SOUND_RATE)) as usize;
        if samples.iter().skip(silent).any(|sample| sample.abs() > SILENCE) {
            self.note(format!("silence is heard in {run:?}"));
        }
        let heard: Vec<f64> = beep::onsets(&samples, decode::SOUND_RATE).iter().map(|at| start_s + at).collect();
        let end_s = start_s + samples.len() as f64 / f64::from(decode::SOUND_RATE);
        self.beeps(&heard, start_s..end_s, flashes);
    }

    /// When the source has nothing to be heard any more, in seconds from the first picture.
    fn silent_from_s(&self) -> f64 {
        match self.row.extent {
            "silent" => 0.0,
            "short" => self.film.length_ns as f64 / 1e9 * SHORT_PART + EDGE_S,
            _ => f64::INFINITY,
        }
    }

    fn beeps(&mut self, heard: &[f64], within: Range<f64>, flashes: &[(Track, Vec<Flash>)]) {
        let path = self.film.path.to_str().unwrap();
        // AVI does not tell when pictures are shown: the first one with its stream, whatever its reader waits for.
        let is_avi = self.row.container == "avi";
        let start_s = if is_avi { 0.0 } else { decode::first_picture_s(&["-i", path]).unwrap() };
        let (seek, length) =
            (format!("{:.3}", (within.start - 2.0).max(0.0)), format!("{:.3}", within.end - within.start + 4.0));
        let whole = ["-i", path];
        let part = ["-ss", &seek, "-t", &length, "-i", path];
        let input: &[&str] = if self.made.runs.len() == 1 { &whole } else { &part };
        let source = decode::beeps_on_clock(input).unwrap();
        let film_s = self.film.length_ns as f64 / 1e9;
        // Beeps that an edge of the film or of the run cuts are no measure.
        // So it is with one that begins before the first picture, as Opus has it with its pre-skip (RFC 7845 §4.2).
        let is_cut = source.iter().any(|at| (-EDGE_S..-BEEP_S).contains(&(at - start_s)));
        let earliest = if within.start > 0.0 || is_cut { within.start + EDGE_S } else { -BEEP_S };
        let clear = |at: &f64| *at > earliest && *at < within.end.min(film_s) - EDGE_S;
        let wanted: Vec<f64> = source.iter().map(|at| at - start_s).filter(clear).collect();
        let heard: Vec<f64> = heard.iter().copied().filter(clear).collect();
        let off = wanted.iter().zip(&heard).map(|(wanted, heard)| (heard - wanted, *wanted));
        let worst = off.filter(|(off, at)| off.abs() > tolerance_s(*at)).max_by(|a, b| a.0.abs().total_cmp(&b.0.abs()));
        if wanted.len() != heard.len() {
            self.note(format!("beeps at {heard:.4?}, the source has them at {wanted:.4?}"));
            return;
        }
        if let Some((off, at)) = worst {
            self.note(format!("the beep at {at:.4} s is {:.1} ms off", off * 1000.0));
        }
        for (track, flashes) in flashes {
            self.together(*track, flashes, &wanted, &heard);
        }
    }

    /// The way from each flash that a rung shows to its beep is as long as in the source.
    fn together(&mut self, track: Track, flashes: &[Flash], source: &[f64], heard: &[f64]) {
        let pairs = source.iter().zip(heard);
        let drifts = pairs.filter_map(|(&source, &heard)| Some((sync::drift_s(flashes, source, heard)?, source)));
        let wrong = drifts.filter(|(drift, at)| drift.abs() > tolerance_s(*at));
        if let Some((drift, at)) = wrong.max_by(|a, b| a.0.abs().total_cmp(&b.0.abs())) {
            let drift_ms = drift * 1000.0;
            self.note(format!("{track}: the beep at {at:.4} s is {drift_ms:.1} ms off its flash"));
        }
    }
}
