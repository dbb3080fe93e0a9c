//! How long a call waits for the server: for a lock, an answer, a connection.

use std::time::{Duration, Instant};

use tokio::{task::JoinSet, time::timeout};
use vidstream_catalog::{
    Edit, Error, State,
    limits::{ANSWER_MS, CONNECTIONS, QUEUE_WAIT_MS, READS_QUEUED_MAX},
};

use crate::{
    faults::{Locked, lock, open, rename, wait_for_lock},
    fixture::{self, Adapter, Postgres},
};

#[tokio::test(flavor = "multi_thread")]
async fn what_takes_too_long_is_busy_and_changes_nothing() {
    let place = Postgres::new();
    for bound in ["-c lock_timeout=200", "-c lock_timeout=0 -c statement_timeout=200"] {
        let catalog = open(&place, bound, 4).await;
        let id = fixture::queued(&catalog).await;
        let locker = lock(&place.url(), id).await;
        let refused = catalog.edit(id, Edit::title("late"), None).await;
        assert!(matches!(refused, Err(Error::Busy)), "{bound}: {refused:?}");
        // Readers and writers of other videos wait for nobody.
        assert_eq!(fixture::video(&catalog, id).await.title, "a talk");
        fixture::queued(&catalog).await;
        locker.batch_execute("COMMIT").await.unwrap();
        assert_eq!(catalog.edit(id, Edit::title("now"), None).await.unwrap().title, "now");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_server_that_does_not_answer_is_given_up_after_fifteen_seconds() {
    let Locked { catalog, id, locker, .. } = Locked::new().await;
    let began = Instant::now();
    let refused = catalog.edit(id, Edit::title("late"), None).await;
    let took = began.elapsed();
    assert!(
        matches!(&refused, Err(Error::Unavailable(reason)) if reason.contains("did not answer in time")),
        "{refused:?}"
    );
    assert!(took >= Duration::from_millis(ANSWER_MS) && took < Duration::from_millis(ANSWER_MS) * 2, "{took:?}");
    locker.batch_execute("COMMIT").await.unwrap();
    // Whatever that connection still does is undone with it; the next one is new.
    assert_eq!(fixture::video(&catalog, id).await.title, "a talk");
    assert_eq!(catalog.edit(id, Edit::title("now"), None).await.unwrap().title, "now");
}

#[tokio::test(flavor = "multi_thread")]
async fn so_many_connections_serve_and_who_needs_one_more_is_busy_after_ten_seconds() {
    let Locked { place, catalog, id, locker } = Locked::with(CONNECTIONS).await;
    let renaming: Vec<_> = (1..CONNECTIONS).map(|_| rename(&catalog, id)).collect();
    wait_for_lock(&place, CONNECTIONS - 1).await;
    // There is one left.
    assert_eq!(fixture::video(&catalog, id).await.title, "a talk");
    let last = rename(&catalog, id);
    wait_for_lock(&place, CONNECTIONS).await;
    let began = Instant::now();
    assert!(matches!(catalog.video(id).await, Err(Error::Busy)));
    let (took, wait) = (began.elapsed(), Duration::from_millis(QUEUE_WAIT_MS));
    assert!(took >= wait && took < Duration::from_millis(ANSWER_MS), "{took:?}");
    locker.batch_execute("COMMIT").await.unwrap();
    for renaming in renaming.into_iter().chain([last]) {
        assert_eq!(renaming.await.unwrap().unwrap().title, "patient");
    }
    assert_eq!(fixture::video(&catalog, id).await.title, "patient");
}

#[tokio::test(flavor = "multi_thread")]
async fn so_many_reads_wait_for_a_connection_and_the_next_is_refused_at_once() {
    let Locked { place, catalog, id, locker } = Locked::new().await;
    let write = || {
        let catalog = catalog.clone();
        tokio::spawn(async move { catalog.delete(id).await })
    };
    let first = write();
    wait_for_lock(&place, 1).await;
    let mut reading = JoinSet::new();
    for _ in 0..=READS_QUEUED_MAX {
        let catalog = catalog.clone();
        reading.spawn(async move { catalog.last_seq().await });
    }
    let refused = timeout(Duration::from_millis(QUEUE_WAIT_MS / 2), reading.join_next()).await.unwrap();
    assert!(matches!(refused, Some(Ok(Err(Error::Busy)))), "{refused:?}");
    // Who writes is not refused.
    let second = write();
    locker.batch_execute("COMMIT").await.unwrap();
    for write in [first, second] {
        write.await.unwrap().unwrap();
    }
    for read in reading.join_all().await {
        read.unwrap();
    }
    assert_eq!(fixture::video(&catalog, id).await.state, State::Deleting);
}
