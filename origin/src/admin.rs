//! What the admin listener answers: is the process alive, can it do its work, and what has it done. Not for the public.

use std::{convert::Infallible, sync::Arc, time::Duration};

use futures_util::future::BoxFuture;
use http::{HeaderValue, Method, Request, Response, StatusCode, header};
use hyper::body::Incoming;
use tokio::time::timeout;
use tokio_util::sync::CancellationToken;
use vidstream_catalog::{Catalog, Error as CatalogError};

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
        let rest = async {
            match &self.check {
                Some(check) => check().await,
                None => Ok(()),
            }
        };
        both(self.catalog.last_seq(), rest).await
    }
}

/// What the catalog and the rest say. They are asked side by side: who waits gives up soon.
async fn both<T>(
    catalog: impl Future<Output = Result<T, CatalogError>>,
    rest: impl Future<Output = Result<(), String>>,
) -> Result<(), String> {
    let (catalog, rest) = tokio::join!(timeout(READY_WAIT_MAX, catalog), timeout(READY_WAIT_MAX, rest));
    let silent = |_| Err(format!("it is not known within {} s whether all is well", READY_WAIT_MAX.as_secs()));
    match catalog {
        Ok(Ok(_)) => rest.unwrap_or_else(silent),
        Ok(Err(error)) => Err(error.to_string()),
        Err(_) => Err("the catalog does not answer".to_owned()),
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
    use tokio::time::{Instant, sleep};

    use super::*;
    use crate::scratch;

    fn check(says: Result<(), String>) -> Check {
        Arc::new(move || -> BoxFuture<'static, Result<(), String>> {
            let says = says.clone();
            Box::pin(async move { says })
        })
    }

    #[tokio::test]
    async fn a_process_is_ready_when_all_that_it_needs_is_well() {
        let (_folder, catalog) = scratch::catalog().await.unwrap();
        for (check, reason) in [
            (None, None),
            (Some(check(Ok(()))), None),
            (Some(check(Err("children do not start".to_owned()))), Some("children do not start")),
        ] {
            let readiness = Readiness { catalog: catalog.clone(), check, shutdown: CancellationToken::new() };
            assert_eq!(readiness.ask().await.err().as_deref(), reason);
            readiness.shutdown.cancel();
            assert_eq!(readiness.ask().await.err().as_deref(), Some("going down"));
        }
    }

    #[tokio::test(start_paused = true)]
    async fn what_comes_in_the_last_millisecond_counts_and_what_is_later_does_not() {
        let instant = Duration::from_millis(1);
        let (last, late) = (READY_WAIT_MAX.checked_sub(instant).unwrap(), READY_WAIT_MAX + instant);
        let (no_catalog, no_rest) = ("the catalog does not answer", "it is not known within 2 s whether all is well");
        for (catalog, rest, reason, waited) in [
            (last, last, None, last),
            (late, last, Some(no_catalog), READY_WAIT_MAX),
            (last, late, Some(no_rest), READY_WAIT_MAX),
            (late, late, Some(no_catalog), READY_WAIT_MAX),
        ] {
            let began = Instant::now();
            let catalog = async {
                sleep(catalog).await;
                Ok::<(), CatalogError>(())
            };
            let rest = async {
                sleep(rest).await;
                Ok(())
            };
            assert_eq!(both(catalog, rest).await.err().as_deref(), reason);
            assert_eq!(began.elapsed(), waited, "{reason:?}");
        }
    }
}
