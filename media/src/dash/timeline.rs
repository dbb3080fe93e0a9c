//! `SegmentTemplate` with `SegmentTimeline`: what the grid says, runs of equal durations compressed.

use std::io;

use super::xml::{NONE, Xml};
use crate::{presentation::Presentation, track::Track};

/// A run of segments of equal duration.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct Run {
    duration: u64,
    /// How many after the first, which is what `S@r` counts.
    repeats: u64,
}

/// The template of all tracks that share the timeline of `track`.
pub(super) fn write(xml: &mut Xml, presentation: &Presentation, track: Track) -> io::Result<()> {
    let generation = presentation.generation;
    let attributes = [
        ("timescale", presentation.plan.timescale(track).to_string()),
        ("initialization", format!("{generation}/$RepresentationID$/init.mp4")),
        ("media", format!("{generation}/$RepresentationID$/$Number$.m4s")),
        ("startNumber", String::from("1")),
    ];
    xml.open("SegmentTemplate", &attributes)?;
    xml.open("SegmentTimeline", NONE)?;
    for (place, run) in runs(presentation, track).iter().enumerate() {
        let duration = run.duration.to_string();
        let repeats = run.repeats.to_string();
        let mut attributes = Vec::with_capacity(3);
        // Every track starts at 0 and has no gap, so later times follow.
        if place == 0 {
            attributes.push(("t", "0"));
        }
        attributes.push(("d", duration.as_str()));
        if run.repeats > 0 {
            attributes.push(("r", repeats.as_str()));
        }
        xml.empty("S", &attributes)?;
    }
    xml.close("SegmentTimeline")?;
    xml.close("SegmentTemplate")
}

fn runs(presentation: &Presentation, track: Track) -> Vec<Run> {
    let plan = &presentation.plan;
    let mut runs: Vec<Run> = Vec::new();
    for n in 1..=plan.segments(track) {
        let Some((_, duration)) = plan.segment_ticks(track, n) else { continue };
        match runs.last_mut() {
            Some(run) if run.duration == duration => run.repeats += 1,
            _ => runs.push(Run { duration, repeats: 0 }),
        }
    }
    runs
}
