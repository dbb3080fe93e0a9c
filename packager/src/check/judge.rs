//! From evidence to findings: one for each promise of the plugin's kind.

mod config;
mod grid;
mod joins;
mod rates;
mod rest;

use vidstream_media::Track;
use vidstream_plugins::{Kind, Promise, verdict::Finding};

use super::{evidence::Evidence, studio::Round};
use crate::record::Record;

/// What was found of every promise that plugins of this kind can make.
pub(super) fn all(evidence: &Evidence, kind: Kind) -> Vec<(Promise, Finding)> {
    let promises = Promise::ALL.into_iter().filter(|promise| promise.fits(kind));
    promises.map(|promise| (promise, of(promise, evidence))).collect()
}

fn of(promise: Promise, evidence: &Evidence) -> Finding {
    let found = match promise {
        Promise::IdrOnGrid => grid::idr_on_grid(evidence),
        Promise::ClosedGop => grid::closed_gop(evidence),
        Promise::ExactFrames => grid::exact_frames(evidence),
        Promise::TrueTimes => grid::true_times(evidence),
        Promise::SameDecoderConfig => config::same(evidence),
        Promise::CleanJoins => joins::clean(evidence),
        Promise::CapKept => rates::cap_kept(evidence),
        Promise::BoundedMemory => rest::bounded_memory(evidence),
        Promise::CleanAbort => rest::clean_abort(evidence),
    };
    found.map_or_else(|broken| broken, Finding::kept)
}

/// What holds, in a sentence; else what does not.
type Judged = Result<String, Finding>;

/// A record of the trial and where it comes from.
struct Seen<'a> {
    /// The number of the round, from 0.
    number: usize,
    round: &'a Round,
    track: Track,
    record: &'a Record,
}

// === impl Seen ===

impl Seen<'_> {
    /// Where something was seen, for people.
    fn place(&self, what: impl std::fmt::Display) -> String {
        format!("trial {}, {}, segment {}, {what}", self.number + 1, name(self.track), self.round.segments.first)
    }
}

/// All records of the trial. One that cannot be read, and a trial without any, is a finding.
fn seen(evidence: &Evidence) -> Result<Vec<Seen<'_>>, Finding> {
    let mut all = Vec::new();
    for (number, round) in evidence.rounds.iter().enumerate() {
        for (track, record) in &round.records {
            let record = record.as_ref().ok_or_else(|| Finding::unjudged("its child wrote an unreadable record"))?;
            all.push(Seen { number, round, track: *track, record });
        }
    }
    match (&evidence.trial, all.is_empty()) {
        (Err(failure), true) => Err(Finding::unjudged(failure)),
        _ => Ok(all),
    }
}

/// The trial ended before its last round: what can only be said of all of it cannot be said.
fn whole_trial(evidence: &Evidence) -> Result<(), Finding> {
    evidence
        .trial
        .as_ref()
        .map_err(|failure| Finding::broken(failure.to_string(), format!("trial {}", evidence.rounds.len() + 1)))?;
    Ok(())
}

/// A track as people call it.
fn name(track: Track) -> String {
    match track {
        Track::Rung(height) => format!("rung {height}p"),
        Track::Trick => "trick track".to_owned(),
        Track::Audio => "audio".to_owned(),
    }
}
