//! Events: the timeline of a video, and the WebSocket that resumes where it was.

use std::{net::SocketAddr, time::Duration};

use futures_util::{SinkExt, StreamExt};
use hyper_tungstenite::{
    WebSocketStream,
    tungstenite::{Message, protocol::Role},
};
use serde_json::{Value, json};
use tokio::{
    io::{AsyncRead, AsyncReadExt, AsyncWrite, AsyncWriteExt},
    net::{TcpSocket, TcpStream},
    time::timeout,
};
use vidstream_catalog::Edit;

use crate::{
    client::{ask, get},
    fixture::{Site, fresh_id, hasty, planned, playable, ready, work_all},
    protocols::{Nodes, Protocol},
};

const FRAME_MAX: Duration = Duration::from_secs(10);

pub(crate) struct Socket<S = TcpStream>(WebSocketStream<S>);

impl Socket {
    pub(crate) async fn open(addr: SocketAddr) -> Self {
        Self::over(TcpStream::connect(addr).await.unwrap(), "").await
    }

    /// As a proxy opens it for somebody, and takes the greeting.
    pub(crate) async fn forwarded(addr: SocketAddr, client: &str) -> Self {
        let line = format!("x-forwarded-for: {client}\r\n");
        let mut socket = Self::over(TcpStream::connect(addr).await.unwrap(), &line).await;
        assert_eq!(socket.hear().await["op"], "hello");
        socket
    }

    /// Opens and takes the greeting; gives also the place it tells.
    pub(crate) async fn greeted(addr: SocketAddr) -> (Self, i64) {
        let mut socket = Self::open(addr).await;
        let hello = socket.hear().await;
        assert_eq!((&hello["op"], &hello["heartbeat_s"]), (&json!("hello"), &json!(20)));
        (socket, hello["seq"].as_i64().unwrap())
    }
}

impl<S: AsyncRead + AsyncWrite + Unpin> Socket<S> {
    /// Opens one with more lines in its head.
    async fn over(mut stream: S, lines: &str) -> Self {
        let request = format!(
            "GET /v1/ws HTTP/1.1\r\nhost: localhost\r\nconnection: Upgrade\r\nupgrade: websocket\r\nsec-websocket-version: 13\r\n\
             sec-websocket-key: dGhlIHNhbXBsZSBub25jZQ==\r\nsec-websocket-protocol: vs.v1\r\n{lines}\r\n",
        );
        stream.write_all(request.as_bytes()).await.unwrap();
        let mut head = Vec::new();
        while !head.ends_with(b"\r\n\r\n") {
            head.push(stream.read_u8().await.unwrap());
        }
        let head = String::from_utf8(head).unwrap();
        assert!(head.starts_with("HTTP/1.1 101 "), "{head}");
        assert!(head.contains("s3pPLMBiTxaQ9kYGzzhZRbK+xOo="), "{head}");
        assert!(head.contains("sec-websocket-protocol: vs.v1"), "{head}");
        Self(WebSocketStream::from_raw_socket(stream, Role::Client, None).await)
    }

    pub(crate) async fn say(&mut self, frame: Value) {
        self.0.send(Message::text(frame.to_string())).await.unwrap();
    }

    pub(crate) async fn hear(&mut self) -> Value {
        loop {
            match timeout(FRAME_MAX, self.0.next()).await.expect("a frame in time").unwrap().unwrap() {
                Message::Text(text) => return serde_json::from_str(&text).unwrap(),
                Message::Ping(_) | Message::Pong(_) => {}
                other => panic!("{other:?}"),
            }
        }
    }

    pub(crate) async fn subscribe(&mut self, frame: Value) {
        self.say(frame).await;
        assert_eq!(self.hear().await["op"], "subscribed");
    }

    /// Events up to one of a type, as (type, id).
    pub(crate) async fn until(&mut self, last: &str) -> Vec<(String, String)> {
        let mut heard = Vec::new();
        let mut seq = 0;
        loop {
            let frame = self.hear().await;
            assert_eq!(frame["op"], "event", "{frame}");
            let next = frame["seq"].as_i64().unwrap();
            assert!(next > seq, "{next} after {seq}");
            seq = next;
            let (kind, id) = (frame["type"].as_str().unwrap(), frame["object"]["id"].as_str().unwrap());
            assert_eq!(frame["data"]["id"], id);
            heard.push((kind.to_owned(), id.to_owned()));
            if kind == last {
                return heard;
            }
        }
    }

    async fn close_code(&mut self) -> u16 {
        loop {
            match timeout(FRAME_MAX, self.0.next()).await.expect("a close in time") {
                Some(Ok(Message::Close(Some(frame)))) => return frame.code.into(),
                Some(Ok(_)) => {}
                other => panic!("{other:?}"),
            }
        }
    }
}

#[tokio::test]
async fn events_arrive_live_and_in_order() {
    let site = Site::start().await;
    let (mut socket, seq) = Socket::greeted(site.addr).await;
    socket.subscribe(json!({ "op": "subscribe", "topics": ["videos"], "after_seq": seq })).await;
    let id = planned(&site.catalog).await.to_string();
    work_all(&site).await;
    let heard = socket.until("video.ready").await;
    assert!(heard.iter().all(|(_, of)| *of == id), "{heard:?}");
    let kinds: Vec<&str> = heard.iter().map(|(kind, _)| kind.as_str()).collect();
    assert_eq!(kinds[0], "video.created");
    let place = |kind| kinds.iter().position(|held| *held == kind).unwrap_or_else(|| panic!("no {kind} in {kinds:?}"));
    assert!(place("video.queued") < place("video.playable"));
    assert!(place("video.playable") < place("video.ready"));
}

#[tokio::test]
async fn a_playable_event_carries_urls_that_answer_whoever_published() {
    let site = Site::start().await;
    let (mut socket, seq) = Socket::greeted(site.addr).await;
    let id = planned(&site.catalog).await;
    assert_eq!(get(site.addr, &format!("/v/{id}/master.m3u8")).await.status, 404);
    socket.subscribe(json!({ "op": "subscribe", "topics": [format!("video:{id}")], "after_seq": seq })).await;
    let other = site.other_process().await;
    let urgent = vidstream_catalog::Wanted { urgent: true, ..Default::default() };
    crate::fixture::work(&site, &other, urgent).await.unwrap();
    loop {
        let frame = socket.hear().await;
        if frame["type"] == "video.playable" {
            let url = frame["data"]["urls"]["hls"].as_str().unwrap();
            assert_eq!(get(site.addr, url).await.status, 200);
            return;
        }
    }
}

#[tokio::test]
async fn a_websocket_goes_over_tls_and_not_over_http2() {
    let nodes = Nodes::start().await;
    let mut socket = Socket::over(nodes.connect_tls(b"http/1.1").await, "").await;
    let hello = socket.hear().await;
    assert_eq!(hello["op"], "hello");
    socket.subscribe(json!({ "op": "subscribe", "topics": ["videos"], "after_seq": hello["seq"] })).await;
    planned(&nodes.tls.catalog).await;
    assert_eq!(socket.hear().await["type"], "video.created");
    for protocol in [Protocol::Http2, Protocol::TlsHttp2] {
        assert_eq!(nodes.ask(protocol, "GET", "/v1/ws", &[]).await.status, 426, "{protocol:?}");
    }
}

#[tokio::test]
async fn a_client_resumes_where_it_was() {
    let site = Site::start().await;
    let (_, start) = Socket::greeted(site.addr).await;
    let first = ready(&site).await.to_string();
    let second = ready(&site).await.to_string();
    let (mut socket, _) = Socket::greeted(site.addr).await;
    socket.subscribe(json!({ "op": "subscribe", "topics": [format!("video:{second}")], "after_seq": start })).await;
    let heard = socket.until("video.ready").await;
    assert!(heard.iter().all(|(_, of)| *of == second), "{heard:?}");
    assert_eq!(heard[0].0, "video.created");
    // Another topic from the start does not repeat what was heard of the first one.
    socket.subscribe(json!({ "op": "subscribe", "topics": [format!("video:{first}")], "after_seq": start })).await;
    let heard = socket.until("video.ready").await;
    assert!(heard.iter().all(|(_, of)| *of == first), "{heard:?}");
    // What is not wanted any more does not come.
    socket.say(json!({ "op": "unsubscribe", "topics": [format!("video:{first}"), format!("video:{second}")] })).await;
    assert_eq!(socket.hear().await["op"], "unsubscribed");
    site.catalog.edit(first.parse().unwrap(), Edit::title("New"), None).await.unwrap();
    socket.say(json!({ "op": "ping" })).await;
    assert_eq!(socket.hear().await["op"], "pong");
}

#[tokio::test]
async fn a_place_that_is_not_in_the_log_means_starting_over() {
    let site = Site::start().await;
    let (mut socket, seq) = Socket::greeted(site.addr).await;
    socket.subscribe(json!({ "op": "subscribe", "topics": ["videos"], "after_seq": seq + 1_000 })).await;
    let frame = socket.hear().await;
    assert_eq!((&frame["op"], &frame["reason"]), (&json!("resync"), &json!("unknown_seq")));
    planned(&site.catalog).await;
    assert_eq!(socket.hear().await["type"], "video.created");
}

#[tokio::test]
async fn bad_messages_are_answered_and_too_many_end_it() {
    let site = Site::start().await;
    let (mut socket, _) = Socket::greeted(site.addr).await;
    for text in ["nonsense", "{}", r#"{"op":"subscribe","topics":["x"]}"#] {
        socket.0.send(Message::text(text)).await.unwrap();
        let frame = socket.hear().await;
        assert_eq!(frame["op"], "error", "{text}");
        assert_eq!(frame["problem"]["status"], 400);
    }
    socket.0.send(Message::binary(vec![1, 2, 3])).await.unwrap();
    assert_eq!(socket.hear().await["op"], "error");
    // The hundredth is answered as well, and one more ends it.
    for _ in 4..100 {
        socket.0.send(Message::text("x")).await.unwrap();
        assert_eq!(socket.hear().await["op"], "error");
    }
    socket.0.send(Message::text("x")).await.unwrap();
    assert_eq!(socket.close_code().await, 1_008);

    let (mut socket, _) = Socket::greeted(site.addr).await;
    socket.0.send(Message::text("x".repeat(64 << 10))).await.unwrap();
    assert_eq!(socket.hear().await["op"], "error");
    socket.0.send(Message::text("x".repeat((64 << 10) + 1))).await.unwrap();
    assert_eq!(socket.close_code().await, 1_009);
}

#[tokio::test]
async fn a_socket_has_a_hundred_topics_and_not_one_more() {
    let site = Site::start().await;
    let (mut socket, _) = Socket::greeted(site.addr).await;
    let topics: Vec<String> = (0..100).map(|_| format!("video:{}", fresh_id())).collect();
    for half in topics.chunks(50) {
        socket.subscribe(json!({ "op": "subscribe", "topics": half })).await;
    }
    socket.say(json!({ "op": "subscribe", "topics": ["videos"] })).await;
    assert_eq!(socket.hear().await["op"], "error");
    // What is subscribed to already needs no place, and what is given up leaves one.
    socket.subscribe(json!({ "op": "subscribe", "topics": topics })).await;
    socket.say(json!({ "op": "unsubscribe", "topics": [topics[0]] })).await;
    assert_eq!(socket.hear().await["op"], "unsubscribed");
    socket.subscribe(json!({ "op": "subscribe", "topics": ["videos"] })).await;
}

#[tokio::test]
async fn a_reader_that_is_too_slow_is_told_so() {
    let site = Site::with(|config| config.patience.socket_send = hasty().socket_send).await;
    let id = playable(&site).await;
    let narrow = TcpSocket::new_v4().unwrap();
    narrow.set_recv_buffer_size(4_096).unwrap();
    let mut socket = Socket::over(narrow.connect(site.addr).await.unwrap(), "").await;
    let seq = socket.hear().await["seq"].clone();
    socket.subscribe(json!({ "op": "subscribe", "topics": ["videos"], "after_seq": seq })).await;
    // Nobody reads until the server has given up.
    let slow = "vidstream_sockets_slow_total 1";
    for n in 0.. {
        site.catalog.edit(id, Edit::title(format!("{n} {}", "x".repeat(4_000))), None).await.unwrap();
        if n % 20 == 0 && get(site.admin, "/metrics").await.text().contains(slow) {
            break;
        }
        assert!(n < 5_000, "nothing is too slow");
    }
    assert_eq!(socket.close_code().await, 1_013);
}

#[tokio::test]
async fn pages_of_other_websites_may_not_listen() {
    let site = Site::start().await;
    let upgrade = [
        ("connection", "Upgrade"),
        ("upgrade", "websocket"),
        ("sec-websocket-version", "13"),
        ("sec-websocket-key", "dGhlIHNhbXBsZSBub25jZQ=="),
        ("origin", "https://evil.example"),
    ];
    let answer = ask(site.addr, "GET", "/v1/ws", &upgrade).await;
    assert_eq!(answer.status, 403);
    assert_eq!(get(site.addr, "/v1/ws").await.status, 426);
}

#[tokio::test]
async fn a_stop_says_goodbye() {
    let site = Site::start().await;
    let (mut socket, _) = Socket::greeted(site.addr).await;
    site.begin_stop();
    assert_eq!(socket.close_code().await, 1_001);
    site.stop().await;
}

#[tokio::test]
async fn the_timeline_of_a_video_can_be_read_in_pages() {
    let site = Site::start().await;
    let id = ready(&site).await;
    let all = get(site.addr, &format!("/v1/videos/{id}/events?limit=1000")).await.json();
    let events = all["data"].as_array().unwrap();
    assert_eq!(all["has_more"], false);
    assert_eq!(events[0]["type"], "video.created");
    assert!(events.iter().any(|event| event["type"] == "job.started"), "{events:?}");
    let mut after = json!(0);
    let mut pages = Vec::new();
    loop {
        let page = get(site.addr, &format!("/v1/videos/{id}/events?limit=3&after_seq={after}")).await.json();
        pages.extend(page["data"].as_array().unwrap().clone());
        after = page["next_after_seq"].clone();
        if page["has_more"] == false {
            break;
        }
    }
    assert_eq!(&pages, events);
    assert_eq!(get(site.addr, &format!("/v1/videos/{}/events", fresh_id())).await.status, 404);
    assert_eq!(get(site.addr, &format!("/v1/videos/{id}/events?after_seq=x")).await.status, 400);
}
