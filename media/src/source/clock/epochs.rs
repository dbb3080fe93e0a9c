//! Jumps of a clock: some are time that passed, others are another recording put behind the first.

use std::collections::BTreeMap;

/// A stream that goes back by more than this begins anew. Interleaving and reordering stay below.
const BACK_NS_MAX: i64 = 2_000_000_000;
/// Streams of one recording are this close to one another, as the writers of files see to it.
const APART_NS_MAX: i64 = 12_000_000_000;
/// A jump of the only stream is believed up to this.
const ALONE_NS_MAX: i64 = 3_600_000_000_000;
/// What begins anew does so this much after the last unit: a frame of 25 a second.
const FRAME_NS: i64 = 40_000_000;

/// What has to be added to the times of a file so that they go on.
#[derive(Debug, Default)]
pub(super) struct Epochs {
    shift_ns: i64,
    /// The one before: streams reach a jump one after another.
    before_ns: Option<i64>,
    /// The latest time of each stream in nanoseconds, shifted.
    latest: BTreeMap<u16, i64>,
}

// === impl Epochs ===

impl Epochs {
    /// What to add to the times of a unit that is decoded at `told_ns`.
    pub(super) fn shift_ns(&mut self, stream: u16, told_ns: i64) -> i64 {
        let known = std::iter::once(self.shift_ns).chain(self.before_ns);
        let fits = known.into_iter().find(|shift_ns| self.goes_on(stream, told_ns.saturating_add(*shift_ns)));
        let shift_ns = fits.unwrap_or_else(|| {
            let end_ns = self.latest.values().max().copied().unwrap_or(0);
            self.before_ns = Some(self.shift_ns);
            self.shift_ns = end_ns.saturating_add(FRAME_NS).saturating_sub(told_ns);
            self.shift_ns
        });
        let time_ns = told_ns.saturating_add(shift_ns);
        let last_ns = self.latest.entry(stream).or_insert(time_ns);
        *last_ns = time_ns.max(*last_ns);
        shift_ns
    }

    /// Whether a unit at this time can be the next of its stream in the same recording.
    fn goes_on(&self, stream: u16, time_ns: i64) -> bool {
        let Some(newest_ns) = self.latest.values().max().copied() else { return true };
        let own_ns = self.latest.get(&stream).copied();
        let earliest_ns =
            own_ns.map_or(newest_ns.saturating_sub(APART_NS_MAX), |own_ns| own_ns.saturating_sub(BACK_NS_MAX));
        // A stream that stopped says nothing about the others.
        let is_alone = own_ns.is_some_and(|own_ns| {
            let stopped_ns = own_ns.saturating_sub(APART_NS_MAX);
            self.latest.iter().all(|(other, last_ns)| *other == stream || *last_ns < stopped_ns)
        });
        let ahead_ns_max = if is_alone { ALONE_NS_MAX } else { APART_NS_MAX };
        (earliest_ns..=newest_ns.saturating_add(ahead_ns_max)).contains(&time_ns)
    }
}
