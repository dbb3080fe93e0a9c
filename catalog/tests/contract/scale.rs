//! Lists stay fast and complete when there are many videos.

use std::{collections::BTreeSet, time::Instant};

use vidstream_catalog::{Error, ListQuery, NewUpload, State};

use crate::fixture::{Adapter, advance, new_id, open, queued, upload};

const VIDEOS: u32 = 100_000;

pub async fn the_first_page_of_many_videos_is_fast(place: &impl Adapter) {
    let catalog = open(place).await;
    let newest = fill(place, &catalog).await;
    for query in [
        ListQuery { limit: 50, ..ListQuery::default() },
        ListQuery { limit: 50, state: Some(State::Ready), ..ListQuery::default() },
    ] {
        let begun = Instant::now();
        let page = catalog.list(query.clone()).await.unwrap();
        let next = catalog.list(ListQuery { cursor: page.next_cursor.clone(), ..query }).await.unwrap();
        // Generous for a busy machine; a scan of the table takes far longer.
        assert!(begun.elapsed().as_millis() < 100, "{:?}", begun.elapsed());
        assert_eq!((page.videos.len(), next.videos.len()), (50, 50));
        assert!(page.videos.iter().all(|video| video.created_at_ms > next.videos[0].created_at_ms));
        assert!(page.videos.iter().any(|video| video.id == newest) || page.videos[0].state == State::Ready);
    }
    let begun = Instant::now();
    while crate::fixture::claim_any(&catalog).await.is_some() {}
    catalog.sweep().await.unwrap();
    assert!(begun.elapsed().as_millis() < 1_000, "{:?}", begun.elapsed());
}

/// Many copies of one row, made behind the catalog's back: through it they would take minutes.
async fn fill(place: &impl Adapter, catalog: &vidstream_catalog::Catalog) -> vidstream_media::VideoId {
    queued(catalog).await;
    let url = place.url();
    let mut conn = rusqlite::Connection::open(url.strip_prefix("sqlite://").unwrap()).unwrap();
    let tx = conn.transaction().unwrap();
    for n in 0..VIDEOS {
        tx.prepare_cached(
            "INSERT INTO videos (id, title, state, created_at_ms, updated_at_ms, facts)
             SELECT ?1, title, 'ready', created_at_ms - ?2, updated_at_ms, facts FROM videos WHERE state = 'queued'",
        )
        .unwrap()
        .execute(rusqlite::params![new_id().to_string(), n])
        .unwrap();
    }
    tx.commit().unwrap();
    advance(place, 1);
    upload(catalog).await
}

pub async fn pages_are_complete_and_in_order(place: &impl Adapter) {
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
        let new = NewUpload { id: new_id(), title: "late".to_owned(), bytes_expected: None };
        catalog.create_upload(new).await.unwrap();
    }
    assert!(seen.is_sorted_by(|a, b| a > b));
    assert_eq!(seen.iter().map(|(_, id)| *id).collect::<BTreeSet<_>>(), ids);
    assert_eq!(catalog.list(ListQuery { limit: 9_999, ..ListQuery::default() }).await.unwrap().videos.len(), 31);
    let foreign = ListQuery { cursor: Some("1-../../x".to_owned()), ..ListQuery::default() };
    assert!(matches!(catalog.list(foreign).await, Err(Error::Invalid(_))));
}
