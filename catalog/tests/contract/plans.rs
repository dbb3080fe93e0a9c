//! What Postgres reads to answer: indexes where a table is long.

use std::time::Duration;

use tokio::time::timeout;
use vidstream_testkit::postgres;

use crate::fixture::{self, Adapter, BACKGROUND, Postgres, URGENT, claim, open, plan, planned};

/// How often a table was read from one end to the other, by connections that are closed.
async fn scans(place: &Postgres, table: &str) -> u64 {
    let ask = |statement: &str| postgres::shared().execute(&place.url(), statement).unwrap().trim().parse().unwrap();
    // What a connection has counted is told at its end at the latest.
    let others = "SELECT count(*) FROM pg_stat_activity WHERE datname = current_database() AND pid <> pg_backend_pid()
         AND backend_type = 'client backend'";
    let closing = async {
        while ask(others) > 0 {
            tokio::task::yield_now().await;
        }
    };
    timeout(Duration::from_secs(10), closing).await.expect("connections are left");
    ask(&format!("SELECT seq_scan FROM pg_stat_user_tables WHERE relname = '{table}'"))
}

/// Jobs that are done lie before those that wait, of which there are many: any of them is found soon by reading the table, so the
/// planner would think.
#[tokio::test(flavor = "multi_thread")]
async fn claims_never_read_the_whole_queue() {
    let place = Postgres::new();
    let catalog = open(&place).await;
    planned(&catalog, plan(200, &[1; 29])).await;
    let columns = "video, generation, kind, first, last, encoders";
    place.behind(&format!(
        "INSERT INTO jobs ({columns}, state, ended_at_ms) SELECT video, generation, kind, n + 1000, n + 1000, encoders, 'done', 1
         FROM generate_series(1, 20000) AS n, jobs WHERE jobs.first = 1 AND kind = 'encode';
         INSERT INTO jobs ({columns}, state) SELECT video, generation, kind, n + 1000000, n + 1000000, encoders, 'pending'
         FROM generate_series(1, 10000) AS n, jobs WHERE jobs.first = 1 AND kind = 'encode'"
    ));
    drop(catalog);
    let before = scans(&place, "jobs").await;
    let catalog = open(&place).await;
    for wanted in [URGENT, BACKGROUND, BACKGROUND] {
        claim(&catalog, wanted).await.unwrap();
    }
    assert!(catalog.claim(&fixture::worker("w"), URGENT).await.unwrap().is_none());
    drop(catalog);
    assert_eq!(scans(&place, "jobs").await, before);
}
