//! The listeners: accepting, bounding and ending connections.

mod activity;
mod admin;
mod connection;
mod direct;
mod io;
mod lanes;
mod listener;
mod preface;
mod streams;
mod tls;

use std::{net::SocketAddr, sync::Arc, time::Duration};

use futures_util::future::BoxFuture;
use tokio::{
    net::TcpListener,
    sync::broadcast::error::RecvError,
    time::{MissedTickBehavior, interval},
};
use tokio_util::sync::CancellationToken;
use vidstream_catalog::Catalog;
use vidstream_store::Store;

use self::{connection::Terms, lanes::Lanes, listener::Server, tls::Tls};
use crate::{
    Config, Error,
    admin::Readiness,
    app::App,
    limits::{CONNECTIONS_MAX, VIEWERS_EVERY},
    metering,
};

pub use self::admin::Admin;

/// How often caches are tidied.
const UPKEEP: Duration = Duration::from_secs(1);
/// How long uploads that were cut off may take to clean up behind themselves.
const CLEANUP_MAX: Duration = Duration::from_millis(500);

/// An origin that is bound to its addresses and not yet serving.
pub struct Origin {
    app: Arc<App>,
    tls: Option<Tls>,
    lanes: Lanes,
    listener: TcpListener,
    addr: SocketAddr,
    admin: Admin,
}

// === impl Origin ===

impl Origin {
    /// Reads token, certificate and key, and takes both addresses.
    ///
    /// # Errors
    /// `AddrInUse` or `Bind` when an address cannot be had, `Unprotected` for an address beyond
    /// loopback without token or `read_only`, `Token` for an unusable token file, `Threads` when the
    /// system refuses threads, `TlsFile` for a certificate or key file that cannot be read, `Tls` for
    /// one that cannot be used.
    pub fn bind(config: Config, catalog: Catalog, store: Store) -> BoxFuture<'static, Result<Self, Error>> {
        Box::pin(async move {
            metering::start_origin();
            let app = App::new(&config, catalog, store)?;
            let tls = match config.tls {
                Some(files) => Some(Tls::open(files).await?),
                None => None,
            };
            let (listener, addr) = listener::bind(config.listen)?;
            let admin = Admin::bind(config.admin_listen)?;
            let lanes = Lanes::start().map_err(Error::Threads)?;
            Ok(Self { app: Arc::new(app), tls, lanes, listener, addr, admin })
        })
    }

    /// The address of delivery, API and page.
    pub fn addr(&self) -> SocketAddr {
        self.addr
    }

    /// The address of `/healthz`, `/readyz` and `/metrics`.
    pub fn admin_addr(&self) -> SocketAddr {
        self.admin.addr()
    }

    /// Serves until `shutdown` is cancelled, then ends in order: nothing new is accepted, requests
    /// may end within [`crate::Patience::drain`], and what still runs then is cut off.
    pub fn run(self, shutdown: CancellationToken) -> BoxFuture<'static, ()> {
        Box::pin(async move {
            let app = self.app;
            let background = Background::start(&app);
            let acceptor = self.tls.as_ref().map(Tls::acceptor);
            // Connections that are being drained need no new certificate.
            if let Some(tls) = self.tls {
                tokio::spawn(shutdown.clone().run_until_cancelled_owned(tls.follow(app.patience.tls_poll)));
            }
            let admin_end = CancellationToken::new();
            let readiness = Readiness { catalog: app.catalog.clone(), check: None, shutdown: shutdown.clone() };
            let admin = tokio::spawn(self.admin.run(readiness, app.patience, admin_end.clone()));
            let server = Server {
                listener: self.listener,
                lanes: Some(&self.lanes),
                connections_max: CONNECTIONS_MAX,
                terms: Terms { patience: app.patience, tls: acceptor, end: shutdown.clone() },
            };
            // Those who wait for something are sent away at once; the others may finish.
            let ending = app.shutdown.clone();
            let relay = tokio::spawn(async move {
                shutdown.cancelled().await;
                ending.cancel();
            });
            let handler = Arc::clone(&app);
            server.serve(move |peer, request| Arc::clone(&handler).handle(peer, request)).await;
            if relay.await.is_err() {
                app.shutdown.cancel();
            }
            app.sockets.close();
            // What it has half done with views is done again.
            drop(background);
            let cleanup = async {
                let both = async { tokio::join!(app.uploads.stop(), app.sockets.wait()) };
                if tokio::time::timeout(CLEANUP_MAX, both).await.is_err() {
                    tracing::warn!("some uploads or WebSockets did not end in time");
                }
            };
            // It has a bound of its own.
            let views = async {
                if let Err(error) = app.catalog.finish_views(app.patience.last_views).await {
                    tracing::error!(%error, "the last views were not counted");
                }
            };
            tokio::join!(cleanup, views);
            admin_end.cancel();
            if let Err(error) = admin.await {
                tracing::error!(%error, "the admin listener ended unexpectedly");
            }
        })
    }
}

/// Tasks that live as long as the origin serves.
struct Background {
    end: CancellationToken,
}

// === impl Background ===

impl Background {
    fn start(app: &Arc<App>) -> Self {
        let end = CancellationToken::new();
        tokio::spawn(end.clone().run_until_cancelled_owned(hear(Arc::clone(app))));
        let feed = Arc::clone(app);
        tokio::spawn(end.clone().run_until_cancelled_owned(async move { feed.feed.run().await }));
        tokio::spawn(end.clone().run_until_cancelled_owned(tidy(Arc::clone(app))));
        tokio::spawn(end.clone().run_until_cancelled_owned(tell_viewers(Arc::clone(app))));
        tokio::spawn(end.clone().run_until_cancelled_owned(count_views(Arc::clone(app))));
        Self { end }
    }
}

impl Drop for Background {
    fn drop(&mut self) {
        self.end.cancel();
    }
}

/// Passes hints of the catalog on to those who keep something of it.
async fn hear(app: Arc<App>) {
    let mut hints = app.catalog.hints();
    loop {
        let video = match hints.recv().await {
            Ok(hint) => hint.video,
            // Some were missed, so they may have been about any video.
            Err(RecvError::Lagged(_)) => None,
            Err(RecvError::Closed) => return,
        };
        app.views.changed(video);
        app.feed.hint();
    }
}

/// Hands on who watches, and tells those who asked. A database that is slow holds up none of it.
async fn tell_viewers(app: Arc<App>) {
    let mut tick = interval(VIEWERS_EVERY);
    tick.set_missed_tick_behavior(MissedTickBehavior::Delay);
    loop {
        tick.tick().await;
        app.catalog.tell_viewers().await;
        app.viewers.refresh().await;
    }
}

/// Has views counted.
async fn count_views(app: Arc<App>) {
    let mut tick = interval(VIEWERS_EVERY);
    tick.set_missed_tick_behavior(MissedTickBehavior::Delay);
    let mut failing = false;
    loop {
        tick.tick().await;
        let counted = app.catalog.count_views().await;
        if let Err(error) = &counted
            && !failing
        {
            tracing::warn!(%error, "views cannot be counted; tried again");
        }
        failing = counted.is_err();
    }
}

async fn tidy(app: Arc<App>) {
    let mut tick = interval(UPKEEP);
    loop {
        tick.tick().await;
        app.delivery.objects().tidy().await;
        app.delivery.answers().tidy();
        let bytes = usize::try_from(app.delivery.objects().cached_bytes()).unwrap_or(usize::MAX);
        metrics::gauge!("vidstream_cache_bytes").set(metering::as_f64(bytes));
        metrics::gauge!("vidstream_views_stale_seconds").set(app.views.stalest().as_secs_f64());
    }
}
