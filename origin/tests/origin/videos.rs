//! List, show, rename, delete.

use serde_json::{Value, json};
use vidstream_catalog::{NewUpload, Wanted};

use crate::{
    client::{ask, get, send},
    fixture::{SHA256, Site, fresh_id, planned, playable, ready, work, work_all},
    viewers::{until_views, watch},
};

#[tokio::test]
async fn a_video_is_shown_with_urls_that_answer() {
    let site = Site::start().await;
    let id = planned(&site.catalog).await;
    let path = format!("/v1/videos/{id}");
    let planned = get(site.addr, &path).await.json();
    assert_eq!((&planned["state"], &planned["playable"]), (&json!("processing"), &json!(false)));
    let none = json!({ "hls": null, "dash": null, "storyboard_vtt": null, "storyboard_json": null, "poster": null });
    assert_eq!(planned["urls"], none);
    work(&site, &site.catalog, Wanted { urgent: true, ..Wanted::default() }).await.unwrap();
    let playable = get(site.addr, &path).await.json();
    assert_eq!((&playable["playable"], &playable["urls"]["poster"]), (&json!(true), &Value::Null));
    assert_eq!(playable["urls"]["hls"], format!("/v/{id}/master.m3u8"));
    work_all(&site).await;
    let ready = get(site.addr, &path).await.json();
    assert_eq!(ready["state"], "ready");
    assert_eq!(ready["duration_s"], 20.0);
    assert_eq!(ready["progress"]["percent"], 100.0);
    assert_eq!((&ready["source"]["container"], &ready["source"]["sha256"]), (&json!("mp4"), &json!(SHA256)));
    assert_eq!(ready["source"]["hdr"], "hlg");
    assert_eq!(ready["artifacts"]["rendition.360p"]["state"], "ready");
    assert!(ready["created_at"].as_str().unwrap().ends_with('Z'));
    for shown in [&playable, &ready] {
        for (name, url) in shown["urls"].as_object().unwrap() {
            if let Some(url) = url.as_str() {
                assert_eq!(get(site.addr, url).await.status, 200, "{name}");
            }
        }
    }
    assert!(ready["urls"].as_object().unwrap().values().all(Value::is_string), "{}", ready["urls"]);
    assert!(ready["row_version"].as_u64() > playable["row_version"].as_u64());
}

/// Every field and no other, as `ready_video.json` has them.
#[tokio::test]
async fn a_ready_video_has_these_fields() {
    let site = Site::start().await;
    let id = ready(&site).await;
    let mut shown = get(site.addr, &format!("/v1/videos/{id}")).await.json();
    // What differs in every run: the id, the number of changes, times.
    assert!(shown["row_version"].as_u64().unwrap() > 1, "{shown:#}");
    shown["row_version"] = json!("NUMBER");
    for name in ["created_at", "updated_at"] {
        assert!(shown[name].as_str().unwrap().ends_with('Z'), "{shown:#}");
        shown[name] = json!("TIME");
    }
    let shown: Value = serde_json::from_str(&shown.to_string().replace(&id.to_string(), "ID")).unwrap();
    let golden: Value = serde_json::from_str(include_str!("ready_video.json")).unwrap();
    assert_eq!(shown, golden, "{shown:#}");
}

#[tokio::test]
async fn a_source_of_which_no_digest_was_made_shows_none() {
    let site = Site::start().await;
    let id = fresh_id();
    let new = NewUpload { id, title: "A film".to_owned(), bytes_expected: None, expires_at_ms: None };
    site.catalog.create_upload(new).await.unwrap();
    site.catalog.finish_upload(id, 1_000, None).await.unwrap();
    assert_eq!(get(site.addr, &format!("/v1/videos/{id}")).await.json()["source"], json!({ "bytes": 1_000 }));
}

#[tokio::test]
async fn a_url_of_another_process_answers_as_soon_as_it_is_shown() {
    let site = Site::start().await;
    let id = planned(&site.catalog).await;
    let master = format!("/v/{id}/master.m3u8");
    assert_eq!(get(site.addr, &master).await.status, 404);
    let other = site.other_process().await;
    work(&site, &other, Wanted { urgent: true, ..Wanted::default() }).await.unwrap();
    let shown = get(site.addr, &format!("/v1/videos/{id}")).await.json();
    assert_eq!(shown["urls"]["hls"], master);
    assert_eq!(get(site.addr, &master).await.status, 200);
}

#[tokio::test]
async fn lists_are_paged_filtered_and_cacheable() {
    let site = Site::start().await;
    let first = ready(&site).await;
    let second = planned(&site.catalog).await;
    let third = planned(&site.catalog).await;
    let ids = |page: &Value| -> Vec<String> {
        page["data"].as_array().unwrap().iter().map(|video| video["id"].as_str().unwrap().to_owned()).collect()
    };
    let page = get(site.addr, "/v1/videos?limit=2").await.json();
    assert_eq!(ids(&page), [third.to_string(), second.to_string()]);
    assert_eq!(page["has_more"], true);
    let cursor = page["next_cursor"].as_str().unwrap();
    let rest = get(site.addr, &format!("/v1/videos?limit=2&cursor={cursor}")).await.json();
    assert_eq!(
        (ids(&rest), &rest["has_more"], &rest["next_cursor"]),
        (vec![first.to_string()], &json!(false), &Value::Null)
    );
    assert_eq!(ids(&get(site.addr, "/v1/videos?state=ready").await.json()), [first.to_string()]);
    for query in ["limit=0", "limit=x", "state=dancing", "cursor=%21", "limit=%"] {
        let answer = get(site.addr, &format!("/v1/videos?{query}")).await;
        assert_eq!((answer.status, answer.code()), (400, "invalid_parameter".to_owned()), "{query}");
    }
    for path in ["/v1/videos".to_owned(), format!("/v1/videos/{first}")] {
        let answer = get(site.addr, &path).await;
        let etag = answer.header("etag").unwrap();
        assert_eq!(answer.header("access-control-allow-origin"), None);
        let again = ask(site.addr, "GET", &path, &[("if-none-match", etag)]).await;
        assert_eq!((again.status, again.body.len()), (304, 0), "{path}");
        let head = ask(site.addr, "HEAD", &path, &[]).await;
        assert_eq!((head.status, head.header("content-length")), (200, answer.header("content-length")));
    }
}

#[tokio::test]
async fn a_title_can_be_changed_and_what_is_wrong_is_refused() {
    let site = Site::start().await;
    let id = planned(&site.catalog).await;
    let path = format!("/v1/videos/{id}");
    let before = get(site.addr, &path).await;
    let etag = before.header("etag").unwrap().to_owned();
    let renamed = send(site.addr, "PATCH", &path, &[("if-match", &etag)], br#"{"title":"Another"}"#).await;
    assert_eq!((renamed.status, &renamed.json()["title"]), (200, &json!("Another")));
    let version = renamed.json()["row_version"].as_u64().unwrap();
    let stale = send(site.addr, "PATCH", &path, &[("if-match", &etag)], br#"{"title":"Third"}"#).await;
    assert_eq!(stale.code(), "precondition_failed");
    let cases = [
        (format!(r#"{{"title":"Third","row_version":{}}}"#, version - 1), 412, "precondition_failed"),
        (r#"{"state":"ready"}"#.to_owned(), 400, "unknown_field"),
        (r#"{"title":""}"#.to_owned(), 400, "invalid_title"),
        ("nonsense".to_owned(), 400, "invalid_json"),
        (" ".repeat((64 << 10) - 1) + "{}", 413, "too_large"),
    ];
    for (body, status, code) in cases {
        let answer = send(site.addr, "PATCH", &path, &[], body.as_bytes()).await;
        assert_eq!((answer.status, answer.code().as_str()), (status, code), "{body:.60}");
    }
    let longest = " ".repeat((64 << 10) - 2) + "{}";
    assert_eq!(send(site.addr, "PATCH", &path, &[], longest.as_bytes()).await.status, 200);
    assert_eq!(get(site.addr, &path).await.json()["title"], "Another");
    assert_eq!(send(site.addr, "PATCH", &format!("/v1/videos/{}", fresh_id()), &[], b"{}").await.status, 404);
}

#[tokio::test]
async fn strings_of_a_publisher_are_merged_shown_and_told() {
    let site = Site::start().await;
    let path = format!("/v1/videos/{}", planned(&site.catalog).await);
    let before = get(site.addr, &path).await.json();
    assert_eq!(before["meta"], json!({}));
    let version = before["row_version"].as_u64().unwrap();
    let first = json!({ "course": "bio1", "week": "3" });
    for (patch, meta, changes) in [
        (json!({ "meta": first }), &first, 1),
        (json!({ "meta": { "course": "bio1" } }), &first, 1),
        (json!({ "meta": {} }), &first, 1),
        (json!({ "meta": { "week": null, "a/b": "ü" } }), &json!({ "a/b": "ü", "course": "bio1" }), 2),
        (json!({ "meta": null }), &json!({}), 3),
        (json!({ "title": "T", "meta": { "course": "bio2" } }), &json!({ "course": "bio2" }), 4),
    ] {
        let answer = send(site.addr, "PATCH", &path, &[], patch.to_string().as_bytes()).await;
        assert_eq!(answer.status, 200, "{patch}");
        let shown = answer.json();
        assert_eq!((&shown["meta"], &shown["row_version"]), (meta, &json!(version + changes)), "{patch}");
    }
    let many: serde_json::Map<String, Value> = (0..51).map(|n| (n.to_string(), json!(""))).collect();
    for (patch, pointer) in [
        (json!({ "meta": ["bio1"] }), "/meta"),
        (json!({ "meta": { "week": 3 } }), "/meta/week"),
        (json!({ "meta": { "": "x" } }), "/meta"),
        (json!({ "meta": many }), "/meta"),
        (json!({ "meta": { "k": "x".repeat(4_096) } }), "/meta"),
    ] {
        let answer = send(site.addr, "PATCH", &path, &[], patch.to_string().as_bytes()).await;
        assert_eq!((answer.status, answer.code()), (400, "invalid_meta".to_owned()), "{patch}");
        let problem = answer.json();
        assert_eq!(problem["errors"], json!([{ "pointer": pointer, "detail": problem["detail"] }]), "{patch}");
    }
    let last = json!({ "course": "bio2" });
    assert_eq!(get(site.addr, &path).await.json()["meta"], last);
    assert_eq!(get(site.addr, "/v1/videos").await.json()["data"][0]["meta"], last);
    let events = get(site.addr, &format!("{path}/events")).await.json();
    let event = events["data"].as_array().unwrap().last().unwrap();
    assert_eq!((&event["type"], &event["data"]["meta"]), (&json!("video.updated"), &last));
    assert_eq!(event["data"]["title"], "T");
}

#[tokio::test]
async fn a_view_is_another_answer_and_no_other_version() {
    let site = Site::start().await;
    let id = playable(&site).await;
    let path = format!("/v1/videos/{id}");
    let before = get(site.addr, &path).await;
    let seen = before.header("etag").unwrap().to_owned();
    watch(site.addr, id, "a").await;
    until_views(site.addr, id, 1, 1).await;
    // Who keeps the answer learns of the view.
    let now = ask(site.addr, "GET", &path, &[("if-none-match", &seen)]).await;
    assert_eq!((now.status, &now.json()["views"]), (200, &json!(1)));
    assert_eq!(now.json()["row_version"], before.json()["row_version"]);
    let current = now.header("etag").unwrap();
    assert_eq!(ask(site.addr, "GET", &path, &[("if-none-match", current)]).await.status, 304);
    // Who edits is not disturbed by it.
    let weak = format!("W/{seen}");
    let listed = format!("\"x\", {seen}");
    for (row, (tag, status)) in
        [("\"x\"", 412), (&weak, 412), (&seen, 200), (&seen, 412), (current, 412), (&listed, 412), ("*", 200)]
            .into_iter()
            .enumerate()
    {
        let body = format!(r#"{{"title":"Row {row}"}}"#);
        let answer = send(site.addr, "PATCH", &path, &[("if-match", tag)], body.as_bytes()).await;
        assert_eq!(answer.status, status, "{row}: {tag}");
    }
}

#[tokio::test]
async fn of_changes_to_one_version_one_is_made() {
    let site = Site::start().await;
    let path = format!("/v1/videos/{}", planned(&site.catalog).await);
    let etag = get(site.addr, &path).await.header("etag").unwrap().to_owned();
    let changes: Vec<_> = (0..8)
        .map(|n| {
            let (addr, path, etag) = (site.addr, path.clone(), etag.clone());
            tokio::spawn(async move {
                let body = format!(r#"{{"title":"Number {n}"}}"#);
                send(addr, "PATCH", &path, &[("if-match", &etag)], body.as_bytes()).await
            })
        })
        .collect();
    let mut made = Vec::new();
    for change in changes {
        let answer = change.await.unwrap();
        match answer.status {
            200 => made.push(answer.json()["title"].clone()),
            _ => assert_eq!((answer.status, answer.code()), (412, "precondition_failed".to_owned())),
        }
    }
    assert_eq!(made, [get(site.addr, &path).await.json()["title"].clone()]);
}

#[tokio::test]
async fn deletion_is_told_first_repeated_and_long_after() {
    let site = Site::start().await;
    let id = playable(&site).await;
    let path = format!("/v1/videos/{id}");
    for _ in 0..2 {
        let answer = ask(site.addr, "DELETE", &path, &[]).await;
        assert_eq!((answer.status, &answer.json()["state"]), (202, &json!("deleting")), "{}", answer.text());
        assert_eq!(answer.json()["urls"]["hls"], Value::Null);
    }
    assert_eq!(get(site.addr, &path).await.json()["state"], "deleting");
    assert_eq!(get(site.addr, &format!("/v/{id}/master.m3u8")).await.status, 404);
    work_all(&site).await;
    for method in ["GET", "DELETE"] {
        let answer = ask(site.addr, method, &path, &[]).await;
        assert_eq!((answer.status, answer.code()), (410, "deleted".to_owned()), "{method}");
    }
    let renamed = send(site.addr, "PATCH", &path, &[], br#"{"title":"x"}"#).await;
    assert_eq!(renamed.status, 410);
    for method in ["GET", "DELETE"] {
        let answer = ask(site.addr, method, &format!("/v1/videos/{}", fresh_id()), &[]).await;
        assert_eq!((answer.status, answer.code()), (404, "not_found".to_owned()), "{method}");
    }
}

#[tokio::test]
async fn unknown_paths_and_methods_are_problems() {
    let site = Site::start().await;
    let id = fresh_id();
    for path in ["/v1/", "/v1/nothing", "/v1/videos/x", "/v2/videos", "/favicon.ico", "/assets/nothing.js"] {
        let answer = get(site.addr, path).await;
        assert_eq!((answer.status, answer.code()), (404, "not_found".to_owned()), "{path}");
        assert_eq!(answer.json()["instance"], path);
        assert_eq!(answer.header("access-control-allow-origin"), None);
    }
    let cases = [
        ("DELETE", "/v1/videos".to_owned(), "GET, HEAD, POST, PUT"),
        ("PUT", format!("/v1/videos/{id}"), "GET, HEAD, PATCH, DELETE"),
        ("POST", "/".to_owned(), "GET, HEAD"),
    ];
    for (method, path, allow) in cases {
        let answer = ask(site.addr, method, &path, &[]).await;
        assert_eq!((answer.status, answer.header("allow")), (405, Some(allow)), "{method} {path}");
    }
}

#[tokio::test]
async fn the_page_is_served_with_its_files() {
    let site = Site::start().await;
    let page = get(site.addr, "/").await;
    assert_eq!(page.status, 200);
    assert_eq!(page.header("x-content-type-options"), Some("nosniff"));
    assert!(page.header("content-security-policy").unwrap().contains("frame-ancestors 'none'"));
    let etag = page.header("etag").unwrap();
    assert_eq!(ask(site.addr, "GET", "/", &[("if-none-match", etag)]).await.status, 304);
    let mut rest = page.text();
    while let Some(at) = rest.find("\"/assets/") {
        rest = &rest[at + 1..];
        let path = &rest[..rest.find('"').unwrap()];
        assert_eq!(get(site.addr, path).await.status, 200, "{path}");
    }
}
