//! Claims while they last: renewing, giving back, and running out.

use serde_json::json;

use super::{Held, Tx, events, fail, jobs, raise, rows::params, videos};
use crate::{Error, Failure, HintKind, JobKind, Result, State, limits};

/// Holds a claim longer.
pub(crate) fn renew(tx: &mut Tx<'_>, held: Held) -> Result<()> {
    let job = jobs::held(tx, held)?.ok_or(Error::Stale)?;
    extend(tx, job.id)?;
    if job.kind == JobKind::Probe {
        begin_probing(tx, &job)?;
    }
    Ok(())
}

/// A queued video whose probe runs is being probed: the probe may have been claimed while its bytes
/// still came in.
pub(super) fn begin_probing(tx: &mut Tx<'_>, job: &jobs::Job) -> Result<()> {
    let video = videos::existing(tx, job.video)?;
    if video.state == State::Queued {
        videos::set_state(tx, &video, State::Probing)?;
        events::of_state(tx, job.video, &["video.progress"], job.failures + 1)?;
    }
    Ok(())
}

/// Moves the end of a running job's lease.
pub(super) fn extend(tx: &mut Tx<'_>, id: i64) -> Result<()> {
    let sql = "UPDATE jobs SET lease_until_ms = ?2 WHERE id = ?1";
    tx.execute(sql, params![id, tx.now_ms.saturating_add(limits::LEASE_MS)])?;
    Ok(())
}

/// Gives a claim back without a word on the attempt.
pub(crate) fn release(tx: &mut Tx<'_>, held: Held) -> Result<()> {
    match jobs::held(tx, held) {
        Ok(Some(job)) => give_back(tx, &job),
        Ok(None) | Err(Error::Stale) => Ok(()),
        Err(error) => Err(error),
    }
}

/// Gives back every claim of a worker.
pub(crate) fn release_worker(tx: &mut Tx<'_>, worker: &str) -> Result<u64> {
    tx.upkeep()?;
    let sql = "SELECT * FROM jobs WHERE state = 'running' AND worker = ?1";
    let found: Vec<jobs::Job> = tx.all(sql, params![worker], jobs::job)?;
    let mut count = 0;
    for job in found {
        tx.lock(job.video)?;
        if let Some(job) = jobs::get_locked(tx, job.id)?.filter(|now| now.token == job.token) {
            give_back(tx, &job)?;
            count += 1;
        }
    }
    Ok(count)
}

fn give_back(tx: &mut Tx<'_>, job: &jobs::Job) -> Result<()> {
    let data = json!({"job": job.id, "kind": job.kind.as_str(), "worker": job.worker});
    events::of_job(tx, job.video, "job.released", job.failures + 1, &data);
    pend(tx, job, 0)
}

/// Makes a running job pending again after a rest. Its token is worth nothing from now on.
pub(super) fn pend(tx: &mut Tx<'_>, job: &jobs::Job, rest_ms: i64) -> Result<()> {
    let sql = "UPDATE jobs SET state = 'pending', token = NULL, worker = NULL, lease_until_ms = NULL, not_before_ms = ?2 WHERE id = ?1";
    tx.execute(sql, params![job.id, tx.now_ms.saturating_add(rest_ms)])?;
    raise::take_waits(tx, job.id)?;
    tx.hint(Some(job.video), HintKind::Job);
    Ok(())
}

/// Ends claims whose lease has run out. The attempt counts, since the job may be what killed its worker.
/// The caller has the upkeep's lock.
pub(super) fn expire(tx: &mut Tx<'_>) -> Result<u64> {
    let sql = "SELECT * FROM jobs WHERE state = 'running' AND lease_until_ms <= ?1 ORDER BY lease_until_ms LIMIT ?2";
    let expired: Vec<jobs::Job> = tx.all(sql, params![tx.now_ms, limits::SWEEP_ROWS_MAX], jobs::job)?;
    let mut count = 0;
    for job in expired {
        tx.lock(job.video)?;
        // A video that an earlier one of these ended has no jobs any more; others were renewed meanwhile.
        let lasts = |job: &jobs::Job| job.lease_until_ms.is_some_and(|until_ms| until_ms > tx.now_ms);
        let job = jobs::get_locked(tx, job.id)?.filter(|job| job.state == "running" && !lasts(job));
        let Some(job) = job else { continue };
        let failure = Failure {
            code: "worker_lost".to_owned(),
            title: "The worker was lost".to_owned(),
            detail: format!("worker {} did not renew its lease", job.worker.as_deref().unwrap_or("unknown")),
            retryable: true,
        };
        fail::attempt_failed(tx, &job, &failure)?;
        count += 1;
    }
    Ok(count)
}
