//! Exclusive claims, leases and fencing tokens.

use std::{collections::BTreeSet, future::poll_fn, task::Poll, time::Duration};

use tokio::time::timeout;
use vidstream_catalog::{
    Error, Finalized, Wanted, Work, Worker,
    limits::{LEASE_MS, TEXT_BYTES_MAX},
};
use vidstream_media::presentation::Sheet;

use crate::fixture::{
    Adapter, advance, assert_sound, claim_any, crash, made, open, plan, planned, probed, queued, segments, video, work,
    work_all, worker,
};

pub async fn sixteen_threads_never_get_the_same_job(place: &dyn Adapter) {
    let catalog = open(place).await;
    let other = open(place).await;
    planned(&catalog, plan(400, &[1; 60])).await;
    let tasks: Vec<_> = (0..16)
        .map(|at| {
            // Half of them as another process would: over connections of their own.
            let catalog = if at % 2 == 0 { catalog.clone() } else { other.clone() };
            tokio::spawn(async move {
                let mut won = Vec::new();
                while let Some(claim) = catalog.claim(&worker(&format!("w{at}")), Wanted::ALL).await.unwrap() {
                    won.push((claim.job, claim.token));
                }
                won
            })
        })
        .collect();
    let mut won = Vec::new();
    for task in tasks {
        won.extend(task.await.unwrap());
    }
    let jobs: BTreeSet<i64> = won.iter().map(|(job, _)| *job).collect();
    let tokens: BTreeSet<u64> = won.iter().map(|(_, token)| *token).collect();
    assert_eq!(won.len(), 61);
    assert_eq!((jobs.len(), tokens.len()), (61, 61));
}

pub async fn an_expired_lease_is_claimable_and_its_token_stale(place: &dyn Adapter) {
    let catalog = open(place).await;
    planned(&catalog, plan(2, &[])).await;
    let lost = claim_any(&catalog).await.unwrap();
    advance(place, LEASE_MS - 1);
    assert!(claim_any(&catalog).await.is_none());
    advance(place, 1);
    // The lease counts as a failure, and the job rests a moment.
    assert!(claim_any(&catalog).await.is_none());
    advance(place, 100);
    let won = claim_any(&catalog).await.unwrap();
    assert_eq!((won.job, won.attempt), (lost.job, 2));
    assert!(won.token > lost.token);
    assert!(matches!(catalog.renew(&lost).await, Err(Error::Stale)));
    assert!(matches!(catalog.publish(&lost, made(&lost, segments(&lost))).await, Err(Error::Stale)));
    catalog.publish(&won, made(&won, segments(&won))).await.unwrap();
    assert!(matches!(catalog.publish(&lost, made(&lost, segments(&lost))).await, Err(Error::Stale)));
}

pub async fn a_renewed_lease_lasts(place: &dyn Adapter) {
    let catalog = open(place).await;
    queued(&catalog).await;
    let claim = claim_any(&catalog).await.unwrap();
    for _ in 0..10 {
        advance(place, LEASE_MS - 1);
        catalog.renew(&claim).await.unwrap();
        assert!(claim_any(&catalog).await.is_none());
        assert_eq!(catalog.sweep().await.unwrap().leases_expired, 0);
    }
}

pub async fn tokens_only_grow(place: &dyn Adapter) {
    let mut last = 0;
    for _ in 0..3 {
        let catalog = open(place).await;
        queued(&catalog).await;
        for _ in 0..5 {
            let claim = claim_any(&catalog).await.unwrap();
            assert!(claim.token > last);
            last = claim.token;
            catalog.release(&claim).await.unwrap();
        }
    }
}

pub async fn every_finish_refuses_a_stale_token(place: &dyn Adapter) {
    let catalog = open(place).await;
    queued(&catalog).await;
    let mut kinds = BTreeSet::new();
    loop {
        let Some(lost) = claim_any(&catalog).await else { break };
        catalog.release(&lost).await.unwrap();
        let won = claim_any(&catalog).await.unwrap();
        assert_eq!(won.job, lost.job);
        kinds.insert(won.work.kind());
        assert!(matches!(work(&catalog, &lost).await, Err(Error::Stale)), "{:?}", lost.work);
        assert!(matches!(catalog.renew(&lost).await, Err(Error::Stale)));
        assert!(matches!(catalog.fail(&lost, crash()).await, Err(Error::Stale)));
        assert!(matches!(catalog.requeue_chunks(&lost, vec![1]).await, Err(Error::Stale)));
        // Giving back what is lost changes nothing.
        catalog.release(&lost).await.unwrap();
        catalog.renew(&won).await.unwrap();
        let id = won.video;
        work(&catalog, &won).await.unwrap();
        if video_is_ready(&catalog, id).await {
            catalog.delete(id).await.unwrap();
        }
    }
    assert_eq!(kinds.len(), 5, "{kinds:?}");
}

async fn video_is_ready(catalog: &vidstream_catalog::Catalog, id: vidstream_media::VideoId) -> bool {
    let video = catalog.video(id).await.unwrap();
    video.is_some_and(|video| video.state == vidstream_catalog::State::Ready)
}

pub async fn finishing_twice_is_harmless(place: &dyn Adapter) {
    let catalog = open(place).await;
    let id = queued(&catalog).await;
    while let Some(claim) = claim_any(&catalog).await {
        work(&catalog, &claim).await.unwrap();
        let (version, seq) = (catalog.version(id).await.unwrap(), catalog.last_seq().await.unwrap());
        work(&catalog, &claim).await.unwrap();
        assert_eq!(catalog.version(id).await.unwrap(), version);
        assert_eq!(catalog.last_seq().await.unwrap(), seq);
        assert!(matches!(catalog.fail(&claim, crash()).await, Err(Error::Stale)), "what is done cannot fail");
    }
    assert!(video_is_ready(&catalog, id).await);
}

pub async fn a_released_claim_counts_no_attempt(place: &dyn Adapter) {
    let catalog = open(place).await;
    queued(&catalog).await;
    for _ in 0..10 {
        let claim = claim_any(&catalog).await.unwrap();
        assert_eq!(claim.attempt, 1);
        catalog.release(&claim).await.unwrap();
    }
    assert_sound(&catalog).await;
}

pub async fn a_restarted_worker_gets_its_jobs_back(place: &dyn Adapter) {
    let catalog = open(place).await;
    planned(&catalog, plan(60, &[1, 2, 4])).await;
    let mine = catalog.claim(&worker("mine"), Wanted::ALL).await.unwrap().unwrap();
    let theirs = catalog.claim(&worker("theirs"), Wanted::ALL).await.unwrap().unwrap();
    assert_eq!(catalog.release_worker("mine").await.unwrap(), 1);
    assert_eq!(catalog.release_worker("mine").await.unwrap(), 0);
    assert!(matches!(catalog.renew(&mine).await, Err(Error::Stale)));
    catalog.renew(&theirs).await.unwrap();
    let again = catalog.claim(&worker("mine"), Wanted::ALL).await.unwrap().unwrap();
    assert_eq!((again.job, again.attempt), (mine.job, 1));
    assert!(again.token > theirs.token);
}

pub async fn a_worker_without_the_encoders_claims_no_chunk(place: &dyn Adapter) {
    let catalog = open(place).await;
    planned(&catalog, plan(10, &[])).await;
    let mut partial = worker("partial");
    partial.encoders.remove(&("avenc-aac".to_owned(), "1".to_owned()));
    let mut other_version = worker("other");
    other_version.encoders = [("x264".to_owned(), "2".to_owned()), ("avenc-aac".to_owned(), "1".to_owned())].into();
    let none = Worker { id: "none".to_owned(), ..Worker::default() };
    for unfit in [&partial, &other_version, &none] {
        assert_eq!(catalog.claim(unfit, Wanted::ALL).await.unwrap(), None);
    }
    let mut more = worker("more");
    more.encoders.insert(("nvenc".to_owned(), "3".to_owned()));
    let claim = catalog.claim(&more, Wanted::ALL).await.unwrap().unwrap();
    work(&catalog, &claim).await.unwrap();
    // What comes after the chunks needs no encoder.
    let claim = catalog.claim(&none, Wanted::ALL).await.unwrap().unwrap();
    assert!(matches!(claim.work, Work::Sheet { .. }));
    let named = |bytes| Worker { id: "x".repeat(bytes), ..worker("x") };
    assert!(catalog.claim(&named(TEXT_BYTES_MAX), Wanted::ALL).await.is_ok());
    for bytes in [0, TEXT_BYTES_MAX + 1] {
        assert!(matches!(catalog.claim(&named(bytes), Wanted::ALL).await, Err(Error::Invalid(_))), "{bytes}");
    }
}

pub async fn a_claim_that_nobody_waits_for_is_given_back(place: &dyn Adapter) {
    let catalog = open(place).await;
    queued(&catalog).await;
    for _ in 0..200 {
        let worker = worker("gone");
        let mut claiming = Box::pin(catalog.claim(&worker, Wanted::ALL));
        // Once polled, the claim is on its way; then its caller goes.
        let polled = poll_fn(|cx| Poll::Ready(claiming.as_mut().poll(cx))).await;
        drop(claiming);
        if let Poll::Ready(claimed) = polled {
            catalog.release(&claimed.unwrap().unwrap()).await.unwrap();
        }
    }
    // Some of them are still on their way.
    let given = async {
        loop {
            if let Some(claim) = claim_any(&catalog).await {
                return claim;
            }
        }
    };
    assert_eq!(timeout(Duration::from_secs(10), given).await.unwrap().attempt, 1);
}

pub async fn deletion_takes_running_claims_away(place: &dyn Adapter) {
    let catalog = open(place).await;
    let id = planned(&catalog, plan(60, &[1, 2, 4])).await;
    let running = claim_any(&catalog).await.unwrap();
    catalog.delete(id).await.unwrap();
    assert!(matches!(catalog.renew(&running).await, Err(Error::Stale)));
    assert!(matches!(work(&catalog, &running).await, Err(Error::Stale)));
    assert!(matches!(catalog.fail(&running, crash()).await, Err(Error::Stale)));
    assert!(matches!(
        catalog.finish_sheet(&running, Sheet { token: 1, bytes: 1, crc32: None }).await,
        Err(Error::Stale)
    ));
    assert!(matches!(catalog.finish_finalize(&running, Finalized::default()).await, Err(Error::Stale)));
    assert!(matches!(catalog.finish_probe(&running, probed(plan(9, &[]))).await, Err(Error::Stale)));
    assert_eq!(video(&catalog, id).await.state, vidstream_catalog::State::Deleting);
    work_all(&catalog).await;
    assert_eq!(catalog.lookup(id).await.unwrap(), vidstream_catalog::Lookup::Deleted);
}

/// What several workers do at once must add up: the last of the parallel parts queues what comes after them.
pub async fn many_workers_leave_nothing_behind(place: &dyn Adapter) {
    const VIDEOS: usize = 3;
    let catalog = open(place).await;
    let other = open(place).await;
    let mut videos = Vec::new();
    for _ in 0..VIDEOS {
        videos.push(queued(&catalog).await);
    }
    let tasks: Vec<_> = (0..8)
        .map(|at| {
            let catalog = if at % 2 == 0 { catalog.clone() } else { other.clone() };
            let videos = videos.clone();
            let now = crate::fixture::now(place);
            tokio::spawn(async move {
                let worker = worker(&format!("w{at}"));
                loop {
                    // Viewers wait here and there, so that chunks are split meanwhile.
                    let id = videos[at % VIDEOS];
                    drop(catalog.raise(id, 1, 1 + (at as u64 * 3) % 20, now + 8_000).await);
                    match catalog.claim(&worker, Wanted::ALL).await.unwrap() {
                        Some(claim) => work(&catalog, &claim).await.unwrap(),
                        None if all_ready(&catalog, &videos).await => return,
                        None => tokio::task::yield_now().await,
                    }
                }
            })
        })
        .collect();
    for task in tasks {
        task.await.unwrap();
    }
    assert_sound(&catalog).await;
    assert!(catalog.sweep().await.unwrap().repaired.is_empty());
}

async fn all_ready(catalog: &vidstream_catalog::Catalog, videos: &[vidstream_media::VideoId]) -> bool {
    for &id in videos {
        if !video_is_ready(catalog, id).await {
            return false;
        }
    }
    true
}
