//! What the admin listener answers: is the process alive, can it do its work, and what has it done. Not for the public.

use std::{convert::Infallible, sync::Arc, time::Duration};

use futures_util::future::BoxFuture;
use http::{HeaderValue, Method, Request, Response, StatusCode, header};
use hyper::body::Incoming;
use tokio::time::timeout;
use tokio_util::sync::CancellationToken;
use vidstream_catalog::Catalog;

use crate::{metering, respond::Body};

/// What is slower than this does not count as ready.
const READY_WAIT_MAX: Duration = Duration::from_secs(2);
const PLAIN: &str = "text/plain; charset=utf-8";
/// The text format of Prometheus.
const METRICS: &str = "text/plain; version=0.0.4; charset=utf-8";

/// What a process needs beside its catalog: asked each time that somebody wants to know whether it is ready, and given
/// two seconds. The error is a sentence that says what is missing.
pub type Check = Arc<dyn Fn() -> BoxFuture<'static, Result<(), String>> + Send + Sync>;

/// What makes a process ready, and when it is no more.
pub struct Readiness {
    /// It must answer.
    pub catalog: Catalog,
    /// What else must be well.
    pub check: Option<Check>,
    /// Cancelled when the process begins to end.
    pub shutdown: CancellationToken,
}

// === impl Readiness ===

impl Readiness {
    async fn ask(&self) -> Result<(), String> {
        if self.shutdown.is_cancelled() {
            return Err("going down".to_owned());
        }
        // Side by side: who asks gives up soon.
        let (catalog, rest) = tokio::join!(timeout(READY_WAIT_MAX, self.catalog.last_seq()), self.ask_rest());
        match catalog {
            Ok(Ok(_)) => rest,
            Ok(Err(error)) => Err(error.to_string()),
            Err(_) => Err("the catalog does not answer".to_owned()),
        }
    }

    async fn ask_rest(&self) -> Result<(), String> {
        let Some(check) = &self.check else { return Ok(()) };
        let silent = |_| Err(format!("it is not known within {} s whether all is well", READY_WAIT_MAX.as_secs()));
        timeout(READY_WAIT_MAX, check()).await.unwrap_or_else(silent)
    }
}

/// Answers a request of the admin listener.
pub(crate) async fn answer(
    readiness: Arc<Readiness>,
    request: Request<Incoming>,
) -> Result<Response<Body>, Infallible> {
    let reads = matches!(*request.method(), Method::GET | Method::HEAD);
    Ok(match request.uri().path() {
        _ if !reads => text(StatusCode::METHOD_NOT_ALLOWED, PLAIN, "GET or HEAD\n".to_owned()),
        "/healthz" => text(StatusCode::OK, PLAIN, "ok\n".to_owned()),
        "/readyz" => match readiness.ask().await {
            // Without others everything works, and a little later.
            Ok(()) => match readiness.catalog.events_trouble() {
                None => text(StatusCode::OK, PLAIN, "ready\n".to_owned()),
                Some(reason) => text(StatusCode::OK, PLAIN, format!("ready, degraded: {reason}\n")),
            },
            Err(reason) => text(StatusCode::SERVICE_UNAVAILABLE, PLAIN, format!("{reason}\n")),
        },
        "/metrics" => text(StatusCode::OK, METRICS, metering::render()),
        _ => text(StatusCode::NOT_FOUND, PLAIN, "/healthz, /readyz or /metrics\n".to_owned()),
    })
}

fn text(status: StatusCode, content_type: &'static str, text: String) -> Response<Body> {
    let mut response = Response::new(Body::from(text));
    *response.status_mut() = status;
    let headers = response.headers_mut();
    headers.insert(header::CONTENT_TYPE, HeaderValue::from_static(content_type));
    headers.insert(header::CACHE_CONTROL, HeaderValue::from_static("no-store"));
    response
}

#[cfg(test)]
mod tests {
    use std::future::pending;

    use super::*;
    use crate::scratch;

    /// Says so, or never anything.
    fn check(says: Option<Result<(), String>>) -> Check {
        Arc::new(move || -> BoxFuture<'static, Result<(), String>> {
            let says = says.clone();
            Box::pin(async move {
                match says {
                    Some(says) => says,
                    None => pending().await,
                }
            })
        })
    }

    #[tokio::test]
    async fn a_process_is_ready_when_all_that_it_needs_is_well() {
        let (_folder, catalog) = scratch::catalog().await;
        for (check, reason) in [
            (None, None),
            (Some(check(Some(Ok(())))), None),
            (Some(check(Some(Err("children do not start".to_owned())))), Some("children do not start")),
            (Some(check(None)), Some("it is not known within 2 s whether all is well")),
        ] {
            let readiness = Readiness { catalog: catalog.clone(), check, shutdown: CancellationToken::new() };
            assert_eq!(readiness.ask().await.err().as_deref(), reason);
            readiness.shutdown.cancel();
            assert_eq!(readiness.ask().await.err().as_deref(), Some("going down"));
        }
    }
}
