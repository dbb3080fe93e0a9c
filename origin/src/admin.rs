//! The admin listener: is it alive, does it serve, and what has it done. Not for the public.

use std::{convert::Infallible, sync::Arc, time::Duration};

use http::{HeaderValue, Method, Request, Response, StatusCode, header};
use hyper::body::Incoming;
use tokio::time::timeout;
use tokio_util::sync::CancellationToken;

use crate::{app::App, metering, respond::Body};

/// A catalog that is slower than this does not count as ready.
const READY_WAIT_MAX: Duration = Duration::from_secs(2);
const PLAIN: &str = "text/plain; charset=utf-8";
/// The text format of Prometheus.
const METRICS: &str = "text/plain; version=0.0.4; charset=utf-8";

/// Answers on the admin listener.
pub(crate) struct Admin {
    app: Arc<App>,
    shutdown: CancellationToken,
}

// === impl Admin ===

impl Admin {
    pub(crate) fn new(app: Arc<App>, shutdown: CancellationToken) -> Self {
        Self { app, shutdown }
    }

    pub(crate) async fn handle(self: Arc<Self>, request: Request<Incoming>) -> Result<Response<Body>, Infallible> {
        let reads = matches!(*request.method(), Method::GET | Method::HEAD);
        Ok(match request.uri().path() {
            _ if !reads => text(StatusCode::METHOD_NOT_ALLOWED, PLAIN, "GET or HEAD\n".to_owned()),
            "/healthz" => text(StatusCode::OK, PLAIN, "ok\n".to_owned()),
            "/readyz" => match self.check_ready().await {
                // Without others everything works, and a little later.
                Ok(()) => match self.app.catalog.events_trouble() {
                    None => text(StatusCode::OK, PLAIN, "ready\n".to_owned()),
                    Some(reason) => text(StatusCode::OK, PLAIN, format!("ready, degraded: {reason}\n")),
                },
                Err(reason) => text(StatusCode::SERVICE_UNAVAILABLE, PLAIN, format!("{reason}\n")),
            },
            "/metrics" => text(StatusCode::OK, METRICS, metering::render()),
            _ => text(StatusCode::NOT_FOUND, PLAIN, "/healthz, /readyz or /metrics\n".to_owned()),
        })
    }

    async fn check_ready(&self) -> Result<(), String> {
        if self.shutdown.is_cancelled() {
            return Err("going down".to_owned());
        }
        match timeout(READY_WAIT_MAX, self.app.catalog.last_seq()).await {
            Ok(Ok(_)) => Ok(()),
            Ok(Err(error)) => Err(error.to_string()),
            Err(_) => Err("the catalog does not answer".to_owned()),
        }
    }
}

fn text(status: StatusCode, content_type: &'static str, text: String) -> Response<Body> {
    let mut response = Response::new(Body::from(text));
    *response.status_mut() = status;
    let headers = response.headers_mut();
    headers.insert(header::CONTENT_TYPE, HeaderValue::from_static(content_type));
    headers.insert(header::CACHE_CONTROL, HeaderValue::from_static("no-store"));
    response
}
