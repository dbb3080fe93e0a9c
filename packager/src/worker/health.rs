//! Whether a worker could do a job now: for those who watch its process.

use std::sync::Arc;

use futures_util::future::BoxFuture;

use crate::jobs::Context;

/// Tells of a worker, beside its work, whether it could do a job. Whether the catalog answers is for others to ask.
#[derive(Clone)]
pub struct Health {
    context: Arc<Context>,
}

// === impl Health ===

impl Health {
    pub(super) fn new(context: Arc<Context>) -> Self {
        Self { context }
    }

    /// Asks the store with one small request, and remembers how the last child started.
    ///
    /// # Errors
    /// A sentence that says why no job can be done.
    pub fn check(&self) -> BoxFuture<'static, Result<(), String>> {
        let context = Arc::clone(&self.context);
        Box::pin(async move {
            if let Some(reason) = context.spares.trouble() {
                return Err(format!("children do not start: {reason}"));
            }
            if context.store.is_reachable().await { Ok(()) } else { Err("the store does not answer".to_owned()) }
        })
    }
}
