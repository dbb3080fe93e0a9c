//! The accept loop of one address.

use std::{convert::Infallible, future::Future, io, net::SocketAddr, sync::Arc, time::Duration};

use http::{Request, Response};
use hyper::body::Incoming;
use tokio::{
    net::{TcpListener, TcpSocket, TcpStream},
    sync::Semaphore,
    task::JoinSet,
    time::{sleep, timeout},
};

use super::{
    connection::{self, Terms},
    lanes::Lanes,
};
use crate::{
    Error,
    limits::{ACCEPT_PAUSE_MAX, ACCEPT_PAUSE_MIN, LISTEN_BACKLOG},
    respond::Body,
};

/// A bound address and the bounds of what is served there.
pub(super) struct Server<'a> {
    pub(super) listener: TcpListener,
    /// Where connections are served; here if absent.
    pub(super) lanes: Option<&'a Lanes>,
    pub(super) connections_max: usize,
    pub(super) terms: Terms,
}

/// Takes an address; gives also which one it is, for port 0.
pub(super) fn bind(addr: SocketAddr) -> Result<(TcpListener, SocketAddr), Error> {
    let listen = || -> io::Result<_> {
        let socket = if addr.is_ipv4() { TcpSocket::new_v4()? } else { TcpSocket::new_v6()? };
        // So that a restart does not wait for the connections of the last run to be forgotten.
        socket.set_reuseaddr(true)?;
        socket.bind(addr)?;
        let listener = socket.listen(LISTEN_BACKLOG)?;
        let addr = listener.local_addr()?;
        Ok((listener, addr))
    };
    listen().map_err(|error| Error::of_listen(addr, error))
}

// === impl Server ===

impl Server<'_> {
    /// Serves until the end is told, then drains within bounds.
    pub(super) async fn serve<H, F>(self, handler: H)
    where
        H: Fn(SocketAddr, Request<Incoming>) -> F + Clone + Send + Sync + 'static,
        F: Future<Output = Result<Response<Body>, Infallible>> + Send + 'static,
    {
        let places = Arc::new(Semaphore::new(self.connections_max));
        let mut connections = JoinSet::new();
        let mut pause = ACCEPT_PAUSE_MIN;
        loop {
            let accepted = tokio::select! {
                accepted = self.accept(&places) => accepted,
                () = self.terms.end.cancelled() => break,
            };
            while connections.try_join_next().is_some() {}
            match accepted {
                Ok((stream, peer, place)) => {
                    pause = ACCEPT_PAUSE_MIN;
                    let handler = handler.clone();
                    let terms = self.terms.clone();
                    let serving = async move {
                        match TcpStream::from_std(stream) {
                            Ok(stream) => connection::serve(stream, peer, terms, handler).await,
                            Err(error) => tracing::debug!(%peer, %error, "a connection cannot be polled"),
                        }
                        drop(place);
                    };
                    match self.lanes {
                        Some(lanes) => lanes.spawn(&mut connections, serving),
                        None => drop(connections.spawn(serving)),
                    }
                }
                Err(error) => pause = self.rest(&error, pause).await,
            }
        }
        drop(self.listener);
        let all = async { while connections.join_next().await.is_some() {} };
        if timeout(self.terms.patience.drain, all).await.is_err() {
            tracing::warn!(connections = connections.len(), "connections are cut off after the drain");
            connections.shutdown().await;
        }
    }

    /// The next connection, once there is a place for it.
    async fn accept(
        &self,
        places: &Arc<Semaphore>,
    ) -> io::Result<(std::net::TcpStream, SocketAddr, tokio::sync::OwnedSemaphorePermit)> {
        let place = Arc::clone(places).acquire_owned().await.map_err(io::Error::other)?;
        let (stream, peer) = self.listener.accept().await?;
        // Let go of by this poller: the one of its lane is to have it.
        Ok((stream.into_std()?, peer, place))
    }

    /// Without a pause, a process that is out of descriptors would spin here.
    async fn rest(&self, error: &io::Error, pause: Duration) -> Duration {
        let of_peer = matches!(
            error.kind(),
            io::ErrorKind::ConnectionAborted | io::ErrorKind::ConnectionReset | io::ErrorKind::Interrupted
        );
        if of_peer {
            return ACCEPT_PAUSE_MIN;
        }
        metrics::counter!("vidstream_accept_failures_total").increment(1);
        tracing::error!(%error, pause_ms = u64::try_from(pause.as_millis()).unwrap_or(u64::MAX), "accepting failed");
        tokio::select! {
            () = sleep(pause) => {}
            () = self.terms.end.cancelled() => {}
        }
        (pause * 2).min(ACCEPT_PAUSE_MAX)
    }
}

#[cfg(test)]
mod tests;
