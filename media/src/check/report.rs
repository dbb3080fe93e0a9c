//! Verdicts: what a rule found, the report over all rules, and its text for people.

use std::fmt::Write as _;

use serde::Serialize;

use super::rules;

/// Findings of one rule that are told one by one; the rest are counted.
const FINDINGS_MAX: usize = 64;
/// Findings of one rule that the text for people shows.
const FINDINGS_SHOWN: usize = 3;

/// How much a rule binds, in the words of its source.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize)]
pub enum Level {
    /// A specification or a platform demands it.
    #[serde(rename = "MUST")]
    Must,
    /// No sentence says MUST, and players go wrong without it. It is told and fails no stream: one that breaks it may keep
    /// every specification, such as one whose I-frame ranges end within their fragments (RFC 8216bis §3.1.2, rule 43).
    #[serde(rename = "C")]
    Critical,
    /// A recommendation.
    #[serde(rename = "SHOULD")]
    Should,
}

/// What became of a rule.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Verdict {
    /// All that was served keeps it.
    Pass,
    /// Something does not.
    Fail,
    /// The stream lacks what the rule is about.
    NotApplicable,
}

/// The verdict on one rule.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Outcome {
    /// Its number, 1 to 76.
    pub rule: u8,
    /// The level of the gravest finding; without one, the rule's own.
    pub level: Level,
    /// The verdict.
    pub verdict: Verdict,
    /// Where the gravest finding is: a path, with a line if it is text.
    #[serde(rename = "where")]
    pub place: Option<String>,
    /// Why it fails, or what the stream lacks.
    pub reason: Option<String>,
    /// The findings after the first, for people.
    #[serde(skip)]
    others: Vec<Finding>,
}

/// The verdicts on all rules.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Report {
    /// Whether no MUST failed.
    pub ok: bool,
    /// Every rule once, in order.
    pub rules: Vec<Outcome>,
}

/// Something that breaks a rule.
#[derive(Clone, Debug, PartialEq, Eq)]
struct Finding {
    level: Level,
    place: String,
    reason: String,
}

/// The findings of one rule.
#[derive(Debug)]
pub(super) struct Findings {
    level: Level,
    list: Vec<Finding>,
    more: usize,
}

// === impl Findings ===

impl Findings {
    pub(super) fn new(level: Level) -> Self {
        Self { level, list: Vec::new(), more: 0 }
    }

    /// Something that breaks the rule at the rule's own level.
    pub(super) fn fail(&mut self, place: impl Into<String>, reason: impl Into<String>) {
        self.push(self.level, place.into(), reason.into());
    }

    /// Something that breaks a part of the rule that is a MUST.
    pub(super) fn must(&mut self, place: impl Into<String>, reason: impl Into<String>) {
        self.push(Level::Must, place.into(), reason.into());
    }

    /// Something that breaks a part of the rule that is a SHOULD.
    pub(super) fn should(&mut self, place: impl Into<String>, reason: impl Into<String>) {
        self.push(Level::Should, place.into(), reason.into());
    }

    fn push(&mut self, level: Level, place: String, reason: String) {
        if self.list.len() == FINDINGS_MAX {
            self.more += 1;
            // A graver one takes the place of the last of the least grave.
            let least = self.list.iter().enumerate().max_by_key(|(_, finding)| finding.level);
            let Some((at, _)) = least.filter(|(_, finding)| finding.level > level) else { return };
            self.list.remove(at);
        }
        self.list.push(Finding { level, place, reason });
    }

    pub(super) fn into_outcome(mut self, rule: u8) -> Outcome {
        // The gravest first; those alike stay in the order of the stream.
        self.list.sort_by_key(|finding| finding.level);
        let mut list = self.list.into_iter();
        let Some(first) = list.next() else { return Outcome::bare(rule, self.level, Verdict::Pass) };
        let mut others: Vec<Finding> = list.collect();
        let hidden = others.len().saturating_sub(FINDINGS_SHOWN - 1) + self.more;
        others.truncate(FINDINGS_SHOWN - 1);
        if hidden > 0 {
            others.push(Finding { level: Level::Should, place: String::new(), reason: format!("and {hidden} more") });
        }
        Outcome {
            level: first.level,
            place: Some(first.place),
            reason: Some(first.reason),
            others,
            ..Outcome::bare(rule, self.level, Verdict::Fail)
        }
    }
}

// === impl Outcome ===

impl Outcome {
    fn bare(rule: u8, level: Level, verdict: Verdict) -> Self {
        Self { rule, level, verdict, place: None, reason: None, others: Vec::new() }
    }

    pub(super) fn not_applicable(rule: u8, level: Level, absence: &str) -> Self {
        Self { reason: Some(absence.to_owned()), ..Self::bare(rule, level, Verdict::NotApplicable) }
    }

    fn is_failed(&self, level: Level) -> bool {
        self.verdict == Verdict::Fail && self.level == level
    }
}

// === impl Report ===

impl Report {
    pub(super) fn new(rules: Vec<Outcome>) -> Self {
        let ok = !rules.iter().any(|outcome| outcome.is_failed(Level::Must));
        Self { ok, rules }
    }

    /// The report for people: a line a rule, then what failed with where and why, at last the verdict.
    pub fn text(&self) -> String {
        let mut text = String::from("RULE  LEVEL   VERDICT  WHAT\n");
        for outcome in &self.rules {
            let verdict = match outcome.verdict {
                Verdict::Pass => "pass",
                Verdict::Fail => "FAIL",
                Verdict::NotApplicable => "-",
            };
            let title = rules::title(outcome.rule);
            let absence = match (&outcome.verdict, &outcome.reason) {
                (Verdict::NotApplicable, Some(reason)) => format!(" ({reason})"),
                _ => String::new(),
            };
            // Writing to a string cannot fail.
            let _ = writeln!(text, "{:>4}  {:<6}  {verdict:<7}  {title}{absence}", outcome.rule, outcome.level.name());
        }
        for outcome in self.rules.iter().filter(|outcome| outcome.verdict == Verdict::Fail) {
            let title = rules::title(outcome.rule);
            let _ = writeln!(text, "\nrule {} ({}): {title}", outcome.rule, outcome.level.name());
            let first = outcome.place.iter().zip(&outcome.reason);
            let others = outcome.others.iter().map(|finding| (&finding.place, &finding.reason));
            for (place, reason) in first.chain(others) {
                let colon = if place.is_empty() { "" } else { ": " };
                let _ = writeln!(text, "  {place}{colon}{reason}");
            }
        }
        let _ = writeln!(text, "\n{}", self.verdict());
        text
    }

    fn verdict(&self) -> String {
        let count = |verdict: Verdict| self.rules.iter().filter(|outcome| outcome.verdict == verdict).count();
        let failed = |level: Level| self.rules.iter().filter(|outcome| outcome.is_failed(level)).count();
        let applied = self.rules.len() - count(Verdict::NotApplicable);
        if count(Verdict::Fail) == 0 {
            return format!("passed: all {applied} rules that apply");
        }
        let levels = [Level::Must, Level::Critical, Level::Should];
        let parts: Vec<String> = levels
            .into_iter()
            .filter(|level| failed(*level) > 0)
            .map(|level| format!("{} {}", failed(level), level.name()))
            .collect();
        let word = if self.ok { "passed, with findings" } else { "failed" };
        format!("{word}: {} of the {applied} rules that apply", parts.join(", "))
    }
}

// === impl Level ===

impl Level {
    fn name(self) -> &'static str {
        match self {
            Self::Must => "MUST",
            Self::Critical => "C",
            Self::Should => "SHOULD",
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn recommendations(count: usize) -> Findings {
        let mut findings = Findings::new(Level::Should);
        (0..count).for_each(|n| findings.fail(n.to_string(), "it is not so"));
        findings
    }

    #[test]
    fn so_many_findings_are_kept_and_the_rest_is_counted() {
        for (count, kept, more) in [(FINDINGS_MAX, FINDINGS_MAX, 0), (FINDINGS_MAX + 1, FINDINGS_MAX, 1)] {
            let findings = recommendations(count);
            assert_eq!((findings.list.len(), findings.more), (kept, more));
            let last = findings.into_outcome(1).others.pop().map(|finding| finding.reason);
            assert_eq!(last, Some(format!("and {} more", count - FINDINGS_SHOWN)));
        }
    }

    #[test]
    fn only_a_must_fails_a_stream() {
        let cases = [
            (Level::Must, false, "failed: 1 MUST of the 1 rules that apply"),
            (Level::Critical, true, "passed, with findings: 1 C of the 1 rules that apply"),
            (Level::Should, true, "passed, with findings: 1 SHOULD of the 1 rules that apply"),
        ];
        for (level, ok, verdict) in cases {
            let mut findings = Findings::new(level);
            findings.fail("master.m3u8", "it is not so");
            let report = Report::new(vec![findings.into_outcome(1)]);
            assert_eq!((report.ok, report.verdict().as_str()), (ok, verdict));
        }
    }

    #[test]
    fn the_gravest_finding_is_told_however_many_came_before_it() {
        let mut findings = recommendations(FINDINGS_MAX);
        findings.must("late", "it must be so");
        findings.must("later", "it must be so");
        let outcome = findings.into_outcome(1);
        assert_eq!((outcome.level, outcome.place.as_deref()), (Level::Must, Some("late")));
        assert_eq!(outcome.others[0].place, "later");
    }
}
