//! Viewers: how many there are, and how many there were.

use vidstream_catalog::{
    Catalog, Deletion, Viewer,
    limits::{PRESENT_MS, VIEW_SESSION_MS, VIEWS_COUNTED_MAX},
};
use vidstream_media::VideoId;

use crate::fixture::{Adapter, advance, new_id, open, queued, upload, video, work_all};

pub fn viewer(video: VideoId, session: &str) -> Viewer {
    Viewer { video, session: session.parse().unwrap() }
}

/// A session watches, and that is handed on.
pub async fn watch(catalog: &Catalog, id: VideoId, session: &str) {
    catalog.note_viewer(viewer(id, session)).unwrap();
    catalog.count_views().await.unwrap();
}

pub async fn views(catalog: &Catalog, id: VideoId) -> u64 {
    video(catalog, id).await.views
}

pub async fn a_session_is_one_view_a_day(place: &impl Adapter) {
    let (here, there) = (open(place).await, open(place).await);
    let id = queued(&here).await;
    for catalog in [&here, &there, &here] {
        watch(catalog, id, "a").await;
        assert_eq!(views(&here, id).await, 1);
    }
    watch(&there, id, "b").await;
    assert_eq!(views(&here, id).await, 2);
    // Another film is another view.
    let other = queued(&here).await;
    watch(&here, other, "a").await;
    assert_eq!((views(&there, id).await, views(&there, other).await), (2, 1));
    advance(place, VIEW_SESSION_MS - 1);
    here.sweep().await.unwrap();
    watch(&here, id, "a").await;
    watch(&there, id, "a").await;
    assert_eq!(views(&here, id).await, 2);
    advance(place, 1);
    here.sweep().await.unwrap();
    // Who goes on watching where it is known is no new view, and who comes anew is.
    watch(&there, id, "a").await;
    assert_eq!(views(&here, id).await, 2);
    for _ in 0..2 {
        watch(&open(place).await, id, "a").await;
        assert_eq!(views(&here, id).await, 3);
    }
}

pub async fn a_session_is_present_for_half_a_minute(place: &impl Adapter) {
    let catalog = open(place).await;
    let [id, other, unknown] = [upload(&catalog).await, upload(&catalog).await, new_id()];
    let present = async || catalog.viewers(&[id, other, unknown]).await;
    assert!(catalog.viewers(&[]).await.is_empty());
    assert_eq!(present().await, [0, 0, 0]);
    watch(&catalog, id, "a").await;
    watch(&catalog, id, "a").await;
    watch(&catalog, other, "a").await;
    watch(&catalog, id, "b").await;
    assert_eq!(present().await, [2, 1, 0]);
    advance(place, PRESENT_MS - 1);
    assert_eq!(present().await, [2, 1, 0]);
    watch(&catalog, id, "b").await;
    advance(place, 1);
    assert_eq!(present().await, [1, 0, 0]);
    advance(place, PRESENT_MS - 2);
    assert_eq!(present().await, [1, 0, 0]);
    advance(place, 1);
    assert_eq!(present().await, [0, 0, 0]);
}

pub async fn what_was_noted_is_counted_at_the_end(place: &impl Adapter) {
    let catalog = open(place).await;
    let id = queued(&catalog).await;
    watch(&catalog, id, "a").await;
    catalog.note_viewer(viewer(id, "b")).unwrap();
    catalog.finish_views().await.unwrap();
    drop(catalog);
    assert_eq!(views(&open(place).await, id).await, 2);
}

pub async fn views_of_many_videos_are_counted_however_many_they_are(place: &impl Adapter) {
    const VIDEOS: usize = 3;
    let catalog = open(place).await;
    let mut videos = Vec::new();
    for _ in 0..VIDEOS {
        videos.push(queued(&catalog).await);
    }
    // A transaction has so many, and one more.
    let sessions = VIEWS_COUNTED_MAX + 1;
    for n in 0..sessions {
        catalog.note_viewer(viewer(videos[n % VIDEOS], &format!("s{n}"))).unwrap();
    }
    catalog.count_views().await.unwrap();
    let mut counted = 0;
    for &id in &videos {
        counted += views(&catalog, id).await;
    }
    assert_eq!(counted, sessions as u64);
    assert_eq!(catalog.viewers(&videos).await.iter().sum::<u64>(), sessions as u64);
}

pub async fn views_of_a_video_that_is_gone_are_dropped(place: &impl Adapter) {
    let catalog = open(place).await;
    let (gone, id) = (queued(&catalog).await, queued(&catalog).await);
    for of in [gone, id, new_id()] {
        catalog.note_viewer(viewer(of, "a")).unwrap();
    }
    assert_eq!(catalog.delete(gone).await.unwrap(), Deletion::Accepted);
    work_all(&catalog).await;
    assert!(catalog.video(gone).await.unwrap().is_none());
    catalog.count_views().await.unwrap();
    watch(&catalog, id, "b").await;
    assert_eq!(views(&catalog, id).await, 2);
}

pub async fn viewers_who_are_told_by_many_processes_at_once_count_once(place: &impl Adapter) {
    const PROCESSES: usize = 4;
    const SESSIONS: usize = 40;
    let first = open(place).await;
    let id = queued(&first).await;
    let mut tellers = Vec::new();
    for process in 0..PROCESSES {
        let catalog = open(place).await;
        tellers.push(tokio::spawn(async move {
            // Each session is told by two processes, and handed on a few at a time.
            for n in (0..SESSIONS).filter(|n| n % PROCESSES == process || (n + 1) % PROCESSES == process) {
                catalog.note_viewer(viewer(id, &format!("s{n}"))).unwrap();
                if n % 3 == 0 {
                    catalog.count_views().await.unwrap();
                }
            }
            catalog
        }));
    }
    for teller in tellers {
        // Whoever had the turn has moved all views by then, or has left the rest to the next.
        teller.await.unwrap().count_views().await.unwrap();
    }
    assert_eq!(views(&first, id).await, SESSIONS as u64);
}
