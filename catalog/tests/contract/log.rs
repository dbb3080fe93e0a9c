//! The event log.

use vidstream_catalog::{
    Edit, Event, State, Video,
    limits::{EVENTS_MAX, EVENTS_MS, EVENTS_READ_MAX},
};

use crate::fixture::{
    Adapter, advance, claim_any, crash, open, plan, planned, queued, upload, video, work, work_all, worker,
};

pub async fn sequence_numbers_follow_commit_order(place: &dyn Adapter) {
    let catalog = open(place).await;
    assert_eq!((catalog.last_seq().await.unwrap(), catalog.oldest_seq().await.unwrap()), (0, 1));
    let id = queued(&catalog).await;
    work_all(&catalog).await;
    let all = catalog.video_events(id, 0, EVENTS_READ_MAX).await.unwrap();
    let numbers: Vec<i64> = all.iter().map(|event| event.seq).collect();
    let expected: Vec<i64> = (1..=catalog.last_seq().await.unwrap()).collect();
    assert_eq!(numbers, expected, "no number is left out");
    let states: Vec<(String, Video)> = catalog
        .events_after(0, EVENTS_READ_MAX)
        .await
        .unwrap()
        .into_iter()
        .map(|event| (event.kind, serde_json::from_value(event.data).unwrap()))
        .collect();
    assert_eq!(states.first().unwrap().0, "video.created");
    assert_eq!(states.first().unwrap().1.state, State::Uploading);
    let (kind, last) = states.last().unwrap();
    assert_eq!((kind.as_str(), last), ("video.ready", &video(&catalog, id).await));
    for pair in states.windows(2) {
        assert!(pair[0].1.row_version <= pair[1].1.row_version);
        assert!(pair[0].1.progress.percent <= pair[1].1.progress.percent);
    }
    let ids: std::collections::BTreeSet<&String> = all.iter().map(|event| &event.id).collect();
    assert_eq!(ids.len(), all.len());
    // Pages join without a gap.
    let mut paged: Vec<Event> = Vec::new();
    loop {
        let after = paged.last().map_or(0, |event| event.seq);
        let page = catalog.video_events(id, after, 3).await.unwrap();
        if page.is_empty() {
            break;
        }
        paged.extend(page);
    }
    assert_eq!(paged, all);
}

pub async fn another_connection_sees_events_in_order(place: &dyn Adapter) {
    const WRITERS: usize = 4;
    const UPLOADS: usize = 25;
    let reader = open(place).await;
    let mut writers = Vec::new();
    for _ in 0..WRITERS {
        let catalog = open(place).await;
        writers.push(tokio::spawn(async move {
            for _ in 0..UPLOADS {
                queued(&catalog).await;
            }
        }));
    }
    // Whoever reads up to n never finds anything at or below n later.
    let mut seen: Vec<i64> = Vec::new();
    loop {
        let over = writers.iter().all(tokio::task::JoinHandle::is_finished);
        let events = reader.events_after(seen.last().copied().unwrap_or(0), 7).await.unwrap();
        seen.extend(events.iter().map(|event| event.seq));
        // Nothing comes after what was read when all had ended before.
        if over && events.is_empty() {
            break;
        }
    }
    for writer in writers {
        writer.await.unwrap();
    }
    assert_eq!(seen.len(), WRITERS * UPLOADS * 2);
    let expected: Vec<i64> = (1..=reader.last_seq().await.unwrap()).collect();
    assert_eq!(seen, expected);
}

pub async fn the_log_is_trimmed_and_says_so(place: &dyn Adapter) {
    let catalog = open(place).await;
    queued(&catalog).await;
    let old = catalog.last_seq().await.unwrap();
    advance(place, EVENTS_MS / 2);
    queued(&catalog).await;
    advance(place, EVENTS_MS / 2 - 1);
    assert_eq!(catalog.sweep().await.unwrap().events_trimmed, 0);
    advance(place, 1);
    assert_eq!(catalog.sweep().await.unwrap().events_trimmed, 2);
    assert_eq!(catalog.oldest_seq().await.unwrap(), old + 1);
    advance(place, EVENTS_MS / 2);
    catalog.sweep().await.unwrap();
    let last = catalog.last_seq().await.unwrap();
    assert_eq!((last, catalog.oldest_seq().await.unwrap()), (4, 5));
    let id = upload(&catalog).await;
    assert_eq!(catalog.video_events(id, 0, 10).await.unwrap()[0].seq, last + 1, "numbers are never used again");
}

pub async fn the_log_has_a_length(place: &dyn Adapter) {
    let catalog = open(place).await;
    // Three events, the last of which is the last for which the first is kept.
    let id = upload(&catalog).await;
    place.behind(&place.last_event_is(EVENTS_MAX - 2));
    catalog.finish_upload(id, 1, None).await.unwrap();
    catalog.edit(id, Edit::title("1"), None).await.unwrap();
    assert_eq!((catalog.oldest_seq().await.unwrap(), catalog.last_seq().await.unwrap()), (1, EVENTS_MAX));
    assert_eq!(catalog.sweep().await.unwrap().events_trimmed, 0);
    catalog.edit(id, Edit::title("2"), None).await.unwrap();
    assert_eq!(catalog.sweep().await.unwrap().events_trimmed, 1);
    assert_eq!(catalog.oldest_seq().await.unwrap(), EVENTS_MAX - 1);
}

pub async fn one_read_gives_so_many_events_and_not_one_more(place: &dyn Adapter) {
    let catalog = open(place).await;
    let id = upload(&catalog).await;
    place.behind(&format!(
        "WITH RECURSIVE many (n) AS (SELECT 2 UNION ALL SELECT n + 1 FROM many WHERE n <= {EVENTS_READ_MAX})
         INSERT INTO events (seq, id, kind, of_job, video, attempt, created_at_ms, data)
         SELECT n, 'evt', kind, of_job, video, attempt, created_at_ms, data FROM many, events"
    ));
    let most = usize::try_from(EVENTS_READ_MAX).unwrap();
    for (limit, count) in [(EVENTS_READ_MAX - 1, most - 1), (EVENTS_READ_MAX, most), (EVENTS_READ_MAX + 1, most)] {
        assert_eq!(catalog.events_after(0, limit).await.unwrap().len(), count, "{limit}");
        assert_eq!(catalog.video_events(id, 0, limit).await.unwrap().len(), count, "{limit}");
    }
}

pub async fn a_timeline_tells_every_attempt(place: &dyn Adapter) {
    let catalog = open(place).await;
    let id = planned(&catalog, plan(60, &[1, 2, 4])).await;
    let before = catalog.last_seq().await.unwrap();
    let claim = catalog.claim(&worker("host-1"), vidstream_catalog::Wanted::ALL).await.unwrap().unwrap();
    catalog.fail(&claim, crash()).await.unwrap();
    advance(place, 100);
    let claim = claim_any(&catalog).await.unwrap();
    catalog.release(&claim).await.unwrap();
    let claim = claim_any(&catalog).await.unwrap();
    work(&catalog, &claim).await.unwrap();
    let events = catalog.video_events(id, before, 100).await.unwrap();
    let told: Vec<(&str, u32)> = events.iter().map(|event| (event.kind.as_str(), event.attempt)).collect();
    let expected = [
        ("job.started", 1),
        ("job.failed", 1),
        ("job.started", 2),
        ("job.released", 2),
        ("job.started", 2),
        ("video.progress", 2),
        ("video.playable", 2),
    ];
    assert_eq!(told, expected);
    assert_eq!((&events[0].data["worker"], &events[1].data["detail"]), (&"host-1".into(), &"signal 11".into()));
    assert!(catalog.events_after(before, 100).await.unwrap().iter().all(|event| event.kind.starts_with("video.")));
}
