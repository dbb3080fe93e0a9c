//! How many jobs of which class run side by side, and thus what to claim next.

use vidstream_catalog::{Wanted, Work};

/// Claims on probes at the same time. Most of them wait for an upload's bytes without a child.
const PROBE_CLAIMS_MAX: usize = 256;
/// Deletions at the same time; they need no child. Any slot may be given one, so this is checked on top.
const DELETES_MAX: usize = 8;

/// The slots of a worker.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Slots {
    /// Jobs that encode or measure, side by side.
    pub work: usize,
    /// Kept on top for chunks that somebody waits for, so that none waits behind a long one.
    pub urgent: usize,
    /// Children that scan uploads, side by side.
    pub probes: usize,
}

/// What a job counts as.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub(super) enum Class {
    Probe,
    Work,
    Delete,
}

/// The slots in use.
#[derive(Debug)]
pub(super) struct Usage {
    slots: Slots,
    probes: usize,
    work: usize,
    deletes: usize,
}

// === impl Slots ===

impl Default for Slots {
    /// One job a core, at least two: two half-loaded pipelines fill the gaps of one another.
    fn default() -> Self {
        let cores = std::thread::available_parallelism().map_or(2, usize::from);
        Self { work: cores.max(2), urgent: 1, probes: 4 }
    }
}

// === impl Class ===

impl Class {
    pub(super) fn of(work: &Work) -> Self {
        match work {
            Work::Probe => Self::Probe,
            Work::Delete => Self::Delete,
            Work::Encode { .. } | Work::Sheet { .. } | Work::Finalize { .. } => Self::Work,
        }
    }
}

// === impl Usage ===

impl Usage {
    pub(super) fn new(slots: Slots) -> Self {
        Self { slots, probes: 0, work: 0, deletes: 0 }
    }

    /// What may be claimed now; `None` when nothing may.
    pub(super) fn wanted(&self) -> Option<Wanted> {
        let wanted = Wanted {
            probe: self.probes < PROBE_CLAIMS_MAX,
            urgent: self.work < self.slots.work + self.slots.urgent,
            background: self.work < self.slots.work,
        };
        let any = wanted.probe || wanted.urgent || wanted.background;
        (any && self.deletes < DELETES_MAX).then_some(wanted)
    }

    pub(super) fn take(&mut self, class: Class) {
        *self.count(class) += 1;
    }

    pub(super) fn give_back(&mut self, class: Class) {
        let count = self.count(class);
        *count = count.saturating_sub(1);
    }

    fn count(&mut self, class: Class) -> &mut usize {
        match class {
            Class::Probe => &mut self.probes,
            Class::Work => &mut self.work,
            Class::Delete => &mut self.deletes,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn one_slot_is_kept_for_those_who_wait() {
        let mut usage = Usage::new(Slots { work: 2, urgent: 1, probes: 4 });
        assert_eq!(usage.wanted(), Some(Wanted::ALL));
        usage.take(Class::Work);
        usage.take(Class::Work);
        assert_eq!(usage.wanted(), Some(Wanted { probe: true, urgent: true, background: false }));
        usage.take(Class::Work);
        assert_eq!(usage.wanted(), Some(Wanted { probe: true, urgent: false, background: false }));
        usage.give_back(Class::Work);
        usage.give_back(Class::Work);
        assert_eq!(usage.wanted(), Some(Wanted::ALL));
    }

    #[test]
    fn deletions_are_bounded_though_any_slot_may_be_given_one() {
        let mut usage = Usage::new(Slots { work: 2, urgent: 1, probes: 4 });
        for _ in 0..DELETES_MAX {
            assert!(usage.wanted().is_some());
            usage.take(Class::Delete);
        }
        assert_eq!(usage.wanted(), None);
    }
}
