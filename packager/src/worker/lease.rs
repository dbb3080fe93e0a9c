//! Holds a claim while its job runs, and stops the job when the claim is lost.

use std::{
    convert::Infallible,
    future::pending,
    time::{Duration, Instant},
};

use tokio::{
    sync::broadcast::error::RecvError,
    time::{MissedTickBehavior, interval},
};
use tokio_util::sync::CancellationToken;
use vidstream_catalog::{
    Catalog, Claim, Error, HintKind, State, Work,
    limits::{LEASE_MS, RENEW_MS},
};

/// How often the video is looked at: another process that deletes it gives no hint here.
const LOOK_EVERY: Duration = Duration::from_millis(500);
/// A claim that could not be renewed for this long is given up before others may take it.
const GIVE_UP_AFTER: Duration = Duration::from_millis(LEASE_MS.unsigned_abs() - 2_000);
/// How often a claim is renewed.
const RENEW_EVERY: Duration = Duration::from_millis(RENEW_MS.unsigned_abs());

/// Renews until the claim is lost, cancels `lost` then, and never comes back: the job does.
pub(crate) async fn hold(catalog: &Catalog, claim: &Claim, lost: &CancellationToken) -> Infallible {
    let mut hints = catalog.hints();
    let mut looks = interval(LOOK_EVERY);
    looks.set_missed_tick_behavior(MissedTickBehavior::Delay);
    let mut renewed = Instant::now();
    let mut hints_open = true;
    let mut seen = None;
    loop {
        let doubtful = tokio::select! {
            _ = looks.tick() => is_due(renewed.elapsed()) || is_doubtful(catalog, claim, &mut seen).await,
            hint = hints.recv(), if hints_open => match hint {
                Ok(hint) => hint.kind == HintKind::Cancelled && hint.video.is_none_or(|id| id == claim.video),
                Err(RecvError::Lagged(_)) => true,
                Err(RecvError::Closed) => {
                    hints_open = false;
                    false
                }
            },
        };
        if !doubtful {
            continue;
        }
        match catalog.renew(claim).await {
            Ok(()) => renewed = Instant::now(),
            Err(Error::Stale | Error::NotFound) => break,
            Err(error) if !is_too_old(renewed.elapsed()) => {
                tracing::warn!(%error, "a claim could not be renewed yet");
            }
            Err(error) => {
                tracing::warn!(%error, "a claim could not be renewed in time");
                break;
            }
        }
    }
    lost.cancel();
    pending().await
}

/// Whether a claim that was renewed so long ago is renewed again.
fn is_due(age: Duration) -> bool {
    age >= RENEW_EVERY
}

/// Whether a claim that was renewed so long ago is given up when it cannot be renewed.
fn is_too_old(age: Duration) -> bool {
    age >= GIVE_UP_AFTER
}

/// Whether the video suggests that the claim was cancelled. What cannot be read decides nothing.
async fn is_doubtful(catalog: &Catalog, claim: &Claim, seen: &mut Option<(u32, u64)>) -> bool {
    if claim.work == Work::Delete {
        return false;
    }
    // The cheap look first: hundreds of claims may be held on uploads that wait.
    match catalog.version(claim.video).await {
        Ok(None) => return true,
        Ok(version) if version == *seen => return false,
        Ok(version) => *seen = version,
        Err(_) => return false,
    }
    match catalog.video(claim.video).await {
        Ok(Some(video)) => {
            matches!(video.state, State::Deleting | State::Failed) || video.generation != claim.generation
        }
        Ok(None) => true,
        Err(_) => false,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_claim_is_renewed_after_five_seconds_and_given_up_two_before_its_lease_ends() {
        let ms = Duration::from_millis;
        assert_eq!([4_999, 5_000].map(|age| is_due(ms(age))), [false, true]);
        assert_eq!([12_999, 13_000].map(|age| is_too_old(ms(age))), [false, true]);
        // However a renewal and a look fall together, two may fail before the claim is given up.
        assert!((RENEW_EVERY + LOOK_EVERY) * 2 < GIVE_UP_AFTER);
    }
}
