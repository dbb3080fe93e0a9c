//! The access log of an origin: one line a request, with what docs/operating.md says is in it.

use std::{
    fs,
    path::Path,
    time::{Duration, Instant},
};

use serde_json::{Value, json};

use crate::server::{LOOK_EVERY, Server, after};

/// A line is written before its answer is sent; the file may be read sooner.
const LINE_WAIT_MAX: Duration = Duration::from_secs(10);
/// Well formed, and no video's.
const NOBODY: &str = "vid_01h455vb4pex5vsknk084sn02q";

/// What the line of a request says, once it is there.
async fn line(data: &Path, request_id: &str) -> Value {
    let deadline = Instant::now() + LINE_WAIT_MAX;
    loop {
        let log = fs::read_to_string(data.join("serve.log")).unwrap();
        let lines = log.lines().filter_map(|line| serde_json::from_str::<Value>(line).ok());
        let of_request =
            |line: &Value| line["fields"]["message"] == "request" && line["fields"]["request_id"] == request_id;
        let mut found: Vec<Value> = lines.filter(of_request).collect();
        assert!(found.len() < 2, "{found:#?}");
        if let Some(line) = found.pop() {
            return line;
        }
        assert!(Instant::now() < deadline, "no line of request {request_id}: {log}");
        after(LOOK_EVERY).await;
    }
}

#[tokio::test]
async fn each_request_has_a_line_with_what_it_was_and_what_became_of_it() {
    let folder = tempfile::tempdir().unwrap();
    let data = folder.path();
    let server = Server::origin(data, &["--log-json"]).await;
    let (one, master) = (format!("/v1/videos/{NOBODY}"), format!("/v/{NOBODY}/master.m3u8"));
    let rows = [
        ("GET", "/v1/videos", "?limit=1", 200),
        ("GET", one.as_str(), "", 404),
        ("DELETE", "/v1/videos", "", 405),
        ("GET", "/v1/nothing", "?token=hunter2", 404),
        ("GET", master.as_str(), "", 404),
    ];
    for (method, path, query, status) in rows {
        let began = Instant::now();
        let request = server.http.request(method.parse().unwrap(), format!("{}{path}{query}", server.url));
        let answer = request.send().await.unwrap();
        assert_eq!(answer.status(), status, "{method} {path}");
        let of_header = answer.headers().get("x-request-id").map(|id| id.to_str().unwrap().to_owned());
        let body = answer.bytes().await.unwrap();
        let took = began.elapsed();
        // What is delivered may be cached, and has its request's id only in a problem, which is not.
        let of_body = || serde_json::from_slice::<Value>(&body).unwrap()["request_id"].as_str().unwrap().to_owned();
        let id = of_header.unwrap_or_else(of_body);
        let line = line(data, &id).await;
        assert_eq!((&line["level"], &line["target"]), (&json!("INFO"), &json!("vidstream_origin::access")));
        assert!(line["timestamp"].as_str().unwrap().ends_with('Z'), "{line}");
        let fields = &line["fields"];
        for (name, value) in [
            ("method", json!(method)),
            ("path", json!(path)),
            ("status", json!(status)),
            ("bytes", json!(body.len())),
            ("client", json!("127.0.0.1")),
        ] {
            assert_eq!(fields[name], value, "{method} {path}: {line}");
        }
        let port = fields["peer"].as_str().unwrap().strip_prefix("127.0.0.1:").unwrap();
        assert!(port.parse::<u16>().is_ok(), "{line}");
        assert!(u128::from(fields["took_us"].as_u64().unwrap()) <= took.as_micros(), "{line} within {took:?}");
    }
    let log = fs::read_to_string(data.join("serve.log")).unwrap();
    assert!(!log.contains("hunter2"), "queries are not logged: {log}");
}
