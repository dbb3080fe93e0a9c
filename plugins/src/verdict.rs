//! Verdicts: what the contract suite says of a plugin, promise by promise.

use serde::Serialize;

use crate::{Kind, Plugin, Promise};

/// Whether a promise was kept.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Outcome {
    /// Promised and kept.
    Pass,
    /// Promised and broken, or impossible to judge because of what the plugin did.
    Fail,
    /// Not promised; the reason tells what was found nevertheless.
    NotPromised,
}

/// What was found of one promise, before it is held against the manifest.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Finding {
    /// Whether it holds.
    pub holds: bool,
    /// What was measured, or what is wrong, in a sentence.
    pub reason: String,
    /// Where it was seen, `rung 270p, chunk 3, frame 96` say; `None` if it holds or cannot be judged.
    pub place: Option<String>,
}

/// The verdict on one promise.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Verdict {
    /// The promise.
    pub promise: Promise,
    /// How it was kept.
    pub outcome: Outcome,
    /// What was measured, or what is wrong, in a sentence.
    pub reason: String,
    /// Where it was seen.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub place: Option<String>,
}

/// How far a plugin could be judged.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum State {
    /// Every promise of its kind has a verdict.
    Judged,
    /// Its element does not exist here.
    Unavailable,
    /// There is no promise for plugins of its kind.
    NothingToJudge,
}

/// All that the contract suite says of one plugin.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct Report {
    /// The plugin's name.
    pub plugin: String,
    /// The plugin's version.
    pub version: String,
    /// What it does.
    pub kind: Kind,
    /// The GStreamer element.
    pub element: String,
    /// How far it could be judged.
    pub state: State,
    /// Why it was not judged; empty if it was.
    #[serde(skip_serializing_if = "String::is_empty")]
    pub note: String,
    /// One for each promise of its kind.
    pub verdicts: Vec<Verdict>,
    /// How long it took, in seconds.
    pub seconds: f64,
}

// === impl Finding ===

impl Finding {
    /// It holds.
    pub fn kept(reason: impl Into<String>) -> Self {
        Self { holds: true, reason: reason.into(), place: None }
    }

    /// It does not hold.
    pub fn broken(reason: impl Into<String>, place: impl Into<String>) -> Self {
        Self { holds: false, reason: reason.into(), place: Some(place.into()) }
    }

    /// It cannot be judged, and so does not hold.
    pub fn unjudged(why: impl std::fmt::Display) -> Self {
        Self { holds: false, reason: format!("it cannot be judged: {why}"), place: None }
    }
}

// === impl Report ===

impl Report {
    /// Holds findings against what the manifest promises.
    pub fn judged(plugin: &Plugin, findings: impl IntoIterator<Item = (Promise, Finding)>, seconds: f64) -> Self {
        let verdict = |(promise, finding): (Promise, Finding)| {
            let outcome = match (plugin.promises.makes(promise), finding.holds) {
                (true, true) => Outcome::Pass,
                (true, false) => Outcome::Fail,
                (false, _) => Outcome::NotPromised,
            };
            let reason = match (outcome, finding.holds, &finding.place) {
                (Outcome::NotPromised, true, _) => format!("it holds: {}", finding.reason),
                (Outcome::NotPromised, false, Some(_)) => format!("it does not hold: {}", finding.reason),
                _ => finding.reason,
            };
            Verdict { promise, outcome, reason, place: finding.place }
        };
        let verdicts = findings.into_iter().map(verdict).collect();
        Self { verdicts, seconds, ..Self::without_verdicts(plugin, State::Judged, String::new()) }
    }

    /// Says that its element does not exist here.
    pub fn unavailable(plugin: &Plugin) -> Self {
        let missing =
            plugin.library.as_ref().map_or_else(String::new, |library| format!(" (it should be in {library})"));
        let note = format!("the GStreamer element {} is not installed here{missing}", plugin.element);
        Self::without_verdicts(plugin, State::Unavailable, note)
    }

    /// Says that the contract asks nothing of its kind.
    pub fn nothing_to_judge(plugin: &Plugin) -> Self {
        let note = "the contract has no promise for filters, and no plan uses one: there is nothing to judge";
        Self::without_verdicts(plugin, State::NothingToJudge, note.to_owned())
    }

    /// Whether no promise is broken.
    pub fn is_clean(&self) -> bool {
        self.verdicts.iter().all(|verdict| verdict.outcome != Outcome::Fail)
    }

    fn without_verdicts(plugin: &Plugin, state: State, note: String) -> Self {
        let Plugin { name, version, kind, element, .. } = plugin.clone();
        Self { plugin: name, version, kind, element, state, note, verdicts: Vec::new(), seconds: 0.0 }
    }
}
