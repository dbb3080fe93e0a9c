//! The bounds of what waits for the threads of a process, and of what it tells.

use std::sync::mpsc as blocking;

use tokio::{
    sync::{broadcast::error::TryRecvError, oneshot},
    time::Instant,
};

use super::*;

async fn open() -> (tempfile::TempDir, Sqlite) {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("catalog.db");
    let sqlite = Sqlite::open(path.to_str().unwrap(), Arc::new(|| 0)).await.unwrap();
    (folder, sqlite)
}

fn nothing() -> threads::Operation {
    Box::new(|_| {})
}

#[tokio::test(start_paused = true)]
async fn so_much_waits_for_the_threads_and_one_more_is_busy_after_ten_seconds() {
    let (_folder, sqlite) = open().await;
    for (queue, threads, most) in
        [(&sqlite.writes, 1, limits::WRITES_QUEUED_MAX), (&sqlite.reads, limits::READERS, limits::READS_QUEUED_MAX)]
    {
        let mut held = Vec::new();
        for _ in 0..threads {
            let (begun, has_begun) = oneshot::channel();
            let (release, end) = blocking::channel::<()>();
            let busy = Box::new(move |_: &mut Connection| {
                begun.send(()).unwrap();
                assert!(end.recv().is_err());
            });
            submit(queue, busy).await.unwrap();
            has_begun.await.unwrap();
            held.push(release);
        }
        for n in 0..most {
            assert!(queue.try_send(nothing()).is_ok(), "{n}");
        }
        let began = Instant::now();
        assert!(matches!(submit(queue, nothing()).await, Err(Error::Busy)));
        assert_eq!(began.elapsed(), Duration::from_millis(limits::QUEUE_WAIT_MS));
    }
}

#[tokio::test]
async fn a_statement_waits_five_seconds_for_the_lock_of_another_process() {
    let (_folder, sqlite) = open().await;
    let wait_ms = |conn: &Connection| Ok(conn.query_row("PRAGMA busy_timeout", [], |row| row.get::<_, i64>(0))?);
    let both = [
        sqlite.read(move |db| wait_ms(db.conn)).await.unwrap(),
        sqlite.write(move |tx| wait_ms(tx.conn)).await.unwrap(),
    ];
    assert_eq!(both, [i64::try_from(limits::LOCK_WAIT_MS).unwrap(); 2]);
}

#[tokio::test]
async fn a_receiver_of_hints_may_fall_so_far_behind_and_is_told_when_it_falls_further() {
    let (_folder, sqlite) = open().await;
    for (count, lagged) in [(limits::HINTS_QUEUED_MAX, None), (limits::HINTS_QUEUED_MAX + 1, Some(1))] {
        let mut hints = sqlite.hints();
        for _ in 0..count {
            sqlite.hints.send(Hint { video: None, kind: HintKind::Event }).unwrap();
        }
        let told = match hints.try_recv() {
            Ok(_) => None,
            Err(TryRecvError::Lagged(missed)) => Some(missed),
            Err(error) => panic!("{error}"),
        };
        assert_eq!(told, lagged, "{count}");
    }
}
