//! So many connections and no more, and how long a process without descriptors rests.

use tokio::{
    io::{AsyncReadExt, AsyncWriteExt},
    time::Instant,
};
use tokio_util::sync::CancellationToken;

use super::*;
use crate::Patience;

fn server(connections_max: usize) -> (Server<'static>, SocketAddr, CancellationToken) {
    let (listener, addr) = bind("127.0.0.1:0".parse().unwrap()).unwrap();
    let end = CancellationToken::new();
    let terms = Terms { patience: Patience::default(), tls: None, end: end.clone() };
    (Server { listener, lanes: None, connections_max, terms }, addr, end)
}

async fn ask(stream: &mut TcpStream) {
    stream.write_all(b"GET / HTTP/1.1\r\nhost: a\r\n\r\n").await.unwrap();
    hear(stream).await;
}

async fn hear(stream: &mut TcpStream) {
    let mut head = Vec::new();
    while !head.ends_with(b"\r\n\r\n") {
        head.push(stream.read_u8().await.unwrap());
    }
    assert!(head.starts_with(b"HTTP/1.1 200 "), "{head:?}");
}

#[tokio::test]
async fn so_many_connections_are_served_and_the_next_one_waits_for_a_place() {
    let (server, addr, end) = server(2);
    let serving = tokio::spawn(server.serve(|_, _| async { Ok(Response::new(Body::default())) }));
    let mut first = TcpStream::connect(addr).await.unwrap();
    let mut second = TcpStream::connect(addr).await.unwrap();
    let mut third = TcpStream::connect(addr).await.unwrap();
    third.write_all(b"GET / HTTP/1.1\r\nhost: a\r\n\r\n").await.unwrap();
    // Time enough for an answer to the third, if it had a place.
    for _ in 0..10 {
        ask(&mut first).await;
        ask(&mut second).await;
    }
    assert_eq!(third.try_read(&mut [0; 1]).unwrap_err().kind(), io::ErrorKind::WouldBlock);
    drop(second);
    hear(&mut third).await;
    ask(&mut first).await;
    end.cancel();
    serving.await.unwrap();
}

#[tokio::test(start_paused = true)]
async fn failures_to_accept_rest_longer_and_longer_up_to_a_second() {
    let (server, _, _) = server(1);
    let full = io::Error::other("no descriptors");
    let mut pause = ACCEPT_PAUSE_MIN;
    for expected_ms in [10, 20, 40, 80, 160, 320, 640, 1_000, 1_000] {
        assert_eq!(pause.as_millis(), expected_ms);
        let began = Instant::now();
        let next = server.rest(&full, pause).await;
        assert_eq!(began.elapsed(), pause);
        pause = next;
    }
    // What one client did delays nobody.
    let began = Instant::now();
    assert_eq!(server.rest(&io::ErrorKind::ConnectionReset.into(), pause).await, ACCEPT_PAUSE_MIN);
    assert_eq!(began.elapsed(), Duration::ZERO);
}
