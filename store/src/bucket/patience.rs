//! The one place where a request to a server is tried again: paced, with jitter, and for a bounded time.

use std::time::Duration;

use object_store::Error;
use tokio::time::{Instant, sleep, timeout};
use uuid::Uuid;

use super::refusal::{is_passing, sentence};

/// How long an operation is tried again while the server is away or fails: a restart of it is sat out.
pub(super) const ANSWER_WAIT_MAX: Duration = Duration::from_secs(30);
/// How long a server may be away when the store is opened.
pub(super) const START_WAIT_MAX: Duration = Duration::from_secs(5);
/// How long what was given up is tidied up: what is left then goes with its video.
pub(super) const TIDY_WAIT_MAX: Duration = Duration::from_secs(5);
/// How long a request that carries bytes may take besides what they take on their way.
const SEND_WAIT_MAX: Duration = Duration::from_mins(1);
/// How slowly bytes of one request may go: there may be several beside each other.
const SEND_BYTES_PER_S_MIN: u64 = 32 << 10;
/// The pause after the first failure; each one after it is twice as long.
const PAUSE_MIN: Duration = Duration::from_millis(100);
/// The longest pause.
const PAUSE_MAX: Duration = Duration::from_secs(2);

/// Asks until the server answers; no more when `wait_max` has passed since it first did not: a request that hangs takes
/// long enough by itself, and is asked once more at least. Only for what may be asked twice.
pub(super) async fn patiently<T, F>(wait_max: Duration, ask: impl Fn() -> F) -> Result<T, Error>
where
    F: Future<Output = Result<T, Error>>,
{
    let mut end = None;
    let mut pause = PAUSE_MIN;
    loop {
        match ask().await {
            Err(error) if is_passing(&error) => {
                let now = Instant::now();
                if now + pause > *end.get_or_insert(now + wait_max) {
                    return Err(error);
                }
                tracing::debug!(error = sentence(&error), "the server of the store is asked again");
            }
            answer => return answer,
        }
        sleep(jittered(pause)).await;
        pause = (pause * 2).min(PAUSE_MAX);
    }
}

/// Ends a request that carries so many bytes when they cannot be on their way any more: the HTTP client has one limit
/// for all requests.
pub(super) async fn carrying<T>(bytes: usize, request: impl Future<Output = Result<T, Error>>) -> Result<T, Error> {
    let wait_max = SEND_WAIT_MAX + Duration::from_secs(bytes as u64 / SEND_BYTES_PER_S_MIN);
    let late = || Error::Generic { store: "S3", source: format!("no answer within {wait_max:?}").into() };
    timeout(wait_max, request).await.map_err(|_| late())?
}

/// Half to all of a pause, so that those who failed together do not come back together.
fn jittered(pause: Duration) -> Duration {
    // The last byte of such an id is random.
    let [.., random] = *Uuid::now_v7().as_bytes();
    pause * (256 + u32::from(random)) / 512
}

#[cfg(test)]
mod tests {
    use std::{
        cell::{Cell, RefCell},
        future::ready,
    };

    use super::*;

    fn away() -> Error {
        Error::Generic { store: "test", source: "away".into() }
    }

    #[tokio::test(start_paused = true)]
    async fn a_server_may_be_away_for_so_long_and_no_longer() {
        for wait_max in [ANSWER_WAIT_MAX, START_WAIT_MAX, TIDY_WAIT_MAX] {
            for (away_for, is_answered) in
                [(Duration::ZERO, true), (wait_max.saturating_sub(PAUSE_MAX), true), (wait_max + PAUSE_MIN, false)]
            {
                let began = Instant::now();
                let answer =
                    patiently(wait_max, || ready(if began.elapsed() >= away_for { Ok(()) } else { Err(away()) }));
                assert_eq!(answer.await.is_ok(), is_answered, "{away_for:?}");
                assert!(began.elapsed() <= wait_max, "{:?}", began.elapsed());
            }
        }
    }

    #[tokio::test(start_paused = true)]
    async fn a_request_that_hangs_is_asked_again() {
        let hang = ANSWER_WAIT_MAX * 2;
        for (hanging, is_answered) in [(1, true), (2, false)] {
            let asked = Cell::new(0);
            let answer = patiently(ANSWER_WAIT_MAX, || async {
                asked.set(asked.get() + 1);
                if asked.get() > hanging {
                    return Ok(());
                }
                sleep(hang).await;
                Err(away())
            });
            assert_eq!(answer.await.is_ok(), is_answered, "{hanging}");
            assert_eq!(asked.get(), 2);
        }
    }

    #[tokio::test(start_paused = true)]
    async fn what_is_carried_slowly_arrives_and_what_hangs_ends() {
        for (bytes, wait_max) in [(0, 60), (1 << 20, 60 + 32), (12 << 20, 60 + 12 * 32)] {
            let wait_max = Duration::from_secs(wait_max);
            let takes = async |length| {
                sleep(length).await;
                Ok(())
            };
            assert!(carrying(bytes, takes(wait_max.saturating_sub(PAUSE_MIN))).await.is_ok());
            let late = carrying(bytes, takes(wait_max + PAUSE_MIN)).await.unwrap_err();
            assert!(is_passing(&late), "{late}");
        }
    }

    #[tokio::test(start_paused = true)]
    async fn what_is_certain_is_asked_once() {
        for certain in [
            Error::NotFound { path: String::new(), source: "x".into() },
            Error::PermissionDenied { path: String::new(), source: "x".into() },
            Error::AlreadyExists { path: String::new(), source: "x".into() },
            Error::Generic { store: "test", source: "<Code>QuotaExceeded</Code>".into() },
        ] {
            let (asked, error) = (Cell::new(0), Cell::new(Some(certain)));
            let answer = patiently(ANSWER_WAIT_MAX, || {
                asked.set(asked.get() + 1);
                ready(Err::<(), _>(error.take().unwrap_or_else(away)))
            });
            assert!(answer.await.is_err() && asked.get() == 1);
        }
    }

    #[tokio::test(start_paused = true)]
    async fn pauses_grow_from_a_tenth_of_a_second_to_two_and_are_cut_by_half_at_most() {
        let asked = RefCell::new(Vec::new());
        let answer = patiently(ANSWER_WAIT_MAX, || {
            asked.borrow_mut().push(Instant::now());
            ready(Err::<(), _>(away()))
        });
        assert!(answer.await.is_err());
        let (mut whole, mut is_cut) = (PAUSE_MIN, false);
        for pair in asked.borrow().windows(2) {
            let pause = pair[1] - pair[0];
            // The clock of the runtime has whole milliseconds.
            assert!(pause >= whole / 2 && pause <= whole + Duration::from_millis(1), "{pause:?} of {whole:?}");
            is_cut |= pause < whole;
            whole = (whole * 2).min(PAUSE_MAX);
        }
        assert!(is_cut && whole == PAUSE_MAX && asked.borrow().len() > 15);
    }
}
