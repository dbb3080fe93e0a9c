//! Failed attempts: nothing is tried for ever, and nothing is stuck.

use vidstream_catalog::{ArtifactState, Error, Lookup, State, Step, Work};

use crate::fixture::{
    Adapter, advance, assert_sound, claim_any, claim_segment, crash, fail_three_times, hopeless, is_filler, open, plan,
    planned, queued, segments, upload, video, work, work_all,
};

pub async fn the_third_failure_makes_filler_and_a_warning(place: &dyn Adapter) {
    let catalog = open(place).await;
    let id = planned(&catalog, plan(100, &[1, 1, 1])).await;
    let claim = claim_segment(&catalog, 2).await;
    let job = claim.job;
    fail_three_times(place, &catalog, claim).await;
    let filler = crate::fixture::claim_job(&catalog, job).await;
    assert!(is_filler(&filler));
    assert_eq!(filler.attempt, 1);
    assert!(video(&catalog, id).await.warnings.is_empty(), "it is only shown once it is there");
    work(&catalog, &filler).await.unwrap();
    let warned = video(&catalog, id).await;
    let [warning] = warned.warnings.as_slice() else { panic!("{:?}", warned.warnings) };
    assert_eq!((warning.code.as_str(), warning.from_s, warning.to_s), ("damaged_range", Some(2.0), Some(4.0)));
    work_all(&catalog).await;
    assert_eq!(video(&catalog, id).await.state, State::Ready);
    // One that cannot succeed is not tried again as it is.
    let id = planned(&catalog, plan(100, &[1, 1, 1])).await;
    let claim = claim_segment(&catalog, 2).await;
    catalog.fail(&claim, hopeless()).await.unwrap();
    assert!(is_filler(&claim_segment(&catalog, 2).await));
    assert_eq!(video(&catalog, id).await.state, State::Processing);
}

pub async fn a_first_chunk_that_cannot_be_made_ends_the_video(place: &dyn Adapter) {
    let catalog = open(place).await;
    let id = planned(&catalog, plan(400, &[1, 2, 4])).await;
    let other = claim_segment(&catalog, 2).await;
    let first = claim_segment(&catalog, 1).await;
    fail_three_times(place, &catalog, first).await;
    let failed = video(&catalog, id).await;
    let error = failed.error.unwrap();
    assert_eq!(
        (failed.state, error.code.as_str(), error.step, error.attempt),
        (State::Failed, "crash", Step::Transcode, 3)
    );
    assert_eq!(failed.artifacts["audio"].state, ArtifactState::Failed);
    assert!(matches!(catalog.renew(&other).await, Err(Error::Stale)));
    assert!(claim_any(&catalog).await.is_none());
    assert!(catalog.snapshot(id).await.unwrap().unwrap().presentation.is_none());
    assert_sound(&catalog).await;
}

pub async fn more_than_a_tenth_of_filler_ends_the_video(place: &dyn Adapter) {
    let catalog = open(place).await;
    // 100 s: two chunks of 4 s are below a tenth, three are above.
    let id = planned(&catalog, plan(100, &[2, 1, 1, 1])).await;
    for (segment, state) in [(3, State::Processing), (4, State::Processing), (5, State::Failed)] {
        let claim = claim_segment(&catalog, segment).await;
        catalog.fail(&claim, hopeless()).await.unwrap();
        assert_eq!(video(&catalog, id).await.state, state, "segment {segment}");
        if segment == 3 {
            let filler = claim_segment(&catalog, 3).await;
            work(&catalog, &filler).await.unwrap();
        }
    }
    // Filler that fails as well ends it too.
    let id = planned(&catalog, plan(100, &[2, 1, 1])).await;
    let claim = claim_segment(&catalog, 3).await;
    catalog.fail(&claim, hopeless()).await.unwrap();
    let filler = claim_segment(&catalog, 3).await;
    fail_three_times(place, &catalog, filler).await;
    assert_eq!(video(&catalog, id).await.state, State::Failed);
}

pub async fn a_probe_that_finds_no_media_ends_the_video(place: &dyn Adapter) {
    let catalog = open(place).await;
    let id = queued(&catalog).await;
    let claim = claim_any(&catalog).await.unwrap();
    catalog.fail(&claim, hopeless()).await.unwrap();
    let error = video(&catalog, id).await.error.unwrap();
    assert_eq!((error.code.as_str(), error.step, error.attempt, error.retryable), ("not_media", Step::Probe, 1, false));
    // A crash is tried again.
    let id = queued(&catalog).await;
    let claim = claim_any(&catalog).await.unwrap();
    fail_three_times(place, &catalog, claim).await;
    assert_eq!(video(&catalog, id).await.error.unwrap().attempt, 3);
    // While the bytes still come in as well: the uploader is told at the next renewal.
    let id = upload(&catalog).await;
    let claim = claim_any(&catalog).await.unwrap();
    catalog.fail(&claim, hopeless()).await.unwrap();
    assert_eq!(video(&catalog, id).await.state, State::Failed);
    assert!(matches!(catalog.renew_upload(id).await, Err(Error::Conflict(_))));
    assert_eq!(catalog.finish_upload(id, 1, None).await.unwrap().state, State::Failed);
    assert_sound(&catalog).await;
}

pub async fn a_sheet_that_cannot_be_made_is_a_warning(place: &dyn Adapter) {
    let catalog = open(place).await;
    let id = planned(&catalog, plan(60, &[])).await;
    let chunk = claim_any(&catalog).await.unwrap();
    work(&catalog, &chunk).await.unwrap();
    let sheet = claim_any(&catalog).await.unwrap();
    assert!(matches!(sheet.work, Work::Sheet { n: 1, .. }));
    fail_three_times(place, &catalog, sheet).await;
    let warned = video(&catalog, id).await;
    assert_eq!(warned.warnings[0].code, "storyboard");
    assert_eq!(warned.artifacts["storyboard"].state, ArtifactState::Failed);
    work_all(&catalog).await;
    let ready = catalog.snapshot(id).await.unwrap().unwrap();
    assert_eq!(ready.video.state, State::Ready);
    assert_eq!(ready.presentation.unwrap().sheets.len(), 2);
}

pub async fn finalizing_that_fails_leaves_a_warning(place: &dyn Adapter) {
    let catalog = open(place).await;
    let id = planned(&catalog, plan(2, &[])).await;
    let finalize = loop {
        let claim = claim_any(&catalog).await.unwrap();
        if matches!(claim.work, Work::Finalize { .. }) {
            break claim;
        }
        work(&catalog, &claim).await.unwrap();
    };
    fail_three_times(place, &catalog, finalize).await;
    let ready = video(&catalog, id).await;
    assert_eq!((ready.state, ready.warnings[0].code.as_str()), (State::Ready, "unverified"));
    assert!(claim_any(&catalog).await.is_none());
}

pub async fn a_deletion_is_tried_until_it_works(place: &dyn Adapter) {
    let catalog = open(place).await;
    let id = queued(&catalog).await;
    catalog.delete(id).await.unwrap();
    for attempt in 1..=20 {
        let claim = claim_any(&catalog).await.unwrap();
        assert_eq!((claim.attempt, &claim.work), (attempt, &Work::Delete));
        catalog.fail(&claim, hopeless()).await.unwrap();
        assert!(claim_any(&catalog).await.is_none(), "it rests");
        advance(place, 300_000);
    }
    assert_sound(&catalog).await;
    let claim = claim_any(&catalog).await.unwrap();
    work(&catalog, &claim).await.unwrap();
    assert_eq!(catalog.lookup(id).await.unwrap(), Lookup::Deleted);
}

pub async fn a_resting_job_blocks_nobody(place: &dyn Adapter) {
    let catalog = open(place).await;
    let (bad, good) = (queued(&catalog).await, queued(&catalog).await);
    let claim = claim_any(&catalog).await.unwrap();
    assert_eq!(claim.video, bad);
    catalog.fail(&claim, crash()).await.unwrap();
    assert_eq!(claim_any(&catalog).await.unwrap().video, good);
    assert!(claim_any(&catalog).await.is_none());
    advance(place, 100);
    let again = claim_any(&catalog).await.unwrap();
    assert_eq!((again.video, again.attempt), (bad, 2));
}

pub async fn failing_twice_with_one_claim_counts_once(place: &dyn Adapter) {
    let catalog = open(place).await;
    planned(&catalog, plan(100, &[1, 2, 4])).await;
    let claim = claim_any(&catalog).await.unwrap();
    for _ in 0..5 {
        catalog.fail(&claim, crash()).await.unwrap();
    }
    let late = crate::fixture::made(&claim, segments(&claim));
    assert!(matches!(catalog.publish(&claim, late).await, Err(Error::Stale)), "what was given up is not done");
    advance(place, 100);
    let again = claim_any(&catalog).await.unwrap();
    assert_eq!((again.job, again.attempt), (claim.job, 2));
    // Said again after the next claim, it is still the old attempt.
    catalog.fail(&claim, crash()).await.unwrap();
    catalog.renew(&again).await.unwrap();
}
