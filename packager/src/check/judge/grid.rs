//! The grid: which frames come, in which order, at which times, and where decoding can start.

use std::collections::BTreeSet;

use vidstream_media::{Plan, Track, chunks::Segments, codec::DecoderConfig, rational::mul_div_round};
use vidstream_plugins::verdict::Finding;

use super::{Judged, Seen, name, seen, whole_trial};
use crate::{
    check::{evidence::Evidence, sps},
    encode::nal,
};

/// Coded slice of an IDR picture, and the first of all slices (ITU-T H.264 table 7-1).
const IDR: u8 = 5;
const FIRST_SLICE: u8 = 1;
/// Times may be off by this much: containers that count milliseconds round by half of one.
const TIME_OFF_NS_MAX: u64 = 1_000_000;
/// The greatest reordering that H.264 allows (§A.3.1).
const REORDER_MAX: u32 = 16;
const SECOND_NS: u64 = 1_000_000_000;

/// What the slices of a sample are.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Slices {
    Idr,
    Other,
    /// None, some of both, or no run of NAL units.
    Broken,
}

/// IDR pictures at the start of every GOP and nowhere else; in the trick track everywhere.
pub(super) fn idr_on_grid(evidence: &Evidence) -> Judged {
    let mut pictures = 0;
    let seen = seen(evidence)?;
    for seen in &seen {
        let keys = keys(&evidence.plan, seen.track, seen.round.segments);
        for sample in &seen.record.samples {
            let Some(frame) = sample.frame else { continue };
            let place = || seen.place(format_args!("frame {frame}"));
            let is_key = keys.contains(&frame);
            match (slices(&sample.data), is_key) {
                (Slices::Broken, _) => {
                    return Err(Finding::broken("a sample is no run of NAL units with slices of one kind", place()));
                }
                (Slices::Idr, false) => {
                    return Err(Finding::broken("an IDR picture comes where none was asked for", place()));
                }
                (Slices::Other, true) => {
                    return Err(Finding::broken("no IDR picture comes where one was asked for", place()));
                }
                (slices, _) if (slices == Slices::Idr) != sample.sync => {
                    return Err(Finding::broken("the element's mark of key frames is wrong", place()));
                }
                _ => pictures += u64::from(is_key),
            }
        }
        let first = seen.record.samples.first().and_then(|sample| sample.frame);
        if first != keys.first().copied() {
            return Err(Finding::broken("the first coded picture is not the first of the chunk", seen.place("start")));
        }
    }
    Ok(format!("{pictures} IDR pictures in {} recordings, all of them on the grid", seen.len()))
}

/// No picture of a GOP among those of another, and every GOP decodes alone to what it is in its place.
pub(super) fn closed_gop(evidence: &Evidence) -> Judged {
    for seen in seen(evidence)? {
        let keys = keys(&evidence.plan, seen.track, seen.round.segments);
        let mut gop = 0;
        for sample in &seen.record.samples {
            let Some(frame) = sample.frame else { continue };
            let own = keys.range(..=frame).next_back().copied().unwrap_or(0);
            if own < gop {
                let text = format!("it is coded behind frame {gop}, with which the next GOP begins");
                return Err(Finding::broken(text, seen.place(format_args!("frame {frame}"))));
            }
            if own > gop && frame != own {
                let text = format!("it is coded before frame {own}, with which its GOP begins");
                return Err(Finding::broken(text, seen.place(format_args!("frame {frame}"))));
            }
            gop = own;
        }
    }
    let mut compared = 0;
    for (track, replay) in &evidence.replays {
        let replay = replay.as_ref().map_err(Finding::unjudged)?;
        let in_place: std::collections::BTreeMap<u64, u64> =
            replay.chunked.units.iter().map(|unit| (unit.frame, unit.digest)).collect();
        for unit in &replay.alone.units {
            if in_place.get(&unit.frame) != Some(&unit.digest) {
                let text = "decoded without the GOPs before it, it shows something else";
                return Err(Finding::broken(text, format!("{}, frame {}", name(*track), unit.frame)));
            }
            compared += 1;
        }
        if replay.alone.units.len() != replay.chunked.units.len() {
            let text = "decoded without the GOPs before them, some pictures do not come";
            return Err(Finding::broken(text, name(*track)));
        }
    }
    Ok(format!("{compared} pictures are the same whether their GOP is decoded alone or in its place"))
}

/// Every frame of every run once.
pub(super) fn exact_frames(evidence: &Evidence) -> Judged {
    let mut count = 0;
    for seen in seen(evidence)? {
        let wanted = wanted(&evidence.plan, seen.track, seen.round.segments);
        let mut left: BTreeSet<u64> = wanted.iter().copied().collect();
        for frame in seen.record.samples.iter().filter_map(|sample| sample.frame) {
            if !left.remove(&frame) {
                let twice = if wanted.contains(&frame) { "comes twice" } else { "is none of the chunk's" };
                return Err(Finding::broken(format!("a frame {twice}"), seen.place(format_args!("frame {frame}"))));
            }
            count += 1;
        }
        if let Some(frame) = left.first() {
            let text = format!("{} of {} frames do not come", left.len(), wanted.len());
            return Err(Finding::broken(text, seen.place(format_args!("frame {frame}"))));
        }
        contiguous(&seen, evidence)?;
    }
    whole_trial(evidence)?;
    Ok(format!("{count} frames were asked for and came, each once"))
}

/// Audio frames are told apart by counting alone, so a hole or a repeat among them shows in their times.
fn contiguous(seen: &Seen<'_>, evidence: &Evidence) -> Result<(), Finding> {
    let Some(grid) = evidence.plan.audio_grid().filter(|_| seen.track == Track::Audio) else { return Ok(()) };
    let step_ns = u64::from(grid.frame_samples) * SECOND_NS / u64::from(grid.sample_rate.max(1));
    let kept: Vec<_> = seen.record.samples.iter().filter_map(|sample| Some((sample.frame?, sample.time_ns))).collect();
    for pair in kept.windows(2) {
        let &[(_, before), (frame, time)] = pair else { continue };
        if time.saturating_sub(before).abs_diff(step_ns) > TIME_OFF_NS_MAX {
            let text = format!(
                "it comes {:.1} ms after the one before, a frame lasts {:.1} ms",
                ms(time.saturating_sub(before)),
                ms(step_ns)
            );
            return Err(Finding::broken(text, seen.place(format_args!("frame {frame}"))));
        }
    }
    Ok(())
}

/// Times as they went in; for pictures, no more reordering than the stream declares.
pub(super) fn true_times(evidence: &Evidence) -> Judged {
    let plan = &evidence.plan;
    let (mut off_ns_max, mut depth_max) = (0, 0);
    for seen in seen(evidence)?.iter().filter(|seen| seen.track != Track::Audio) {
        let wanted = wanted(plan, seen.track, seen.round.segments);
        let first = wanted.first().copied().unwrap_or(0);
        for sample in &seen.record.samples {
            let Some(frame) = sample.frame else { continue };
            let off_ns = sample.time_ns.abs_diff(time_ns(plan, frame.saturating_sub(first)));
            off_ns_max = off_ns_max.max(off_ns);
            if off_ns > TIME_OFF_NS_MAX {
                let text = format!("its time is off by {:.1} ms", ms(off_ns));
                return Err(Finding::broken(text, seen.place(format_args!("frame {frame}"))));
            }
        }
        let earliest = seen.record.samples.iter().filter_map(|sample| sample.frame).min();
        if earliest.is_some_and(|earliest| earliest != first) {
            return Err(Finding::broken(
                "the first picture of the chunk is not shown at its start",
                seen.place(format_args!("frame {}", earliest.unwrap_or(0))),
            ));
        }
        depth_max = depth_max.max(depth(seen, evidence)?);
    }
    if plan.audio.is_some() {
        return super::joins::sound_in_place(evidence);
    }
    Ok(format!("times are off by {:.3} ms at most, pictures are moved by {depth_max} at most", ms(off_ns_max)))
}

/// How many pictures are coded before one that is shown before them.
fn depth(seen: &Seen<'_>, evidence: &Evidence) -> Result<u32, Finding> {
    let frames: Vec<u64> = seen.record.samples.iter().filter_map(|sample| sample.frame).collect();
    let depth_at = |at: usize| {
        let window = frames.get(at.saturating_sub(2 * REORDER_MAX as usize)..at).unwrap_or_default();
        window.iter().filter(|&&earlier| frames.get(at).is_some_and(|&frame| earlier > frame)).count()
    };
    let depth = (0..frames.len()).map(depth_at).max().unwrap_or(0);
    let depth = u32::try_from(depth).unwrap_or(u32::MAX);
    let config = evidence.through.as_ref().ok().and_then(|part| part.configs.iter().find(|(of, _)| *of == seen.track));
    let declared = match config {
        Some((_, DecoderConfig::Avc(record))) => sps::reorder_frames(record),
        _ => None,
    };
    if depth > declared.unwrap_or(REORDER_MAX) {
        let text = format!(
            "{depth} pictures are coded before one that is shown before them, and the stream declares {declared:?}"
        );
        return Err(Finding::broken(text, seen.place("reordering")));
    }
    Ok(depth)
}

/// The frames that a run of segments has in a track.
pub(super) fn wanted(plan: &Plan, track: Track, run: Segments) -> Vec<u64> {
    let timeline = &plan.timeline;
    match (track, plan.audio_grid()) {
        (Track::Audio, Some(grid)) => {
            (timeline.audio_frames(grid, run.first).start..timeline.audio_frames(grid, run.last).end).collect()
        }
        (Track::Trick, _) => {
            timeline.tricks_of_segments(run.first, run.last).map(|n| timeline.trick_frames(n).start).collect()
        }
        _ => (timeline.segment_frames(run.first).start..timeline.segment_frames(run.last).end).collect(),
    }
}

/// The frames at which decoding must be able to start.
fn keys(plan: &Plan, track: Track, run: Segments) -> BTreeSet<u64> {
    if track == Track::Trick {
        return wanted(plan, track, run).into_iter().collect();
    }
    let gops = (run.first..=run.last).flat_map(|n| plan.timeline.segment_gops(n));
    gops.map(|gop| gop.start).collect()
}

fn slices(data: &[u8]) -> Slices {
    let Some(units) = nal::units(data) else { return Slices::Broken };
    let mut slices = units.into_iter().map(nal::unit_type).filter(|kind| (FIRST_SLICE..=IDR).contains(kind));
    let Some(first) = slices.next() else { return Slices::Broken };
    match (first == IDR, slices.all(|kind| (kind == IDR) == (first == IDR))) {
        (_, false) => Slices::Broken,
        (true, true) => Slices::Idr,
        (false, true) => Slices::Other,
    }
}

fn time_ns(plan: &Plan, frame: u64) -> u64 {
    let fps = plan.timeline.fps;
    mul_div_round(frame, u64::from(fps.den) * SECOND_NS, u64::from(fps.num))
}

#[expect(clippy::cast_precision_loss, reason = "printed with few decimals")]
fn ms(ns: u64) -> f64 {
    ns as f64 / 1e6
}
