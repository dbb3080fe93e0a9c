//! What is told to a catalog that may be busy: again, within bounds.

use std::time::Duration;

use tokio::time::sleep;
use vidstream_catalog::{Error, Result};

/// How often it is told.
const TRIES: u32 = 5;
/// The wait between two tries.
const WAIT: Duration = Duration::from_millis(300);

/// Tells until the catalog answers. Only for what may be told twice.
pub(crate) async fn patiently<T, F: Future<Output = Result<T>>>(tell: impl Fn() -> F) -> Result<T> {
    let mut tries = 1;
    loop {
        match tell().await {
            Err(error) if !is_certain(&error) && tries < TRIES => tracing::debug!(%error, "the catalog is told again"),
            answer => return answer,
        }
        tries += 1;
        sleep(WAIT).await;
    }
}

/// Whether the error says that nothing was written. The others may come after the commit.
pub(crate) fn is_certain(error: &Error) -> bool {
    !matches!(error, Error::Busy | Error::Unavailable(_))
}
