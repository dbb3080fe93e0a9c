//! What keeps a server alive: bounds on headers, time and readers, an orderly end, and what it says of itself.

use std::time::{Duration, Instant};

use tokio::{
    io::{AsyncReadExt, AsyncWriteExt},
    net::TcpStream,
};

use crate::{
    client::{get, parse},
    fixture::{Site, hasty, playable, ready},
    protocols::{Nodes, OF_TEXT},
};

/// No connection of such a site ends because nothing was asked of it for a while.
async fn patient() -> Nodes {
    Nodes::with(|config| config.patience.header_read = Duration::from_hours(1)).await
}

#[tokio::test]
async fn malformed_requests_are_refused_and_those_without_a_certain_end_close_the_connection() {
    let nodes = patient().await;
    let long = "x".repeat(9_000);
    let wide = format!("x-wide: {}\r\n", "y".repeat(40_000));
    let many = "x-many: 1\r\n".repeat(150);
    // What is sent, how it is answered, and whether the next request on its connection is answered.
    let cases = [
        ("GET / HTTP/1.1\r\n\r\n".to_owned(), 400, true),
        ("GET / HTTP/1.1\r\nhost: a\r\nhost: b\r\n\r\n".to_owned(), 400, true),
        ("GET http://a/ HTTP/1.1\r\nhost: a\r\n\r\n".to_owned(), 400, true),
        ("GET https://a/ HTTP/1.1\r\nhost: a\r\n\r\n".to_owned(), 400, true),
        ("CONNECT a:80 HTTP/1.1\r\nhost: a\r\n\r\n".to_owned(), 400, true),
        (format!("GET /{long} HTTP/1.1\r\nhost: a\r\n\r\n"), 414, true),
        (format!("GET / HTTP/1.1\r\nhost: a\r\n{wide}\r\n"), 431, false),
        (format!("GET / HTTP/1.1\r\nhost: a\r\n{many}\r\n"), 431, false),
        ("GET / HTTP/1.1\r\nhost: a\r\nbad header\r\n\r\n".to_owned(), 400, false),
        ("GET / HTTP/1.1\r\nhost: a\r\ncontent-length: 1\r\ncontent-length: 2\r\n\r\nx".to_owned(), 400, false),
        ("GET / HTTP/1.1\r\nhost: a\r\ntransfer-encoding: gzip\r\n\r\n".to_owned(), 400, false),
        ("GET / HTTP/1.1\r\nhost: a\r\nfolded: a\r\n b\r\n\r\n".to_owned(), 400, false),
        ("GET / HTTP/1.1\r\nhost: a\r\ncontent-length: 1, 2\r\n\r\nx".to_owned(), 400, false),
        ("GET / HTTP/1.1\r\nhost: a\r\ncontent-length: -1\r\n\r\n".to_owned(), 400, false),
        ("GET / HTTP/1.1\r\nhost: a\r\nexpect: 100-continue\r\n\r\n".to_owned(), 200, true),
        ("GET / HTTP/2.0\r\nhost: a\r\n\r\n".to_owned(), 400, false),
        ("nonsense\r\n\r\n".to_owned(), 400, false),
    ];
    let next = "HEAD / HTTP/1.1\r\nhost: a\r\nconnection: close\r\n\r\n";
    for protocol in OF_TEXT {
        for (request, status, goes_on) in &cases {
            // Where the connection is to end, nobody asks it to, and nothing follows that would lie there unread.
            let sent = if *goes_on { format!("{request}{next}") } else { request.clone() };
            let bytes = nodes.talk(protocol, sent.as_bytes()).await;
            let text = String::from_utf8_lossy(&bytes);
            assert_eq!(parse(&bytes).status, *status, "{protocol:?} {request:.60}");
            assert_eq!(text.contains("HTTP/1.1 200 OK\r\n"), *goes_on, "{protocol:?} {request:.60}: {text}");
            let closing = parse(&bytes).header("connection") == Some("close");
            assert_eq!(closing, !goes_on, "{protocol:?} {request:.60}: {text}");
        }
    }
}

#[tokio::test]
async fn a_connection_of_http_1_0_has_one_request_whatever_it_asks_for() {
    let nodes = patient().await;
    let id = ready(&nodes.site).await;
    let segment = format!("/v/{id}/1/360p/1.m4s");
    // The segment twice: what was sent a moment ago is answered in another way.
    let rows =
        [("GET", "/", 200), ("GET", &segment, 200), ("GET", &segment, 200), ("GET", "/v/x", 404), ("PUT", "/v/x", 405)];
    for protocol in OF_TEXT {
        for (method, path, status) in rows {
            for fields in ["", "connection: keep-alive\r\n", "host: a\r\nconnection: keep-alive\r\n"] {
                let request = format!("{method} {path} HTTP/1.0\r\n{fields}\r\n");
                let bytes = nodes.talk(protocol, request.as_bytes()).await;
                let answer = parse(&bytes);
                assert!(bytes.starts_with(b"HTTP/1.0 "), "{protocol:?} {request}: {answer:?}");
                assert_eq!((answer.status, answer.header("connection")), (status, None), "{protocol:?} {request}");
                let length = answer.body.len().to_string();
                assert_eq!(answer.header("content-length"), Some(length.as_str()), "{protocol:?} {request}");
            }
        }
    }
}

#[tokio::test]
async fn a_head_may_be_as_long_as_32_kib_and_is_then_answered_as_others_are() {
    let nodes = Nodes::start().await;
    let head = |bytes: usize| {
        let head = "GET /v/x HTTP/1.1\r\nhost: a\r\nconnection: close\r\nx-wide: ";
        format!("{head}{}\r\n\r\n", "y".repeat(bytes - head.len() - 4))
    };
    for protocol in OF_TEXT {
        for (bytes, shared) in [(32 << 10, Some("*")), ((32 << 10) + 1, None)] {
            let answer = nodes.raw(protocol, head(bytes).as_bytes()).await;
            let said = (answer.status, answer.header("access-control-allow-origin"));
            assert_eq!(said, (431, shared), "{protocol:?} {bytes}");
        }
    }
}

#[tokio::test]
async fn two_framings_in_one_request_end_the_connection() {
    let nodes = Nodes::start().await;
    let framings = ["content-length: 4", "transfer-encoding: chunked"];
    for protocol in OF_TEXT {
        for [first, second] in [framings, [framings[1], framings[0]]] {
            // The second request hides where one of the framings would see a body.
            let request = format!(
                "POST / HTTP/1.1\r\nhost: a\r\n{first}\r\n{second}\r\n\r\n0\r\n\r\n\
                 GET /v1/videos HTTP/1.1\r\nhost: a\r\n\r\n"
            );
            let bytes = nodes.talk(protocol, request.as_bytes()).await;
            let text = String::from_utf8_lossy(&bytes);
            assert_eq!(text.matches("HTTP/1.1 ").count(), 1, "{protocol:?}: {text}");
            assert_eq!(parse(&bytes).header("connection"), Some("close"), "{protocol:?}: {text}");
        }
    }
}

#[tokio::test]
async fn a_refused_request_leaves_a_connection_in_order_or_ends_it() {
    let nodes = Nodes::with(|config| config.upload_bytes_max = 20).await;
    let id = ready(&nodes.site).await;
    let (segment, video) = (format!("/v/{id}/1/360p/1.m4s"), format!("/v1/videos/{id}"));
    // A body that is a request: taken for one, it would be answered.
    let hidden = "GET /v1/videos HTTP/1.1\r\nhost: localhost\r\n\r\n";
    assert!(hidden.len() > 20);
    let plain = "application/octet-stream";
    // What was refused, and whether the next request on its connection is answered.
    let rows: [(&str, &str, &str, &str, u16, bool); 7] = [
        ("POST", &segment, plain, "", 405, true),
        ("PATCH", &video, plain, "[1]", 400, true),
        ("PATCH", &video, plain, hidden, 400, true),
        ("POST", &segment, plain, hidden, 405, false),
        ("DELETE", "/v1/videos", plain, hidden, 405, false),
        ("PUT", "/v1/videos", plain, hidden, 413, false),
        ("POST", "/v1/videos", "multipart/form-data", hidden, 415, false),
    ];
    for protocol in OF_TEXT {
        for (method, path, content_type, body, status, goes_on) in rows {
            let length = body.len();
            let refused = format!(
                "{method} {path} HTTP/1.1\r\nhost: localhost\r\ncontent-type: {content_type}\r\n\
                 content-length: {length}\r\n\r\n{body}"
            );
            let next = format!("GET {segment} HTTP/1.1\r\nhost: localhost\r\nconnection: close\r\n\r\n");
            // Sent only where it is read: what lies unread when a connection ends may cost the client its answer.
            let sent = if goes_on { refused + &next } else { refused };
            let bytes = nodes.talk(protocol, sent.as_bytes()).await;
            let text = String::from_utf8_lossy(&bytes);
            let answers: Vec<&str> =
                text.match_indices("HTTP/1.1 ").filter_map(|(at, _)| text.get(at + 9..at + 12)).collect();
            let expected = [status.to_string(), "200".to_owned()];
            assert_eq!(answers, expected[..=usize::from(goes_on)], "{protocol:?} {method} {path}: {text}");
            let closing = parse(&bytes).header("connection") == Some("close");
            assert_eq!(closing, !goes_on, "{protocol:?} {method} {path}: {text}");
        }
    }
}

#[tokio::test]
async fn a_connection_serves_many_requests_and_survives_refusals() {
    let site = Site::start().await;
    let id = ready(&site).await;
    let mut stream = TcpStream::connect(site.addr).await.unwrap();
    let paths = [format!("/v/{id}/1/360p/1.m4s"), "/nothing".to_owned(), format!("/v/{id}/1/360p/2.m4s")];
    for (path, status) in paths.iter().zip([200, 404, 200]) {
        stream.write_all(format!("GET {path} HTTP/1.1\r\nhost: a\r\n\r\n").as_bytes()).await.unwrap();
        let mut bytes = Vec::new();
        loop {
            let mut buffer = [0; 4_096];
            let read = stream.read(&mut buffer).await.unwrap();
            assert!(read > 0);
            bytes.extend_from_slice(&buffer[..read]);
            let Some(end) = bytes.windows(4).position(|four| four == b"\r\n\r\n") else { continue };
            let answer = parse(&bytes);
            let length: usize = answer.header("content-length").unwrap().parse().unwrap();
            if bytes.len() == end + 4 + length {
                assert_eq!(answer.status, status, "{path}");
                break;
            }
        }
    }
}

#[tokio::test]
async fn silent_and_dripping_connections_are_closed() {
    let site = Site::with(|config| config.patience = hasty()).await;
    for sent in ["", "GET / HT"] {
        let began = Instant::now();
        let mut stream = TcpStream::connect(site.addr).await.unwrap();
        stream.write_all(sent.as_bytes()).await.unwrap();
        let mut bytes = Vec::new();
        // Closed with or without a 408; a reset is an end too.
        let _ = stream.read_to_end(&mut bytes).await;
        let took = began.elapsed();
        assert!(took >= hasty().header_read / 2 && took < Duration::from_secs(5), "{sent:?}: {took:?}");
    }
}

#[tokio::test]
async fn a_stop_ends_idle_connections_and_lets_answers_finish() {
    let site = Site::start().await;
    let id = playable(&site).await;
    let mut idle = TcpStream::connect(site.addr).await.unwrap();
    idle.write_all(b"HEAD / HTTP/1.1\r\nhost: a\r\n\r\n").await.unwrap();
    let mut buffer = [0; 1_024];
    assert!(idle.read(&mut buffer).await.unwrap() > 0);
    assert_eq!(get(site.addr, &format!("/v/{id}/master.m3u8")).await.status, 200);
    let (addr, began) = (site.addr, Instant::now());
    site.stop().await;
    assert!(began.elapsed() < Duration::from_secs(2), "{:?}", began.elapsed());
    assert_eq!(idle.read(&mut buffer).await.unwrap_or(0), 0);
    assert!(TcpStream::connect(addr).await.is_err());
}

#[tokio::test]
async fn the_admin_listener_tells_how_it_is() {
    let site = Site::start().await;
    let id = ready(&site).await;
    for _ in 0..3 {
        assert_eq!(get(site.addr, &format!("/v/{id}/1/360p/1.m4s")).await.status, 200);
    }
    assert_eq!(get(site.addr, &format!("/v/{id}/1/360p/99.m4s")).await.status, 404);
    assert_eq!(get(site.admin, "/healthz").await.text(), "ok\n");
    assert_eq!(get(site.admin, "/readyz").await.status, 200);
    assert_eq!(get(site.admin, "/v1/videos").await.status, 404);
    assert_eq!(get(site.addr, "/metrics").await.status, 404);
    let metrics = get(site.admin, "/metrics").await;
    assert!(metrics.header("content-type").unwrap().starts_with("text/plain; version=0.0.4"));
    for line in [
        r#"vidstream_requests_total{route="segment",status="200"}"#,
        "vidstream_cache_hits_total",
        r#"vidstream_requests_total{route="segment",status="404"}"#,
        r#"vidstream_response_bytes_total{route="segment"}"#,
        "vidstream_cache_misses_total",
        "vidstream_connections",
        "vidstream_requests_in_flight",
    ] {
        assert!(metrics.text().contains(line), "{line}");
    }
}
