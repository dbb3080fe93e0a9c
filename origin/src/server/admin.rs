//! The admin listener as a server: of an origin, or of a process that serves nothing else.

use std::{net::SocketAddr, sync::Arc, time::Duration};

use futures_util::future::BoxFuture;
use tokio::{
    net::TcpListener,
    time::{MissedTickBehavior, interval},
};
use tokio_util::sync::CancellationToken;

use super::{
    connection::Terms,
    listener::{self, Server},
};
use crate::{
    Error, Patience,
    admin::{self, Readiness},
    limits::ADMIN_CONNECTIONS_MAX,
    metering,
};

/// How often what was counted is tidied.
const UPKEEP: Duration = Duration::from_secs(1);

/// `/healthz`, `/readyz` and `/metrics`, bound to an address and not yet answering. An [`crate::Origin`] has one; a
/// process without an origin can have one by itself.
pub struct Admin {
    listener: TcpListener,
    addr: SocketAddr,
}

// === impl Admin ===

impl Admin {
    /// Takes the address; what the process counts from here on is in `/metrics`.
    ///
    /// # Errors
    /// `AddrInUse` or `Bind` when the address cannot be had.
    pub fn bind(addr: SocketAddr) -> Result<Self, Error> {
        metering::start();
        let (listener, addr) = listener::bind(addr)?;
        Ok(Self { listener, addr })
    }

    /// The address, for port 0 the one that was taken.
    pub fn addr(&self) -> SocketAddr {
        self.addr
    }

    /// Answers until `end` is cancelled, then ends within [`Patience::drain`].
    pub fn run(self, readiness: Readiness, patience: Patience, end: CancellationToken) -> BoxFuture<'static, ()> {
        Box::pin(async move {
            let upkeep = tokio::spawn(end.clone().run_until_cancelled_owned(upkeep()));
            let server = Server {
                listener: self.listener,
                lanes: None,
                connections_max: ADMIN_CONNECTIONS_MAX,
                terms: Terms { patience, tls: None, end },
            };
            let readiness = Arc::new(readiness);
            server.serve(move |_, request| admin::answer(Arc::clone(&readiness), request)).await;
            if let Err(error) = upkeep.await {
                tracing::error!(%error, "the upkeep of metrics ended unexpectedly");
            }
        })
    }
}

async fn upkeep() {
    let mut tick = interval(UPKEEP);
    tick.set_missed_tick_behavior(MissedTickBehavior::Delay);
    loop {
        tick.tick().await;
        metering::upkeep();
    }
}
