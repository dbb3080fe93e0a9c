//! The bounds of what waits for the threads of a process.

use std::sync::mpsc as blocking;

use tokio::{sync::oneshot, time::Instant};

use super::*;
use crate::sql::Connection;

async fn open() -> (tempfile::TempDir, Sqlite) {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("catalog.db");
    let sqlite = Sqlite::open(path.to_str().unwrap(), false).await.unwrap();
    (folder, sqlite)
}

fn nothing() -> Operation {
    Box::new(|_| {})
}

#[tokio::test(start_paused = true)]
async fn so_much_waits_for_the_threads_and_one_more_is_busy_after_ten_seconds() {
    let (_folder, sqlite) = open().await;
    for (access, queue, threads, most) in [
        (Access::Write, &sqlite.writes, 1, limits::WRITES_QUEUED_MAX),
        (Access::Read, &sqlite.reads, limits::READERS, limits::READS_QUEUED_MAX),
    ] {
        let mut held = Vec::new();
        for _ in 0..threads {
            let (begun, has_begun) = oneshot::channel();
            let (release, end) = blocking::channel::<()>();
            let busy = Box::new(move |_: &dyn Connection| {
                begun.send(()).unwrap();
                assert!(end.recv().is_err());
            });
            sqlite.submit(access, busy).await.unwrap();
            has_begun.await.unwrap();
            held.push(release);
        }
        for n in 0..most {
            assert!(queue.try_send(nothing()).is_ok(), "{n}");
        }
        let began = Instant::now();
        assert!(matches!(sqlite.submit(access, nothing()).await, Err(Error::Busy)));
        assert_eq!(began.elapsed(), Duration::from_millis(limits::QUEUE_WAIT_MS));
    }
}

#[tokio::test]
async fn a_statement_waits_five_seconds_for_the_lock_of_another_process() {
    let (_folder, sqlite) = open().await;
    for access in [Access::Read, Access::Write] {
        let (reply, answer) = oneshot::channel();
        let ask = Box::new(move |conn: &dyn Connection| {
            reply.send(conn.query("PRAGMA busy_timeout", &[]).unwrap()[0].scalar::<u64>().unwrap()).unwrap();
        });
        sqlite.submit(access, ask).await.unwrap();
        assert_eq!(answer.await.unwrap(), limits::LOCK_WAIT_MS);
    }
}
