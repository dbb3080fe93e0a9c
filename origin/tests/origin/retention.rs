//! Videos with an end: set at upload and by PATCH, and hidden everywhere when it has come.

use std::{net::SocketAddr, time::Duration};

use serde_json::{Value, json};
use tokio::time::timeout;
use vidstream_catalog::{Edit, Expiry};

use crate::{
    client::{ANSWER_MAX, get, send},
    fixture::{Site, planned, ready},
};

async fn upload(site: &Site, query: &str) -> (u16, Value) {
    let answer = send(site.addr, "PUT", &format!("/v1/videos?{query}"), &[], b"bytes").await;
    (answer.status, answer.json())
}

#[tokio::test]
async fn an_end_is_set_with_the_upload_or_by_the_server() {
    let site = Site::start().await;
    let (status, shown) = upload(&site, "title=T").await;
    assert_eq!((status, &shown["expires_at"]), (202, &Value::Null));
    for (given, shown_as) in
        [("9999-12-31T23:59:59Z", "9999-12-31T23:59:59Z"), ("9999-12-31T23:59:59.5%2B01:00", "9999-12-31T22:59:59.5Z")]
    {
        let (status, shown) = upload(&site, &format!("expires_at={given}")).await;
        assert_eq!((status, &shown["expires_at"]), (202, &json!(shown_as)));
        let again = get(site.addr, &format!("/v1/videos/{}", shown["id"].as_str().unwrap())).await;
        assert_eq!(again.json()["expires_at"], shown_as);
    }
    for wrong in ["tomorrow", "2026-01-01T00:00:00Z", "9999-12-31T23:59:59+01:00"] {
        let (status, problem) = upload(&site, &format!("expires_at={wrong}")).await;
        assert_eq!((status, &problem["code"]), (400, &json!("invalid_parameter")), "{wrong}");
    }
    let day = Duration::from_hours(24);
    let other = site.node(|config| config.expire_after = Some(day)).await;
    let (_, shown) = upload(&other, "").await;
    let id = shown["id"].as_str().unwrap().parse().unwrap();
    let row = site.catalog.video(id).await.unwrap().unwrap();
    let lasts = Duration::from_millis((row.expires_at_ms.unwrap() - row.created_at_ms).unsigned_abs());
    assert!(day.abs_diff(lasts) < Duration::from_secs(10), "{lasts:?}");
    let (_, shown) = upload(&other, "expires_at=9999-12-31T23:59:59Z").await;
    assert_eq!(shown["expires_at"], "9999-12-31T23:59:59Z");
}

#[tokio::test]
async fn an_end_is_changed_as_a_title_is() {
    let site = Site::start().await;
    let path = format!("/v1/videos/{}", planned(&site.catalog).await);
    let version = get(site.addr, &path).await.json()["row_version"].as_u64().unwrap();
    let far = json!("9999-12-31T23:59:59Z");
    for (body, status, shown, changes) in [
        (json!({ "expires_at": far }), 200, &far, 1),
        (json!({ "title": "Sea" }), 200, &far, 2),
        (json!({ "expires_at": far, "title": "Sea" }), 200, &far, 2),
        (json!({ "expires_at": null, "row_version": version }), 412, &far, 2),
        (json!({ "expires_at": 7 }), 400, &far, 2),
        (json!({ "expires_at": "2026-01-01T00:00:00Z" }), 400, &far, 2),
        (json!({ "expires_at": null, "row_version": version + 2 }), 200, &Value::Null, 3),
    ] {
        let answer = send(site.addr, "PATCH", &path, &[], body.to_string().as_bytes()).await;
        assert_eq!(answer.status, status, "{body}: {}", answer.text());
        let now = get(site.addr, &path).await.json();
        assert_eq!((&now["expires_at"], now["row_version"].as_u64()), (shown, Some(version + changes)), "{body}");
    }
}

async fn until_hidden(addr: SocketAddr, path: &str) {
    let hidden = async { while get(addr, path).await.status != 404 {} };
    timeout(ANSWER_MAX, hidden).await.unwrap_or_else(|_| panic!("{path} is still shown by {addr}"));
}

#[tokio::test]
async fn a_video_whose_time_is_over_is_hidden_by_every_origin() {
    let site = Site::start().await;
    let other = site.node(|_| {}).await;
    let id = ready(&site).await;
    let paths = [format!("/v/{id}/master.m3u8"), format!("/v/{id}/1/360p/1.m4s")];
    for (addr, path) in [site.addr, other.addr].into_iter().flat_map(|addr| paths.iter().map(move |path| (addr, path)))
    {
        assert_eq!(get(addr, path).await.status, 200);
    }
    site.catalog.edit(id, Edit::expiry(Expiry::AtMs(1)), None).await.unwrap();
    assert_eq!(get(other.addr, &paths[0]).await.status, 200, "it is there until it is deleted");
    assert_eq!(site.catalog.sweep().await.unwrap().videos_expired, [id]);
    for (addr, path) in [site.addr, other.addr].into_iter().flat_map(|addr| paths.iter().map(move |path| (addr, path)))
    {
        until_hidden(addr, path).await;
    }
    let shown = get(other.addr, &format!("/v1/videos/{id}")).await.json();
    assert_eq!((&shown["state"], &shown["urls"]["hls"]), (&json!("deleting"), &Value::Null));
    let events = get(site.addr, &format!("/v1/videos/{id}/events?limit=1000")).await.json();
    let last = events["data"].as_array().unwrap().last().unwrap().clone();
    assert_eq!((&last["type"], &last["data"]["state"]), (&json!("video.updated"), &json!("deleting")));
}
