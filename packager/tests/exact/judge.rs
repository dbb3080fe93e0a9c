//! Compares what was made of a film with what is known of the film.

use std::{collections::BTreeMap, sync::Arc};

use vidstream_media::{Plan, Presentation, Rational, Track, VideoId, chunks::Segments, hls};
use vidstream_testkit::{beep, decode};

use crate::{
    boxes,
    film::{Film, Picture},
    made::Made,
    table::{LONG, Row},
};

/// Containers round times to a millisecond.
const ROUNDING_S: f64 = 0.0011;
/// No picture comes as near to the middle of an output frame, where rounding would decide about it.
const MIDDLE_NS: i64 = 3_000_000;
/// Beeps may be this far from where the source has them.
const BEEP_S: f64 = 0.005;
/// So may one at the very start, where the encoder fades in.
const FIRST_BEEP_S: f64 = 0.015;
/// Beeps as near to an end of what was decoded are cut.
const EDGE_S: f64 = 0.06;
/// What is still silence, of full scale.
const SILENCE: f32 = 0.01;
/// Printed times are rounded to a microsecond, at both ends.
const PRINTED_S: f64 = 2e-6;

/// What is wrong, film by film.
struct Findings<'a> {
    row: &'a Row,
    film: &'a Film,
    made: &'a Made,
    /// For each frame of the grid the picture that it must show.
    expected: Vec<Picture>,
    found: Vec<String>,
}

/// Everything that is not as it must be.
pub(crate) fn findings(row: &Row, film: &Film, made: &Made) -> Vec<String> {
    let expected = expected(film, made.plan.timeline.frames);
    let mut findings = Findings { row, film, made, expected, found: Vec::new() };
    if row.get("seconds") != LONG {
        findings.source();
    }
    findings.plan();
    findings.playlists();
    for &run in &made.runs {
        findings.rungs(run);
        findings.trick(run);
        if made.plan.audio.is_some() {
            findings.sound(run);
        }
    }
    findings.found
}

/// The rule: a frame shows the picture with the greatest time at or before its middle, else the first.
fn expected(film: &Film, frames: u64) -> Vec<Picture> {
    let (num, den) = (i64::from(film.fps.0), i64::from(film.fps.1));
    let shown = (0..frames.cast_signed()).map(|n| {
        let middle_ns = (2 * n + 1) * den * 1_000_000_000 / (2 * num);
        let after = film.pictures.partition_point(|picture| picture.at_ns <= middle_ns);
        let near = film.pictures[after.saturating_sub(1)..].iter().take(2).map(|picture| picture.at_ns);
        assert!(
            near.into_iter().all(|at_ns| at_ns.abs_diff(middle_ns) > MIDDLE_NS.cast_unsigned()),
            "frame {n} is a tie"
        );
        film.pictures[after.saturating_sub(1)]
    });
    shown.collect()
}

/// Where two lists differ, briefly.
fn difference<T: PartialEq + std::fmt::Debug>(found: &[T], wanted: &[T]) -> Option<String> {
    if found == wanted {
        return None;
    }
    let wrong = found.iter().zip(wanted).enumerate().filter(|(_, (found, wanted))| found != wanted);
    let first: Vec<String> =
        wrong.take(3).map(|(n, (found, wanted))| format!("{n}: {found:?}, not {wanted:?}")).collect();
    Some(format!("{} of {} wanted; {}", found.len(), wanted.len(), first.join("; ")))
}

// === impl Findings ===

impl Findings<'_> {
    fn note(&mut self, text: impl Into<String>) {
        self.found.push(text.into());
    }

    fn plan_of(&self) -> &Plan {
        &self.made.plan
    }

    /// The file is the film that the row says: as another reader sees it.
    fn source(&mut self) {
        let read = decode::pictures(&["-i", self.film.path.to_str().unwrap()]).unwrap();
        let counters: Vec<_> = read.iter().map(|picture| picture.counter).collect();
        let wanted: Vec<_> = self.film.pictures.iter().map(|picture| Some(picture.counter)).collect();
        if let Some(text) = difference(&counters, &wanted) {
            self.note(format!("the source itself: {text}"));
        }
        let start_s = read[0].pts_s;
        let late = read
            .iter()
            .zip(&self.film.pictures)
            .find(|(read, known)| (read.pts_s - start_s - known.at_ns as f64 / 1e9).abs() > ROUNDING_S);
        if let Some((read, known)) = late {
            let (counter, at_ns) = (known.counter, known.at_ns);
            self.note(format!("the source itself: picture {counter} at {}, not {at_ns} ns", read.pts_s - start_s));
        }
    }

    fn plan(&mut self) {
        let timeline = &self.plan_of().timeline;
        let (fps, planned) = (timeline.fps, timeline.frames);
        if fps != Rational::new(self.film.fps.0, self.film.fps.1) {
            self.note(format!("planned at {fps:?}"));
        }
        let frame_s = f64::from(self.film.fps.1) / f64::from(self.film.fps.0);
        let wanted = (self.film.length_ns as f64 / 1e9 / frame_s).round() as u64;
        if planned != wanted {
            self.note(format!("{planned} frames are planned, not {wanted}"));
        }
        let warnings: Vec<&String> = self.made.warnings.iter().map(|warning| &warning.code).collect();
        let repeats: Vec<&String> =
            self.made.parts.iter().flat_map(|part| &part.warnings).map(|warning| &warning.detail).collect();
        if !warnings.is_empty() || !repeats.is_empty() {
            let text = format!("warnings: {warnings:?} {repeats:?}");
            self.note(text);
        }
        let sound = self.row.get("channels") != "none";
        if self.plan_of().audio.is_some() != sound {
            self.note("sound is planned where there is none, or the other way round");
        }
    }

    /// Playlists last as long as the film, and no segment is longer than they say.
    fn playlists(&mut self) {
        let presentation = presentation(self.plan_of());
        let frame_s = f64::from(self.film.fps.1) / f64::from(self.film.fps.0);
        for track in self.plan_of().tracks() {
            let text = match track {
                Track::Trick => hls::iframes(&presentation, track),
                _ => hls::media(&presentation, track),
            };
            let text = text.unwrap_or_else(|| panic!("no playlist of {track}"));
            let target: f64 = tag(&text, "#EXT-X-TARGETDURATION:").next().unwrap().parse().unwrap();
            let lengths: Vec<f64> =
                tag(&text, "#EXTINF:").map(|text| text.trim_end_matches(',').parse().unwrap()).collect();
            let sum: f64 = lengths.iter().sum();
            let film_s = self.film.length_ns as f64 / 1e9;
            // The last audio frame is rounded up.
            let whole_s = if track == Track::Audio { frame_s.max(1024.0 / 44_100.0) } else { frame_s };
            if (sum - film_s).abs() > whole_s {
                self.note(format!("the playlist of {track} lasts {sum:.6} s, the film {film_s:.6} s"));
            }
            if lengths.iter().any(|length| length.round() > target || *length <= 0.0) {
                self.note(format!("{track}: segments of {lengths:?} under a target of {target}"));
            }
            let starts = lengths.iter().scan(0.0, |at, length| Some(std::mem::replace(at, *at + length)));
            let off = (1..).zip(starts).find(|&(n, start)| {
                let (ticks, _) = self.plan_of().segment_ticks(track, n).unwrap();
                (start - ticks as f64 / f64::from(self.plan_of().timescale(track))).abs() > PRINTED_S
            });
            if let Some((n, start)) = off {
                self.note(format!("{track}: segment {n} is listed at {start}"));
            }
        }
    }

    /// Every rung: the right pictures, one a frame, in segments that start at the same time.
    fn rungs(&mut self, run: Segments) {
        let made = self.made;
        let timeline = &made.plan.timeline;
        let frames = timeline.segment_frames(run.first).start..timeline.segment_frames(run.last).end;
        let wanted: Vec<_> = self.expected[frames.start as usize..frames.end as usize]
            .iter()
            .map(|picture| Some(picture.counter))
            .collect();
        let ticks = |frame: u64| (frame * u64::from(timeline.frame_ticks)).cast_signed();
        let times: Vec<i64> = frames.map(ticks).collect();
        let starts: Vec<u64> = (run.first..=run.last).map(|n| timeline.segment_frames(n).start).collect();
        for rung in &made.plan.rungs {
            let track = rung.track;
            let file = made.file(track, run);
            if let Some(text) = difference(&decode::counters(&["-i", &file]).unwrap(), &wanted) {
                self.note(format!("{track} {run:?}: pictures {text}"));
            }
            let fragments = boxes::fragments(&made.track(track, run));
            let shown: Vec<i64> = fragments.iter().flat_map(|fragment| fragment.shown.iter().copied()).collect();
            if let Some(text) = difference(&shown, &times) {
                self.note(format!("{track} {run:?}: times {text}"));
            }
            let begin: Vec<u64> = fragments.iter().map(|fragment| fragment.start).collect();
            if let Some(missing) = starts.iter().find(|&&start| !begin.contains(&ticks(start).cast_unsigned())) {
                self.note(format!("{track}: no fragment starts with frame {missing}, the first of a segment"));
            }
        }
    }

    /// Trick pictures: the first frame that each stands for, one after another without a hole.
    fn trick(&mut self, run: Segments) {
        let made = self.made;
        let timeline = &made.plan.timeline;
        let numbers = timeline.tricks_of_segments(run.first, run.last);
        let first = |n: u64| (n - 1) * u64::from(timeline.trick_frames);
        let wanted: Vec<_> = numbers.clone().map(|n| Some(self.expected[first(n) as usize].counter)).collect();
        let file = made.file(Track::Trick, run);
        if let Some(text) = difference(&decode::counters(&["-i", &file]).unwrap(), &wanted) {
            self.note(format!("trick {run:?}: {text}"));
        }
        let fragments = boxes::fragments(&made.track(Track::Trick, run));
        let mut at = first(numbers.start) * u64::from(timeline.frame_ticks);
        for fragment in &fragments {
            if fragment.start != at || fragment.shown != [at.cast_signed()] {
                self.note(format!("trick: a picture at {} after one that ends at {at}", fragment.start));
            }
            at = fragment.start + fragment.ticks;
        }
        if run.last == timeline.segments() && at != timeline.duration_ticks() {
            self.note(format!("trick pictures end at {at}, the film at {}", timeline.duration_ticks()));
        }
    }

    /// Sound: every sample, and beeps where the source has them.
    fn sound(&mut self, run: Segments) {
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
        if self.row.get("extent") == "silent" && samples.iter().any(|sample| sample.abs() > SILENCE) {
            self.note("silence is heard");
        }
        let heard: Vec<f64> = beep::onsets(&samples, decode::SOUND_RATE).iter().map(|at| start_s + at).collect();
        let end_s = start_s + samples.len() as f64 / f64::from(decode::SOUND_RATE);
        self.beeps(&heard, start_s..end_s);
    }

    fn beeps(&mut self, heard: &[f64], within: std::ops::Range<f64>) {
        let path = self.film.path.to_str().unwrap();
        // AVI does not tell when pictures are shown: the first one with its stream, whatever its reader waits for.
        let is_avi = self.row.get("container") == "avi";
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
        let tolerance_s = |at: f64| if at < EDGE_S { FIRST_BEEP_S } else { BEEP_S };
        let worst = off.filter(|(off, at)| off.abs() > tolerance_s(*at)).max_by(|a, b| a.0.abs().total_cmp(&b.0.abs()));
        if wanted.len() != heard.len() {
            self.note(format!("beeps at {heard:.4?}, the source has them at {wanted:.4?}"));
        } else if let Some((off, at)) = worst {
            self.note(format!("the beep at {at:.4} s is {:.1} ms off", off * 1000.0));
        }
        self.flashes(&wanted, &heard);
    }

    /// The way from flash to beep is as long as in the source. Frames of uneven films show pictures up to
    /// half a frame early or late, as the rule wants; that is taken out.
    fn flashes(&mut self, source: &[f64], heard: &[f64]) {
        let frame_s = f64::from(self.film.fps.1) / f64::from(self.film.fps.0);
        let mut first_frames: BTreeMap<u32, usize> = BTreeMap::new();
        for (frame, picture) in self.expected.iter().enumerate() {
            first_frames.entry(picture.counter).or_insert(frame);
        }
        let flashes = self.film.pictures.iter().filter(|picture| picture.flashes);
        let shown: Vec<(f64, f64)> = flashes
            .filter_map(|picture| {
                Some((picture.at_ns as f64 / 1e9, *first_frames.get(&picture.counter)? as f64 * frame_s))
            })
            .collect();
        for (&source_beep, &beep) in source.iter().zip(heard).filter(|(at, _)| **at > EDGE_S) {
            let Some(&(flash, shown)) =
                shown.iter().min_by(|a, b| (a.0 - source_beep).abs().total_cmp(&(b.0 - source_beep).abs()))
            else {
                return;
            };
            let rule_s = shown - flash;
            let off = (beep - shown) - (source_beep - flash) + rule_s;
            if off.abs() > BEEP_S || rule_s.abs() > frame_s / 2.0 + PRINTED_S {
                self.note(format!("beep and flash at {shown:.4} s are {:.1} ms apart from the source's", off * 1000.0));
                return;
            }
        }
    }
}

/// The presentation of a plan of which nothing is made: its media playlists depend on the plan alone.
fn presentation(plan: &Plan) -> Presentation {
    Presentation {
        id: VideoId::from_bits(1),
        generation: 1,
        plan: Arc::new(plan.clone()),
        configs: BTreeMap::new(),
        chunks: BTreeMap::new(),
        sheets: BTreeMap::new(),
        poster: None,
        ready: false,
        measured: BTreeMap::new(),
    }
}

/// The values of a tag.
fn tag<'a>(text: &'a str, name: &'a str) -> impl Iterator<Item = &'a str> {
    text.lines().filter_map(move |line| line.strip_prefix(name))
}
