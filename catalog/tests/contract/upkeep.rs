//! The sweeper and its proof.

use vidstream_catalog::{
    Lookup, State, Swept, Wanted, Work, Worker,
    limits::{GENERATIONS_MAX, LEASE_MS, REPAIRS_MAX, SWEEP_ROWS_MAX, TOMBSTONE_MS, WORKER_AWAY_MS},
};

use crate::fixture::{
    Adapter, advance, assert_sound, claim_any, new_id, now, open, plan, planned, probed, queued, upload, video, work,
    work_all, worker,
};

pub async fn expired_uploads_are_removed(place: &dyn Adapter) {
    let catalog = open(place).await;
    let (gone, held) = (upload(&catalog).await, upload(&catalog).await);
    let before = catalog.last_seq().await.unwrap();
    advance(place, LEASE_MS - 1);
    catalog.renew_upload(held).await.unwrap();
    assert_eq!(catalog.sweep().await.unwrap(), Swept::default());
    advance(place, 1);
    assert_eq!(catalog.sweep().await.unwrap().uploads_expired, [gone]);
    assert_eq!(catalog.lookup(gone).await.unwrap(), Lookup::Unknown);
    let events = catalog.events_after(before, 10).await.unwrap();
    assert_eq!((events[0].kind.as_str(), events[0].video), ("video.deleted", gone));
    let claims = [claim_any(&catalog).await.unwrap(), claim_any(&catalog).await.unwrap()];
    assert!(claims.iter().any(|claim| claim.video == gone && claim.work == Work::Delete));
    assert_sound(&catalog).await;
}

pub async fn lost_jobs_are_restored_and_then_given_up(place: &dyn Adapter) {
    let catalog = open(place).await;
    let id = planned(&catalog, plan(100, &[1, 2, 4])).await;
    let first = claim_any(&catalog).await.unwrap();
    work(&catalog, &first).await.unwrap();
    let queued = queued(&catalog).await;
    let deleting = upload(&catalog).await;
    catalog.delete(deleting).await.unwrap();
    for _ in 0..REPAIRS_MAX {
        lose_jobs(place);
        assert_eq!(catalog.audit().await.unwrap().len(), 3);
        assert_eq!(catalog.sweep().await.unwrap().repaired.len(), 3);
        assert_sound(&catalog).await;
        assert_eq!(video(&catalog, id).await.artifacts["audio"].chunks, 2);
    }
    lose_jobs(place);
    let swept = catalog.sweep().await.unwrap();
    assert_eq!((swept.repaired, swept.failed), (vec![deleting], vec![id, queued]));
    assert_sound(&catalog).await;
    let error = video(&catalog, id).await.error.unwrap();
    assert_eq!((error.code.as_str(), error.retryable), ("internal", true));
    work_all(&catalog).await;
    assert_eq!(catalog.lookup(deleting).await.unwrap(), Lookup::Deleted);
    // What was given up can be tried again.
    let generation = video(&catalog, id).await.generation;
    catalog.retry(id, generation).await.unwrap();
    work_all(&catalog).await;
    assert_eq!(video(&catalog, id).await.state, State::Ready);
}

/// Damages the catalog behind its back, as no operation of it does.
fn lose_jobs(place: &dyn Adapter) {
    place.behind("DELETE FROM jobs WHERE state IN ('pending', 'running')");
}

pub async fn plans_whose_encoders_went_away_begin_again(place: &dyn Adapter) {
    let catalog = open(place).await;
    let id = planned(&catalog, plan(60, &[1, 2, 4])).await;
    let first = claim_any(&catalog).await.unwrap();
    work(&catalog, &first).await.unwrap();
    // Nobody claims at all: waiting is right.
    advance(place, WORKER_AWAY_MS);
    assert!(catalog.sweep().await.unwrap().restarted.is_empty());
    // A worker comes back with another version of the encoder.
    let mut upgraded = worker("w");
    upgraded.encoders = [("x264".to_owned(), "2".to_owned()), ("avenc-aac".to_owned(), "1".to_owned())].into();
    assert_eq!(catalog.claim(&upgraded, Wanted::ALL).await.unwrap(), None);
    assert_eq!(catalog.sweep().await.unwrap().restarted, [id]);
    let again = video(&catalog, id).await;
    assert_eq!((again.state, again.generation, again.playable), (State::Queued, 2, false));
    assert_sound(&catalog).await;
    let probe = catalog.claim(&upgraded, Wanted::ALL).await.unwrap().unwrap();
    let mut plan = plan(60, &[1, 2, 4]);
    for track in plan.rungs.iter_mut().chain(&mut plan.trick) {
        "2".clone_into(&mut track.encoder.version);
    }
    catalog.finish_probe(&probe, probed(plan)).await.unwrap();
    assert!(catalog.claim(&upgraded, Wanted::ALL).await.unwrap().is_some());
    assert!(catalog.sweep().await.unwrap().restarted.is_empty());
    // A worker with no encoder at all says nothing of which ones there are.
    let probes_only = Worker { id: "p".to_owned(), ..Worker::default() };
    advance(place, WORKER_AWAY_MS);
    assert_eq!(catalog.claim(&probes_only, Wanted { probe: true, ..Wanted::default() }).await.unwrap(), None);
    assert!(catalog.sweep().await.unwrap().restarted.is_empty());
}

/// A worker whose encoder is of another version.
fn upgraded(id: &str, version: &str) -> Worker {
    let encoders = [("x264".to_owned(), version.to_owned()), ("avenc-aac".to_owned(), "1".to_owned())];
    Worker { id: id.to_owned(), encoders: encoders.into() }
}

pub async fn a_worker_counts_as_present_for_ten_minutes(place: &dyn Adapter) {
    let catalog = open(place).await;
    let id = planned(&catalog, plan(60, &[1, 2, 4])).await;
    advance(place, WORKER_AWAY_MS - 1);
    assert_eq!(catalog.claim(&upgraded("other", "2"), Wanted::ALL).await.unwrap(), None);
    assert!(catalog.sweep().await.unwrap().restarted.is_empty());
    advance(place, 1);
    assert_eq!(catalog.sweep().await.unwrap().restarted, [id]);
}

pub async fn encoders_that_go_away_again_and_again_end_the_video(place: &dyn Adapter) {
    let catalog = open(place).await;
    let id = queued(&catalog).await;
    for generation in 1..=GENERATIONS_MAX {
        // Whoever plans this generation is gone before a chunk of it is made.
        let worker = upgraded("w", &generation.to_string());
        let probe = catalog.claim(&worker, Wanted::ALL).await.unwrap().unwrap();
        assert_eq!((&probe.work, probe.generation), (&Work::Probe, generation));
        let mut plan = plan(60, &[1, 2, 4]);
        for track in plan.rungs.iter_mut().chain(&mut plan.trick) {
            track.encoder.version = generation.to_string();
        }
        catalog.finish_probe(&probe, probed(plan)).await.unwrap();
        let next = upgraded("w", &(generation + 1).to_string());
        assert_eq!(catalog.claim(&next, Wanted::ALL).await.unwrap(), None);
        let restarted = catalog.sweep().await.unwrap().restarted;
        assert_eq!(restarted, if generation < GENERATIONS_MAX { vec![id] } else { vec![] }, "{generation}");
        assert_sound(&catalog).await;
    }
    let failed = video(&catalog, id).await;
    assert_eq!((failed.state, failed.error.unwrap().code.as_str()), (State::Failed, "no_encoder"));
}

pub async fn a_sweep_removes_so_many_rows_and_leaves_the_rest_to_the_next(place: &dyn Adapter) {
    let catalog = open(place).await;
    let (digits, now_ms) = (place.digits_26(), now(place));
    place.behind(&format!(
        "WITH RECURSIVE many (n) AS (SELECT 1 UNION ALL SELECT n + 1 FROM many WHERE n <= {SWEEP_ROWS_MAX})
         INSERT INTO tombstones (id, deleted_at_ms) SELECT 'vid_' || {digits}, {now_ms} FROM many"
    ));
    advance(place, TOMBSTONE_MS);
    let mut removed = Vec::new();
    for _ in 0..3 {
        removed.push(catalog.sweep().await.unwrap().tombstones_removed);
    }
    assert_eq!(removed, [u64::from(SWEEP_ROWS_MAX), 1, 0]);
    place.behind(&format!(
        "WITH RECURSIVE many (n) AS (SELECT 1 UNION ALL SELECT n + 1 FROM many WHERE n <= {SWEEP_ROWS_MAX})
         INSERT INTO waits (video, generation, segment, deadline_ms) SELECT 'v', 1, n, {now_ms} FROM many"
    ));
    for left in [1, 0] {
        catalog.sweep().await.unwrap();
        assert_eq!(place.rows("waits"), left);
    }
}

pub async fn nothing_is_swept_before_its_time(place: &dyn Adapter) {
    let catalog = open(place).await;
    upload(&catalog).await;
    queued(&catalog).await;
    let id = queued(&catalog).await;
    catalog.delete(id).await.unwrap();
    while claim_any(&catalog).await.is_some() {}
    assert_eq!(catalog.sweep().await.unwrap(), Swept::default());
    assert!(catalog.video(new_id()).await.unwrap().is_none());
    advance(place, LEASE_MS);
    let swept = catalog.sweep().await.unwrap();
    assert_eq!((swept.leases_expired, swept.uploads_expired.len()), (3, 1));
    assert_eq!(catalog.sweep().await.unwrap(), Swept::default());
}
