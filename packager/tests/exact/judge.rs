//! Compares what was made of a film with what is known of the film.

use std::{collections::BTreeMap, sync::Arc};

use vidstream_media::{Plan, Presentation, Rational, Track, VideoId, chunks::Segments, hls, timeline::AudioGrid};
use vidstream_testkit::{
    decode,
    films::{Film, Picture, Row},
};

use crate::{
    boxes, kind,
    made::Made,
    sync::{self, Flash},
};

mod sound;

/// Containers round times to a millisecond.
const ROUNDING_S: f64 = 0.0011;
/// No picture comes as near to the middle of an output frame, where rounding would decide about it.
const MIDDLE_NS: i64 = 3_000_000;
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
    // All of it, also where only parts of it are made: what is compared with the table must be a film of the table.
    findings.found.extend(kind::findings(row, film));
    findings.source();
    findings.plan();
    findings.playlists();
    for &run in &made.runs {
        let flashes = findings.rungs(run);
        findings.trick(run);
        if made.plan.audio.is_some() {
            findings.sound(run, &flashes);
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

    fn frame_s(&self) -> f64 {
        f64::from(self.film.fps.1) / f64::from(self.film.fps.0)
    }

    /// Frames of a grid as long as the film.
    fn frames(&self) -> u64 {
        (self.film.length_ns as f64 / 1e9 / self.frame_s()).round() as u64
    }

    /// How long sound goes on after the last frame of the grid, in seconds: a coded frame has a fixed number of
    /// samples, and sound never ends before the pictures, so that the last one is rounded up. By how much is known to
    /// the sample.
    fn rounded_up_s(&self, grid: AudioGrid) -> f64 {
        let (num, den) = (u64::from(self.film.fps.0), u64::from(self.film.fps.1));
        let rate = u64::from(grid.sample_rate);
        // In samples, times `num`, so that they are whole.
        let (frame, pictures) = (num * u64::from(grid.frame_samples), self.frames() * den * rate);
        (pictures.next_multiple_of(frame) - pictures) as f64 / (num * rate) as f64
    }

    /// Pictures, flashes and times are those that are known of the film: as another reader sees it.
    fn source(&mut self) {
        let read = decode::pictures(&["-i", self.film.path.to_str().unwrap()]).unwrap();
        let counters: Vec<_> = read.iter().map(|picture| picture.counter).collect();
        let wanted: Vec<_> = self.film.pictures.iter().map(|picture| Some(picture.counter)).collect();
        if let Some(text) = difference(&counters, &wanted) {
            self.note(format!("the source itself: {text}"));
        }
        let flashes = sync::onsets(read.iter().map(|picture| picture.flash));
        if let Some(text) = difference(&flashes, &sync::onsets(self.film.pictures.iter().map(|known| known.flashes))) {
            self.note(format!("the source itself: flashes of pictures {text}"));
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
        let wanted = self.frames();
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
        let sound = self.row.channels != "none";
        if self.plan_of().audio.is_some() != sound {
            self.note("sound is planned where there is none, or the other way round");
        }
    }

    /// Playlists last as long as the film to within one of its frames, and no segment is longer than they say.
    fn playlists(&mut self) {
        let presentation = presentation(self.plan_of());
        let frame_s = self.frame_s();
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
            // A film may end within a frame of the grid; nothing else may differ. What the last frame of sound is
            // rounded up by is no tolerance, but is there in full.
            let rounded_up_s = match self.plan_of().audio_grid() {
                Some(grid) if track == Track::Audio => self.rounded_up_s(grid),
                _ => 0.0,
            };
            let wanted_s = self.film.length_ns as f64 / 1e9 + rounded_up_s;
            if (sum - wanted_s).abs() > frame_s {
                self.note(format!("the playlist of {track} lasts {sum:.6} s, not {wanted_s:.6} s"));
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

    /// Every rung: the right pictures, one a frame, in segments that start at the same time. Gives the flashes of each.
    fn rungs(&mut self, run: Segments) -> Vec<(Track, Vec<Flash>)> {
        let made = self.made;
        let timeline = &made.plan.timeline;
        let frames = timeline.segment_frames(run.first).start..timeline.segment_frames(run.last).end;
        let wanted: Vec<_> = self.expected[frames.start as usize..frames.end as usize]
            .iter()
            .map(|picture| Some(picture.counter))
            .collect();
        let ticks = |frame: u64| (frame * u64::from(timeline.frame_ticks)).cast_signed();
        let times: Vec<i64> = frames.clone().map(ticks).collect();
        let starts: Vec<u64> = (run.first..=run.last).map(|n| timeline.segment_frames(n).start).collect();
        let mut flashes = Vec::new();
        for rung in &made.plan.rungs {
            let track = rung.track;
            let file = made.file(track, run);
            let pictures = decode::pictures(&["-i", &file]).unwrap();
            let counters: Vec<_> = pictures.iter().map(|picture| picture.counter).collect();
            if let Some(text) = difference(&counters, &wanted) {
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
            let lit: Vec<bool> = pictures.iter().map(|picture| picture.flash).collect();
            flashes.push((track, self.flashes(track, &frames, &lit, &shown)));
        }
        flashes
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
