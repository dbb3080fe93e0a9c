//! Which job is given next, and where chunks are split.

use vidstream_catalog::{
    Catalog, Error, Wanted, Work,
    limits::{AHEAD_MS, DEADLINE_AHEAD_MS_MAX},
};
use vidstream_media::{VideoId, chunks::Segments};

use crate::fixture::{
    Adapter, BACKGROUND, NO_PROBE, URGENT, advance, assert_sound, claim, claim_any, new_id, now, open, plan, planned,
    queued, segments, work,
};

/// The runs that so many slots are given, each with its video.
async fn given(catalog: &Catalog, wanted: Wanted, slots: usize) -> Vec<(VideoId, u64, u64)> {
    let mut given = Vec::new();
    while given.len() < slots {
        let Some(claim) = claim(catalog, wanted).await else { break };
        let run = segments(&claim);
        given.push((claim.video, run.first, run.last));
    }
    given
}

/// A video of 100 s whose first chunk is made: segments 2-3, 4-7, 8-14, 15-21, 22-26.
async fn playing(catalog: &Catalog) -> VideoId {
    let id = planned(catalog, plan(100, &[1, 2, 4, 7, 7])).await;
    let first = claim(catalog, URGENT).await.unwrap();
    assert_eq!((first.video, segments(&first)), (id, Segments { first: 1, last: 1 }));
    work(catalog, &first).await.unwrap();
    id
}

pub async fn the_earliest_deadline_comes_first(place: &dyn Adapter) {
    let catalog = open(place).await;
    let (a, b) = (playing(&catalog).await, playing(&catalog).await);
    let now = now(place);
    catalog.raise(a, 1, 2, now + 8_000).await.unwrap();
    catalog.raise(b, 1, 2, now + 7_000).await.unwrap();
    let first = claim(&catalog, URGENT).await.unwrap();
    assert_eq!((first.video, segments(&first)), (b, Segments { first: 2, last: 2 }));
    assert!(matches!(first.work, Work::Encode { deadline_ms: Some(at), .. } if at == now + 7_000));
    assert_eq!(claim(&catalog, URGENT).await.unwrap().video, a);
    // Those who wait come before a probe, and a probe before those who will want something soon.
    advance(place, 1);
    catalog.raise(a, 1, 15, now + 8_000).await.unwrap();
    let probe = queued(&catalog).await;
    assert_eq!(segments(&claim_any(&catalog).await.unwrap()).first, 15);
    let next = claim_any(&catalog).await.unwrap();
    assert_eq!((next.video, next.work), (probe, Work::Probe));
    assert_eq!(claim_any(&catalog).await.unwrap().video, a);
}

pub async fn a_waited_for_chunk_is_split_where_somebody_waits(place: &dyn Adapter) {
    let catalog = open(place).await;
    let id = planned(&catalog, plan(100, &[1, 2, 4, 3])).await;
    let first = claim(&catalog, URGENT).await.unwrap();
    work(&catalog, &first).await.unwrap();
    // 11-26 is one chunk; its normal length is 16.
    catalog.raise(id, 1, 14, now(place) + 8_000).await.unwrap();
    let wanted = claim(&catalog, URGENT).await.unwrap();
    assert_eq!(segments(&wanted), Segments { first: 14, last: 14 });
    assert_sound(&catalog).await;
    let video = catalog.video(id).await.unwrap().unwrap();
    // 1, 2-3, 4-7, 8-10, 11-13, 14, 15-16, 17-20, 21-26.
    assert_eq!((video.artifacts["audio"].chunks_done, video.artifacts["audio"].chunks), (1, 9));
    assert_eq!(given(&catalog, BACKGROUND, 2).await, [(id, 15, 16), (id, 17, 20)]);
    let rest: Vec<Segments> = [claim_any(&catalog).await, claim_any(&catalog).await, claim_any(&catalog).await]
        .iter()
        .map(|claim| segments(claim.as_ref().unwrap()))
        .collect();
    assert_eq!(rest[0], Segments { first: 2, last: 3 });
    assert_eq!(rest[2], Segments { first: 8, last: 10 });
    assert_eq!(segments(&claim_any(&catalog).await.unwrap()), Segments { first: 11, last: 13 });
    assert_eq!(segments(&claim_any(&catalog).await.unwrap()), Segments { first: 21, last: 26 });
    assert_sound(&catalog).await;
}

pub async fn two_waits_in_one_chunk_split_it_twice(place: &dyn Adapter) {
    let catalog = open(place).await;
    let id = planned(&catalog, plan(100, &[1])).await;
    let first = claim(&catalog, URGENT).await.unwrap();
    work(&catalog, &first).await.unwrap();
    let now = now(place);
    catalog.raise(id, 1, 18, now + 8_000).await.unwrap();
    catalog.raise(id, 1, 9, now + 7_000).await.unwrap();
    assert_eq!(segments(&claim(&catalog, URGENT).await.unwrap()), Segments { first: 9, last: 9 });
    assert_eq!(segments(&claim(&catalog, URGENT).await.unwrap()), Segments { first: 18, last: 18 });
    assert_sound(&catalog).await;
}

pub async fn the_next_two_chunks_follow_the_viewer(place: &dyn Adapter) {
    let catalog = open(place).await;
    let id = playing(&catalog).await;
    // A viewer of a stored segment: nothing waits, and the next two chunks come forward.
    catalog.raise(id, 1, 1, now(place) + 8_000).await.unwrap();
    assert_eq!(given(&catalog, BACKGROUND, 2).await, [(id, 2, 3), (id, 4, 7)]);
    // Then they jump.
    catalog.raise(id, 1, 8, now(place) + 8_000).await.unwrap();
    assert_eq!(given(&catalog, NO_PROBE, 3).await, [(id, 8, 8), (id, 9, 10), (id, 11, 14)]);
    // Two and not three, for a minute; afterwards nobody is there, and the oldest video goes on.
    advance(place, 1);
    let other = playing(&catalog).await;
    catalog.raise(other, 1, 1, now(place) + 8_000).await.unwrap();
    advance(place, AHEAD_MS - 1);
    catalog.release_worker("w").await.unwrap();
    assert_eq!(given(&catalog, BACKGROUND, 3).await, [(other, 2, 3), (other, 4, 7), (id, 2, 3)]);
    advance(place, 1);
    catalog.release_worker("w").await.unwrap();
    assert_eq!(given(&catalog, BACKGROUND, 1).await, [(id, 2, 3)]);
}

pub async fn the_slot_kept_for_those_who_wait_takes_nothing_ahead(place: &dyn Adapter) {
    let catalog = open(place).await;
    let id = playing(&catalog).await;
    catalog.raise(id, 1, 1, now(place) + 8_000).await.unwrap();
    assert_eq!(given(&catalog, URGENT, 1).await, []);
    catalog.raise(id, 1, 8, now(place) + 8_000).await.unwrap();
    assert_eq!(given(&catalog, URGENT, 2).await, [(id, 8, 8)]);
}

pub async fn first_chunks_come_before_the_background(place: &dyn Adapter) {
    let catalog = open(place).await;
    let a = planned(&catalog, plan(60, &[1, 2, 4])).await;
    let b = planned(&catalog, plan(60, &[1, 2, 4])).await;
    let given: Vec<(VideoId, u64)> = [claim_any(&catalog).await, claim_any(&catalog).await, claim_any(&catalog).await]
        .iter()
        .flatten()
        .map(|claim| (claim.video, segments(claim).first))
        .collect();
    assert_eq!(given, [(a, 1), (b, 1), (a, 2)]);
}

pub async fn the_background_is_shared_between_videos(place: &dyn Adapter) {
    let catalog = open(place).await;
    let mut videos = Vec::new();
    for _ in 0..3 {
        advance(place, 1);
        videos.push(planned(&catalog, plan(100, &[1, 2, 4, 7, 7])).await);
    }
    let mut given = Vec::new();
    while let Some(claim) = claim(&catalog, BACKGROUND).await {
        given.push((claim.video, segments(&claim).first));
    }
    let (a, b, c) = (videos[0], videos[1], videos[2]);
    assert_eq!(given[..6], [(a, 1), (b, 1), (c, 1), (a, 2), (b, 2), (c, 2)]);
    assert_eq!(given.len(), 18);
    // A video of which less is running comes next, even if it is the youngest.
    assert_eq!(catalog.release_worker("w").await.unwrap(), 18);
    let a = claim(&catalog, BACKGROUND).await.unwrap();
    let b = claim(&catalog, BACKGROUND).await.unwrap();
    let c = claim(&catalog, BACKGROUND).await.unwrap();
    work(&catalog, &c).await.unwrap();
    assert_eq!([a.video, b.video, c.video].as_slice(), videos);
    assert_eq!(claim(&catalog, BACKGROUND).await.unwrap().video, c.video);
}

pub async fn an_urgent_slot_takes_no_background(place: &dyn Adapter) {
    let catalog = open(place).await;
    let id = playing(&catalog).await;
    assert!(claim(&catalog, URGENT).await.is_none());
    assert!(claim(&catalog, Wanted { probe: true, ..Wanted::default() }).await.is_none());
    assert!(claim(&catalog, Wanted::default()).await.is_none());
    catalog.delete(id).await.unwrap();
    assert!(claim(&catalog, Wanted::default()).await.is_none());
    assert_eq!(claim(&catalog, URGENT).await.unwrap().work, Work::Delete);
}

pub async fn raising_again_keeps_the_earliest_deadline(place: &dyn Adapter) {
    let catalog = open(place).await;
    let id = playing(&catalog).await;
    let now = now(place);
    for deadline_ms in [now + 8_000, now + 5_000, now + 9_000] {
        catalog.raise(id, 1, 8, deadline_ms).await.unwrap();
    }
    let claim = claim(&catalog, URGENT).await.unwrap();
    let version = catalog.version(id).await.unwrap();
    assert!(matches!(claim.work, Work::Encode { deadline_ms: Some(at), .. } if at == now + 5_000), "{claim:?}");
    // While it runs, raising moves nothing.
    catalog.raise(id, 1, 8, now + 1_000).await.unwrap();
    assert_eq!(catalog.version(id).await.unwrap(), version);
    // Given back, it is still waited for.
    catalog.release(&claim).await.unwrap();
    let again = crate::fixture::claim(&catalog, URGENT).await.unwrap();
    assert_eq!(again.job, claim.job);
    assert!(matches!(again.work, Work::Encode { deadline_ms: Some(at), .. } if at == now + 1_000));
}

pub async fn a_deadline_that_passed_falls_behind_one_that_lasts(place: &dyn Adapter) {
    let catalog = open(place).await;
    let (a, b) = (playing(&catalog).await, playing(&catalog).await);
    catalog.raise(a, 1, 4, now(place) + 1_000).await.unwrap();
    advance(place, 500);
    catalog.raise(b, 1, 4, now(place) + 8_000).await.unwrap();
    advance(place, 500);
    let given = given(&catalog, NO_PROBE, 6).await;
    assert_eq!(given[0], (b, 4, 4));
    // The viewer who was answered 503 asks again soon, so the chunk is still split there, after the later viewer's.
    let first_of_a = given.iter().find(|(video, ..)| *video == a).unwrap();
    assert_eq!(*first_of_a, (a, 4, 4));
    catalog.release_worker("w").await.unwrap();
    catalog.raise(a, 1, 4, now(place) + 2_000).await.unwrap();
    assert_eq!(claim(&catalog, URGENT).await.unwrap().video, a);
}

pub async fn a_deadline_lies_a_minute_ahead_at_most(place: &dyn Adapter) {
    let catalog = open(place).await;
    let id = playing(&catalog).await;
    let most = now(place) + DEADLINE_AHEAD_MS_MAX;
    for (segment, asked, noted) in
        [(8, most - 1, most - 1), (10, most, most), (12, most + 1, most), (14, i64::MAX, most)]
    {
        catalog.raise(id, 1, segment, asked).await.unwrap();
        let claim = claim(&catalog, URGENT).await.unwrap();
        assert_eq!(segments(&claim), Segments { first: segment, last: segment });
        assert!(matches!(claim.work, Work::Encode { deadline_ms: Some(at), .. } if at == noted), "{claim:?}");
    }
}

pub async fn raising_what_cannot_be_made_is_refused(place: &dyn Adapter) {
    let catalog = open(place).await;
    let id = playing(&catalog).await;
    let soon = now(place) + 8_000;
    for (id, generation, segment) in
        [(new_id(), 1, 1), (id, 2, 1), (id, 0, 1), (id, 1, 0), (id, 1, 27), (id, 1, u64::MAX)]
    {
        assert!(matches!(catalog.raise(id, generation, segment, soon).await, Err(Error::NotFound)));
    }
    let unplanned = queued(&catalog).await;
    assert!(matches!(catalog.raise(unplanned, 1, 1, soon).await, Err(Error::NotFound)));
    // A deadline in the past or far away does no harm.
    catalog.raise(id, 1, 8, i64::MIN).await.unwrap();
    catalog.raise(id, 1, 9, i64::MAX).await.unwrap();
    assert_eq!(segments(&claim(&catalog, URGENT).await.unwrap()), Segments { first: 9, last: 9 });
}
