//! What is wrong with something that is done every second: told when it begins and when it ends, not in between.

use std::{
    mem,
    sync::{Mutex, MutexGuard, PoisonError},
};

/// Why something failed the last time it was done, if it did.
#[derive(Debug)]
pub(super) struct Trouble {
    reason: Mutex<Option<String>>,
    /// What is logged when it begins to fail, before the reason, and when that is over.
    begins: &'static str,
    is_over: &'static str,
}

// === impl Trouble ===

impl Trouble {
    pub(super) fn new(begins: &'static str, is_over: &'static str) -> Self {
        Self { reason: Mutex::default(), begins, is_over }
    }

    pub(super) fn reason(&self) -> Option<String> {
        self.lock().clone()
    }

    /// Takes note of how it went, and logs what begins or is over by it.
    pub(super) fn note(&self, reason: Option<String>) {
        let before = mem::replace(&mut *self.lock(), reason.clone());
        match (before, reason) {
            (None, Some(reason)) => tracing::warn!("{}: {reason}", self.begins),
            (Some(_), None) => tracing::info!("{}", self.is_over),
            _ => {}
        }
    }

    fn lock(&self) -> MutexGuard<'_, Option<String>> {
        self.reason.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
