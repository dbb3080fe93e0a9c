//! Lists stay fast and complete when there are many videos.

use std::{
    collections::BTreeSet,
    time::{Duration, Instant},
};

use vidstream_catalog::{Error, ListQuery, NewUpload, State, Swept, limits::CHUNKS_READ_MAX};
use vidstream_media::chunks::Segments;

use crate::fixture::{
    Adapter, BACKGROUND, URGENT, advance, claim, made, new_id, now, open, plan, planned, queued, upload, work,
};

const VIDEOS: u32 = 100_000;
/// The fastest of so many counts: the machine may be busy with something else.
const RUNS: usize = 5;

pub async fn the_first_page_of_many_videos_is_fast(place: &dyn Adapter) {
    let catalog = open(place).await;
    let newest = fill(place, &catalog).await;
    for query in [
        ListQuery { limit: 50, ..ListQuery::default() },
        ListQuery { limit: 50, state: Some(State::Ready), ..ListQuery::default() },
    ] {
        let mut fastest = Duration::MAX;
        let mut pages = Vec::new();
        for _ in 0..RUNS {
            let begun = Instant::now();
            let page = catalog.list(query.clone()).await.unwrap();
            let next = catalog.list(ListQuery { cursor: page.next_cursor.clone(), ..query.clone() }).await.unwrap();
            fastest = fastest.min(begun.elapsed());
            pages = vec![page, next];
        }
        // A scan of the table takes far longer.
        assert!(fastest.as_millis() < 50, "{fastest:?}");
        let [page, next] = pages.as_slice() else { panic!("two pages") };
        assert_eq!((page.videos.len(), next.videos.len()), (50, 50));
        assert!(page.videos.iter().all(|video| video.created_at_ms > next.videos[0].created_at_ms));
        assert!(page.videos.iter().any(|video| video.id == newest) || page.videos[0].state == State::Ready);
    }
    // A page has a hundred videos at most, however many are asked for.
    for (limit, count) in [(99, 99), (100, 100), (101, 100), (0, 100)] {
        let page = catalog.list(ListQuery { limit, ..ListQuery::default() }).await.unwrap();
        assert_eq!(page.videos.len(), count, "{limit}");
    }
    while crate::fixture::claim_any(&catalog).await.is_some() {}
    let mut fastest = Duration::MAX;
    for _ in 0..RUNS {
        let begun = Instant::now();
        catalog.sweep().await.unwrap();
        fastest = fastest.min(begun.elapsed());
    }
    assert!(fastest.as_millis() < 50, "{fastest:?}");
}

/// Many copies of one row, made behind the catalog's back: through it they would take minutes.
async fn fill(place: &dyn Adapter, catalog: &vidstream_catalog::Catalog) -> vidstream_media::VideoId {
    queued(catalog).await;
    let digits = place.digits_26();
    place.behind(&format!(
        "WITH RECURSIVE many (n) AS (SELECT 1 UNION ALL SELECT n + 1 FROM many WHERE n < {VIDEOS})
         INSERT INTO videos (id, title, state, created_at_ms, updated_at_ms, facts)
         SELECT 'vid_' || {digits}, title, 'ready', created_at_ms - n, updated_at_ms, facts
         FROM many, videos WHERE state = 'queued'"
    ));
    advance(place, 1);
    upload(catalog).await
}

/// 2,000 videos in the making, with 60,000 chunks that wait.
pub async fn claiming_from_a_long_queue_is_fast(place: &dyn Adapter) {
    let catalog = open(place).await;
    let id = planned(&catalog, plan(200, &[1; 29])).await;
    let digits = place.digits_26();
    let many = "WITH RECURSIVE many (n) AS (SELECT 1 UNION ALL SELECT n + 1 FROM many WHERE n < 2000)";
    place.behind(&format!(
        "{many} INSERT INTO videos (id, title, state, frames, chunks, tracks, created_at_ms, updated_at_ms)
         SELECT 'vid_' || {digits}, title, state, frames, chunks, tracks, created_at_ms + n, updated_at_ms FROM many, videos;
         {many} INSERT INTO generations (video, generation, plan) SELECT 'vid_' || {digits}, 1, plan FROM many, generations;
         {many} INSERT INTO jobs (video, generation, kind, state, first, last, encoders)
         SELECT 'vid_' || {digits}, 1, kind, state, first, last, encoders FROM many, jobs WHERE state = 'pending';"
    ));
    for wanted in [URGENT, BACKGROUND] {
        let mut fastest = Duration::MAX;
        for _ in 0..RUNS {
            let begun = Instant::now();
            claim(&catalog, wanted).await.unwrap();
            fastest = fastest.min(begun.elapsed());
        }
        assert!(fastest.as_millis() < 50, "{wanted:?} {fastest:?}");
    }
    catalog.raise(id, 1, 20, now(place) + 8_000).await.unwrap();
    assert_eq!(claim(&catalog, URGENT).await.unwrap().video, id);
    assert_eq!(catalog.sweep().await.unwrap(), Swept::default());
}

/// Five hours, a thousand chunks of which are stored: what a viewer and a worker cost.
pub async fn a_long_film_stays_cheap(place: &dyn Adapter) {
    let catalog = open(place).await;
    let id = planned(&catalog, plan(5 * 3_600, &[1; 1_000])).await;
    let first = claim(&catalog, URGENT).await.unwrap();
    work(&catalog, &first).await.unwrap();
    place.behind(
        "INSERT INTO chunks SELECT video, 1, first, last, 7, 120, 0, 0, (SELECT tracks FROM chunks) FROM jobs
         WHERE kind = 'encode' AND first BETWEEN 2 AND 1000;
         DELETE FROM jobs WHERE kind = 'encode' AND first BETWEEN 2 AND 1000;",
    );
    assert_eq!(catalog.snapshot(id).await.unwrap().unwrap().presentation.unwrap().chunks.len(), 1_000);
    let last = claim(&catalog, BACKGROUND).await.unwrap();
    let (mut published, mut read) = (Duration::MAX, Duration::MAX);
    for first in (1_001..).step_by(5).take(RUNS) {
        let part = made(&last, Segments { first, last: first + 4 });
        let begun = Instant::now();
        catalog.publish(&last, part).await.unwrap();
        published = published.min(begun.elapsed());
        let begun = Instant::now();
        let again = catalog.snapshot(id).await.unwrap().unwrap().presentation.unwrap();
        read = read.min(begun.elapsed());
        assert!(again.chunks.contains_key(&first));
    }
    assert!(published.as_millis() < 100 && read.as_millis() < 50, "{published:?} {read:?}");
}

/// As many stored chunks as one statement reads, and one more.
pub async fn chunks_beyond_those_of_one_statement_are_read_as_well(place: &dyn Adapter) {
    let most = u64::try_from(CHUNKS_READ_MAX).unwrap();
    let catalog = open(place).await;
    let id = planned(&catalog, plan(5 * most, &[1; CHUNKS_READ_MAX + 1])).await;
    let first = claim(&catalog, URGENT).await.unwrap();
    work(&catalog, &first).await.unwrap();
    for count in [most, most + 1] {
        place.behind(&format!(
            "INSERT INTO chunks SELECT video, 1, first, last, 7, 120, 0, 0, (SELECT tracks FROM chunks WHERE first = 1)
             FROM jobs WHERE kind = 'encode' AND first BETWEEN 2 AND {count};
             DELETE FROM jobs WHERE kind = 'encode' AND first BETWEEN 2 AND {count};"
        ));
        // A process that has none of them in memory yet.
        let stranger = open(place).await;
        let film = stranger.snapshot(id).await.unwrap().unwrap().presentation.unwrap();
        assert!(film.chunks.keys().copied().eq(1..=count), "{count}: {:?}", film.chunks.keys());
        assert!(film.chunks.values().all(|chunk| !chunk.tracks.is_empty()), "{count}");
    }
}

pub async fn pages_are_complete_and_in_order(place: &dyn Adapter) {
    let catalog = open(place).await;
    let mut ids = BTreeSet::new();
    for n in 0..25 {
        // Several at the same time: the id decides.
        advance(place, i64::from(n % 5 == 0));
        ids.insert(upload(&catalog).await);
    }
    let mut query = ListQuery { limit: 4, ..ListQuery::default() };
    let mut seen = Vec::new();
    loop {
        let page = catalog.list(query.clone()).await.unwrap();
        seen.extend(page.videos.iter().map(|video| (video.created_at_ms, video.id)));
        query.cursor = page.next_cursor;
        if query.cursor.is_none() {
            break;
        }
        // A newcomer does not disturb the pages after it.
        advance(place, 1);
        let new = NewUpload { id: new_id(), title: "late".to_owned(), bytes_expected: None, expires_at_ms: None };
        catalog.create_upload(new).await.unwrap();
    }
    assert!(seen.is_sorted_by(|a, b| a > b));
    assert_eq!(seen.iter().map(|(_, id)| *id).collect::<BTreeSet<_>>(), ids);
    assert_eq!(catalog.list(ListQuery { limit: 9_999, ..ListQuery::default() }).await.unwrap().videos.len(), 31);
    let foreign = ListQuery { cursor: Some("1-../../x".to_owned()), ..ListQuery::default() };
    assert!(matches!(catalog.list(foreign).await, Err(Error::Invalid(_))));
}
