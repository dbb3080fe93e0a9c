//! TLS: the certificate in use, its replacement under live connections, and what keeps handshakes and streams bounded.

use std::{fs, time::Instant};

use bytes::Bytes;
use http::Request;
use http_body_util::{BodyExt, Empty};
use hyper::client::conn::{http1, http2};
use hyper_util::rt::{TokioExecutor, TokioIo};
use rustls::pki_types::CertificateDer;
use tokio::{
    io::{AsyncReadExt, AsyncWriteExt},
    net::TcpStream,
    time::{Duration, timeout},
};
use vidstream_media::Track;
use vidstream_origin::{Config, Error, Origin, TlsFiles};

use crate::{
    client::{ANSWER_MAX, get},
    fixture::{Site, hasty, ready, segment_bytes},
    protocols::{Certificate, Nodes, pair, shake_hands, trusting},
};

/// Leaves the files in a state that cannot be served.
type Step<'a> = (&'a str, &'a dyn Fn());

#[tokio::test]
async fn a_new_certificate_is_served_and_a_bad_pair_is_not() {
    let first = Certificate::new();
    let files = first.files();
    let site = Site::with(|config| {
        config.patience.tls_poll = Duration::from_millis(10);
        config.tls = Some(files.clone());
    })
    .await;
    let second = pair();
    let connector = trusting([first.der(), second.cert.der().clone()]);
    let served = async || -> CertificateDer<'static> {
        let stream = TcpStream::connect(site.addr).await.unwrap();
        let stream = shake_hands(&connector, stream, b"http/1.1").await.unwrap();
        stream.get_ref().1.peer_certificates().unwrap()[0].clone().into_owned()
    };
    let stream = TcpStream::connect(site.addr).await.unwrap();
    let stream = shake_hands(&connector, stream, b"http/1.1").await.unwrap();
    let (mut live, connection) = http1::handshake(TokioIo::new(stream)).await.unwrap();
    tokio::spawn(connection);
    assert_eq!(served().await, first.der());

    let (cert, key) = (second.cert.pem(), second.signing_key.serialize_pem());
    let other_key = pair().signing_key.serialize_pem();
    let half = &cert[..cert.len() / 2];
    let steps: [Step<'_>; 5] = [
        ("a key of another certificate", &|| fs::write(&files.key, &other_key).unwrap()),
        ("no key", &|| fs::remove_file(&files.key).unwrap()),
        ("half a certificate", &|| fs::write(&files.cert, half).unwrap()),
        ("nothing in the certificate file", &|| fs::write(&files.cert, "").unwrap()),
        ("a certificate without its key", &|| fs::write(&files.cert, &cert).unwrap()),
    ];
    for (nth, (what, step)) in steps.into_iter().enumerate() {
        step();
        until_metric(&site, "refused", nth + 1).await;
        assert_eq!(served().await, first.der(), "{what}");
    }
    fs::write(&files.key, &key).unwrap();
    until_metric(&site, "served", 1).await;
    assert_eq!(served().await, second.cert.der().clone());

    // The connection from before all this goes on.
    let request = Request::get("/v1/videos").header("host", "localhost").body(Empty::<Bytes>::new()).unwrap();
    assert_eq!(live.send_request(request).await.unwrap().status(), 200);
}

/// Waits until so many replacements of a certificate had this outcome. Counters are those of the process: the
/// tests that replace certificates are this one.
async fn until_metric(site: &Site, outcome: &str, count: usize) {
    let line = format!("vidstream_tls_reloads_total{{outcome=\"{outcome}\"}} {count}\n");
    let looking = async {
        while !get(site.admin, "/metrics").await.text().contains(&line) {
            tokio::task::yield_now().await;
        }
    };
    timeout(ANSWER_MAX, looking).await.unwrap_or_else(|_| panic!("no {line}"));
}

#[tokio::test]
async fn files_that_cannot_be_served_are_named_at_the_start() {
    let site = Site::start().await;
    let good = Certificate::new().files();
    let certificate = Certificate::new();
    let files = certificate.files();
    let folder = tempfile::tempdir().unwrap();
    let missing = folder.path().join("missing.pem");
    let garbage = folder.path().join("garbage.pem");
    fs::write(&garbage, "-----BEGIN CERTIFICATE-----\nnonsense\n").unwrap();
    let other = Certificate::new();
    let bind = async |cert: &std::path::Path, key: &std::path::Path| {
        let any = "127.0.0.1:0".parse().unwrap();
        let mut config = Config::new(any, any);
        config.tls = Some(TlsFiles { cert: cert.to_owned(), key: key.to_owned() });
        Origin::bind(config, site.catalog.clone(), site.store.clone()).await
    };
    assert!(bind(&files.cert, &files.key).await.is_ok());
    for (cert, key) in [(&missing, &files.key), (&files.cert, &missing), (&good.cert, &files.key)] {
        let error = bind(cert, key).await.err().unwrap();
        assert!(matches!(error, Error::TlsFile { .. }), "{error}");
    }
    let swapped = [(&garbage, &files.key), (&files.cert, &garbage), (&files.key, &files.cert)];
    // A file as long as it may be, and a byte longer; what is between the parts of a PEM file means nothing.
    let padded = folder.path().join("padded.pem");
    let text = fs::read_to_string(&files.cert).unwrap();
    for (bytes, good) in [(1 << 20, true), ((1 << 20) + 1, false)] {
        fs::write(&padded, format!("{text}{}", "\n".repeat(bytes - text.len()))).unwrap();
        assert_eq!(bind(&padded, &files.key).await.is_ok(), good, "{bytes} bytes");
    }
    for (cert, key) in swapped.into_iter().chain([(&files.cert, &other.files().key)]) {
        let error = bind(cert, key).await.err().unwrap();
        assert!(matches!(error, Error::Tls { .. }), "{error}");
    }
}

#[tokio::test]
async fn handshakes_and_prefaces_have_a_deadline() {
    let certificate = Certificate::new();
    let site = Site::with(|config| config.patience = hasty()).await;
    let tls = site
        .node(|config| {
            config.patience = hasty();
            config.tls = Some(certificate.files());
        })
        .await;
    // Nothing at all, the begin of a hello, and of the preface of HTTP/2; then a whole preface and nothing after it.
    let preface: &[u8] = b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n";
    let cases = [
        (tls.addr, &b""[..]),
        (tls.addr, b"\x16\x03\x01\x02"),
        (site.addr, b""),
        (site.addr, &preface[..9]),
        (site.addr, preface),
    ];
    for (addr, sent) in cases {
        let began = Instant::now();
        let mut stream = TcpStream::connect(addr).await.unwrap();
        stream.write_all(sent).await.unwrap();
        // Closed in order or reset: an end either way.
        let mut bytes = Vec::new();
        let reading = timeout(Duration::from_secs(10), stream.read_to_end(&mut bytes));
        let _ = reading.await.expect("the connection is closed");
        assert!(began.elapsed() >= hasty().header_read / 2, "{sent:?}");
    }
}

#[tokio::test]
async fn a_stream_that_is_not_read_ends_its_connection_and_spares_the_others() {
    let site = Site::with(|config| config.patience = hasty()).await;
    let id = ready(&site).await;
    // Of the small one all bytes are given away at once, and wait for the window there.
    for stalled_path in [format!("/v/{id}/1/poster.jpg"), format!("/v/{id}/1/360p/2.m4s")] {
        stall(&site, &stalled_path, &format!("/v/{id}/1/360p/1.m4s")).await;
    }
}

async fn stall(site: &Site, stalled_path: &str, read_path: &str) {
    let stream = TcpStream::connect(site.addr).await.unwrap();
    // A window of less than a segment that nobody opens further.
    let (mut sender, connection) = http2::Builder::new(TokioExecutor::new())
        .initial_stream_window_size(100)
        .handshake(TokioIo::new(stream))
        .await
        .unwrap();
    let connection = tokio::spawn(connection);
    let request = |path| Request::get(format!("http://localhost{path}")).body(Empty::<Bytes>::new()).unwrap();
    let stalled = sender.send_request(request(stalled_path)).await.unwrap();
    let read = sender.send_request(request(read_path)).await.unwrap();
    assert_eq!(read.into_body().collect().await.unwrap().to_bytes(), segment_bytes(Track::Rung(360), 1));
    let _ = timeout(ANSWER_MAX, connection).await.expect("the connection is closed");
    assert!(stalled.into_body().collect().await.is_err(), "{stalled_path}");
}

#[tokio::test]
async fn a_stop_ends_every_protocol_in_order() {
    let nodes = Nodes::start().await;
    let stream = TcpStream::connect(nodes.site.addr).await.unwrap();
    let (mut sender, connection) = http2::handshake(TokioExecutor::new(), TokioIo::new(stream)).await.unwrap();
    let connection = tokio::spawn(connection);
    let request = Request::get("http://localhost/").body(Empty::<Bytes>::new()).unwrap();
    let response = sender.send_request(request).await.unwrap();
    response.into_body().collect().await.unwrap();
    let silent = TcpStream::connect(nodes.tls.addr).await.unwrap();
    let began = Instant::now();
    nodes.site.stop().await;
    nodes.tls.stop().await;
    assert!(began.elapsed() < Duration::from_secs(2), "{:?}", began.elapsed());
    // The client was told, and sees no error.
    assert!(timeout(ANSWER_MAX, connection).await.unwrap().unwrap().is_ok());
    drop(silent);
}
