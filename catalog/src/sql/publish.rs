//! A finished chunk: index, configurations, counts, events and what it makes possible, in one transaction.

use vidstream_media::{Plan, Track, codec::DecoderConfig};

use super::{
    Db, Held, Tx, chunks, events, jobs, leases, next, raise,
    rows::{self, params},
    videos,
};
use crate::{Error, HintKind, JobKind, Published, Result, Warning, check};

/// Makes a chunk visible.
pub(crate) fn publish(tx: &mut Tx<'_>, held: Held, published: &Published) -> Result<()> {
    let Some(job) = jobs::held(tx, held)? else { return Ok(()) };
    if job.kind != JobKind::Encode {
        return Err(Error::Invalid("the claim is not on a chunk".to_owned()));
    }
    if is_published(tx, &job, held.token, published)? {
        return Ok(());
    }
    let plan = chunks::plan_of_job(tx, &job)?;
    check::published(&plan, job.run, held.token, published)?;
    compare_and_set(tx, &job, &plan, &published.configs)?;
    insert(tx, &job, &plan, published)?;
    if published.last {
        jobs::end(tx, job.id, "done")?;
    } else {
        // What is left starts behind it, and its attempts anew: this one got somewhere.
        let sql = "UPDATE jobs SET first = ?2, failures = 0 WHERE id = ?1";
        tx.execute(sql, params![job.id, rows::int(published.chunk.segments.last + 1)])?;
        leases::extend(tx, job.id)?;
        raise::take_waits(tx, job.id)?;
    }
    tell(tx, &job, &plan, published)?;
    next::queue(tx, job.video, job.generation, &plan)?;
    tx.hint(Some(job.video), HintKind::Media);
    Ok(())
}

/// Whether the holder has published this run already and says so again.
fn is_published(db: &Db<'_>, job: &jobs::Job, token: u64, published: &Published) -> Result<bool> {
    let run = published.chunk.segments;
    let sql = "SELECT 1 FROM chunks WHERE video = ?1 AND generation = ?2 AND first = ?3 AND last = ?4 AND token = ?5";
    let key =
        params![job.video.to_string(), job.generation, rows::int(run.first), rows::int(run.last), rows::int(token)];
    Ok(published.chunk.token == token && db.exists(sql, key)?)
}

/// The first finished chunk sets the configuration of each track; every other must agree with it.
fn compare_and_set(tx: &mut Tx<'_>, job: &jobs::Job, plan: &Plan, configs: &[(Track, DecoderConfig)]) -> Result<()> {
    let id = job.video.to_string();
    for track in plan.tracks() {
        let sql = "SELECT config FROM configs WHERE video = ?1 AND generation = ?2 AND track = ?3";
        let key = params![id, job.generation, track.to_string()];
        let stored: Option<DecoderConfig> = tx.first(sql, key, |row| rows::json(row, "config"))?;
        let given = configs.iter().find(|(of, _)| *of == track).map(|(_, config)| config);
        match (&stored, given) {
            (Some(stored), Some(given)) if stored != given => {
                return Err(Error::Conflict(format!(
                    "the decoder configuration of {track} differs from earlier chunks"
                )));
            }
            (Some(_), _) => {}
            (None, Some(given)) => {
                let sql = "INSERT INTO configs (video, generation, track, config) VALUES (?1, ?2, ?3, ?4)";
                let row = params![id, job.generation, track.to_string(), rows::to_json(given)?];
                tx.execute(sql, row)?;
            }
            (None, None) => return Err(Error::Invalid(format!("track {track} has no decoder configuration"))),
        }
    }
    Ok(())
}

fn insert(tx: &mut Tx<'_>, job: &jobs::Job, plan: &Plan, published: &Published) -> Result<()> {
    let run = published.chunk.segments;
    let sql = "INSERT INTO chunks (video, generation, first, last, token, frames, filler, requeued, tracks)
         VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9)";
    tx.execute(
        sql,
        params![
            job.video.to_string(),
            job.generation,
            rows::int(run.first),
            rows::int(run.last),
            rows::int(published.chunk.token),
            rows::int(chunks::frames(plan, run)),
            job.filler,
            job.requeued,
            rows::to_json(&published.chunk.tracks)?,
        ],
    )?;
    let sql = "DELETE FROM waits WHERE video = ?1 AND generation = ?2 AND segment BETWEEN ?3 AND ?4";
    let key = params![job.video.to_string(), job.generation, rows::int(run.first), rows::int(run.last)];
    tx.execute(sql, key)?;
    Ok(())
}

/// Brings the video's row up to date and appends the events.
fn tell(tx: &mut Tx<'_>, job: &jobs::Job, plan: &Plan, published: &Published) -> Result<()> {
    let id = job.video;
    let before = videos::existing(tx, id)?;
    chunks::recount(tx, id, job.generation)?;
    let mut warnings = published.warnings.clone();
    if job.filler {
        warnings.push(damaged(plan, published));
    }
    let warned = videos::warn(tx, id, &warnings)?;
    let playable = before.playable || published.chunk.segments.contains(1);
    let sql = "UPDATE videos SET playable = ?2, committed_at_ms = ?3 WHERE id = ?1";
    tx.execute(sql, params![id.to_string(), playable, tx.now_ms])?;
    videos::touch(tx, id)?;
    let mut kinds = vec!["video.progress"];
    if playable && !before.playable {
        kinds.push("video.playable");
    }
    if warned {
        kinds.push("video.warning");
    }
    events::of_state(tx, id, &kinds, job.failures.saturating_add(1))?;
    Ok(())
}

fn damaged(plan: &Plan, published: &Published) -> Warning {
    let timeline = &plan.timeline;
    let run = published.chunk.segments;
    let from = timeline.segment_frames(run.first).start;
    let to = timeline.segment_frames(run.last).end;
    Warning {
        code: "damaged_range".to_owned(),
        detail: "this part of the source could not be decoded and is shown as a still picture".to_owned(),
        from_s: Some(timeline.seconds(timeline.ticks(from))),
        to_s: Some(timeline.seconds(timeline.ticks(to))),
        rules: Vec::new(),
    }
}
