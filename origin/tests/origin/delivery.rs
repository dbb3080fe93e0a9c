//! What players and CDNs get: documents, segments, pictures, ranges, conditions and headers.

use vidstream_media::Track;
use vidstream_store::Key;

use crate::{
    client::{Answer, ask, get},
    fixture::{Site, plan, planned, playable, ready, segment_bytes, work_all},
    protocols::{Nodes, PROTOCOLS},
};

const IMMUTABLE: &str = "public, max-age=31536000, immutable";

/// What a page of another website may read of an answer.
const EXPOSED: &str =
    "Age, Content-Length, Content-Range, Date, ETag, Retry-After, Server-Timing, CMSD-Static, CMSD-Dynamic";

/// What holds for every answer to a path under `/v/`, whatever its status.
pub(crate) fn assert_shared(answer: &Answer) {
    assert_eq!(answer.header("access-control-allow-origin"), Some("*"), "{answer:?}");
    assert_eq!(answer.header("access-control-expose-headers"), Some(EXPOSED), "{answer:?}");
    assert_eq!(answer.header("timing-allow-origin"), Some("*"));
    assert_eq!(answer.header("set-cookie"), None);
    // Caches and players reckon ages from it, those of a 304 too.
    let date = answer.header("date").unwrap_or_else(|| panic!("no Date in {answer:?}"));
    assert!(httpdate::parse_http_date(date).is_ok(), "{answer:?}");
}

#[tokio::test]
async fn what_was_kept_of_a_video_goes_with_it() {
    let site = Site::start().await;
    let id = ready(&site).await;
    let paths = ["master.m3u8", "1/360p/index.m3u8", "1/360p/1.m4s"].map(|rest| format!("/v/{id}/{rest}"));
    for path in paths.iter().chain(&paths) {
        assert_eq!(get(site.addr, path).await.status, 200, "{path}");
    }
    assert_eq!(ask(site.addr, "DELETE", &format!("/v1/videos/{id}"), &[]).await.status, 202);
    for path in &paths {
        assert_eq!(get(site.addr, path).await.status, 404, "{path}");
    }
}

#[tokio::test]
async fn a_restart_changes_no_byte_and_no_entity_tag() {
    let site = Site::start().await;
    let id = ready(&site).await;
    let paths = [
        "master.m3u8",
        "manifest.mpd",
        "1/360p/index.m3u8",
        "1/360p/iframes.m3u8",
        "1/360p/init.mp4",
        "1/360p/1.m4s",
        "1/audio/2.m4s",
        "1/thumbnails.vtt",
        "1/thumbnails/1.jpg",
        "1/poster.jpg",
    ];
    let all = async |addr| {
        let mut answers = Vec::new();
        for path in paths {
            let answer = get(addr, &format!("/v/{id}/{path}")).await;
            assert_eq!(answer.status, 200, "{path}");
            let said = ["etag", "last-modified"].map(|name| answer.header(name).map(str::to_owned));
            assert!(said[0].is_some(), "{path}");
            answers.push((path, said, answer.body));
        }
        answers
    };
    let before = all(site.addr).await;
    let place = site.place.clone();
    site.stop().await;
    let again = Site::at(place, |_| {}).await;
    for (before, after) in before.into_iter().zip(all(again.addr).await) {
        assert!(before == after, "{}: {:?} became {:?}", before.0, before.1, after.1);
    }
    again.stop().await;
}

#[tokio::test]
async fn a_kept_answer_is_for_those_who_take_its_coding() {
    let site = Site::start().await;
    let id = ready(&site).await;
    let path = format!("/v/{id}/1/360p/index.m3u8");
    let cases = [
        (vec![], None),
        (vec!["gzip"], Some("gzip")),
        (vec!["br"], Some("br")),
        (vec!["gzip;q=0", "zstd"], Some("zstd")),
        (vec!["gzip;q=0"], None),
    ];
    let mut first = Vec::new();
    for turn in 0..3 {
        for (at, (lists, coding)) in cases.iter().enumerate() {
            let headers: Vec<_> = lists.iter().map(|list| ("accept-encoding", *list)).collect();
            let answer = ask(site.addr, "GET", &path, &headers).await;
            assert_eq!((answer.status, answer.header("content-encoding")), (200, *coding), "{headers:?}");
            let now = (answer.header("etag").unwrap().to_owned(), answer.body);
            if turn == 0 {
                first.push(now);
            } else {
                assert_eq!(first[at], now, "{headers:?}");
            }
        }
    }
}

#[tokio::test]
async fn everything_of_a_ready_video_is_there_with_its_type_and_lifetime() {
    let nodes = Nodes::start().await;
    let id = ready(&nodes.site).await;
    let settled = "public, max-age=300, stale-while-revalidate=600";
    let hls = "application/vnd.apple.mpegurl";
    let cases = [
        ("master.m3u8", hls, settled),
        ("manifest.mpd", "application/dash+xml", settled),
        ("1/360p/index.m3u8", hls, IMMUTABLE),
        ("1/audio/index.m3u8", hls, IMMUTABLE),
        ("1/trick/iframes.m3u8", hls, IMMUTABLE),
        ("1/360p/iframes.m3u8", hls, IMMUTABLE),
        ("1/360p/init.mp4", "video/mp4", IMMUTABLE),
        ("1/trick/init.mp4", "video/mp4", IMMUTABLE),
        ("1/audio/init.mp4", "audio/mp4", IMMUTABLE),
        ("1/360p/1.m4s", "video/mp4", IMMUTABLE),
        ("1/trick/20.m4s", "video/mp4", IMMUTABLE),
        ("1/audio/6.m4s", "audio/mp4", IMMUTABLE),
        ("1/thumbnails.vtt", "text/vtt", IMMUTABLE),
        ("1/thumbnails.json", "application/json", IMMUTABLE),
        ("1/thumbnails.m3u8", hls, IMMUTABLE),
        ("1/thumbnails/1.jpg", "image/jpeg", IMMUTABLE),
        ("1/poster.jpg", "image/jpeg", IMMUTABLE),
    ];
    for ((rest, content_type, cache), protocol) in cases.into_iter().flat_map(|case| PROTOCOLS.map(|over| (case, over)))
    {
        let path = format!("/v/{id}/{rest}");
        let ask = async |method: &str, headers: &[(&str, &str)]| nodes.ask(protocol, method, &path, headers).await;
        let answer = ask("GET", &[]).await;
        assert_eq!(answer.status, 200, "{path}: {answer:?}");
        assert_eq!(answer.header("content-type"), Some(content_type), "{path}");
        assert_eq!(answer.header("cache-control"), Some(cache), "{path}");
        assert_eq!(answer.header("content-length"), Some(answer.body.len().to_string().as_str()), "{path}");
        assert_eq!(answer.header("accept-ranges"), Some("bytes"), "{path}");
        assert!(answer.header("last-modified").is_some(), "{path}");
        let is_text = ["m3u8", "mpd", "vtt", "json"].iter().any(|ending| rest.ends_with(ending));
        assert_eq!(answer.header("vary"), is_text.then_some("Accept-Encoding"), "{path}");
        assert_shared(&answer);
        let etag = answer.header("etag").unwrap().to_owned();
        assert!(etag.starts_with('"') && etag.len() == 34, "{etag}");

        let head = ask("HEAD", &[]).await;
        assert_eq!((head.status, head.body.len()), (200, 0), "{path}");
        let without_date = |answer: &Answer| {
            let mut headers = answer.headers.clone();
            headers.retain(|(name, _)| name != "date");
            headers.sort();
            headers
        };
        assert_eq!(without_date(&head), without_date(&answer), "{path}");
        let second = nodes.ask(protocol, "GET", &format!("{path}?from=memory"), &[]).await;
        assert_eq!((without_date(&second), &second.body), (without_date(&answer), &answer.body), "{path}");

        let again = ask("GET", &[("if-none-match", &etag)]).await;
        assert_eq!((again.status, again.body.len()), (304, 0), "{path}");
        assert_eq!((again.header("etag"), again.header("cache-control")), (Some(etag.as_str()), Some(cache)));
        assert_shared(&again);

        let part = ask("GET", &[("range", "bytes=1-2"), ("if-range", &etag)]).await;
        assert_eq!(part.status, 206, "{path}");
        assert_eq!(part.body, answer.body[1..3], "{path}");
        assert_eq!((part.header("etag"), part.header("cache-control")), (Some(etag.as_str()), Some(cache)));
    }
}

#[tokio::test]
async fn every_segment_has_its_own_bytes() {
    let site = Site::start().await;
    let id = ready(&site).await;
    let mut etags = std::collections::HashSet::new();
    for (track, count) in [(Track::Rung(360), 6), (Track::Rung(240), 6), (Track::Audio, 6), (Track::Trick, 20)] {
        for n in 1..=count {
            let path = format!("/v/{id}/1/{track}/{n}.m4s");
            let answer = get(site.addr, &path).await;
            assert_eq!(answer.body, segment_bytes(track, n), "{path}");
            assert!(etags.insert(answer.header("etag").unwrap().to_owned()), "{path}");
        }
        let beyond = get(site.addr, &format!("/v/{id}/1/{track}/{}.m4s", count + 1)).await;
        assert_eq!((beyond.status, beyond.header("cache-control")), (404, Some("no-store")));
    }
}

#[tokio::test]
async fn an_index_is_the_same_before_and_after_the_end() {
    let site = Site::start().await;
    let id = playable(&site).await;
    let lasting = [
        "1/360p/index.m3u8",
        "1/audio/index.m3u8",
        "1/trick/iframes.m3u8",
        "1/360p/init.mp4",
        "1/thumbnails.vtt",
        "1/360p/1.m4s",
    ];
    let mut before = Vec::new();
    for rest in lasting {
        let answer = get(site.addr, &format!("/v/{id}/{rest}")).await;
        assert_eq!(answer.status, 200, "{rest}: {}", answer.text());
        before.push((answer.body, answer.headers.into_iter().find(|(name, _)| name == "etag")));
    }
    let changing = get(site.addr, &format!("/v/{id}/master.m3u8")).await;
    assert_eq!((changing.status, changing.header("cache-control")), (200, Some("public, max-age=2")));
    let not_yet = get(site.addr, &format!("/v/{id}/1/360p/iframes.m3u8")).await;
    assert_eq!((not_yet.status, not_yet.header("cache-control")), (404, Some("no-store")));
    for rest in ["1/thumbnails/1.jpg", "1/poster.jpg"] {
        let pending = get(site.addr, &format!("/v/{id}/{rest}")).await;
        assert_eq!((pending.status, pending.header("cache-control")), (404, Some("no-store")), "{rest}");
    }
    work_all(&site).await;
    for (rest, held) in lasting.iter().zip(before) {
        let answer = get(site.addr, &format!("/v/{id}/{rest}")).await;
        let etag = answer.headers.into_iter().find(|(name, _)| name == "etag");
        assert_eq!((answer.body, etag), held, "{rest}");
    }
    let settled = get(site.addr, &format!("/v/{id}/master.m3u8")).await;
    assert_ne!(settled.body, changing.body);
    for rest in ["1/360p/iframes.m3u8", "1/thumbnails/1.jpg", "1/thumbnails/2.jpg", "1/poster.jpg"] {
        assert_eq!(get(site.addr, &format!("/v/{id}/{rest}")).await.status, 200, "{rest}");
    }
}

#[tokio::test]
async fn nothing_is_served_that_is_not_playable_or_not_any_more() {
    let site = Site::start().await;
    let id = planned(&site.catalog).await;
    for rest in [
        "master.m3u8",
        "manifest.mpd",
        "1/360p/index.m3u8",
        "1/360p/init.mp4",
        "1/thumbnails.vtt",
        "2/360p/1.m4s",
        "1/1080p/1.m4s",
        "1/360p/7.m4s",
    ] {
        let answer = get(site.addr, &format!("/v/{id}/{rest}")).await;
        assert_eq!((answer.status, answer.header("cache-control")), (404, Some("no-store")), "{rest}");
        assert_eq!(answer.code(), "not_found");
        assert_shared(&answer);
    }
    let id = {
        work_all(&site).await;
        id
    };
    let segment = format!("/v/{id}/1/360p/1.m4s");
    assert_eq!(get(site.addr, &segment).await.status, 200);
    site.catalog.delete(id).await.unwrap();
    for path in [segment, format!("/v/{id}/master.m3u8"), format!("/v/{id}/1/360p/index.m3u8")] {
        assert_eq!(get(site.addr, &path).await.status, 404, "{path}");
    }
}

#[tokio::test]
async fn bytes_that_are_not_as_indexed_are_never_a_200() {
    let site = Site::start().await;
    let id = ready(&site).await;
    for path in site.objects(id).await {
        if path.contains("/360p/") || path.contains("/thumbnails/") {
            site.store.delete_listed(id, &path).await.unwrap();
        }
    }
    for rest in ["1/360p/1.m4s", "1/thumbnails/1.jpg"] {
        let answer = get(site.addr, &format!("/v/{id}/{rest}")).await;
        assert_eq!((answer.status, answer.header("cache-control")), (503, Some("no-store")), "{rest}");
        assert_eq!(answer.code(), "storage_error");
        assert_shared(&answer);
    }
    assert_eq!(get(site.addr, &format!("/v/{id}/1/240p/1.m4s")).await.status, 200);
}

/// How often stored bytes came damaged, of all sites of this process.
async fn damaged_reads(site: &Site) -> u64 {
    let metrics = get(site.admin, "/metrics").await;
    let mut counts = metrics.text().lines().filter_map(|line| line.strip_prefix("vidstream_store_corrupt_total "));
    counts.next().map_or(0, |count| count.parse().unwrap())
}

/// Turns over a bit of the object whose path has this in it.
async fn damage(site: &Site, paths: &[String], part: &str) {
    let key = Key::parse(paths.iter().find(|path| path.contains(part)).unwrap()).unwrap();
    let mut bytes = site.store.get(&key).await.unwrap().to_vec();
    bytes[200] ^= 1;
    site.store.delete(&key).await.unwrap();
    site.store.put(&key, bytes.into()).await.unwrap();
}

#[tokio::test]
async fn damaged_bytes_are_never_a_200_and_those_beside_them_are_served() {
    let site = Site::start().await;
    let id = ready(&site).await;
    // An object of several segments, the first of which is damaged, and pictures.
    let numbers = plan().timeline.tricks_of_segments(3, 3);
    let paths = site.objects(id).await;
    for part in ["/trick/3-", "/thumbnails/1-", "/poster-"] {
        damage(&site, &paths, part).await;
    }
    let before = damaged_reads(&site).await;
    let damaged = [format!("trick/{}.m4s", numbers.start), "thumbnails/1.jpg".to_owned(), "poster.jpg".to_owned()];
    for rest in &damaged {
        for headers in [[].as_slice(), &[("range", "bytes=0-9")]] {
            let answer = ask(site.addr, "GET", &format!("/v/{id}/1/{rest}"), headers).await;
            assert_eq!((answer.status, answer.header("cache-control")), (503, Some("no-store")), "{rest}: {answer:?}");
            assert_eq!(answer.code(), "storage_error");
            assert_shared(&answer);
        }
    }
    // Twice for each request, since nothing was kept.
    assert_eq!(damaged_reads(&site).await, before + 12);
    assert_eq!(get(site.addr, &format!("/v/{id}/1/thumbnails/2.jpg")).await.status, 200);
    let beside: Vec<u64> = numbers.skip(1).collect();
    assert!(!beside.is_empty());
    for n in beside {
        let answer = get(site.addr, &format!("/v/{id}/1/trick/{n}.m4s")).await;
        assert_eq!((answer.status, answer.body), (200, segment_bytes(Track::Trick, n)), "{n}");
    }
}
