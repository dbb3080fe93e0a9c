//! Failed attempts: another one, filler, a warning, or the end of the video.

use serde_json::json;
use vidstream_media::chunks::Segments;

use super::{
    Held, Tx, chunks, events, jobs, leases, next,
    rows::{self, params},
    videos,
};
use crate::{
    Error, Failure, JobKind, Result, Step, VideoError, Warning, check,
    policy::{self, Attempt, Verdict},
};

/// The holder says that the attempt failed.
pub(crate) fn fail(tx: &mut Tx<'_>, held: Held, failure: &Failure) -> Result<()> {
    if jobs::failed_by(tx, held)? {
        return Ok(());
    }
    let job = jobs::held(tx, held)?.ok_or(Error::Stale)?;
    attempt_failed(tx, &job, failure)?;
    let sql = "UPDATE jobs SET ended_token = ?2 WHERE id = ?1";
    tx.execute(sql, params![job.id, rows::int(held.token)])?;
    Ok(())
}

/// Counts a failed attempt of a running job and does what follows.
pub(super) fn attempt_failed(tx: &mut Tx<'_>, job: &jobs::Job, failure: &Failure) -> Result<()> {
    let failures = job.failures.saturating_add(1);
    let verdict = policy::after_failure(&attempt(tx, job, failures, failure.retryable)?);
    let data = json!({
        "job": job.id, "kind": job.kind.as_str(), "first": job.run.first, "last": job.run.last, "worker": job.worker,
        "filler": job.filler, "code": check::cut(&failure.code), "title": check::cut(&failure.title),
        "detail": check::cut(&failure.detail), "retryable": failure.retryable, "then": name(verdict),
    });
    events::of_job(tx, job.video, "job.failed", failures, &data);
    match verdict {
        Verdict::Retry { rest_ms } => {
            tx.execute("UPDATE jobs SET failures = ?2 WHERE id = ?1", params![job.id, failures])?;
            leases::pend(tx, job, rest_ms)
        }
        Verdict::Filler => {
            // The attempts at filler are counted anew.
            tx.execute("UPDATE jobs SET failures = 0, filler = 1 WHERE id = ?1", params![job.id])?;
            leases::pend(tx, job, 0)
        }
        Verdict::Warn(code) => give_up(tx, job, code, failure),
        Verdict::FailVideo => {
            jobs::end(tx, job.id, "failed")?;
            videos::fail(tx, job.video, &error(job, failures, failure))
        }
    }
}

fn attempt(tx: &Tx<'_>, job: &jobs::Job, failures: u32, retryable: bool) -> Result<Attempt> {
    let mut attempt = Attempt {
        kind: job.kind,
        failures,
        retryable,
        filler: job.filler,
        first_chunk: job.run.contains(1),
        filler_frames: 0,
        frames: 0,
    };
    if job.kind == JobKind::Encode && !job.filler {
        let plan = chunks::plan_of_job(tx, job)?;
        let so_far = chunks::filler_frames(tx, &plan, job.video, job.generation)?;
        attempt.filler_frames = so_far.saturating_add(chunks::frames(&plan, job.run));
        attempt.frames = plan.timeline.frames;
    }
    Ok(attempt)
}

/// The video goes on without what the job would have made.
fn give_up(tx: &mut Tx<'_>, job: &jobs::Job, code: &str, failure: &Failure) -> Result<()> {
    jobs::end(tx, job.id, "failed")?;
    let detail = match job.kind {
        JobKind::Sheet => format!("sheet {}: {}", job.run.first, failure.detail),
        _ => failure.detail.clone(),
    };
    let warning = Warning { code: code.to_owned(), detail, ..Warning::default() };
    let warned = videos::warn(tx, job.video, &[warning])?;
    videos::touch(tx, job.video)?;
    if job.kind == JobKind::Finalize {
        return super::finish::become_ready(tx, job, warned);
    }
    chunks::recount(tx, job.video, job.generation)?;
    events::of_state(tx, job.video, &[if warned { "video.warning" } else { "video.updated" }], job.failures + 1)?;
    let plan = chunks::plan_of_job(tx, job)?;
    next::queue(tx, job.video, job.generation, &plan)
}

fn error(job: &jobs::Job, attempt: u32, failure: &Failure) -> VideoError {
    let step = match job.kind {
        JobKind::Probe => Step::Probe,
        JobKind::Encode => Step::Transcode,
        JobKind::Sheet | JobKind::Finalize | JobKind::Delete => Step::Finalize,
    };
    let Segments { first, last } = job.run;
    let place = if job.kind == JobKind::Encode { format!("segments {first}-{last}: ") } else { String::new() };
    VideoError {
        code: check::cut(&failure.code).to_owned(),
        title: check::cut(&failure.title).to_owned(),
        detail: format!("{place}{}", check::cut(&failure.detail)),
        retryable: failure.retryable,
        step,
        attempt,
    }
}

fn name(verdict: Verdict) -> &'static str {
    match verdict {
        Verdict::Retry { .. } => "retry",
        Verdict::Filler => "filler",
        Verdict::Warn(_) => "warning",
        Verdict::FailVideo => "video_failed",
    }
}
