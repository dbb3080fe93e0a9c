//! What an encoder can promise, and who needs it.

use std::{collections::BTreeMap, fmt};

use serde::{Deserialize, Serialize};

use crate::Kind;

/// One promise of the contract. Manifests name them in snake case.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Promise {
    /// An IDR picture exactly where one is forced, and nowhere else.
    IdrOnGrid,
    /// No picture refers across a GOP's edge.
    ClosedGop,
    /// One coded sample for each picture or audio frame, none twice and none left out.
    ExactFrames,
    /// Coded samples keep the times of what went in; pictures are moved no further than the stream declares.
    TrueTimes,
    /// The decoder configuration depends on the settings alone, not on content, chunk or threads.
    SameDecoderConfig,
    /// Chunks decode alone and behind one another, and sound and look at a join as they do elsewhere.
    CleanJoins,
    /// No window of segments exceeds the cap by more than the buffer allows.
    CapKept,
    /// Memory does not grow from chunk to chunk.
    BoundedMemory,
    /// Stopped in the middle of a chunk, it leaves no thread behind, and its process ends when it is killed.
    CleanAbort,
}

/// The promises of a manifest: those that it names and sets to true.
#[derive(Clone, Debug, Default, PartialEq, Eq, Deserialize)]
#[serde(transparent)]
pub struct Promises(BTreeMap<Promise, bool>);

// === impl Promise ===

impl Promise {
    /// All of them, in the order in which they are judged.
    pub const ALL: [Self; 9] = [
        Self::IdrOnGrid,
        Self::ClosedGop,
        Self::ExactFrames,
        Self::TrueTimes,
        Self::SameDecoderConfig,
        Self::CleanJoins,
        Self::CapKept,
        Self::BoundedMemory,
        Self::CleanAbort,
    ];

    /// Whether a plugin of this kind can make it. There is none for filters.
    pub fn fits(self, kind: Kind) -> bool {
        match kind {
            Kind::VideoEncoder => true,
            Kind::AudioEncoder => !matches!(self, Self::IdrOnGrid | Self::ClosedGop | Self::CapKept),
            Kind::Filter => false,
        }
    }

    /// Whether a plan takes no encoder of this kind without it: the grid is published before it is kept,
    /// and every chunk of a track has one decoder configuration. The others are good to have: a rate is
    /// measured in the end, and what leaks or hangs is a child process.
    pub fn is_needed(self, kind: Kind) -> bool {
        self.fits(kind) && !matches!(self, Self::CapKept | Self::BoundedMemory | Self::CleanAbort)
    }

    /// Its name in manifests.
    pub fn name(self) -> &'static str {
        match self {
            Self::IdrOnGrid => "idr_on_grid",
            Self::ClosedGop => "closed_gop",
            Self::ExactFrames => "exact_frames",
            Self::TrueTimes => "true_times",
            Self::SameDecoderConfig => "same_decoder_config",
            Self::CleanJoins => "clean_joins",
            Self::CapKept => "cap_kept",
            Self::BoundedMemory => "bounded_memory",
            Self::CleanAbort => "clean_abort",
        }
    }
}

impl fmt::Display for Promise {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(self.name())
    }
}

// === impl Promises ===

impl Promises {
    /// Whether it is promised.
    pub fn makes(&self, promise: Promise) -> bool {
        self.0.get(&promise).copied().unwrap_or(false)
    }

    /// The first one that a plugin of this kind cannot make.
    pub(crate) fn misplaced(&self, kind: Kind) -> Option<Promise> {
        self.0.keys().copied().find(|promise| !promise.fits(kind))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn manifests_use_the_names_that_are_shown() {
        for promise in Promise::ALL {
            let promises: Promises = toml::from_str(&format!("{promise} = true")).unwrap();
            assert!(promises.makes(promise));
            assert_eq!(Promise::ALL.iter().filter(|other| promises.makes(**other)).count(), 1);
        }
    }
}
