//! One connection: its protocol, and bounds on handshakes, headers, idleness and slow readers.

use std::{convert::Infallible, future::Future, net::SocketAddr, sync::Arc};

use futures_util::{StreamExt, stream::FuturesUnordered};
use http::{Request, Response, Version};
use hyper::{
    body::Incoming,
    server::conn::{http1, http2},
    service::service_fn,
};
use hyper_util::rt::{TokioExecutor, TokioIo, TokioTimer};
use tokio::{
    io::{AsyncRead, AsyncWrite},
    net::TcpStream,
    time::timeout,
};
use tokio_rustls::TlsAcceptor;
use tokio_util::sync::CancellationToken;

use super::{
    activity::Activity,
    direct::Direct,
    io::Patient,
    preface::{Protocol, sniff},
    streams::{Reason, Streams},
    tls::HTTP2,
};
use crate::{Patience, limits, respond::Body};

/// What every connection of a listener is served with.
#[derive(Clone)]
pub(super) struct Terms {
    pub(super) patience: Patience,
    /// Makes TLS of it; without one it is plaintext.
    pub(super) tls: Option<TlsAcceptor>,
    pub(super) end: CancellationToken,
}

/// Serves a connection until it ends or, after the end is told, its requests are answered.
pub(super) async fn serve<H, F>(stream: TcpStream, peer: SocketAddr, terms: Terms, handler: H)
where
    H: Fn(SocketAddr, Request<Incoming>) -> F + Clone + Send + Sync + 'static,
    F: Future<Output = Result<Response<Body>, Infallible>> + Send + 'static,
{
    // A response leaves in one write; waiting for more would only delay it.
    if let Err(error) = stream.set_nodelay(true) {
        tracing::debug!(%peer, %error, "TCP_NODELAY was not set");
    }
    metrics::gauge!("vidstream_connections").increment(1.0);
    let connection = Connection { peer, terms };
    if let Err(error) = connection.serve(stream, handler).await {
        tracing::debug!(%peer, %error, "a connection ended early");
    }
    metrics::gauge!("vidstream_connections").decrement(1.0);
}

struct Connection {
    peer: SocketAddr,
    terms: Terms,
}

/// Why a connection that is at work is asked to end.
enum Limit {
    /// It has had nothing to do for too long.
    Idle,
    /// The server ends.
    End,
}

type Ended = Result<(), Box<dyn std::error::Error + Send + Sync>>;

// === impl Connection ===

impl Connection {
    async fn serve<H, F>(self, stream: TcpStream, handler: H) -> Ended
    where
        H: Fn(SocketAddr, Request<Incoming>) -> F + Clone + Send + Sync + 'static,
        F: Future<Output = Result<Response<Body>, Infallible>> + Send + 'static,
    {
        let Patience { handshake, header_read, write_stall, .. } = self.terms.patience;
        let end = self.terms.end.clone();
        let activity = Arc::new(Activity::default());
        let stream = Patient::new(Direct::new(stream), write_stall, Arc::clone(&activity));
        match &self.terms.tls {
            None => {
                let sniffing = end.run_until_cancelled(timeout(header_read, sniff(stream)));
                let Some(sniffed) = sniffing.await else { return Ok(()) };
                let (protocol, stream) = sniffed??;
                self.speak(protocol, stream, activity, handler).await
            }
            Some(acceptor) => {
                let accepting = end.run_until_cancelled(timeout(handshake, acceptor.accept(stream)));
                let Some(accepted) = accepting.await else { return Ok(()) };
                let stream = accepted.inspect_err(handshake_failed)?.inspect_err(handshake_failed)?;
                let protocol = match stream.get_ref().1.alpn_protocol() {
                    Some(HTTP2) => Protocol::Http2,
                    _ => Protocol::Http1,
                };
                self.speak(protocol, stream, activity, handler).await
            }
        }
    }

    async fn speak<S, H, F>(self, protocol: Protocol, stream: S, activity: Arc<Activity>, handler: H) -> Ended
    where
        S: AsyncRead + AsyncWrite + Unpin + Send + 'static,
        H: Fn(SocketAddr, Request<Incoming>) -> F + Clone + Send + Sync + 'static,
        F: Future<Output = Result<Response<Body>, Infallible>> + Send + 'static,
    {
        match protocol {
            Protocol::Http1 => self.http1(stream, activity, handler).await,
            Protocol::Http2 => self.http2(stream, handler).await,
        }
    }

    async fn http1<S, H, F>(self, stream: S, activity: Arc<Activity>, handler: H) -> Ended
    where
        S: AsyncRead + AsyncWrite + Unpin + Send + 'static,
        H: Fn(SocketAddr, Request<Incoming>) -> F,
        F: Future<Output = Result<Response<Body>, Infallible>>,
    {
        let peer = self.peer;
        let at_work = Arc::clone(&activity);
        let service = service_fn(move |request: Request<Incoming>| {
            let answering = at_work.answer();
            let version = request.version();
            let answer = handler(peer, request);
            async move {
                let answer = answer.await;
                drop(answering);
                answer.map(|response| in_version(version, response))
            }
        });
        // A token of its own: looking at one that all connections share is a lock that all of them take.
        let end = self.terms.end.child_token();
        let connection = http1::Builder::new()
            .header_read_timeout(None)
            .max_header_size(limits::HEADER_BYTES_MAX)
            .max_buf_size(limits::CONNECTION_BUFFER_BYTES_MAX)
            .half_close(false)
            .serve_connection(TokioIo::new(stream), service)
            .with_upgrades();
        tokio::pin!(connection);
        // A set looks only at what woke it: else the timer and the token would be asked at each step of a request.
        let mut limits = FuturesUnordered::from_iter([async {
            tokio::select! {
                () = activity.idle(self.terms.patience.header_read) => Limit::Idle,
                () = end.cancelled() => Limit::End,
            }
        }]);
        tokio::select! {
            ended = connection.as_mut() => return Ok(ended?),
            Some(limit) = limits.next() => match limit {
                Limit::Idle => return Ok(()),
                Limit::End => connection.as_mut().graceful_shutdown(),
            },
        }
        Ok(connection.await?)
    }

    async fn http2<S, H, F>(self, stream: S, handler: H) -> Ended
    where
        S: AsyncRead + AsyncWrite + Unpin + Send + 'static,
        H: Fn(SocketAddr, Request<Incoming>) -> F,
        F: Future<Output = Result<Response<Body>, Infallible>> + Send + 'static,
    {
        let (peer, patience) = (self.peer, self.terms.patience);
        let streams = Streams::new(patience);
        let begun = Arc::clone(&streams);
        let service = service_fn(move |request| {
            let stream = begun.begin();
            let answering = handler(peer, request);
            async move { answering.await.map(|response| response.map(|body| stream.respond(body))) }
        });
        let connection = http2::Builder::new(TokioExecutor::new())
            .timer(TokioTimer::new())
            .max_concurrent_streams(limits::H2_STREAMS_MAX)
            .max_pending_accept_reset_streams(limits::H2_PENDING_RESETS_MAX)
            .max_local_error_reset_streams(limits::H2_ERROR_RESETS_MAX)
            .max_header_list_size(limits::H2_HEADER_LIST_BYTES_MAX)
            .max_send_buf_size(limits::H2_SEND_BUFFER_BYTES_MAX)
            .keep_alive_interval(limits::H2_PING_INTERVAL)
            .keep_alive_timeout(limits::H2_PING_WAIT_MAX)
            .serve_connection(TokioIo::new(stream), service);
        tokio::pin!(connection);
        let rest = tokio::select! {
            ended = connection.as_mut() => return Ok(ended?),
            // The listener bounds what follows.
            () = self.terms.end.cancelled() => None,
            reason = streams.ending() => {
                if reason == Reason::Stalled {
                    metrics::counter!("vidstream_slow_readers_total").increment(1);
                }
                Some(patience.write_stall)
            }
        };
        // No new streams; those that are read in time end well.
        connection.as_mut().graceful_shutdown();
        match rest {
            None => Ok(connection.await?),
            Some(rest) => Ok(timeout(rest, connection).await??),
        }
    }
}

/// One request is all that a connection of HTTP/1.0 has: old proxies pass `Connection: keep-alive` on without knowing
/// what it says (RFC 9112 §9.3, appendix C.2.2). hyper keeps it for whom it answers in words of 1.1.
fn in_version(version: Version, mut response: Response<Body>) -> Response<Body> {
    if version == Version::HTTP_10 {
        *response.version_mut() = version;
    }
    response
}

fn handshake_failed<E>(_: &E) {
    metrics::counter!("vidstream_tls_handshake_failures_total").increment(1);
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use tokio::{
        io::{AsyncReadExt, AsyncWriteExt, DuplexStream, duplex},
        time::{Instant, sleep},
    };

    use super::*;
    use crate::limits::{H2_PING_INTERVAL, H2_PING_WAIT_MAX};

    /// The preface, empty SETTINGS, and a request for `/` in the words of the static table (RFC 7541, appendix A).
    const HELLO: &[u8] =
        b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n\0\0\0\x04\0\0\0\0\0\0\0\x06\x01\x05\0\0\0\x01\x82\x86\x84\x41\x01a";
    /// The head of an answer to a PING (RFC 9113 §6.7).
    const PONG: &[u8] = b"\0\0\x08\x06\x01\0\0\0\0";

    /// What the next PING carries.
    async fn pinged(far: &mut DuplexStream) -> Vec<u8> {
        loop {
            let mut head = [0; 9];
            far.read_exact(&mut head).await.unwrap();
            let [_, high, low, kind, flags, ..] = head;
            let mut payload = vec![0; usize::from(u16::from_be_bytes([high, low]))];
            far.read_exact(&mut payload).await.unwrap();
            if (kind, flags) == (6, 0) {
                return payload;
            }
        }
    }

    #[tokio::test(start_paused = true)]
    async fn a_silent_client_is_asked_after_twenty_seconds_and_given_up_after_ten_more() {
        let (near, mut far) = duplex(64 << 10);
        far.write_all(HELLO).await.unwrap();
        let terms = Terms { patience: Patience::default(), tls: None, end: CancellationToken::new() };
        let connection = Connection { peer: ([127, 0, 0, 1], 1).into(), terms };
        // A request that is being answered for as long as the client likes.
        let handler = |_: SocketAddr, request: Request<Incoming>| async move {
            let answer = std::future::pending::<Result<Response<Body>, Infallible>>().await;
            drop(request);
            answer
        };
        let began = Instant::now();
        let serving = tokio::spawn(connection.http2(near, handler));
        let ping = pinged(&mut far).await;
        assert_eq!(began.elapsed().as_secs(), H2_PING_INTERVAL.as_secs());
        // It says in the last moment that it is there, and is asked again as long after that.
        let moment = Duration::from_millis(10);
        sleep(H2_PING_WAIT_MAX.saturating_sub(moment)).await;
        far.write_all(&[PONG, &ping].concat()).await.unwrap();
        let answered = Instant::now();
        pinged(&mut far).await;
        assert_eq!(answered.elapsed().as_secs(), H2_PING_INTERVAL.as_secs());
        assert!(!serving.is_finished());
        let asked = Instant::now();
        let ended = serving.await.unwrap();
        assert_eq!(asked.elapsed().as_secs(), H2_PING_WAIT_MAX.as_secs());
        assert!(ended.is_err());
    }
}
