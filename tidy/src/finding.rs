//! What a rule found, and where.

use std::fmt;

/// One place that breaks a rule.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) struct Finding {
    pub(crate) weight: Weight,
    pub(crate) path: String,
    /// From 1; 0 is the whole file.
    pub(crate) line: usize,
    pub(crate) text: String,
}

/// Whether a finding fails the check.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum Weight {
    Note,
    Error,
}

// === impl Finding ===

impl Finding {
    pub(crate) fn error(path: &str, line: usize, text: impl Into<String>) -> Self {
        Self { weight: Weight::Error, path: path.into(), line, text: text.into() }
    }

    pub(crate) fn note(path: &str, line: usize, text: impl Into<String>) -> Self {
        Self { weight: Weight::Note, path: path.into(), line, text: text.into() }
    }
}

impl fmt::Display for Finding {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        let weight = match self.weight {
            Weight::Note => "note",
            Weight::Error => "error",
        };
        if self.line == 0 {
            write!(formatter, "{weight}: {}: {}", self.path, self.text)
        } else {
            write!(formatter, "{weight}: {}:{}: {}", self.path, self.line, self.text)
        }
    }
}
