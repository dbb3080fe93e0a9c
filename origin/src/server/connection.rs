//! One connection: HTTP/1.1 with bounds on headers, idleness and slow readers.

use std::{convert::Infallible, future::Future, net::SocketAddr, sync::Arc};

use http::{Request, Response};
use hyper::{body::Incoming, server::conn::http1, service::service_fn};
use hyper_util::rt::TokioIo;
use tokio::net::TcpStream;
use tokio_util::sync::CancellationToken;

use super::{activity::Activity, direct::Direct, io::Patient};
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
    let activity = Arc::new(Activity::default());
    let io = TokioIo::new(Patient::new(Direct::new(stream), patience.write_stall, Arc::clone(&activity)));
    let at_work = Arc::clone(&activity);
    let service = service_fn(move |request| {
        let answering = at_work.answer();
        let answer = handler(peer, request);
        async move {
            let answer = answer.await;
            drop(answering);
            answer
        }
    });
    // A token of its own: looking at one that all connections share is a lock that all of them take.
    let end = end.child_token();
    let connection = http1::Builder::new()
        .header_read_timeout(None)
        .max_header_size(HEADER_BYTES_MAX)
        .max_buf_size(CONNECTION_BUFFER_BYTES_MAX)
        .half_close(false)
        .serve_connection(io, service)
        .with_upgrades();
    tokio::pin!(connection);
    let ended = tokio::select! {
        ended = connection.as_mut() => ended,
        () = activity.idle(patience.header_read) => Ok(()),
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
