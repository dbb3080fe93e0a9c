//! How many jobs of which class run side by side, and thus what to claim next.

use std::time::{Duration, Instant};

use vidstream_catalog::{Wanted, Work};

/// Claims on probes at the same time. Most of them wait for an upload's bytes without a child.
const PROBE_CLAIMS_MAX: usize = 256;
/// Deletions at the same time; they need no child. Any slot may be given one, so this is checked on top.
const DELETES_MAX: usize = 8;

/// While somebody waits for a chunk, no background job starts beside it: on two cores a first chunk is done
/// after 1.39 s instead of 1.56 s. But one starts whenever none did for this long, so that the background moves
/// on however many wait.
const BACKGROUND_HELD_MAX: Duration = Duration::from_secs(3);

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
    /// A chunk that somebody waits for, or will as soon as its video can be played.
    Urgent,
    Work,
    Delete,
}

/// The slots in use.
#[derive(Debug)]
pub(super) struct Usage {
    slots: Slots,
    probes: usize,
    urgent: usize,
    work: usize,
    deletes: usize,
    /// Since when background jobs are held back for those who wait.
    held_since: Option<Instant>,
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
            Work::Encode { segments, deadline_ms, .. } if deadline_ms.is_some() || segments.first == 1 => Self::Urgent,
            Work::Encode { .. } | Work::Sheet { .. } | Work::Finalize { .. } => Self::Work,
        }
    }
}

// === impl Usage ===

impl Usage {
    pub(super) fn new(slots: Slots) -> Self {
        Self { slots, probes: 0, urgent: 0, work: 0, deletes: 0, held_since: None }
    }

    /// What may be claimed now; `None` when nothing may.
    pub(super) fn wanted(&self, now: Instant) -> Option<Wanted> {
        let working = self.urgent + self.work;
        let held = self.urgent > 0
            && self.held_since.is_some_and(|since| now.saturating_duration_since(since) < BACKGROUND_HELD_MAX);
        let wanted = Wanted {
            probe: self.probes < PROBE_CLAIMS_MAX,
            urgent: working < self.slots.work + self.slots.urgent,
            background: working < self.slots.work && !held,
        };
        let any = wanted.probe || wanted.urgent || wanted.background;
        (any && self.deletes < DELETES_MAX).then_some(wanted)
    }

    pub(super) fn take(&mut self, class: Class, now: Instant) {
        if class == Class::Work || (class == Class::Urgent && self.urgent == 0) {
            self.held_since = Some(now);
        }
        *self.count(class) += 1;
    }

    pub(super) fn give_back(&mut self, class: Class) {
        let count = self.count(class);
        *count = count.saturating_sub(1);
    }

    fn count(&mut self, class: Class) -> &mut usize {
        match class {
            Class::Probe => &mut self.probes,
            Class::Urgent => &mut self.urgent,
            Class::Work => &mut self.work,
            Class::Delete => &mut self.deletes,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const TWO: Slots = Slots { work: 2, urgent: 1, probes: 4 };

    #[test]
    fn one_slot_is_kept_for_those_who_wait() {
        let now = Instant::now();
        let mut usage = Usage::new(TWO);
        assert_eq!(usage.wanted(now), Some(Wanted::ALL));
        usage.take(Class::Work, now);
        usage.take(Class::Work, now);
        assert_eq!(usage.wanted(now), Some(Wanted { probe: true, urgent: true, background: false }));
        usage.take(Class::Urgent, now);
        assert_eq!(usage.wanted(now), Some(Wanted { probe: true, urgent: false, background: false }));
        usage.give_back(Class::Urgent);
        usage.give_back(Class::Work);
        assert_eq!(usage.wanted(now), Some(Wanted::ALL));
    }

    #[test]
    fn nothing_starts_beside_what_somebody_waits_for_unless_the_wait_is_long() {
        let begin = Instant::now();
        let background = |usage: &Usage, at| usage.wanted(at).unwrap().background;
        let mut usage = Usage::new(TWO);
        usage.take(Class::Urgent, begin);
        assert!(!background(&usage, begin));
        let later = begin + BACKGROUND_HELD_MAX;
        assert!(!background(&usage, later.checked_sub(Duration::from_millis(1)).unwrap()));
        assert!(background(&usage, later));
        // The next waiter in a row does not begin the time anew, a started background job does.
        usage.take(Class::Urgent, later);
        usage.give_back(Class::Urgent);
        assert!(background(&usage, later));
        usage.take(Class::Work, later);
        usage.give_back(Class::Work);
        assert!(!background(&usage, later));
        usage.give_back(Class::Urgent);
        assert!(background(&usage, later));
    }

    #[test]
    fn uploads_that_wait_are_held_up_to_a_number() {
        let now = Instant::now();
        let mut usage = Usage::new(TWO);
        for _ in 0..PROBE_CLAIMS_MAX {
            assert!(usage.wanted(now).unwrap().probe);
            usage.take(Class::Probe, now);
        }
        assert_eq!(usage.wanted(now), Some(Wanted { probe: false, ..Wanted::ALL }));
        usage.give_back(Class::Probe);
        assert_eq!(usage.wanted(now), Some(Wanted::ALL));
    }

    #[test]
    fn deletions_are_bounded_though_any_slot_may_be_given_one() {
        let now = Instant::now();
        let mut usage = Usage::new(TWO);
        for _ in 0..DELETES_MAX {
            assert!(usage.wanted(now).is_some());
            usage.take(Class::Delete, now);
        }
        assert_eq!(usage.wanted(now), None);
    }
}
