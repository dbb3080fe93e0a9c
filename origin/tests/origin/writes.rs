//! Who may write.

use std::net::SocketAddr;

use vidstream_origin::{Config, Error, Origin};

use crate::{
    client::send,
    fixture::{Site, planned},
};

#[tokio::test]
async fn without_a_token_strangers_may_not_write() {
    let site = Site::start().await;
    let id = planned(&site.catalog).await;
    let video = format!("/v1/videos/{id}");
    let own = format!("http://{}", site.addr);
    for headers in [vec![], vec![("origin", own.as_str())], vec![("host", "localhost")]] {
        let answer = send(site.addr, "PATCH", &video, &headers, br#"{"title":"x"}"#).await;
        assert_eq!(answer.status, 200, "{headers:?}");
    }
    let strangers = [
        ("forwarded", "for=192.0.2.1"),
        ("x-forwarded-for", "192.0.2.1"),
        ("x-forwarded-proto", "https"),
        ("host", "videos.example"),
        ("origin", "https://evil.example"),
        ("origin", "null"),
    ];
    for header in strangers {
        for (method, path) in
            [("PUT", "/v1/videos"), ("POST", "/v1/videos"), ("PATCH", video.as_str()), ("DELETE", video.as_str())]
        {
            let answer = send(site.addr, method, path, &[header], b"{}").await;
            assert_eq!((answer.status, answer.code()), (403, "write_not_allowed".to_owned()), "{method} {header:?}");
        }
        let read = send(site.addr, "GET", &video, &[header], b"").await;
        assert_eq!(read.status, 200, "{header:?}");
    }
}

#[tokio::test]
async fn whom_a_trusted_proxy_names_gains_no_right_by_it() {
    let site = Site::with(|config| config.trusted_proxies = vec!["127.0.0.1/32".parse().unwrap()]).await;
    let id = planned(&site.catalog).await;
    for client in ["127.0.0.1", "::1", "192.0.2.1, 127.0.0.1", ""] {
        let answer = send(site.addr, "DELETE", &format!("/v1/videos/{id}"), &[("x-forwarded-for", client)], b"").await;
        assert_eq!((answer.status, answer.code()), (403, "write_not_allowed".to_owned()), "{client}");
    }
}

#[tokio::test]
async fn with_a_token_writes_must_carry_it() {
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("token");
    std::fs::write(&file, "s3cret\n").unwrap();
    let site = Site::with(|config| config.token_file = Some(file.clone())).await;
    for headers in [vec![], vec![("authorization", "Bearer wrong")], vec![("authorization", "Basic s3cret")]] {
        let answer = send(site.addr, "PUT", "/v1/videos", &headers, b"bytes").await;
        assert_eq!((answer.status, answer.code()), (401, "unauthorized".to_owned()));
        assert_eq!(answer.header("www-authenticate"), Some("Bearer"));
    }
    let headers = [("authorization", "Bearer s3cret"), ("x-forwarded-for", "192.0.2.1"), ("host", "videos.example")];
    assert_eq!(send(site.addr, "PUT", "/v1/videos", &headers, b"bytes").await.status, 202);
    assert_eq!(send(site.addr, "GET", "/v1/videos", &[], b"").await.status, 200);
}

#[tokio::test]
async fn a_read_only_origin_refuses_every_write() {
    let site = Site::with(|config| config.read_only = true).await;
    for method in ["PUT", "POST"] {
        let answer = send(site.addr, method, "/v1/videos", &[], b"bytes").await;
        assert_eq!((answer.status, answer.code()), (403, "read_only".to_owned()));
    }
    assert_eq!(send(site.addr, "GET", "/v1/videos", &[], b"").await.status, 200);
}

#[tokio::test]
async fn an_origin_that_cannot_start_says_why() {
    let site = Site::start().await;
    let any: SocketAddr = "127.0.0.1:0".parse().unwrap();
    let bind =
        async |config: Config| Origin::bind(config, site.catalog.clone(), site.store.clone()).await.err().unwrap();
    let taken = bind(Config::new(site.addr, any)).await;
    assert!(matches!(taken, Error::AddrInUse { addr } if addr == site.addr), "{taken}");
    let taken = bind(Config::new(any, site.admin)).await;
    assert!(matches!(taken, Error::AddrInUse { addr } if addr == site.admin), "{taken}");
    let everywhere: SocketAddr = "0.0.0.0:0".parse().unwrap();
    let open = bind(Config::new(everywhere, any)).await;
    assert!(matches!(open, Error::Unprotected { .. }), "{open}");
    let folder = tempfile::tempdir().unwrap();
    for (name, content) in [("missing", None), ("empty", Some(" \n")), ("two", Some("a b"))] {
        let file = folder.path().join(name);
        if let Some(content) = content {
            std::fs::write(&file, content).unwrap();
        }
        let mut config = Config::new(any, any);
        config.token_file = Some(file);
        let unusable = bind(config).await;
        assert!(matches!(unusable, Error::Token { .. }), "{name}: {unusable}");
    }
    let mut config = Config::new(everywhere, any);
    config.read_only = true;
    assert!(Origin::bind(config, site.catalog.clone(), site.store.clone()).await.is_ok());
}
