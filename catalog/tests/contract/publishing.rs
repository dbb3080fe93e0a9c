//! What a finished chunk changes, and what it may not.

use vidstream_catalog::{
    ArtifactState, Error, Finalized, ListQuery, Published, State, Step, Warning, Work, limits::RENEW_MS,
};
use vidstream_media::{
    Track,
    bandwidth::Rates,
    chunks::Segments,
    codec::DecoderConfig,
    index::Chunk,
    presentation::{Located, Poster, Sheet},
};

use crate::fixture::{
    Adapter, advance, assert_sound, claim_any, claim_segment, crash, made, now, open, plan, planned, segments, video,
    work, work_all,
};

pub async fn a_run_published_in_parts_shrinks_the_job(place: &dyn Adapter) {
    let catalog = open(place).await;
    let id = planned(&catalog, plan(100, &[])).await;
    let claim = claim_any(&catalog).await.unwrap();
    catalog.fail(&claim, crash()).await.unwrap();
    advance(place, 100);
    let claim = claim_any(&catalog).await.unwrap();
    assert_eq!((segments(&claim), claim.attempt), (Segments { first: 1, last: 26 }, 2));
    for last in [3, 10, 25] {
        advance(place, RENEW_MS * 2);
        let first = [(3, 1), (10, 4), (25, 11)].iter().find(|(end, _)| *end == last).unwrap().1;
        let part = made(&claim, Segments { first, last });
        assert!(!part.last);
        catalog.publish(&claim, part.clone()).await.unwrap();
        let seq = catalog.last_seq().await.unwrap();
        catalog.publish(&claim, part).await.unwrap();
        assert_eq!(catalog.last_seq().await.unwrap(), seq, "saying it again is harmless");
        assert_sound(&catalog).await;
    }
    // Each part renewed the lease, and one that got somewhere has its attempts anew.
    catalog.fail(&claim, crash()).await.unwrap();
    advance(place, 100);
    let claim = claim_segment(&catalog, 26).await;
    assert_eq!(claim.attempt, 2);
    // A part that does not follow is refused.
    let gap = made(&claim, Segments { first: 26, last: 26 });
    let gap = Published { chunk: Chunk { segments: Segments { first: 25, last: 26 }, ..gap.chunk }, ..gap };
    assert!(matches!(catalog.publish(&claim, gap).await, Err(Error::Invalid(_))));
    assert_eq!(video(&catalog, id).await.artifacts["audio"].chunks_done, 3);
    // Its worker is lost: the rest is for the next one, and nothing is made twice.
    advance(place, 60_000);
    catalog.sweep().await.unwrap();
    advance(place, 1_000);
    let rest = claim_segment(&catalog, 26).await;
    assert_eq!(segments(&rest), Segments { first: 26, last: 26 });
    catalog.publish(&rest, made(&rest, segments(&rest))).await.unwrap();
    work_all(&catalog).await;
    assert_eq!(video(&catalog, id).await.state, State::Ready);
}

pub async fn decoder_configurations_are_set_once(place: &dyn Adapter) {
    let catalog = open(place).await;
    let id = planned(&catalog, plan(60, &[1, 2, 4])).await;
    let first = claim_any(&catalog).await.unwrap();
    let mut bare = made(&first, segments(&first));
    bare.configs.retain(|(track, _)| *track != Track::Audio);
    assert!(matches!(catalog.publish(&first, bare).await, Err(Error::Invalid(_))));
    assert!(
        catalog.snapshot(id).await.unwrap().unwrap().presentation.unwrap().configs.is_empty(),
        "nothing of it stays"
    );
    catalog.publish(&first, made(&first, segments(&first))).await.unwrap();
    let second = claim_any(&catalog).await.unwrap();
    let mut other = made(&second, segments(&second));
    other.configs[0].1 = DecoderConfig::Avc(vec![1, 66, 0, 31]);
    assert!(matches!(catalog.publish(&second, other).await, Err(Error::Conflict(_))));
    // Once set, they may be left out.
    let mut silent = made(&second, segments(&second));
    silent.configs.clear();
    catalog.publish(&second, silent).await.unwrap();
    let snapshot = catalog.snapshot(id).await.unwrap().unwrap().presentation.unwrap();
    assert_eq!(snapshot.configs[&Track::Rung(360)], crate::fixture::config(Track::Rung(360)));
}

pub async fn a_wrong_index_is_refused(place: &dyn Adapter) {
    let catalog = open(place).await;
    let id = planned(&catalog, plan(60, &[3, 5])).await;
    let claim = claim_any(&catalog).await.unwrap();
    let run = segments(&claim);
    let good = made(&claim, run);
    let with = |change: &dyn Fn(&mut Published)| {
        let mut bad = good.clone();
        change(&mut bad);
        bad
    };
    let bad = [
        with(&|bad| bad.chunk.token += 1),
        with(&|bad| bad.last = false),
        with(&|bad| bad.chunk.segments.last = 2),
        with(&|bad| bad.chunk.segments = Segments { first: 2, last: 3 }),
        with(&|bad| bad.chunk.segments = Segments { first: 1, last: 4 }),
        with(&|bad| bad.chunk.tracks.truncate(2)),
        with(&|bad| bad.chunk.tracks[0].track = Track::Rung(720)),
        with(&|bad| bad.chunk.tracks[0] = bad.chunk.tracks[2].clone()),
        with(&|bad| bad.chunk.tracks[0].first = 2),
        with(&|bad| drop(bad.chunk.tracks[0].segments.pop())),
        with(&|bad| bad.chunk.tracks[1].segments[0].fragments.clear()),
        with(&|bad| bad.chunk.tracks[2].segments[1].offset = 0),
    ];
    for (at, bad) in bad.into_iter().enumerate() {
        assert!(matches!(catalog.publish(&claim, bad).await, Err(Error::Invalid(_))), "{at}");
    }
    assert!(!video(&catalog, id).await.playable);
    catalog.publish(&claim, good).await.unwrap();
    assert!(video(&catalog, id).await.playable);
    let wrong_kind = claim_any(&catalog).await.unwrap();
    let sheet = Sheet { token: wrong_kind.token, bytes: 1, crc32: None };
    assert!(matches!(catalog.finish_sheet(&wrong_kind, sheet).await, Err(Error::Invalid(_))));
    assert!(matches!(catalog.finish_delete(&wrong_kind).await, Err(Error::Invalid(_))));
}

pub async fn playable_needs_the_first_segment(place: &dyn Adapter) {
    let catalog = open(place).await;
    let id = planned(&catalog, plan(60, &[1, 2, 4])).await;
    let second = claim_segment(&catalog, 2).await;
    work(&catalog, &second).await.unwrap();
    assert!(!video(&catalog, id).await.playable);
    let kinds = |events: Vec<vidstream_catalog::Event>| events.into_iter().map(|event| event.kind).collect::<Vec<_>>();
    let before = catalog.last_seq().await.unwrap();
    let first = claim_segment(&catalog, 1).await;
    work(&catalog, &first).await.unwrap();
    let events = catalog.events_after(before, 100).await.unwrap();
    assert_eq!(events.last().unwrap().data["playable"], true);
    assert_eq!(kinds(events), ["video.progress", "video.playable"]);
    assert!(video(&catalog, id).await.playable);
}

pub async fn sheets_appear_with_their_pictures_and_finalize_at_the_end(place: &dyn Adapter) {
    let catalog = open(place).await;
    // 60 pictures, every second one on a sheet of ten: three sheets of 20 s, and segment 6 ends at 20 s.
    let id = planned(&catalog, plan(60, &[1, 5])).await;
    for expected in [false, true] {
        let chunk = claim_any(&catalog).await.unwrap();
        work(&catalog, &chunk).await.unwrap();
        let next = claim_any(&catalog).await.unwrap();
        assert_eq!(matches!(next.work, Work::Sheet { n: 1, .. }), expected, "{next:?}");
        catalog.release(&next).await.unwrap();
    }
    let sheet = claim_any(&catalog).await.unwrap();
    let right = Sheet { token: sheet.token, bytes: 7, crc32: Some(u32::MAX.into()) };
    let foreign = Sheet { token: sheet.token + 1, ..right };
    assert!(matches!(catalog.finish_sheet(&sheet, foreign).await, Err(Error::Invalid(_))));
    catalog.finish_sheet(&sheet, right).await.unwrap();
    let storyboard = video(&catalog, id).await.artifacts["storyboard"];
    assert_eq!((storyboard.state, storyboard.chunks_done, storyboard.chunks), (ArtifactState::Running, 1, 3));
    let chunk = claim_any(&catalog).await.unwrap();
    work(&catalog, &chunk).await.unwrap();
    assert_eq!(video(&catalog, id).await.progress.step, Step::Finalize);
    let kinds = [claim_any(&catalog).await, claim_any(&catalog).await, claim_any(&catalog).await];
    let [Some(second), Some(third), None] = &kinds else { panic!("{kinds:?}") };
    work(&catalog, second).await.unwrap();
    assert!(claim_any(&catalog).await.is_none(), "finalizing waits for the last sheet");
    work(&catalog, third).await.unwrap();
    let finalize = claim_any(&catalog).await.unwrap();
    assert!(matches!(finalize.work, Work::Finalize { .. }));
    let rates = Rates { peak_bps: 9, average_bps: 5 };
    let warnings = vec![Warning { code: "conformance".to_owned(), rules: vec![22], ..Warning::default() }];
    let measured = [(Track::Audio, rates)].into();
    let poster = Some(Poster { token: 3, crc32: Some(5_u32.into()) });
    let finalized = Finalized { measured, poster, warnings: warnings.clone() };
    catalog.finish_finalize(&finalize, finalized).await.unwrap();
    let snapshot = catalog.snapshot(id).await.unwrap().unwrap();
    assert_eq!((snapshot.video.state, snapshot.video.warnings), (State::Ready, warnings));
    let presentation = snapshot.presentation.unwrap();
    assert_eq!(presentation.measured[&Track::Audio], rates);
    assert_eq!((presentation.poster, presentation.sheets.len(), presentation.ready), (poster, 3, true));
    assert_eq!(presentation.sheets[&1], right);
    assert!(
        video(&catalog, id).await.has_poster && catalog.list(ListQuery::default()).await.unwrap().videos[0].has_poster
    );
}

pub async fn unusable_chunks_are_queued_again_once(place: &dyn Adapter) {
    let catalog = open(place).await;
    let id = planned(&catalog, plan(60, &[1, 2, 4])).await;
    let finalize = work_until_finalize(&catalog).await;
    let percent = video(&catalog, id).await.progress.percent;
    // This one looks before and after, and not in between.
    let other = open(place).await;
    assert_eq!(other.snapshot(id).await.unwrap().unwrap().presentation.unwrap().chunks.len(), 4);
    let requeued = catalog.requeue_chunks(&finalize, vec![1, 4, 5]).await.unwrap();
    assert_eq!((requeued.accepted, requeued.refused), (vec![1, 4], vec![5]));
    assert!(matches!(catalog.finish_finalize(&finalize, Finalized::default()).await, Err(Error::Stale)));
    let damaged = catalog.snapshot(id).await.unwrap().unwrap();
    assert!(!damaged.video.playable);
    assert!((damaged.video.progress.percent - percent).abs() < f64::EPSILON, "percent never falls");
    assert_eq!(damaged.presentation.unwrap().locate(Track::Audio, 4), Located::Pending { segment: 4 });
    assert_sound(&catalog).await;
    let again = work_until_finalize(&catalog).await;
    assert!(video(&catalog, id).await.playable);
    let refused = catalog.requeue_chunks(&again, vec![1, 4]).await.unwrap();
    assert_eq!((refused.accepted, refused.refused), (vec![], vec![1, 4]));
    catalog.finish_finalize(&again, Finalized::default()).await.unwrap();
    assert_eq!(video(&catalog, id).await.state, State::Ready);
    for reader in [&catalog, &other] {
        let stored = reader.snapshot(id).await.unwrap().unwrap().presentation.unwrap();
        assert!(stored.chunks[&1].token > finalize.token && stored.chunks[&2].token < finalize.token);
    }
}

async fn work_until_finalize(catalog: &vidstream_catalog::Catalog) -> vidstream_catalog::Claim {
    loop {
        let claim = claim_any(catalog).await.unwrap();
        if matches!(claim.work, Work::Finalize { .. }) {
            return claim;
        }
        work(catalog, &claim).await.unwrap();
    }
}

pub async fn a_snapshot_shows_what_is_committed(place: &dyn Adapter) {
    let (catalog, other) = (open(place).await, open(place).await);
    let id = planned(&catalog, plan(60, &[1, 2, 4])).await;
    assert!(catalog.snapshot(crate::fixture::new_id()).await.unwrap().is_none());
    let mut expected: Vec<Chunk> = Vec::new();
    for _ in 0..4 {
        let claim = crate::fixture::claim(&catalog, crate::fixture::URGENT).await;
        let claim = match claim {
            Some(claim) => claim,
            None => crate::fixture::claim_segment(&catalog, expected.last().unwrap().segments.last + 1).await,
        };
        let published = made(&claim, segments(&claim));
        catalog.publish(&claim, published.clone()).await.unwrap();
        expected.push(published.chunk);
        // The other connection has its own cache, and both see the same.
        for reader in [&catalog, &other] {
            let snapshot = reader.snapshot(id).await.unwrap().unwrap().presentation.unwrap();
            let stored: Vec<Chunk> = snapshot.chunks.values().map(|chunk| chunk.as_ref().clone()).collect();
            assert_eq!(stored, expected);
            assert_eq!(*snapshot.plan, plan(60, &[1, 2, 4]));
        }
    }
    let (a, b) = (catalog.snapshot(id).await.unwrap().unwrap(), catalog.snapshot(id).await.unwrap().unwrap());
    let (a, b) = (a.presentation.unwrap(), b.presentation.unwrap());
    assert!(std::sync::Arc::ptr_eq(&a.plan, &b.plan) && std::sync::Arc::ptr_eq(&a.chunks[&1], &b.chunks[&1]));
}

pub async fn percent_is_the_committed_media_time(place: &dyn Adapter) {
    let catalog = open(place).await;
    let id = planned(&catalog, plan(100, &[1, 5])).await;
    let start = now(place);
    let mut percents = Vec::new();
    for _ in 0..3 {
        advance(place, 1_000);
        let claim = claim_any(&catalog).await.unwrap();
        catalog.publish(&claim, made(&claim, segments(&claim))).await.unwrap();
        let progress = video(&catalog, id).await.progress;
        percents.push(progress.percent);
        if let Some(eta_s) = progress.eta_s {
            let percent_a_ms = percents.last().unwrap() / f64::from(u32::try_from(now(place) - start).unwrap());
            let expected = ((100.0 - percents.last().unwrap()) / percent_a_ms / 1_000.0).ceil();
            assert!((f64::from(u32::try_from(eta_s).unwrap()) - expected).abs() <= 1.0);
        }
        while let Some(sheet) = crate::fixture::claim(&catalog, crate::fixture::BACKGROUND).await {
            if !matches!(sheet.work, Work::Sheet { .. }) {
                catalog.release(&sheet).await.unwrap();
                break;
            }
            work(&catalog, &sheet).await.unwrap();
        }
    }
    // 2 s, then to the end of segment 6 at 20 s, then all.
    assert_eq!(percents, [2.0, 20.0, 100.0]);
}
