//! What is told to a catalog that may be busy or away: again, within bounds.

use std::time::Duration;

use tokio::time::sleep;
use vidstream_catalog::{Error, Result};

/// How often it is told: long enough for a database server to be started again, and shorter than a lease.
const TRIES: u32 = 30;
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

#[cfg(test)]
mod tests {
    use std::{cell::Cell, future::ready};

    use tokio::time::Instant;

    use super::*;

    #[tokio::test(start_paused = true)]
    async fn a_busy_catalog_is_told_so_many_times_and_not_once_more() {
        for (busy, told_so_often, is_told) in [(0, 1, true), (TRIES - 1, TRIES, true), (TRIES, TRIES, false)] {
            let (told, began) = (Cell::new(0), Instant::now());
            let answer = patiently(|| {
                told.set(told.get() + 1);
                ready(if told.get() > busy { Ok(()) } else { Err(Error::Busy) })
            });
            assert_eq!(answer.await.is_ok(), is_told, "{busy}");
            assert_eq!((told.get(), began.elapsed()), (told_so_often, WAIT * (told_so_often - 1)));
        }
        // What is certain is told once.
        let told = Cell::new(0);
        let answer = patiently(|| {
            told.set(told.get() + 1);
            ready(Err::<(), _>(Error::Stale))
        });
        assert!(matches!(answer.await, Err(Error::Stale)) && told.get() == 1);
    }
}
