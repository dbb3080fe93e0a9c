//! What the log was told of lately: whoever asks for a damaged segment may do so as often as a server answers.

use std::{
    collections::HashMap,
    sync::{Mutex, PoisonError},
    time::{Duration, Instant},
};

use vidstream_store::Key;

/// The same is told of an object once in this time.
const TOLD_EVERY: Duration = Duration::from_mins(1);
/// So many things are told in that time, and not one more: the counters have the rest.
const TOLD_MAX: usize = 256;

/// What was told, and when: of an object, whether it came whole in the end.
#[derive(Debug, Default)]
pub(super) struct Told(Mutex<HashMap<(Key, bool), Instant>>);

// === impl Told ===

impl Told {
    /// Whether this is to be told now; it counts as told then.
    pub(super) fn is_due(&self, key: Key, is_whole: bool, now: Instant) -> bool {
        let is_fresh = |at: &Instant| now.saturating_duration_since(*at) < TOLD_EVERY;
        let mut told = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        if told.get(&(key, is_whole)).is_some_and(is_fresh) {
            return false;
        }
        if told.len() >= TOLD_MAX {
            told.retain(|_, at| is_fresh(at));
        }
        let has_room = told.len() < TOLD_MAX;
        if has_room {
            told.insert((key, is_whole), now);
        }
        has_room
    }
}

#[cfg(test)]
mod tests {
    use vidstream_media::VideoId;

    use super::*;

    #[test]
    fn the_same_is_told_once_a_minute_and_so_many_things_in_it() {
        let (told, begin) = (Told::default(), Instant::now());
        let key = |n| Key::Source { id: VideoId::from_bits(n) };
        assert!(told.is_due(key(0), true, begin));
        assert!(told.is_due(key(0), false, begin), "it is another thing");
        let end = begin + TOLD_EVERY;
        assert!(!told.is_due(key(0), false, end.checked_sub(Duration::from_nanos(1)).unwrap()));
        assert!(told.is_due(key(0), false, end));
        for n in (1..).take(TOLD_MAX - 2) {
            assert!(told.is_due(key(n), false, begin), "{n}");
        }
        assert_eq!(told.0.lock().unwrap().len(), TOLD_MAX);
        assert!(!told.is_due(key(u128::MAX), false, begin), "one too many");
        // What is old makes room.
        assert!(told.is_due(key(u128::MAX), false, end));
        assert_eq!(told.0.lock().unwrap().len(), 2);
    }
}
