//! What is wrong with something that is done every second: told when it begins and when it ends, not in between.

use std::{
    mem,
    sync::{Arc, Mutex, MutexGuard, PoisonError},
};

/// Why something failed the last time it was done, if it did.
#[derive(Clone, Debug, Default)]
pub(super) struct Trouble(Arc<Mutex<Option<String>>>);

// === impl Trouble ===

impl Trouble {
    pub(super) fn reason(&self) -> Option<String> {
        self.lock().clone()
    }

    /// Takes note of how it went, and logs what begins or is over by it.
    pub(super) fn note(&self, reason: Option<String>, begins: &str, is_over: &str) {
        let before = mem::replace(&mut *self.lock(), reason.clone());
        match (before, reason) {
            (None, Some(reason)) => tracing::warn!("{begins}: {reason}"),
            (Some(_), None) => tracing::info!("{is_over}"),
            _ => {}
        }
    }

    fn lock(&self) -> MutexGuard<'_, Option<String>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
