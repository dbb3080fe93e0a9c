//! Other spellings of a path are other paths, where nothing is; a query makes no other thing of any.

use crate::{
    fixture::{fresh_id, ready},
    protocols::{Nodes, PROTOCOLS, Protocol},
    rows::said,
};

#[tokio::test]
async fn there_is_one_spelling_and_others_tell_nothing() {
    let nodes = Nodes::start().await;
    let known = ready(&nodes.site).await.to_string();
    let unknown = fresh_id().to_string();
    let spellings = [
        "1/360p/%31.m4s",
        "1/360p/01.m4s",
        "1/360p/+1.m4s",
        "1//360p/1.m4s",
        "1/360p//1.m4s",
        "./1/360p/1.m4s",
        "x/../1/360p/1.m4s",
        "%2e%2e/x/1/360p/1.m4s",
        "1/360p/..%2f..%2fsource",
        "1/360p/..%5c..%5csource",
        "1/360p/%252e%252e/1.m4s",
        "1/360p/%c0%ae%c0%ae/1.m4s",
        "1/360p/1.m4s%00",
        "1/360p/1.m4s/",
        "1/360p/1.M4S",
        "1/360%70/1.m4s",
        "source",
        "1/1080p/1.m4s",
        "1/360p/7.m4s",
        "2/360p/1.m4s",
    ];
    for protocol in PROTOCOLS {
        for spelling in spellings {
            // What is there must not show through: the answer is that for a video that never was.
            let shown = async |id: &str| {
                let answer = nodes.ask(protocol, "GET", &format!("/v/{id}/{spelling}"), &[]).await;
                let mut document = answer.json();
                document["request_id"] = "".into();
                (answer.status, said(&answer), document.to_string().replace(id, "ID"))
            };
            let of_known = shown(&known).await;
            assert_eq!(of_known.0, 404, "{spelling}");
            assert_eq!(of_known, shown(&unknown).await, "{spelling}");
            assert!(of_known.1.iter().all(|(name, _)| name != "location"), "{spelling}");
        }
        for other in ["/v/../../etc/passwd", "//v/x", "/v/%76id", "/%2e%2e/etc/passwd", "/v/vid_0/../../etc/passwd"] {
            assert_eq!(nodes.ask(protocol, "GET", other, &[]).await.status, 404, "{other}");
        }
    }
}

/// Queries that no two requests of a session, or of two viewers, have in common.
const QUERIES: [&str; 7] =
    ["", "CMCD=bl%3D1", "x=%zz&y", "_HLS_msn=5", "_HLS_part=1&_HLS_skip=YES", "%00", "Signature=a%2Bb+c"];

#[tokio::test]
async fn the_query_makes_no_other_thing_of_a_path_and_has_nothing_read_again() {
    let nodes = Nodes::start().await;
    let id = ready(&nodes.site).await;
    let paths = ["1/360p/1.m4s", "1/thumbnails/1.jpg", "1/poster.jpg", "1/360p/index.m3u8", "master.m3u8"];
    let paths = paths.map(|rest| format!("/v/{id}/{rest}"));
    let mut plain = Vec::new();
    for path in &paths {
        // Each node has its own memory, which a request with a query fills as one without does.
        for protocol in [Protocol::Http1, Protocol::TlsHttp2] {
            let first = nodes.ask(protocol, "GET", &format!("{path}?first={protocol:?}"), &[]).await;
            assert_eq!(first.status, 200, "{protocol:?} {path}");
            plain.push(first);
        }
    }
    // From here on a read is told by its failure.
    for path in nodes.site.objects(id).await {
        nodes.site.store.delete_listed(id, &path).await.unwrap();
    }
    for (path, plain) in paths.iter().zip(plain.chunks(2)) {
        assert_eq!(plain[0].body, plain[1].body, "{path}");
        for protocol in PROTOCOLS {
            for query in QUERIES {
                let marked = nodes.ask(protocol, "GET", &format!("{path}?{query}"), &[]).await;
                assert_eq!((marked.status, said(&marked)), (200, said(&plain[0])), "{protocol:?} {path}?{query}");
                assert_eq!(marked.body, plain[0].body, "{protocol:?} {path}?{query}");
            }
        }
    }
    // What nobody asked for is read, and is not there.
    let unread = nodes.ask(Protocol::Http1, "GET", &format!("/v/{id}/1/360p/2.m4s"), &[]).await;
    assert_eq!((unread.status, unread.code().as_str()), (503, "storage_error"));
}
