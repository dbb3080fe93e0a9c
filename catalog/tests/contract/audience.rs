//! Viewers: how many there are, and how many there were.

use std::time::Duration;

use tokio::time::timeout;
use vidstream_catalog::{
    Catalog, Deletion, Viewer,
    limits::{PRESENT_MS, VIEW_SESSION_MS, VIEWS_COUNTED_MAX},
};
use vidstream_media::VideoId;

use crate::fixture::{Adapter, advance, new_id, open, queued, upload, video, work_all};

pub fn viewer(video: VideoId, session: &str) -> Viewer {
    Viewer { video, session: session.parse().unwrap() }
}

/// What is waited for happens within this; a disk that many wait for takes its time.
pub const WAIT_MAX: Duration = Duration::from_mins(1);

/// A session watches, and that is handed on.
pub async fn watch(catalog: &Catalog, id: VideoId, session: &str) {
    catalog.note_viewer(viewer(id, session)).unwrap();
    catalog.tell_viewers().await;
    catalog.count_views().await.unwrap();
}

/// Has processes count until nothing is in their way any more, and a video has so many views and no more.
pub async fn until_views(catalogs: &[&Catalog], id: VideoId, wanted: u64) {
    let counted = async {
        loop {
            let mut outcome = Ok(());
            for catalog in catalogs {
                outcome = outcome.and(catalog.count_views().await);
            }
            if outcome.is_ok() && views(catalogs[0], id).await >= wanted {
                return;
            }
        }
    };
    assert!(timeout(WAIT_MAX, counted).await.is_ok(), "{} and not {wanted}", views(catalogs[0], id).await);
    for catalog in catalogs {
        catalog.finish_views(WAIT_MAX).await.unwrap();
        catalog.count_views().await.unwrap();
    }
    assert_eq!(views(catalogs[0], id).await, wanted);
}

pub async fn views(catalog: &Catalog, id: VideoId) -> u64 {
    video(catalog, id).await.views
}

pub async fn a_session_is_one_view_a_day(place: &dyn Adapter) {
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

pub async fn a_session_is_present_for_half_a_minute(place: &dyn Adapter) {
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

pub async fn what_was_noted_is_counted_at_the_end(place: &dyn Adapter) {
    let catalog = open(place).await;
    let id = queued(&catalog).await;
    watch(&catalog, id, "a").await;
    catalog.note_viewer(viewer(id, "b")).unwrap();
    catalog.finish_views(WAIT_MAX).await.unwrap();
    drop(catalog);
    assert_eq!(views(&open(place).await, id).await, 2);
}

pub async fn views_of_many_videos_are_counted_however_many_they_are(place: &dyn Adapter) {
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
    catalog.tell_viewers().await;
    catalog.count_views().await.unwrap();
    let mut counted = 0;
    for &id in &videos {
        counted += views(&catalog, id).await;
    }
    assert_eq!(counted, sessions as u64);
    assert_eq!(catalog.viewers(&videos).await.iter().sum::<u64>(), sessions as u64);
}

pub async fn views_of_a_video_that_is_gone_are_dropped(place: &dyn Adapter) {
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

pub async fn viewers_who_are_told_by_many_processes_at_once_count_once(place: &dyn Adapter) {
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
    let mut catalogs = vec![first];
    for teller in tellers {
        catalogs.push(teller.await.unwrap());
    }
    until_views(&catalogs.iter().collect::<Vec<_>>(), id, SESSIONS as u64).await;
}

pub async fn sessions_are_forgotten_when_they_are_over_also_where_nobody_sweeps(place: &dyn Adapter) {
    let catalog = open(place).await;
    let (gone, id) = (queued(&catalog).await, queued(&catalog).await);
    for session in ["a", "b", "c"] {
        watch(&catalog, gone, session).await;
    }
    // There may be millions: the end of a deletion does not wait for them.
    assert_eq!(catalog.delete(gone).await.unwrap(), Deletion::Accepted);
    work_all(&catalog).await;
    assert_eq!(place.rows("view_sessions"), 3);
    advance(place, VIEW_SESSION_MS - 1);
    watch(&catalog, id, "a").await;
    assert_eq!(place.rows("view_sessions"), 4);
    advance(place, 1);
    watch(&catalog, id, "b").await;
    assert_eq!(place.rows("view_sessions"), 2);
    advance(place, VIEW_SESSION_MS - 1);
    catalog.sweep().await.unwrap();
    assert_eq!(place.rows("view_sessions"), 1);
}
