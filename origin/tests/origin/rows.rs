//! Requests as rows, each sent over every protocol: ranges, conditions, statuses and methods.

use std::time::Duration;

use vidstream_media::Track;

use crate::{
    client::Answer,
    delivery::assert_shared,
    fixture::{playable, ready, segment_bytes},
    protocols::{Nodes, PROTOCOLS, Protocol},
};

const DAY: Duration = Duration::from_hours(24);

/// Header fields of a request, with marks that each answer of a resource fills.
type Fields<'a> = &'a [(&'static str, &'a str)];

/// A resource as a first GET shows it, over one protocol.
struct Resource<'a> {
    nodes: &'a Nodes,
    protocol: Protocol,
    path: &'a str,
    whole: Answer,
}

// === impl Resource ===

impl<'a> Resource<'a> {
    async fn find(nodes: &'a Nodes, protocol: Protocol, path: &'a str) -> Self {
        let whole = nodes.ask(protocol, "GET", path, &[]).await;
        assert_eq!(whole.status, 200, "{protocol:?} {path}");
        Self { nodes, protocol, path, whole }
    }

    /// GET and HEAD of a row: equal but for the body, open to every website, and as long as they say.
    async fn ask(&self, fields: Fields<'_>) -> Answer {
        let first = |name| self.whole.header(name).unwrap();
        let day = |days: i32| {
            let modified = httpdate::parse_http_date(first("last-modified")).unwrap();
            let moved = DAY * days.unsigned_abs();
            httpdate::fmt_http_date(if days < 0 { modified - moved } else { modified + moved })
        };
        let fill = |text: &str| {
            let text = text.replace("{etag}", first("etag")).replace("{modified}", first("last-modified"));
            text.replace("{before}", &day(-1)).replace("{after}", &day(1))
        };
        let fields: Vec<(&str, String)> = fields.iter().map(|(name, value)| (*name, fill(value))).collect();
        let fields: Vec<(&str, &str)> = fields.iter().map(|(name, value)| (*name, value.as_str())).collect();
        let ask = async |method| self.nodes.ask(self.protocol, method, self.path, &fields).await;
        let (answer, head) = (ask("GET").await, ask("HEAD").await);
        assert_eq!(head.body, b"", "{fields:?}");
        assert_eq!(head.status, answer.status, "{fields:?}");
        // RFC 9110 §8.6: an answer without content need not say how long it is.
        let names = ["content-length"].iter().filter(|_| answer.status != 304 && !answer.body.is_empty());
        for name in names {
            assert_eq!(head.header(name), answer.header(name), "{fields:?}");
            assert_eq!(answer.header(name), Some(answer.body.len().to_string().as_str()), "{fields:?}");
        }
        assert_eq!(said(&head), said(&answer), "{fields:?}");
        assert_eq!(answer.header("transfer-encoding"), None, "{fields:?}");
        assert_shared(&answer);
        answer
    }
}

/// What an answer says beside the time and its length, in order.
pub(crate) fn said(answer: &Answer) -> Vec<(String, String)> {
    let mut headers = answer.headers.clone();
    headers.retain(|(name, _)| !matches!(name.as_str(), "date" | "content-length" | "connection"));
    headers.sort();
    headers
}

#[tokio::test]
async fn ranges_follow_the_table() {
    let parts = [
        ("bytes=0-0", "bytes 0-0/1001"),
        ("bytes=0-1", "bytes 0-1/1001"),
        ("bytes=500-", "bytes 500-1000/1001"),
        ("bytes=-10", "bytes 991-1000/1001"),
        ("bytes=-5000", "bytes 0-1000/1001"),
        ("bytes=990-5000", "bytes 990-1000/1001"),
        ("Bytes=0-18446744073709551615", "bytes 0-1000/1001"),
        ("bytes=0-4,2000-", "bytes 0-4/1001"),
    ];
    let unsatisfiable = ["bytes=1001-", "bytes=5000-6000", "bytes=-0", "bytes=", "bytes=2000-,3000-"];
    let ignored = [
        "bytes=5-3",
        "bytes=a-",
        "items=0-1",
        "bytes=18446744073709551616-",
        "0-1",
        "bytes=5-6,0-1",
        "bytes=0-5,5-6",
        "bytes=0-0,2-2,4-4,6-6,8-8,10-10,12-12,14-14,16-16",
    ];
    let nodes = Nodes::start().await;
    let id = playable(&nodes.site).await;
    let path = format!("/v/{id}/1/360p/1.m4s");
    let all = segment_bytes(Track::Rung(360), 1);
    assert_eq!(all.len(), 1_001);
    for protocol in PROTOCOLS {
        let resource = Resource::find(&nodes, protocol, &path).await;
        for (range, content_range) in parts {
            let answer = resource.ask(&[("range", range)]).await;
            assert_eq!((answer.status, answer.header("content-range")), (206, Some(content_range)), "{range}");
            assert_eq!(answer.body, all[bounds(content_range)], "{range}");
        }
        for range in unsatisfiable {
            let answer = resource.ask(&[("range", range)]).await;
            assert_eq!((answer.status, answer.header("content-range")), (416, Some("bytes */1001")), "{range}");
            assert_eq!((answer.header("content-encoding"), answer.header("cache-control")), (None, Some("no-store")));
        }
        for range in ignored {
            let answer = resource.ask(&[("range", range)]).await;
            assert_eq!((answer.status, answer.header("content-range")), (200, None), "{range}");
            assert_eq!(answer.body, all, "{range}");
        }
        let answer = resource.ask(&[("range", "bytes=0-1,500-502,-1,9999-")]).await;
        assert_eq!((answer.status, answer.header("content-range")), (206, None));
        let expected = ["bytes 0-1/1001", "bytes 500-502/1001", "bytes 1000-1000/1001"];
        let expected = expected.map(|range| (range.to_owned(), all[bounds(range)].to_vec()));
        assert_eq!(answer.parts(), expected);
        assert!(answer.text().contains("Content-Type: video/mp4\r\n"));
    }
}

/// The bytes that a `Content-Range` names.
fn bounds(content_range: &str) -> std::ops::RangeInclusive<usize> {
    let (range, _) = content_range.strip_prefix("bytes ").unwrap().split_once('/').unwrap();
    let (first, last) = range.split_once('-').unwrap();
    first.parse().unwrap()..=last.parse().unwrap()
}

#[tokio::test]
async fn conditions_follow_the_table() {
    let rows: [(Fields<'_>, u16); 26] = [
        (&[("if-none-match", "{etag}")], 304),
        (&[("if-none-match", "W/{etag}")], 304),
        (&[("if-none-match", "\"x\", {etag}")], 304),
        (&[("if-none-match", "*")], 304),
        (&[("if-none-match", "\"x\"")], 200),
        (&[("if-none-match", "{etag}"), ("range", "bytes=0-1")], 304),
        (&[("if-none-match", "\"x\""), ("range", "bytes=0-1")], 206),
        (&[("if-none-match", "\"x\""), ("if-modified-since", "{after}")], 200),
        (&[("if-modified-since", "{modified}")], 304),
        (&[("if-modified-since", "{after}")], 304),
        (&[("if-modified-since", "{before}")], 200),
        (&[("if-modified-since", "today")], 200),
        (&[("if-match", "{etag}")], 200),
        (&[("if-match", "*")], 200),
        (&[("if-match", "W/{etag}")], 412),
        (&[("if-match", "\"x\""), ("if-none-match", "{etag}")], 412),
        (&[("if-match", "{etag}"), ("if-none-match", "{etag}")], 304),
        (&[("if-unmodified-since", "{modified}")], 200),
        (&[("if-unmodified-since", "{before}")], 412),
        (&[("if-match", "{etag}"), ("if-unmodified-since", "{before}")], 200),
        (&[("range", "bytes=0-1"), ("if-range", "{etag}")], 206),
        (&[("range", "bytes=0-1"), ("if-range", "{modified}")], 206),
        (&[("range", "bytes=0-1"), ("if-range", "W/{etag}")], 200),
        (&[("range", "bytes=0-1"), ("if-range", "{before}")], 200),
        (&[("range", "bytes=0-1"), ("if-range", "\"x\"")], 200),
        (&[("range", "bytes=99999999-"), ("if-range", "\"x\"")], 200),
    ];
    let nodes = Nodes::start().await;
    let id = ready(&nodes.site).await;
    let paths = ["1/360p/1.m4s", "1/360p/index.m3u8", "1/360p/init.mp4", "1/poster.jpg", "master.m3u8", "manifest.mpd"];
    for protocol in PROTOCOLS {
        for path in paths {
            let path = format!("/v/{id}/{path}");
            let resource = Resource::find(&nodes, protocol, &path).await;
            for (fields, status) in rows {
                let answer = resource.ask(fields).await;
                assert_eq!(answer.status, status, "{protocol:?} {path} {fields:?}");
                let kept = if status == 412 { Some("no-store") } else { resource.whole.header("cache-control") };
                assert_eq!(answer.header("cache-control"), kept, "{fields:?}");
                for name in ["etag", "last-modified", "vary"] {
                    assert_eq!(answer.header(name), resource.whole.header(name), "{path} {fields:?}");
                }
                match status {
                    200 => assert_eq!(answer.body, resource.whole.body, "{fields:?}"),
                    206 => assert_eq!(answer.body, resource.whole.body[..2], "{fields:?}"),
                    _ => assert_eq!(answer.body, b"", "{fields:?}"),
                }
            }
        }
    }
}

#[tokio::test]
async fn two_nodes_give_the_same_before_and_after_they_are_warm() {
    let nodes = Nodes::start().await;
    let id = ready(&nodes.site).await;
    let paths =
        ["master.m3u8", "manifest.mpd", "1/360p/index.m3u8", "1/360p/init.mp4", "1/audio/2.m4s", "1/thumbnails/1.jpg"];
    for path in paths {
        let path = format!("/v/{id}/{path}");
        // HEAD of what nobody fetched yet, then GET, then HEAD again; and the other node.
        let cold = nodes.ask(Protocol::Http1, "HEAD", &path, &[]).await;
        let first = nodes.ask(Protocol::Http1, "GET", &path, &[]).await;
        let warm = nodes.ask(Protocol::Http1, "HEAD", &path, &[]).await;
        let other = nodes.ask(Protocol::TlsHttp2, "GET", &path, &[]).await;
        for answer in [&cold, &warm, &other] {
            assert_eq!((answer.status, said(answer)), (200, said(&first)), "{path}");
            assert_eq!(answer.header("content-length"), first.header("content-length"), "{path}");
        }
        assert_eq!(other.body, first.body, "{path}");
    }
}

#[tokio::test]
async fn every_status_is_open_to_every_website() {
    let nodes = Nodes::start().await;
    let id = playable(&nodes.site).await;
    let segment = format!("/v/{id}/1/360p/1.m4s");
    let long = format!("/v/{}", "x".repeat(9_000));
    let wide = "y".repeat(20_000);
    let rows: [(&str, &str, Fields<'_>, u16); 12] = [
        ("GET", &segment, &[], 200),
        ("OPTIONS", &segment, &[], 204),
        ("GET", &segment, &[("range", "bytes=0-1")], 206),
        ("GET", &segment, &[("if-none-match", "*")], 304),
        ("GET", "/v/nothing", &[], 404),
        ("GET", "/v/", &[], 404),
        ("POST", &segment, &[], 405),
        ("POST", "/v/nothing", &[], 405),
        ("GET", &segment, &[("if-match", "\"x\"")], 412),
        ("GET", &long, &[], 414),
        ("GET", &segment, &[("range", "bytes=-0")], 416),
        ("GET", &segment, &[("x-wide", &wide)], 431),
    ];
    for protocol in PROTOCOLS {
        for (method, path, fields, status) in rows {
            for origin in [None, Some(("origin", "https://player.example"))] {
                let fields: Vec<(&str, &str)> = fields.iter().copied().chain(origin).collect();
                let answer = nodes.ask(protocol, method, path, &fields).await;
                assert_eq!(answer.status, status, "{protocol:?} {method} {path:.80}");
                assert_shared(&answer);
                if status >= 400 {
                    assert_eq!(answer.header("cache-control"), Some("no-store"), "{status}");
                    assert!(answer.body.len() < 2_000, "{status}");
                }
            }
        }
    }
}

#[tokio::test]
async fn what_is_malformed_or_not_there_yet_is_told_to_every_website() {
    let nodes = Nodes::with(|config| config.patience.segment_wait = Duration::from_millis(100)).await;
    let id = playable(&nodes.site).await;
    let (made, pending) = (format!("/v/{id}/1/360p/1.m4s"), format!("/v/{id}/1/360p/4.m4s"));
    let two_hosts = format!("GET {made} HTTP/1.1\r\nhost: a\r\nhost: b\r\nconnection: close\r\n\r\n");
    for protocol in PROTOCOLS {
        let malformed = if protocol.is_http2() {
            nodes.ask(protocol, "GET", &made, &[("host", "a"), ("host", "b")]).await
        } else {
            nodes.raw(protocol, two_hosts.as_bytes()).await
        };
        let unmade = nodes.ask(protocol, "GET", &pending, &[]).await;
        for (answer, status, code) in [(malformed, 400, "bad_request"), (unmade, 503, "segment_pending")] {
            assert_eq!((answer.status, answer.code().as_str()), (status, code), "{protocol:?}");
            assert_eq!(answer.header("cache-control"), Some("no-store"), "{protocol:?} {status}");
            assert_shared(&answer);
        }
    }
}

#[tokio::test]
async fn methods_follow_the_table() {
    let nodes = Nodes::start().await;
    let id = ready(&nodes.site).await;
    let path = format!("/v/{id}/1/360p/1.m4s");
    for protocol in PROTOCOLS {
        for method in ["POST", "PUT", "DELETE", "PATCH", "TRACE", "BREW"] {
            let answer = nodes.send(protocol, method, &path, &[], b"body").await;
            assert_eq!((answer.status, answer.header("allow")), (405, Some("GET, HEAD, OPTIONS")), "{method}");
            assert_eq!(answer.code(), "method_not_allowed");
        }
        let asks = [("origin", "https://player.example"), ("access-control-request-method", "GET")];
        let preflight = nodes.ask(protocol, "OPTIONS", &path, &asks).await;
        assert_eq!((preflight.status, preflight.body.len()), (204, 0));
        assert_eq!(preflight.header("access-control-allow-methods"), Some("GET, HEAD, OPTIONS"));
        assert_eq!(preflight.header("access-control-max-age"), Some("86400"));
        let allowed: Vec<&str> = preflight.header("access-control-allow-headers").unwrap().split(", ").collect();
        for name in ["Range", "If-None-Match", "Authorization"] {
            assert!(allowed.contains(&name), "{name}");
        }
        for name in ["CMCD-Object", "CMCD-Request", "CMCD-Session", "CMCD-Status"] {
            assert!(allowed.contains(&name), "{name}");
        }
        assert_shared(&preflight);
    }
}
