//! The same request over every protocol that the origin speaks: HTTP/1.1 and HTTP/2, in plaintext and over TLS.

use std::{net::SocketAddr, sync::Arc};

use bytes::Bytes;
use http::{HeaderName, HeaderValue, Method, Request, Uri, Version, header};
use http_body_util::{BodyExt, Full};
use hyper::client::conn::{http1, http2};
use hyper_util::rt::{TokioExecutor, TokioIo};
use rustls::{
    ClientConfig, RootCertStore,
    pki_types::{CertificateDer, ServerName},
};
use tokio::{
    io::{AsyncRead, AsyncReadExt, AsyncWrite, AsyncWriteExt},
    net::TcpStream,
    time::timeout,
};
use tokio_rustls::{TlsConnector, client::TlsStream};
use vidstream_origin::{Config, TlsFiles};

use crate::{
    client::{ANSWER_MAX, Answer, parse},
    fixture::Site,
};

/// The name that certificates of the tests are for.
const NAME: &str = "localhost";

/// What a request is sent over.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Protocol {
    Http1,
    Http2,
    TlsHttp1,
    TlsHttp2,
}

pub(crate) const PROTOCOLS: [Protocol; 4] = [Protocol::Http1, Protocol::Http2, Protocol::TlsHttp1, Protocol::TlsHttp2];

/// Those whose requests are text, and can be written as they should not be.
pub(crate) const OF_TEXT: [Protocol; 2] = [Protocol::Http1, Protocol::TlsHttp1];

/// A certificate that signed itself, in files.
pub(crate) struct Certificate {
    folder: tempfile::TempDir,
    der: CertificateDer<'static>,
}

/// Two origins over the same catalog and store, one in plaintext and one with TLS.
pub(crate) struct Nodes {
    pub(crate) site: Site,
    pub(crate) tls: Site,
    connector: TlsConnector,
    /// Its files are there for as long as they are served.
    _certificate: Certificate,
}

// === impl Protocol ===

impl Protocol {
    fn is_tls(self) -> bool {
        matches!(self, Self::TlsHttp1 | Self::TlsHttp2)
    }

    pub(crate) fn is_http2(self) -> bool {
        matches!(self, Self::Http2 | Self::TlsHttp2)
    }
}

// === impl Certificate ===

impl Certificate {
    pub(crate) fn new() -> Self {
        let pair = pair();
        let this = Self { folder: tempfile::tempdir().unwrap(), der: pair.cert.der().clone() };
        let files = this.files();
        std::fs::write(files.cert, pair.cert.pem()).unwrap();
        std::fs::write(files.key, pair.signing_key.serialize_pem()).unwrap();
        this
    }

    pub(crate) fn files(&self) -> TlsFiles {
        TlsFiles { cert: self.folder.path().join("cert.pem"), key: self.folder.path().join("key.pem") }
    }

    pub(crate) fn der(&self) -> CertificateDer<'static> {
        self.der.clone()
    }
}

/// A certificate and its key that nobody serves yet.
pub(crate) fn pair() -> rcgen::CertifiedKey<rcgen::KeyPair> {
    rcgen::generate_simple_self_signed([NAME.to_owned()]).unwrap()
}

// === impl Nodes ===

impl Nodes {
    pub(crate) async fn start() -> Self {
        Self::with(|_| {}).await
    }

    pub(crate) async fn with(tune: impl Fn(&mut Config)) -> Self {
        let site = Site::with(&tune).await;
        let certificate = Certificate::new();
        let tune_tls = |config: &mut Config| {
            tune(config);
            config.tls = Some(certificate.files());
        };
        let tls = site.node(tune_tls).await;
        Self { site, tls, connector: trusting([certificate.der()]), _certificate: certificate }
    }

    pub(crate) fn addr(&self, protocol: Protocol) -> SocketAddr {
        if protocol.is_tls() { self.tls.addr } else { self.site.addr }
    }

    /// A TLS connection that speaks this.
    pub(crate) async fn connect_tls(&self, alpn: &[u8]) -> TlsStream<TcpStream> {
        let stream = TcpStream::connect(self.tls.addr).await.unwrap();
        let stream = shake_hands(&self.connector, stream, alpn).await.unwrap();
        assert_eq!(stream.get_ref().1.alpn_protocol(), Some(alpn));
        stream
    }

    /// Sends these bytes and reads one answer, to the end of the connection.
    pub(crate) async fn raw(&self, protocol: Protocol, sent: &[u8]) -> Answer {
        parse(&self.talk(protocol, sent).await)
    }

    /// All that comes back for these bytes until the connection ends.
    pub(crate) async fn talk(&self, protocol: Protocol, sent: &[u8]) -> Vec<u8> {
        assert!(OF_TEXT.contains(&protocol));
        if protocol.is_tls() {
            talk(self.connect_tls(b"http/1.1").await, sent).await
        } else {
            talk(TcpStream::connect(self.site.addr).await.unwrap(), sent).await
        }
    }

    /// A request without a body.
    pub(crate) async fn ask(&self, protocol: Protocol, method: &str, path: &str, headers: &[(&str, &str)]) -> Answer {
        self.send(protocol, method, path, headers, b"").await
    }

    pub(crate) async fn send(
        &self,
        protocol: Protocol,
        method: &str,
        path: &str,
        headers: &[(&str, &str)],
        body: &[u8],
    ) -> Answer {
        let addr = self.addr(protocol);
        let request = request(protocol, addr, method, path, headers, body);
        let answering = async {
            if !protocol.is_tls() {
                return exchange(TcpStream::connect(addr).await.unwrap(), protocol, request).await;
            }
            let alpn: &[u8] = if protocol.is_http2() { b"h2" } else { b"http/1.1" };
            exchange(self.connect_tls(alpn).await, protocol, request).await
        };
        timeout(ANSWER_MAX, answering).await.expect("an answer in time")
    }
}

/// What opens TLS connections to servers with one of these certificates.
pub(crate) fn trusting<const N: usize>(certificates: [CertificateDer<'static>; N]) -> TlsConnector {
    let mut roots = RootCertStore::empty();
    for certificate in certificates {
        roots.add(certificate).unwrap();
    }
    let provider = Arc::new(rustls::crypto::ring::default_provider());
    let config = ClientConfig::builder_with_provider(provider).with_safe_default_protocol_versions().unwrap();
    TlsConnector::from(Arc::new(config.with_root_certificates(roots).with_no_client_auth()))
}

/// A TLS connection that offers one application protocol.
pub(crate) async fn shake_hands(
    connector: &TlsConnector,
    stream: TcpStream,
    alpn: &[u8],
) -> std::io::Result<TlsStream<TcpStream>> {
    let connector = connector.clone();
    connector.with_alpn(vec![alpn.to_vec()]).connect(ServerName::try_from(NAME).unwrap(), stream).await
}

async fn talk(mut stream: impl AsyncRead + AsyncWrite + Unpin, sent: &[u8]) -> Vec<u8> {
    stream.write_all(sent).await.unwrap();
    stream.flush().await.unwrap();
    let mut bytes = Vec::new();
    // Who hangs up on what nobody reads may do so without a word of TLS.
    let ended = timeout(ANSWER_MAX, stream.read_to_end(&mut bytes)).await;
    let text = String::from_utf8_lossy;
    assert!(ended.is_ok(), "no end in time behind {:.99}: {}", text(sent), text(&bytes));
    bytes
}

fn request(
    protocol: Protocol,
    addr: SocketAddr,
    method: &str,
    path: &str,
    headers: &[(&str, &str)],
    body: &[u8],
) -> Request<Full<Bytes>> {
    let mut request = Request::new(Full::new(Bytes::copy_from_slice(body)));
    *request.method_mut() = Method::from_bytes(method.as_bytes()).unwrap();
    for (name, value) in headers {
        let name = HeaderName::from_bytes(name.as_bytes()).unwrap();
        request.headers_mut().append(name, HeaderValue::from_str(value).unwrap());
    }
    let scheme = if protocol.is_tls() { "https" } else { "http" };
    let host =
        headers.iter().find(|(name, _)| *name == "host").map_or(addr.to_string(), |(_, host)| (*host).to_owned());
    if protocol.is_http2() {
        *request.version_mut() = Version::HTTP_2;
        *request.uri_mut() = Uri::try_from(format!("{scheme}://{host}{path}")).unwrap();
    } else {
        *request.uri_mut() = Uri::try_from(path).unwrap();
        request.headers_mut().insert(header::HOST, HeaderValue::try_from(host).unwrap());
    }
    request
}

async fn exchange<S>(stream: S, protocol: Protocol, request: Request<Full<Bytes>>) -> Answer
where
    S: AsyncRead + AsyncWrite + Unpin + Send + 'static,
{
    let io = TokioIo::new(stream);
    let response = if protocol.is_http2() {
        let (mut sender, connection) = http2::handshake(TokioExecutor::new(), io).await.unwrap();
        tokio::spawn(connection);
        sender.send_request(request).await.unwrap()
    } else {
        let (mut sender, connection) = http1::handshake(io).await.unwrap();
        tokio::spawn(connection);
        sender.send_request(request).await.unwrap()
    };
    let (head, body) = response.into_parts();
    let text = |value: &HeaderValue| value.to_str().unwrap().to_owned();
    let headers = head.headers.iter().map(|(name, value)| (name.as_str().to_owned(), text(value))).collect();
    Answer { status: head.status.as_u16(), headers, body: body.collect().await.unwrap().to_bytes().to_vec() }
}
