//! What goes by itself: videos whose time is over, and the turns of whoever looks for what is left behind.

use vidstream_catalog::{
    Catalog, Edit, Error, Expiry, Lookup, NewUpload, State,
    limits::{EXPIRED_MAX, HOLD_MS_MAX, ORPHANS_MS, SWEEP_ROWS_MAX, VIEW_SESSION_MS},
};
use vidstream_media::VideoId;

use crate::fixture::{Adapter, advance, assert_sound, new_id, now, open, queued, video, work_all};

const HOUR_MS: i64 = 3_600_000;

async fn swept(catalog: &Catalog) -> Vec<VideoId> {
    catalog.sweep().await.unwrap().videos_expired
}

async fn expire(catalog: &Catalog, id: VideoId, expiry: Expiry) -> Result<u64, Error> {
    catalog.edit(id, Edit::expiry(expiry), None).await.map(|video| video.row_version)
}

pub async fn a_video_is_deleted_when_its_time_is_over(place: &dyn Adapter) {
    let catalog = open(place).await;
    let ready = queued(&catalog).await;
    work_all(&catalog).await;
    let waiting = queued(&catalog).await;
    let end_ms = now(place) + HOUR_MS;
    // An upload may take longer than its video was meant to last.
    let uploading = new_id();
    let title = String::new();
    let new = NewUpload { id: uploading, title, bytes_expected: None, expires_at_ms: Some(end_ms) };
    assert_eq!(catalog.create_upload(new).await.unwrap().expires_at_ms, Some(end_ms));
    catalog.hold_upload(uploading, now(place) + HOLD_MS_MAX).await.unwrap();
    expire(&catalog, ready, Expiry::AtMs(end_ms)).await.unwrap();
    expire(&catalog, waiting, Expiry::AtMs(end_ms + 1)).await.unwrap();
    advance(place, HOUR_MS - 1);
    assert_eq!(swept(&catalog).await, []);
    advance(place, 1);
    let before = catalog.last_seq().await.unwrap();
    assert_eq!(swept(&catalog).await, [ready, uploading]);
    assert_eq!(swept(&catalog).await, []);
    // As by a request to delete: not played from now on, and told.
    for id in [ready, uploading] {
        assert_eq!(video(&catalog, id).await.state, State::Deleting);
        assert!(catalog.snapshot(id).await.unwrap().unwrap().presentation.is_none());
        let events = catalog.video_events(id, before, 10).await.unwrap();
        let told: Vec<_> = events.iter().map(|event| (event.kind.as_str(), event.data["state"].as_str())).collect();
        assert_eq!(told, [("video.updated", Some("deleting"))]);
    }
    assert_eq!(video(&catalog, waiting).await.state, State::Queued);
    assert_sound(&catalog).await;
    advance(place, 1);
    assert_eq!(swept(&catalog).await, [waiting]);
    work_all(&catalog).await;
    for id in [ready, uploading, waiting] {
        assert_eq!(catalog.lookup(id).await.unwrap(), Lookup::Deleted);
    }
}

pub async fn an_end_is_set_moved_and_taken_back(place: &dyn Adapter) {
    let catalog = open(place).await;
    let id = queued(&catalog).await;
    assert_eq!(video(&catalog, id).await.expires_at_ms, None);
    let version = video(&catalog, id).await.row_version;
    let at = |hours: i64| Expiry::AtMs(now(place) + hours * HOUR_MS);
    let (soon, later) = (at(1), at(2));
    for (expiry, changes) in [(soon, 1), (soon, 1), (later, 2)] {
        assert_eq!(expire(&catalog, id, expiry).await.unwrap(), version + changes);
    }
    let stale = catalog.edit(id, Edit::expiry(soon), Some(version)).await;
    assert!(matches!(stale, Err(Error::Changed)));
    // A new title leaves it as it is, and so does another generation.
    let both = Edit { title: Some("A".to_owned()), ..Edit::expiry(later) };
    catalog.edit(id, Edit::title("B"), None).await.unwrap();
    assert_eq!(catalog.edit(id, both, None).await.unwrap().row_version, version + 4);
    work_all(&catalog).await;
    let again = catalog.retry(id, 1).await.unwrap();
    assert_eq!(again.expires_at_ms, Some(now(place) + 2 * HOUR_MS));
    expire(&catalog, id, Expiry::Never).await.unwrap();
    advance(place, 3 * HOUR_MS);
    assert_eq!(swept(&catalog).await, []);
    // A time that is over is as good as now.
    expire(&catalog, id, Expiry::AtMs(0)).await.unwrap();
    assert_eq!(swept(&catalog).await, [id]);
    assert!(matches!(expire(&catalog, id, Expiry::Never).await, Err(Error::Conflict(_))));
}

pub async fn so_many_videos_end_in_one_sweep_and_the_rest_in_the_next(place: &dyn Adapter) {
    let catalog = open(place).await;
    let (digits, now_ms) = (place.digits_26(), now(place));
    place.behind(&format!(
        "WITH RECURSIVE many (n) AS (SELECT 1 UNION ALL SELECT n + 1 FROM many WHERE n <= {EXPIRED_MAX})
         INSERT INTO videos (id, title, state, created_at_ms, updated_at_ms, expires_at_ms)
         SELECT 'vid_' || {digits}, '', 'failed', {now_ms}, {now_ms}, {now_ms} FROM many"
    ));
    let mut counts = Vec::new();
    for _ in 0..3 {
        counts.push(swept(&catalog).await.len());
    }
    assert_eq!(counts, [EXPIRED_MAX as usize, 1, 0]);
}

pub async fn so_many_sessions_are_forgotten_in_one_sweep_and_the_rest_in_the_next(place: &dyn Adapter) {
    let catalog = open(place).await;
    let (id, now_ms) = (new_id(), now(place));
    place.behind(&format!(
        "WITH RECURSIVE many (n) AS (SELECT 1 UNION ALL SELECT n + 1 FROM many WHERE n <= {SWEEP_ROWS_MAX})
         INSERT INTO view_sessions (video, session, at_ms) SELECT '{id}', 's' || n, {now_ms} FROM many"
    ));
    let forgotten = async || catalog.sweep().await.unwrap().sessions_forgotten;
    advance(place, VIEW_SESSION_MS - 1);
    assert_eq!(forgotten().await, 0);
    advance(place, 1);
    assert_eq!([forgotten().await, forgotten().await, forgotten().await], [u64::from(SWEEP_ROWS_MAX), 1, 0]);
}

pub async fn one_of_all_processes_looks_for_orphans_and_goes_on_where_the_last_ended(place: &dyn Adapter) {
    let (here, there) = (open(place).await, open(place).await);
    let began = async |catalog: &Catalog| catalog.begin_orphans().await.unwrap();
    assert_eq!(began(&here).await.as_deref(), Some(""));
    assert_eq!(began(&there).await, None);
    here.end_orphans("here".to_owned()).await.unwrap();
    assert_eq!((began(&here).await, began(&there).await), (None, None));
    advance(place, ORPHANS_MS - 1);
    assert_eq!(began(&there).await, None);
    advance(place, 1);
    assert_eq!(began(&there).await.as_deref(), Some("here"));
    assert_eq!(began(&here).await, None);
    // Whoever dies in its turn is followed by another, from the same place on.
    advance(place, ORPHANS_MS);
    let (one, other) = tokio::join!(began(&here), began(&there));
    assert_eq!([one, other].into_iter().flatten().collect::<Vec<_>>(), ["here"]);
}
