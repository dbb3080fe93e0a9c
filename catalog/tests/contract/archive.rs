//! A catalog taken out and put into another one, of either kind.

use std::collections::{BTreeMap, BTreeSet};

use tokio::sync::mpsc;
use vidstream_catalog::{
    Catalog, Edit, Error, Expiry, Lookup, MetaEdit, Result, State, Swept, Video, Wanted, Work,
    limits::{EVENTS_READ_MAX, LEASE_MS},
};

use crate::audience::{views, watch};
use crate::fixture::{
    Adapter, Postgres, Sqlite, advance, assert_sound, claim, claim_any, made, open, plan, planned, presentation,
    queued, segments, upload, video, without_sums, work, work_all,
};

/// Lines that wait between the two sides.
const LINES: usize = 16;

async fn export(catalog: &Catalog) -> Vec<String> {
    let (to, mut lines) = mpsc::channel(LINES);
    let catalog = catalog.clone();
    let exported = tokio::spawn(async move { catalog.export(to).await });
    let mut all = Vec::new();
    while let Some(line) = lines.recv().await {
        all.push(line);
    }
    // The first line and the last are no rows.
    assert_eq!(exported.await.unwrap().unwrap(), all.len() as u64 - 2);
    all
}

async fn import(catalog: &Catalog, lines: &[String]) -> Result<u64> {
    let (to, from) = mpsc::channel(LINES);
    let lines = lines.to_vec();
    tokio::spawn(async move {
        for line in lines {
            if to.send(line).await.is_err() {
                return;
            }
        }
    });
    catalog.import(from).await
}

fn own_string() -> Edit {
    Edit::meta(MetaEdit::Merge(BTreeMap::from([("course".to_owned(), Some("bio1".to_owned()))])))
}

pub async fn everything_is_found_again_in_another_catalog(place: &dyn Adapter) {
    let catalog = open(place).await;
    let ready = queued(&catalog).await;
    work_all(&catalog).await;
    let deleted = queued(&catalog).await;
    catalog.delete(deleted).await.unwrap();
    work_all(&catalog).await;
    let half = planned(&catalog, plan(60, &[1, 2, 4])).await;
    let first = claim_any(&catalog).await.unwrap();
    catalog.publish(&first, made(&first, segments(&first))).await.unwrap();
    let running = claim_any(&catalog).await.unwrap();
    let uploading = upload(&catalog).await;
    watch(&catalog, ready, "a").await;
    catalog.edit(ready, Edit::expiry(Expiry::AtMs(i64::MAX)), None).await.unwrap();
    catalog.edit(ready, own_string(), None).await.unwrap();
    let lines = export(&catalog).await;

    let (embedded, server) = (Sqlite::new(), Postgres::new());
    for target in [open(&embedded).await, open(&server).await] {
        assert_eq!(import(&target, &lines).await.unwrap(), lines.len() as u64 - 2);
        // Nobody goes on with it.
        assert_eq!(target.video(uploading).await.unwrap(), None);
        for id in [ready, half] {
            assert_eq!(target.video(id).await.unwrap(), catalog.video(id).await.unwrap());
            let presentation = async |catalog: &Catalog| catalog.snapshot(id).await.unwrap().unwrap().presentation;
            assert_eq!(format!("{:?}", presentation(&target).await), format!("{:?}", presentation(&catalog).await));
            let limit = EVENTS_READ_MAX;
            let events =
                (target.video_events(id, 0, limit).await.unwrap(), catalog.video_events(id, 0, limit).await.unwrap());
            assert_eq!(events.0, events.1);
        }
        assert_eq!(target.lookup(deleted).await.unwrap(), Lookup::Deleted);
        assert_eq!(target.last_seq().await.unwrap(), catalog.last_seq().await.unwrap());
        // The session is known, so its view counts once.
        watch(&target, ready, "a").await;
        assert_eq!(views(&target, ready).await, 1);
        // What ran is nobody's; its token is worth nothing and no token is given twice.
        assert!(matches!(target.renew(&running).await, Err(Error::Stale)));
        let again = claim(&target, Wanted { probe: false, ..Wanted::ALL }).await.unwrap();
        assert_eq!((again.job, again.attempt), (running.job, running.attempt));
        // Names of objects carry them, and a store may be younger than the export.
        assert!(again.token > running.token + (1 << 32));
        work(&target, &again).await.unwrap();
        let new = queued(&target).await;
        work_all(&target).await;
        for id in [half, new] {
            assert_eq!(video(&target, id).await.state, State::Ready);
        }
        assert!(target.last_seq().await.unwrap() > catalog.last_seq().await.unwrap());
        assert_sound(&target).await;
    }
}

pub async fn an_export_that_was_imported_is_the_same_again(place: &dyn Adapter) {
    let catalog = open(place).await;
    queued(&catalog).await;
    work_all(&catalog).await;
    let lines = export(&catalog).await;
    let (rows, end) = lines.split_at(lines.len() - 1);
    let (embedded, server) = (Sqlite::new(), Postgres::new());
    for target in [open(&embedded).await, open(&server).await] {
        import(&target, &lines).await.unwrap();
        let again = export(&target).await;
        let (rows_again, end_again) = again.split_at(again.len() - 1);
        assert_eq!(rows_again, rows);
        let counters = |end: &[String]| serde_json::from_str::<serde_json::Value>(&end[0]).unwrap()["end"].clone();
        let (before, after) = (counters(end), counters(end_again));
        assert_eq!((&before["rows"], &before["event"]), (&after["rows"], &after["event"]));
        assert!(after["token"].as_i64() >= before["token"].as_i64());
    }
}

/// A line as an older version wrote it: without the columns that came later, and before version 3 without checksums of
/// segments.
fn older(line: &str, version: u64) -> String {
    let mut line: serde_json::Value = serde_json::from_str(line).unwrap();
    if let Some(written) = line.pointer_mut("/catalog/version") {
        *written = version.into();
    } else if let Some(columns) = line.pointer_mut("/row/columns").and_then(|columns| columns.as_object_mut()) {
        let later = [("expires_at_ms", 2), ("checksum", 3), ("poster_checksum", 3), ("digest", 4), ("meta", 5)];
        for (column, since) in later {
            if version < since {
                columns.remove(column);
            }
        }
    }
    if version < 3 && line.pointer("/row/table").is_some_and(|table| table == "chunks") {
        let column = line.pointer_mut("/row/columns/tracks").unwrap();
        let mut tracks: serde_json::Value = serde_json::from_str(column.as_str().unwrap()).unwrap();
        for track in tracks.as_array_mut().unwrap() {
            for segment in track["segments"].as_array_mut().unwrap() {
                assert!(segment.as_object_mut().unwrap().remove("crc32").is_some());
            }
        }
        *column = tracks.to_string().into();
    }
    line.to_string()
}

pub async fn an_export_of_a_version_before_is_taken(place: &dyn Adapter) {
    let catalog = open(place).await;
    let id = queued(&catalog).await;
    work_all(&catalog).await;
    let whole = catalog.edit(id, own_string(), None).await.unwrap();
    let film = presentation(&catalog, id).await;
    assert!(!film.sheets.is_empty() && film.poster.is_some() && whole.sha256.is_some());
    let without = without_sums(film.clone());
    assert_ne!(format!("{without:?}"), format!("{film:?}"));
    let lines = export(&catalog).await;
    for version in [1, 2, 3, 4] {
        let film = if version < 3 { &without } else { &film };
        let sha256 = whole.sha256.clone().filter(|_| version >= 4);
        let expected = Video { sha256, meta: BTreeMap::new(), ..whole.clone() };
        let lines: Vec<String> = lines.iter().map(|line| older(line, version)).collect();
        let (embedded, server) = (Sqlite::new(), Postgres::new());
        for target in [open(&embedded).await, open(&server).await] {
            import(&target, &lines).await.unwrap();
            assert_eq!(video(&target, id).await, expected);
            assert_eq!(format!("{:?}", presentation(&target, id).await), format!("{film:?}"));
            assert_sound(&target).await;
        }
    }
}

/// The store may be that of a server which went on after the export, and what was being uploaded then a film.
pub async fn what_was_being_uploaded_is_not_deleted_after_an_import(place: &dyn Adapter) {
    let source = Sqlite::new();
    let catalog = open(&source).await;
    upload(&catalog).await;
    let lines = export(&catalog).await;
    let target = open(place).await;
    import(&target, &lines).await.unwrap();
    advance(place, LEASE_MS + 1);
    assert_eq!(target.sweep().await.unwrap(), Swept::default());
    assert!(claim_any(&target).await.is_none());
    assert_sound(&target).await;
}

/// What is to be said to a database that was brought back by its own tools, as the document has it.
fn documented_statements(place: &dyn Adapter) -> String {
    let text = std::fs::read_to_string(concat!(env!("CARGO_MANIFEST_DIR"), "/../docs/operating.md")).unwrap();
    let (_, block) = text.split_once("```sql\n").unwrap();
    let (block, _) = block.split_once("```").unwrap();
    let other = if place.url().starts_with("postgres:") { "-- SQLite" } else { "-- Postgres" };
    let lines: Vec<&str> = block.lines().filter(|line| !line.contains(other)).collect();
    assert_eq!((block.lines().count(), lines.len()), (4, 3), "{block}");
    lines.join("\n")
}

pub async fn a_database_that_was_brought_back_goes_on_after_the_documented_statements(place: &dyn Adapter) {
    let catalog = open(place).await;
    let half = planned(&catalog, plan(60, &[1, 2, 4])).await;
    let running = claim_any(&catalog).await.unwrap();
    let uploading = upload(&catalog).await;
    drop(catalog);
    place.behind(&documented_statements(place));
    advance(place, LEASE_MS + 1);
    let catalog = open(place).await;
    assert_eq!(catalog.video(uploading).await.unwrap(), None);
    catalog.sweep().await.unwrap();
    let mut tokens = BTreeSet::new();
    for _ in 0..2 {
        while let Some(claim) = claim_any(&catalog).await {
            // What the store has of the upload may be a film by now.
            assert!(claim.video == half && claim.work != Work::Delete, "{claim:?}");
            assert!(claim.token > running.token + (1 << 32) && tokens.insert(claim.token), "{claim:?}");
            work(&catalog, &claim).await.unwrap();
        }
        // The job whose attempt was lost rests before the next.
        advance(place, LEASE_MS);
    }
    let new = queued(&catalog).await;
    work_all(&catalog).await;
    for id in [half, new] {
        assert_eq!(video(&catalog, id).await.state, State::Ready);
    }
    assert_sound(&catalog).await;
}

pub async fn what_is_no_whole_export_changes_nothing(place: &dyn Adapter) {
    let source = Sqlite::new();
    let catalog = open(&source).await;
    queued(&catalog).await;
    work_all(&catalog).await;
    let lines = export(&catalog).await;
    let target = open(place).await;
    let before = export(&target).await;
    let with = |at: usize, line: &str| {
        let mut changed = lines.clone();
        line.clone_into(&mut changed[at]);
        changed
    };
    let last = lines.len() - 1;
    for wrong in [
        Vec::new(),
        lines[..last].to_vec(),
        lines[1..].to_vec(),
        [&lines[..5], &lines[6..]].concat(),
        [&lines[..5], &lines[4..]].concat(),
        with(0, r#"{"catalog":{"version":6}}"#),
        with(1, "{}"),
        with(1, r#"{"row":{"table":"counters","columns":{"value":1}}}"#),
        with(1, r#"{"row":{"table":"videos","columns":{"id, title":"a"}}}"#),
        with(1, r#"{"row":{"table":"videos","columns":{"id":[1]}}}"#),
        with(last, r#"{"catalog":{"version":1}}"#),
        with(last, &lines[last].replace(r#""token":"#, r#""token":-"#)),
        with(last, &lines[last].replace(r#""event":"#, r#""event":-"#)),
    ] {
        let refused = import(&target, &wrong).await;
        assert!(refused.is_err(), "{:?}", wrong.first());
        assert_eq!(export(&target).await, before);
    }
    import(&target, &lines).await.unwrap();
    assert!(matches!(import(&target, &lines).await, Err(Error::Conflict(_))));
    assert_sound(&target).await;
}
