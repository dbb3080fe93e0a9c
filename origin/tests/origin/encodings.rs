//! Documents come in the coding that the client likes best; media comes as it is.

use std::{collections::HashSet, io::Read};

use crate::{
    client::Answer,
    delivery::assert_shared,
    fixture::{Site, ready},
    protocols::{Nodes, PROTOCOLS},
};

/// What browsers send.
const BROWSER: &str = "gzip, deflate, br, zstd";

fn decoded(answer: &Answer) -> Vec<u8> {
    let mut plain = Vec::new();
    match answer.header("content-encoding") {
        None => plain.clone_from(&answer.body),
        Some("gzip") => flate2::read::GzDecoder::new(&answer.body[..]).read_to_end(&mut plain).map(drop).unwrap(),
        Some("br") => brotli::Decompressor::new(&answer.body[..], 4_096).read_to_end(&mut plain).map(drop).unwrap(),
        Some("zstd") => plain = zstd::stream::decode_all(&answer.body[..]).unwrap(),
        Some(other) => panic!("{other}"),
    }
    plain
}

#[tokio::test]
async fn documents_are_negotiated() {
    let rows = [
        ("", None),
        (BROWSER, Some("zstd")),
        ("gzip, deflate, br", Some("br")),
        ("gzip", Some("gzip")),
        ("gzip;q=0.9, br;q=0.1", Some("gzip")),
        ("identity, gzip;q=0.5", None),
        ("gzip;q=0", None),
        ("deflate", None),
        ("identity;q=0, gzip", Some("gzip")),
        ("*;q=0, br;q=0.001", Some("br")),
    ];
    let documents = [
        "master.m3u8",
        "manifest.mpd",
        "1/360p/index.m3u8",
        "1/trick/iframes.m3u8",
        "1/thumbnails.vtt",
        "1/thumbnails.json",
    ];
    let nodes = Nodes::start().await;
    let id = ready(&nodes.site).await;
    for protocol in PROTOCOLS {
        for document in documents {
            let path = format!("/v/{id}/{document}");
            let ask = async |method, fields: &[(&str, &str)]| nodes.ask(protocol, method, &path, fields).await;
            let plain = ask("GET", &[]).await;
            let mut etags = HashSet::new();
            for (accepted, coding) in rows {
                let accept = ("accept-encoding", accepted);
                let answer = ask("GET", &[accept]).await;
                assert_eq!((answer.status, answer.header("content-encoding")), (200, coding), "{path} {accepted:?}");
                assert_eq!(decoded(&answer), plain.body, "{path} {accepted:?}");
                assert_eq!(answer.header("content-length"), Some(answer.body.len().to_string().as_str()));
                assert_eq!(answer.header("vary"), Some("Accept-Encoding"));
                assert_eq!(answer.header("accept-ranges"), coding.is_none().then_some("bytes"));
                for name in ["content-type", "cache-control", "last-modified"] {
                    assert_eq!(answer.header(name), plain.header(name), "{name}");
                }
                let head = ask("HEAD", &[accept]).await;
                for name in ["etag", "content-length", "content-encoding"] {
                    assert_eq!(head.header(name), answer.header(name), "{name}");
                }
                let etag = answer.header("etag").unwrap();
                etags.insert(etag.to_owned());
                let again = ask("GET", &[accept, ("if-none-match", etag)]).await;
                assert_eq!((again.status, again.header("etag")), (304, Some(etag)), "{accepted:?}");
                assert_eq!(again.header("vary"), Some("Accept-Encoding"));
                // The tag of another coding is the tag of other bytes.
                let other = if coding == Some("gzip") { "br" } else { "gzip" };
                let changed = ask("GET", &[("accept-encoding", other), ("if-none-match", etag)]).await;
                assert_eq!((changed.status, changed.header("content-encoding")), (200, Some(other)), "{accepted:?}");
            }
            assert_eq!(etags.len(), 4, "{path}: {etags:?}");
        }
    }
}

#[tokio::test]
async fn parts_are_of_plain_bytes_and_nothing_accepted_is_a_406() {
    let nodes = Nodes::start().await;
    let id = ready(&nodes.site).await;
    let path = format!("/v/{id}/1/360p/index.m3u8");
    for protocol in PROTOCOLS {
        let ask = async |fields: &[(&str, &str)]| nodes.ask(protocol, "GET", &path, fields).await;
        let plain = ask(&[]).await;
        let part = ask(&[("accept-encoding", BROWSER), ("range", "bytes=0-6")]).await;
        assert_eq!((part.status, part.header("content-encoding"), part.text()), (206, None, "#EXTM3U"));
        assert_eq!((part.header("etag"), part.header("vary")), (plain.header("etag"), Some("Accept-Encoding")));
        // Begun in a coding, it is not continued in another one.
        let encoded = ask(&[("accept-encoding", "gzip")]).await;
        let resumed =
            [("accept-encoding", "gzip"), ("range", "bytes=9-"), ("if-range", encoded.header("etag").unwrap())];
        let whole = ask(&resumed).await;
        assert_eq!((whole.status, &whole.body), (200, &plain.body));
        let forbidden = ask(&[("accept-encoding", "br, identity;q=0"), ("range", "bytes=0-6")]).await;
        assert_eq!((forbidden.status, forbidden.header("content-encoding")), (200, Some("br")));
        for accepted in ["identity;q=0", "*;q=0", "deflate, *;q=0"] {
            let none = ask(&[("accept-encoding", accepted)]).await;
            assert_eq!((none.status, none.code()), (406, "not_acceptable".to_owned()), "{accepted}");
            assert_eq!(
                (none.header("vary"), none.header("cache-control")),
                (Some("Accept-Encoding"), Some("no-store"))
            );
            assert_shared(&none);
        }
    }
}

#[tokio::test]
async fn media_is_sent_as_it_is() {
    let nodes = Nodes::start().await;
    let id = ready(&nodes.site).await;
    for protocol in PROTOCOLS {
        for path in ["1/360p/1.m4s", "1/360p/init.mp4", "1/thumbnails/1.jpg", "1/poster.jpg"] {
            let path = format!("/v/{id}/{path}");
            let plain = nodes.ask(protocol, "GET", &path, &[]).await;
            for accepted in [BROWSER, "identity;q=0, gzip"] {
                let answer = nodes.ask(protocol, "GET", &path, &[("accept-encoding", accepted)]).await;
                assert_eq!((answer.header("content-encoding"), answer.header("vary")), (None, None), "{path}");
                assert_eq!((answer.header("etag"), &answer.body), (plain.header("etag"), &plain.body), "{path}");
            }
        }
    }
}

#[tokio::test]
async fn the_page_is_encoded_and_the_api_is_not() {
    let site = Site::start().await;
    let accept = [("accept-encoding", BROWSER)];
    let page = crate::client::ask(site.addr, "GET", "/", &accept).await;
    assert_eq!((page.status, page.header("content-encoding")), (200, Some("zstd")));
    assert_eq!(decoded(&page), crate::client::get(site.addr, "/").await.body);
    let list = crate::client::ask(site.addr, "GET", "/v1/videos", &accept).await;
    assert_eq!((list.status, list.header("content-encoding"), list.header("vary")), (200, None, None));
}
