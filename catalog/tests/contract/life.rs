//! Videos from upload to tombstone.

use std::collections::BTreeMap;

use vidstream_catalog::{
    Deletion, Edit, Error, Lookup, MetaEdit, NewUpload, State, Step, Wanted, Work,
    limits::{
        DELETED_JOB_MS, HOLD_MS_MAX, LEASE_MS, META_BYTES_MAX, META_KEY_BYTES_MAX, META_KEYS_MAX, TITLE_BYTES_MAX,
        TOMBSTONE_MS,
    },
};

use crate::fixture::{
    Adapter, SHA256, advance, assert_sound, claim_any, hopeless, made, new_id, now, open, plan, planned, probed,
    queued, segments, upload, video, work, work_all,
};

pub async fn a_video_goes_from_upload_to_ready(place: &dyn Adapter) {
    let catalog = open(place).await;
    let id = upload(&catalog).await;
    assert_eq!(video(&catalog, id).await.state, State::Uploading);
    let queued = catalog.finish_upload(id, 5, None).await.unwrap();
    assert_eq!((queued.state, queued.bytes), (State::Queued, Some(5)));
    let claim = claim_any(&catalog).await.unwrap();
    assert_eq!(video(&catalog, id).await.state, State::Probing);
    catalog.finish_probe(&claim, probed(plan(60, &[1, 2, 4]))).await.unwrap();
    let planned = video(&catalog, id).await;
    assert_eq!((planned.state, planned.playable, planned.progress.step), (State::Processing, false, Step::Transcode));
    assert_eq!(planned.facts.unwrap().container, "mp4");
    let first = claim_any(&catalog).await.unwrap();
    catalog.publish(&first, made(&first, segments(&first))).await.unwrap();
    assert!(video(&catalog, id).await.playable);
    work_all(&catalog).await;
    let ready = video(&catalog, id).await;
    assert_eq!((ready.state, ready.playable, ready.progress.step), (State::Ready, true, Step::Done));
    assert!((ready.progress.percent - 100.0).abs() < f64::EPSILON);
    assert!(ready.warnings.is_empty() && ready.error.is_none());
    assert!(ready.row_version > queued.row_version);
    let snapshot = catalog.snapshot(id).await.unwrap().unwrap().presentation.unwrap();
    assert!(snapshot.ready && snapshot.complete() && snapshot.playable() && snapshot.poster.is_some());
    assert_sound(&catalog).await;
}

pub async fn the_probe_is_claimable_while_bytes_arrive(place: &dyn Adapter) {
    let catalog = open(place).await;
    let id = upload(&catalog).await;
    let claim = claim_any(&catalog).await.unwrap();
    assert_eq!(claim.work, Work::Probe);
    assert_eq!(video(&catalog, id).await.state, State::Uploading);
    let early = catalog.finish_probe(&claim, probed(plan(10, &[]))).await;
    assert!(matches!(early, Err(Error::Conflict(_))));
    assert_eq!(catalog.finish_upload(id, 9, None).await.unwrap().state, State::Queued);
    catalog.renew(&claim).await.unwrap();
    assert_eq!(video(&catalog, id).await.state, State::Probing);
    catalog.finish_probe(&claim, probed(plan(10, &[]))).await.unwrap();
    assert_eq!(video(&catalog, id).await.state, State::Processing);
    // Without a renewal in between it goes the same way.
    let other = upload(&catalog).await;
    let claim = catalog.claim(&crate::fixture::worker("v"), Wanted { probe: true, ..Wanted::default() }).await.unwrap();
    catalog.finish_upload(other, 9, None).await.unwrap();
    catalog.finish_probe(&claim.unwrap(), probed(plan(10, &[]))).await.unwrap();
    assert_eq!(video(&catalog, other).await.state, State::Processing);
}

pub async fn an_abandoned_upload_leaves_only_a_delete_job(place: &dyn Adapter) {
    let catalog = open(place).await;
    let id = upload(&catalog).await;
    let probe = claim_any(&catalog).await.unwrap();
    catalog.abandon_upload(id).await.unwrap();
    catalog.abandon_upload(id).await.unwrap();
    assert_eq!(catalog.lookup(id).await.unwrap(), Lookup::Unknown);
    assert!(matches!(catalog.renew(&probe).await, Err(Error::Stale)));
    assert!(matches!(catalog.finish_upload(id, 1, None).await, Err(Error::NotFound)));
    let claim = claim_any(&catalog).await.unwrap();
    assert_eq!((claim.video, &claim.work), (id, &Work::Delete));
    catalog.finish_delete(&claim).await.unwrap();
    catalog.finish_delete(&claim).await.unwrap();
    assert!(claim_any(&catalog).await.is_none());
    assert_eq!(catalog.lookup(id).await.unwrap(), Lookup::Unknown);
    let done = queued(&catalog).await;
    assert!(matches!(catalog.abandon_upload(done).await, Err(Error::Conflict(_))));
}

pub async fn an_upload_is_held_only_as_long_as_asked(place: &dyn Adapter) {
    let catalog = open(place).await;
    let id = upload(&catalog).await;
    advance(place, LEASE_MS - 1);
    catalog.renew_upload(id).await.unwrap();
    advance(place, LEASE_MS - 1);
    assert!(catalog.sweep().await.unwrap().uploads_expired.is_empty());
    catalog.hold_upload(id, now(place) + 3_600_000).await.unwrap();
    advance(place, 3_599_999);
    catalog.renew_upload(id).await.unwrap();
    assert!(catalog.sweep().await.unwrap().uploads_expired.is_empty());
    catalog.hold_upload(id, i64::MAX).await.unwrap();
    advance(place, HOLD_MS_MAX - 1);
    assert!(catalog.sweep().await.unwrap().uploads_expired.is_empty());
    advance(place, 1);
    assert_eq!(catalog.sweep().await.unwrap().uploads_expired, [id]);
    assert!(matches!(catalog.renew_upload(id).await, Err(Error::NotFound)));
}

pub async fn finishing_an_upload_twice_is_harmless_and_otherwise_refused(place: &dyn Adapter) {
    let catalog = open(place).await;
    let id = upload(&catalog).await;
    catalog.finish_upload(id, 5, None).await.unwrap();
    let events = catalog.last_seq().await.unwrap();
    catalog.finish_upload(id, 5, None).await.unwrap();
    assert_eq!(catalog.last_seq().await.unwrap(), events);
    assert!(matches!(catalog.finish_upload(id, 6, None).await, Err(Error::Conflict(_))));
    let digest = |letter: &str| Some(letter.repeat(64));
    assert!(matches!(catalog.finish_upload(id, 5, digest("a")).await, Err(Error::Conflict(_))));
    let other = upload(&catalog).await;
    for _ in 0..2 {
        assert_eq!(catalog.finish_upload(other, 5, digest("a")).await.unwrap().sha256, digest("a"));
    }
    assert!(matches!(catalog.finish_upload(other, 5, digest("b")).await, Err(Error::Conflict(_))));
    assert_eq!((video(&catalog, id).await.sha256, video(&catalog, other).await.sha256), (None, digest("a")));
    assert!(matches!(catalog.renew_upload(id).await, Err(Error::Conflict(_))));
    let again = NewUpload { id, title: String::new(), bytes_expected: Some(1), expires_at_ms: None };
    assert!(matches!(catalog.create_upload(again).await, Err(Error::Conflict(_))));
}

pub async fn deletion_is_at_once_and_remembered_for_seven_days(place: &dyn Adapter) {
    let catalog = open(place).await;
    assert_eq!(catalog.delete(new_id()).await.unwrap(), Deletion::Unknown);
    let id = planned(&catalog, plan(60, &[1, 2, 4])).await;
    assert_eq!(catalog.delete(id).await.unwrap(), Deletion::Accepted);
    assert_eq!(catalog.delete(id).await.unwrap(), Deletion::Already);
    assert!(catalog.snapshot(id).await.unwrap().unwrap().presentation.is_none());
    assert!(catalog.list(vidstream_catalog::ListQuery::default()).await.unwrap().videos.is_empty());
    assert_sound(&catalog).await;
    let claim = claim_any(&catalog).await.unwrap();
    assert_eq!(claim.work, Work::Delete);
    work(&catalog, &claim).await.unwrap();
    assert!(claim_any(&catalog).await.is_none());
    assert_eq!(catalog.lookup(id).await.unwrap(), Lookup::Deleted);
    assert_eq!(catalog.delete(id).await.unwrap(), Deletion::Already);
    let again = NewUpload { id, title: String::new(), bytes_expected: None, expires_at_ms: None };
    assert!(matches!(catalog.create_upload(again).await, Err(Error::Conflict(_))));
    advance(place, TOMBSTONE_MS - 1);
    assert_eq!(catalog.lookup(id).await.unwrap(), Lookup::Deleted);
    advance(place, 1);
    assert_eq!(catalog.lookup(id).await.unwrap(), Lookup::Unknown);
    assert_eq!(catalog.sweep().await.unwrap().tombstones_removed, 1);
}

pub async fn the_end_of_a_deletion_may_be_told_again_for_a_day(place: &dyn Adapter) {
    let catalog = open(place).await;
    let id = queued(&catalog).await;
    catalog.delete(id).await.unwrap();
    let claim = claim_any(&catalog).await.unwrap();
    work(&catalog, &claim).await.unwrap();
    advance(place, DELETED_JOB_MS - 1);
    catalog.sweep().await.unwrap();
    catalog.finish_delete(&claim).await.unwrap();
    advance(place, 1);
    catalog.sweep().await.unwrap();
    assert!(matches!(catalog.finish_delete(&claim).await, Err(Error::Stale)));
    assert_eq!(catalog.lookup(id).await.unwrap(), Lookup::Deleted);
}

pub async fn illegal_changes_are_refused(place: &dyn Adapter) {
    let catalog = open(place).await;
    let id = planned(&catalog, plan(10, &[])).await;
    assert!(matches!(catalog.retry(id, 1).await, Err(Error::Conflict(_))));
    assert!(matches!(catalog.abandon_upload(id).await, Err(Error::Conflict(_))));
    catalog.delete(id).await.unwrap();
    assert!(matches!(catalog.retry(id, 1).await, Err(Error::Conflict(_))));
    assert!(matches!(catalog.edit(id, Edit::title("x"), None).await, Err(Error::Conflict(_))));
    assert!(matches!(catalog.finish_upload(id, 1_000, None).await, Err(Error::Conflict(_))));
    assert!(matches!(catalog.renew_upload(new_id()).await, Err(Error::NotFound)));
}

pub async fn a_failed_video_can_be_tried_again(place: &dyn Adapter) {
    let catalog = open(place).await;
    let id = planned(&catalog, plan(60, &[1, 2, 4])).await;
    let claim = claim_any(&catalog).await.unwrap();
    catalog.fail(&claim, hopeless()).await.unwrap();
    assert_eq!(video(&catalog, id).await.state, State::Failed);
    let again = catalog.retry(id, 1).await.unwrap();
    assert_eq!((again.state, again.generation, again.error), (State::Queued, 2, None));
    assert!(again.artifacts.is_empty() && again.progress.percent.abs() < f64::EPSILON);
    assert_eq!(again.sha256.as_deref(), Some(SHA256), "the source is the same");
    assert_sound(&catalog).await;
    work_all(&catalog).await;
    assert_eq!(video(&catalog, id).await.state, State::Ready);
    assert_eq!(catalog.snapshot(id).await.unwrap().unwrap().presentation.unwrap().generation, 2);
    // A ready one as well; one whose bytes never came to their end never.
    let late = catalog.retry(id, 1).await;
    assert!(matches!(late, Err(Error::Conflict(_))), "who knows an older generation: {late:?}");
    catalog.retry(id, 2).await.unwrap();
    let partial = upload(&catalog).await;
    let claim = crate::fixture::claim_job(&catalog, claim_probe_of(&catalog, partial).await).await;
    catalog.fail(&claim, hopeless()).await.unwrap();
    assert_eq!(video(&catalog, partial).await.state, State::Failed);
    assert!(matches!(catalog.retry(partial, 1).await, Err(Error::Conflict(_))));
    assert!(matches!(catalog.renew_upload(partial).await, Err(Error::Conflict(_))));
    // Judged before its last byte was acknowledged, which comes all the same.
    let whole = catalog.finish_upload(partial, 9, None).await.unwrap();
    assert_eq!((whole.state, whole.bytes), (State::Failed, Some(9)));
    assert_eq!(catalog.finish_upload(partial, 9, None).await.unwrap(), whole);
    assert!(matches!(catalog.finish_upload(partial, 8, None).await, Err(Error::Conflict(_))));
    assert_eq!(catalog.retry(partial, 1).await.unwrap().state, State::Queued);
    assert_sound(&catalog).await;
}

/// The number of a video's probe job.
async fn claim_probe_of(catalog: &vidstream_catalog::Catalog, id: vidstream_media::VideoId) -> i64 {
    let mut claims = Vec::new();
    let job = loop {
        let claim = claim_any(catalog).await.unwrap();
        let job = (claim.video == id && claim.work == Work::Probe).then_some(claim.job);
        claims.push(claim);
        if let Some(job) = job {
            break job;
        }
    };
    for claim in &claims {
        catalog.release(claim).await.unwrap();
    }
    job
}

pub async fn titles_change_and_are_bounded(place: &dyn Adapter) {
    let catalog = open(place).await;
    let id = queued(&catalog).await;
    let before = video(&catalog, id).await.row_version;
    let renamed = catalog.edit(id, Edit::title("'); DROP TABLE videos; --"), None).await.unwrap();
    assert_eq!((renamed.title.as_str(), renamed.row_version), ("'); DROP TABLE videos; --", before + 1));
    assert_eq!(catalog.edit(id, Edit::title(renamed.title), None).await.unwrap().row_version, before + 1);
    let version = before + 1;
    assert!(matches!(catalog.edit(id, Edit::title("x"), Some(version - 1)).await, Err(Error::Changed)));
    assert_eq!(catalog.edit(id, Edit::title("A"), Some(version)).await.unwrap().row_version, version + 1);
    assert!(matches!(catalog.edit(id, Edit::title("B"), Some(version)).await, Err(Error::Changed)));
    assert!(catalog.edit(id, Edit::title("x".repeat(TITLE_BYTES_MAX)), None).await.is_ok());
    assert!(matches!(
        catalog.edit(id, Edit::title("x".repeat(TITLE_BYTES_MAX + 1)), None).await,
        Err(Error::Invalid(_))
    ));
    let new = |bytes| NewUpload { id: new_id(), title: "x".repeat(bytes), bytes_expected: None, expires_at_ms: None };
    assert!(catalog.create_upload(new(TITLE_BYTES_MAX)).await.is_ok());
    assert!(matches!(catalog.create_upload(new(TITLE_BYTES_MAX + 1)).await, Err(Error::Invalid(_))));
    assert!(matches!(catalog.edit(new_id(), Edit::title(String::new()), None).await, Err(Error::NotFound)));
}

pub async fn strings_of_a_publisher_are_merged_and_bounded(place: &dyn Adapter) {
    let catalog = open(place).await;
    let id = queued(&catalog).await;
    let version = video(&catalog, id).await.row_version;
    let merge = |changes: &[(&str, Option<&str>)]| {
        let owned = |&(name, text): &(&str, Option<&str>)| (name.to_owned(), text.map(str::to_owned));
        Edit::meta(MetaEdit::Merge(changes.iter().map(owned).collect()))
    };
    for (edit, meta, changes) in [
        (merge(&[("week", Some("3")), ("course", Some("bio1"))]), r#"{"course":"bio1","week":"3"}"#, 1),
        (merge(&[("week", Some("3")), ("room", None)]), r#"{"course":"bio1","week":"3"}"#, 1),
        (merge(&[("week", None), ("course", Some(""))]), r#"{"course":""}"#, 2),
        (Edit::title("another"), r#"{"course":""}"#, 3),
        (Edit::meta(MetaEdit::Clear), "{}", 4),
        (Edit::meta(MetaEdit::Clear), "{}", 4),
    ] {
        let edited = catalog.edit(id, edit, None).await.unwrap();
        assert_eq!(serde_json::to_string(&edited.meta).unwrap(), meta);
        assert_eq!(edited.row_version, version + changes, "{meta}");
        assert_eq!(video(&catalog, id).await, edited);
    }
    let one = |name: &str, bytes: usize| BTreeMap::from([(name.to_owned(), Some("x".repeat(bytes)))]);
    let many = |count: usize| -> BTreeMap<String, Option<String>> {
        (0..count).map(|n| (n.to_string(), Some(String::new()))).collect()
    };
    let longest = "k".repeat(META_KEY_BYTES_MAX);
    for (row, (changes, fits)) in [
        (many(META_KEYS_MAX + 1), false),
        (one(&format!("{longest}k"), 1), false),
        (one("k", META_BYTES_MAX), false),
        (one("", 1), false),
        (one("a\nb", 1), false),
        (one("a\0b", 1), false),
        (one("k", META_BYTES_MAX - 1), true),
        (one("k", 1), true),
        (one(&longest, META_BYTES_MAX - META_KEY_BYTES_MAX - 2), true),
        // With what is there, a byte is too many.
        (one("l", 0), false),
        (one(&longest, 0), true),
    ]
    .into_iter()
    .enumerate()
    {
        let changed = catalog.edit(id, Edit::meta(MetaEdit::Merge(changes)), None).await;
        assert!(if fits { changed.is_ok() } else { matches!(changed, Err(Error::Invalid(_))) }, "{row}: {changed:?}");
    }
    catalog.edit(id, Edit::meta(MetaEdit::Clear), None).await.unwrap();
    catalog.edit(id, Edit::meta(MetaEdit::Merge(many(META_KEYS_MAX))), None).await.unwrap();
    assert!(matches!(catalog.edit(id, merge(&[("k", Some(""))]), None).await, Err(Error::Invalid(_))));
    // One goes and another comes.
    let odd = "'\"\\ % ? $1 \0 \u{1f3ac} \u{7f}\r\n\t";
    let edited = catalog.edit(id, merge(&[("0", None), ("k", Some(odd))]), None).await.unwrap();
    assert_eq!((edited.meta.len(), edited.meta["k"].as_str()), (META_KEYS_MAX, odd));
}

pub async fn texts_that_cannot_be_stored_are_refused(place: &dyn Adapter) {
    let catalog = open(place).await;
    let id = queued(&catalog).await;
    let new = NewUpload { id: new_id(), title: "a\0b".to_owned(), bytes_expected: None, expires_at_ms: None };
    assert!(matches!(catalog.create_upload(new).await, Err(Error::Invalid(_))));
    assert!(matches!(catalog.edit(id, Edit::title("\0"), None).await, Err(Error::Invalid(_))));
    assert!(matches!(catalog.claim(&crate::fixture::worker("\0"), Wanted::ALL).await, Err(Error::Invalid(_))));
    // Whatever else is text comes back as it went in.
    let odd = "'\"\\ % ? $1 \u{1f3ac} \u{7f}\r\n\t";
    assert_eq!(catalog.edit(id, Edit::title(odd), None).await.unwrap().title, odd);
}
