//! Uploads as people make them: curl verbatim, and the command's own.

use std::{fs, process::Command, time::Duration};

use serde_json::Value;

use crate::server::{Server, VIDSTREAM, small_clip};

fn sh(script: &str) -> (i32, String) {
    let output = Command::new("sh").args(["-c", script]).output().unwrap();
    (output.status.code().unwrap(), String::from_utf8_lossy(&output.stdout).into_owned())
}

#[tokio::test]
async fn curl_uploads_a_file_and_a_pipe_verbatim() {
    let folder = tempfile::tempdir().unwrap();
    let server = Server::start(&folder.path().join("data")).await;
    let file = small_clip();
    let (f, url) = (file.display(), format!("{}/v1/videos", server.url));
    let (_, sum) = sh(&format!("sha256sum {f}"));
    for script in [
        format!("curl -sS --data-binary @{f} '{url}?title=T'"),
        format!("curl -sS -T - '{url}?title=T' <{f}"),
        format!("curl -sS -H 'Expect: 100-continue' -T {f} '{url}?title=T'"),
    ] {
        let (code, body) = sh(&script);
        assert_eq!(code, 0);
        let video: Value = serde_json::from_str(&body).unwrap();
        assert_eq!(video["title"], "T", "{script}: {body}");
        assert_eq!(video["source"]["sha256"].as_str(), sum.split(' ').next(), "{script}: {body}");
        let id = video["id"].as_str().unwrap();
        server.until(id, "ready", Duration::from_mins(1), |video| video["state"] == "ready").await;
    }
}

#[tokio::test]
async fn nothing_is_left_of_an_empty_or_broken_upload() {
    let folder = tempfile::tempdir().unwrap();
    let server = Server::start(&folder.path().join("data")).await;
    let (_, body) = sh(&format!("curl -sS -X POST '{}/v1/videos'", server.url));
    assert_eq!(serde_json::from_str::<Value>(&body).unwrap()["code"], "empty_body");
    // A body that ends before its announced length.
    let address = server.url.trim_start_matches("http://").to_owned();
    let mut socket = std::net::TcpStream::connect(address).unwrap();
    std::io::Write::write_all(
        &mut socket,
        b"POST /v1/videos HTTP/1.1\r\nHost: 127.0.0.1\r\nContent-Length: 1000000\r\n\r\n",
    )
    .unwrap();
    std::io::Write::write_all(&mut socket, &vec![7; 300_000]).unwrap();
    let objects = folder.path().join("data/objects");
    crate::server::until("an object", Duration::from_secs(10), || entries(&objects) == 1).await;
    drop(socket);
    crate::server::until("no object", Duration::from_secs(10), || entries(&objects) == 0).await;
    server.until_no_video().await;
}

#[tokio::test]
async fn add_follows_to_the_end_and_tells_by_its_exit_code() {
    let folder = tempfile::tempdir().unwrap();
    let server = Server::start(&folder.path().join("data")).await;
    let good = small_clip();
    let output = Command::new(VIDSTREAM).arg("add").arg(&good).args(["--server", &server.url]).output().unwrap();
    let text = String::from_utf8_lossy(&output.stdout);
    assert_eq!(output.status.code(), Some(0), "{text} {}", String::from_utf8_lossy(&output.stderr));
    assert!(text.contains("/master.m3u8") && text.contains("/manifest.mpd") && text.ends_with("ready\n"), "{text}");
    let bad = folder.path().join("bad.mp4");
    fs::write(&bad, vec![0x55; 100_000]).unwrap();
    let output = Command::new(VIDSTREAM).arg("add").arg(&bad).args(["--server", &server.url]).output().unwrap();
    assert_eq!(output.status.code(), Some(1));
    assert!(String::from_utf8_lossy(&output.stderr).contains("the video failed:"));
}

#[tokio::test]
async fn a_server_whose_file_is_replaced_goes_on_with_what_it_was_started_from() {
    let folder = tempfile::tempdir().unwrap();
    let program = folder.path().join("vidstream");
    fs::copy(VIDSTREAM, &program).unwrap();
    let server = Server::of(&program, &folder.path().join("data"), &[]).await;
    fs::remove_file(&program).unwrap();
    fs::write(&program, "another version").unwrap();
    let id = server.upload(&small_clip()).await;
    server.until(&id, "ready", Duration::from_mins(1), |video| video["state"] == "ready").await;
}

#[tokio::test]
async fn add_speaks_https_with_servers_that_it_trusts() {
    let folder = tempfile::tempdir().unwrap();
    let pair = rcgen::generate_simple_self_signed(["127.0.0.1".to_owned()]).unwrap();
    let (cert, key) = (folder.path().join("cert.pem"), folder.path().join("key.pem"));
    fs::write(&cert, pair.cert.pem()).unwrap();
    fs::write(&key, pair.signing_key.serialize_pem()).unwrap();
    let set = |key: &str, path: &std::path::Path| format!("{key}={}", path.display());
    let flags = ["--set", &set("tls.cert_file", &cert), "--set", &set("tls.key_file", &key)];
    let server = Server::with(&folder.path().join("data"), &flags).await;
    let url = server.url.replace("http:", "https:");
    let clip = small_clip();
    let cert = cert.display().to_string();
    let missing = folder.path().join("missing.pem").display().to_string();
    let cases: [(&[&str], i32); 5] = [
        (&["--ca-file", &cert], 0),
        (&[], 69),
        (&["--ca-file", &missing], 66),
        (&["--ca-file", VIDSTREAM], 64),
        (&["--ca-file", &cert, "--server", &server.url], 69),
    ];
    for (flags, code) in cases {
        let mut add = Command::new(VIDSTREAM);
        add.arg("add").arg(&clip).args(flags);
        if !flags.contains(&"--server") {
            add.args(["--server", &url]);
        }
        let output = add.output().unwrap();
        let text = String::from_utf8_lossy(&output.stderr);
        assert_eq!(output.status.code(), Some(code), "{flags:?}: {text}");
    }
}

fn entries(folder: &std::path::Path) -> usize {
    fs::read_dir(folder).map_or(0, Iterator::count)
}
