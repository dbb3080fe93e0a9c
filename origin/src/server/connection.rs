//! One connection: HTTP/1.1 with bounds on headers, idleness and slow readers.

use std::{convert::Infallible, future::Future, net::SocketAddr};

use http::{Request, Response};
use hyper::{body::Incoming, server::conn::http1, service::service_fn};
use hyper_util::rt::{TokioIo, TokioTimer};
use tokio::net::TcpStream;
use tokio_util::sync::CancellationToken;

use super::io::Patient;
use crate::{
    Patience,
    limits::{CONNECTION_BUFFER_BYTES_MAX, HEADER_BYTES_MAX},
    respond::Body,
};

/// Serves a connection until it ends or, after `end`, its request is answered.
pub(super) async fn serve<H, F>(
    stream: TcpStream,
    peer: SocketAddr,
    patience: Patience,
    end: CancellationToken,
    handler: H,
) where
    H: Fn(SocketAddr, Request<Incoming>) -> F + Send + Sync + 'static,
    F: Future<Output = Result<Response<Body>, Infallible>> + Send + 'static,
{
    // A response leaves in one write; waiting for more would only delay it.
    if let Err(error) = stream.set_nodelay(true) {
        tracing::debug!(%peer, %error, "TCP_NODELAY was not set");
    }
    metrics::gauge!("vidstream_connections").increment(1.0);
    let io = TokioIo::new(Patient::new(stream, patience.write_stall));
    let service = service_fn(move |request| handler(peer, request));
    let connection = http1::Builder::new()
        .timer(TokioTimer::new())
        .header_read_timeout(patience.header_read)
        .max_header_size(HEADER_BYTES_MAX)
        .max_buf_size(CONNECTION_BUFFER_BYTES_MAX)
        .half_close(false)
        .serve_connection(io, service)
        .with_upgrades();
    tokio::pin!(connection);
    let ended = tokio::select! {
        ended = connection.as_mut() => ended,
        () = end.cancelled() => {
            connection.as_mut().graceful_shutdown();
            connection.await
        }
    };
    if let Err(error) = ended {
        tracing::debug!(%peer, %error, "a connection ended early");
    }
    metrics::gauge!("vidstream_connections").decrement(1.0);
}
