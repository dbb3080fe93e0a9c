//! Pauses before a server that went away is connected to again: they grow while it stays away, and differ, so that
//! processes that lost it together do not come back together.

use std::{
    hash::{BuildHasher as _, RandomState},
    time::Duration,
};

use crate::limits::{RECONNECT_MS, STABLE_MS};

/// The pauses of one who connects again and again.
#[derive(Default)]
pub(crate) struct Pauses {
    tries: u32,
}

// === impl Pauses ===

impl Pauses {
    /// The pause after a connection that lasted so long; no time at all, if it could not be made. One that is lost at
    /// once again and again is as good as none: only after [`STABLE_MS`] do pauses begin anew.
    pub(crate) fn after(&mut self, lasted: Duration) -> Duration {
        if lasted >= Duration::from_millis(STABLE_MS) {
            self.tries = 0;
        }
        // The keys of each are drawn anew.
        let pause = pause(self.tries, RandomState::new().hash_one(self.tries));
        self.tries = self.tries.saturating_add(1);
        pause
    }
}

/// Twice as long after each try, and somewhere between half of it and all.
fn pause(tries: u32, random: u64) -> Duration {
    let longest_ms = RECONNECT_MS.start().saturating_mul(1 << tries.min(16)).min(*RECONNECT_MS.end());
    let half_ms = longest_ms / 2;
    Duration::from_millis(longest_ms - random % (half_ms + 1))
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use super::*;

    #[test]
    fn pauses_grow_to_a_bound_and_differ() {
        for (tries, range_ms) in
            [(0, 50..=100), (1, 100..=200), (5, 1_600..=3_200), (6, 2_500..=5_000), (u32::MAX, 2_500..=5_000)]
        {
            let longest = pause(tries, 0);
            let shortest = pause(tries, range_ms.end() / 2);
            assert_eq!([shortest, longest], [*range_ms.start(), *range_ms.end()].map(Duration::from_millis));
            for random in [1, 77, u64::MAX] {
                assert!((shortest..=longest).contains(&pause(tries, random)), "{tries} {random}");
            }
        }
    }

    #[test]
    fn those_who_lost_a_server_together_do_not_come_back_together() {
        let firsts: BTreeSet<Duration> = (0..32).map(|_| Pauses::default().after(Duration::ZERO)).collect();
        assert!(firsts.len() > 1, "{firsts:?}");
    }

    #[test]
    fn pauses_begin_anew_only_after_a_connection_that_lasted() {
        let mut pauses = Pauses::default();
        let stable = Duration::from_millis(STABLE_MS);
        let almost = stable.checked_sub(Duration::from_millis(1)).unwrap();
        // A server that takes connections and drops them is not asked ten times a second for ever.
        let mut pause = Duration::ZERO;
        for _ in 0..8 {
            pause = pauses.after(almost);
        }
        assert!(pause >= Duration::from_millis(RECONNECT_MS.end() / 2), "{pause:?}");
        assert!(pauses.after(stable) <= Duration::from_millis(*RECONNECT_MS.start()));
        assert!(pauses.after(Duration::ZERO) > Duration::from_millis(RECONNECT_MS.start() / 2));
    }
}
