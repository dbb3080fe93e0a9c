//! How often those who lost a server ask for it while it is away.

use std::{net::SocketAddr, time::Duration};

use tokio::{
    net::TcpListener,
    time::{Instant, timeout, timeout_at},
};
use vidstream_catalog::{Catalog, Options};
use vidstream_testkit::{postgres, redis};

use crate::fixture::{self, Sqlite, WithRedis, open};

/// How long a server is away.
const AWAY: Duration = Duration::from_secs(2);
/// Attempts in that time, by pauses of 50 ms at least that double: 0.05, 0.15, 0.35, 0.75 and 1.55 s after it went. One
/// may have begun before.
const ATTEMPTS_MAX: usize = 6;
/// Whatever is waited for happens within this.
const WAIT_MAX: Duration = Duration::from_secs(30);

/// Drops whoever connects to a port of loopback, as what stands before a server that is away does; gives how many came.
async fn turned_away(port: u16) -> usize {
    let listener = TcpListener::bind(SocketAddr::from(([127, 0, 0, 1], port))).await.unwrap();
    let (end, mut came) = (Instant::now() + AWAY, 0);
    while timeout_at(end, listener.accept()).await.is_ok() {
        came += 1;
    }
    came
}

/// Waits until a process hears of another one's uploads again.
async fn until_hints(here: &Catalog, there: &Catalog) {
    let mut hints = there.hints();
    let heard = async {
        loop {
            let id = fixture::upload(here).await;
            let hint = async { while hints.recv().await.unwrap().video != Some(id) {} };
            if timeout(Duration::from_millis(200), hint).await.is_ok() {
                return;
            }
        }
    };
    timeout(WAIT_MAX, heard).await.unwrap();
}

/// Two processes that hear of one another, until one of them ends and the server of the other one goes away and comes
/// back.
async fn is_asked_for_a_few_times(
    open: impl AsyncFn() -> Catalog,
    port: u16,
    kill: impl FnOnce(),
    restart: impl FnOnce(),
) {
    let there = open().await;
    until_hints(&open().await, &there).await;
    kill();
    let came = turned_away(port).await;
    assert!((1..=ATTEMPTS_MAX).contains(&came), "{came}");
    restart();
    until_hints(&open().await, &there).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_redis_that_is_away_is_asked_for_a_few_times_only() {
    let server = redis::Server::start(redis::Settings::default()).unwrap();
    let place = WithRedis::<Sqlite>::on(&server);
    let open = async || open(&place).await;
    is_asked_for_a_few_times(open, server.port(), || server.kill().unwrap(), || server.restart().unwrap()).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_database_that_is_away_is_asked_for_a_few_times_only() {
    let server = postgres::Server::start(None).unwrap();
    let database = server.database().unwrap();
    server.execute(&database, "ALTER ROLE vidstream PASSWORD 'secret'").unwrap();
    let name = database.rsplit('/').next().unwrap();
    // Not over the socket: nobody else can stand there.
    let url = format!("postgres://vidstream:secret@127.0.0.1:{}/{name}?sslmode=disable", server.port());
    let open = async || Catalog::open(&url, Options::default()).await.unwrap();
    is_asked_for_a_few_times(open, server.port(), || server.kill().unwrap(), || server.restart().unwrap()).await;
}
