//! From a request to its answer: checks that hold for all of them, the route, and what is said of the outcome.

use std::{
    convert::Infallible,
    net::SocketAddr,
    panic::AssertUnwindSafe,
    sync::Arc,
    time::{Duration, Instant},
};

use futures_util::FutureExt;
use http::{HeaderValue, Method, Request, Response, Version, header, request::Parts};
use hyper::body::{Body as _, Incoming};
use tokio::sync::Semaphore;
use tokio_util::{sync::CancellationToken, task::TaskTracker};
use vidstream_catalog::Catalog;
use vidstream_store::Store;

use crate::{
    Config, Error, Patience,
    access::{self, Line},
    api::{self, Call, Newcomers, Uploads, guard::Guard},
    client::Proxies,
    delivery::{self, Delivery, Views},
    limits::{DRAINS_MAX, FIELDS_BYTES_MAX, URI_BYTES_MAX},
    page::Page,
    request::Context,
    respond::{Body, Kind, Problem},
    route::Route,
    ws::{Feed, Viewers},
};

/// What a header field costs beside its name and value.
const FIELD_OVERHEAD_BYTES: usize = 32;

/// Everything that answers share.
pub(crate) struct App {
    pub(crate) catalog: Catalog,
    pub(crate) store: Store,
    pub(crate) views: Arc<Views>,
    pub(crate) delivery: Delivery,
    pub(crate) guard: Guard,
    pub(crate) uploads: Uploads,
    pub(crate) upload_bytes_max: u64,
    pub(crate) expire_after: Option<Duration>,
    pub(crate) feed: Feed,
    pub(crate) viewers: Viewers,
    pub(crate) newcomers: Newcomers,
    pub(crate) sockets: TaskTracker,
    pub(crate) patience: Patience,
    /// Ends waits and sockets; requests that are being answered go on.
    pub(crate) shutdown: CancellationToken,
    proxies: Proxies,
    page: Page,
    drains: Arc<Semaphore>,
}

// === impl App ===

impl App {
    pub(crate) fn new(config: &Config, catalog: Catalog, store: Store) -> Result<Self, Error> {
        let guard = Guard::new(config.read_only, config.token_file.as_deref())?;
        if !guard.allows_listening(config.listen) {
            return Err(Error::Unprotected { addr: config.listen });
        }
        let shutdown = CancellationToken::new();
        let views = Arc::new(Views::new(catalog.clone()));
        let delivery = Delivery::new(delivery::New {
            catalog: catalog.clone(),
            store: store.clone(),
            views: Arc::clone(&views),
            cache_bytes: config.cache_bytes,
            segment_wait: config.patience.segment_wait,
            shutdown: shutdown.clone(),
        });
        Ok(Self {
            feed: Feed::new(catalog.clone(), Arc::clone(&views)),
            viewers: Viewers::new(catalog.clone()),
            newcomers: Newcomers::default(),
            catalog,
            store,
            views,
            delivery,
            guard,
            uploads: Uploads::new(),
            upload_bytes_max: config.upload_bytes_max,
            expire_after: config.expire_after,
            sockets: TaskTracker::new(),
            patience: config.patience,
            shutdown,
            proxies: Proxies::new(config.trusted_proxies.clone()),
            page: Page::new(),
            drains: Arc::new(Semaphore::new(DRAINS_MAX)),
        })
    }

    /// Answers a request. A panic ends the request and its connection, nothing else.
    pub(crate) async fn handle(
        self: Arc<Self>,
        peer: SocketAddr,
        request: Request<Incoming>,
    ) -> Result<Response<Body>, Infallible> {
        let (mut parts, body) = request.into_parts();
        if let Some(response) = self.again(peer, &mut parts, &body) {
            return Ok(response);
        }
        // On the heap, since it is some kilobytes and hyper moves what it is given.
        Ok(Box::pin(self.make(peer, parts, body)).await)
    }

    /// The answer that somebody else was given a moment ago.
    fn again(&self, peer: SocketAddr, request: &mut Parts, body: &Incoming) -> Option<Response<Body>> {
        if !body.is_end_stream() || adopt_authority(request).is_err() || check(request).is_err() {
            return None;
        }
        let began = Instant::now();
        let (response, route) = self.delivery.answers().get(request, began)?;
        let context = self.context(peer, request);
        access::tell(&context, &request.method, route, &response, began.elapsed());
        Some(response)
    }

    async fn make(self: Arc<Self>, peer: SocketAddr, mut parts: Parts, body: Incoming) -> Response<Body> {
        let uri = parts.uri.clone();
        let route = Route::parse(uri.path());
        let context = self.context(peer, &parts);
        let mut line = Line::begin(&context, &parts.method, route.label());
        let has_body = !body.is_end_stream();
        let expects = parts.headers.contains_key(header::EXPECT);
        let chunked = parts.headers.contains_key(header::TRANSFER_ENCODING);
        let is_http2 = parts.version == Version::HTTP_2;
        let mut body = Some(body);
        let answering = self.answer(&context, &mut parts, &mut body, route);
        let mut response = caught(&context, answering).await;
        // A body that is left over would be taken for the next request, but for HTTP/2, where the end of its stream ends
        // it. One that waits for a go-ahead was never sent.
        if let Some(body) = body.filter(|body| has_body && !is_http2 && !body.is_end_stream()) {
            response = close(response);
            if !expects {
                api::drain(body, &self.drains);
            }
        }
        // RFC 9112 §6.1: two framings in one message may be an attempt to smuggle; which there were is not seen here
        // (docs/adr/0012-two-framings-end-the-connection.md).
        if chunked {
            response = close(response);
        }
        finish(&mut response, &parts, &context, route);
        if !has_body && !chunked {
            self.delivery.answers().keep(&parts, route.label(), &mut response);
        }
        line.end(&response);
        response
    }

    fn context(&self, peer: SocketAddr, request: &Parts) -> Context {
        let client = self.proxies.client(peer.ip(), &request.headers);
        Context::new(peer, client, request.uri.clone())
    }

    async fn answer(
        self: &Arc<Self>,
        context: &Context,
        request: &mut Parts,
        body: &mut Option<Incoming>,
        route: Route<'_>,
    ) -> Result<Response<Body>, Problem> {
        adopt_authority(request)?;
        check(request)?;
        match route {
            Route::Delivery(id, target) => self.delivery.answer(context, request, Some((id, target))).await,
            Route::UnknownDelivery => self.delivery.answer(context, request, None).await,
            // On a heap of its own, so that delivery does not carry its size.
            Route::Api(api) => Box::pin(Call { app: self, context, request, body }.answer(api)).await,
            Route::Index => self.page.answer(request, None).await,
            Route::Asset(name) => self.page.answer(request, Some(name)).await,
            Route::Unknown => Err(Kind::NotFound.because("there is nothing under this path")),
        }
    }
}

/// The answer of a handler, its problem, or, if it panicked, the end of the connection and of nothing else.
async fn caught(context: &Context, answering: impl Future<Output = Result<Response<Body>, Problem>>) -> Response<Body> {
    match AssertUnwindSafe(answering).catch_unwind().await {
        Ok(Ok(response)) => response,
        Ok(Err(problem)) => problem.respond(context),
        Err(_) => {
            metrics::counter!("vidstream_panics_total").increment(1);
            tracing::error!(request_id = %context.id, path = context.path(), "a request handler panicked");
            close(Kind::Internal.because("a bug; the log has the request id").respond(context))
        }
    }
}

/// In HTTP/2 the target names the server. From here on it stands where HTTP/1.1 has it, so that one rule serves both.
fn adopt_authority(request: &mut Parts) -> Result<(), Problem> {
    if request.version != Version::HTTP_2 {
        return Ok(());
    }
    let Some(authority) = request.uri.authority() else { return Ok(()) };
    let name = HeaderValue::try_from(authority.as_str());
    let name = name.map_err(|_| Kind::BadRequest.because("the authority is malformed"))?;
    // RFC 9113 §8.3.1: a Host that says something else is malformed.
    if request.headers.get_all(header::HOST).iter().any(|host| host != name) {
        return Err(Kind::BadRequest.because("Host and :authority must be the same"));
    }
    request.headers.insert(header::HOST, name);
    if let Some(path) = request.uri.path_and_query() {
        request.uri = path.clone().into();
    }
    Ok(())
}

/// What holds for requests of every kind.
fn check(request: &Parts) -> Result<(), Problem> {
    let target = &request.uri;
    let length = target.path().len() + target.query().map_or(0, str::len);
    if length > URI_BYTES_MAX {
        return Err(Kind::UriTooLong.because(format!("path and query may have {URI_BYTES_MAX} bytes")));
    }
    // As RFC 9113 §6.5.2 counts them; what the protocols themselves refuse is beyond this and is answered without CORS.
    let fields = request.headers.iter().map(|(name, value)| name.as_str().len() + value.len() + FIELD_OVERHEAD_BYTES);
    if fields.sum::<usize>() > FIELDS_BYTES_MAX {
        return Err(Kind::FieldsTooLarge.because(format!("header fields may have {FIELDS_BYTES_MAX} bytes")));
    }
    // This is no proxy: a target names a path, never a server.
    if target.authority().is_some() || request.method == Method::CONNECT {
        return Err(Kind::BadRequest.because("the request target must be a path"));
    }
    let mut hosts = request.headers.get_all(header::HOST).iter();
    let one = matches!((hosts.next(), hosts.next()), (Some(_), None));
    let none_needed = request.version < Version::HTTP_11 && !request.headers.contains_key(header::HOST);
    if one || none_needed { Ok(()) } else { Err(Kind::BadRequest.because("there must be one Host header")) }
}

fn finish(response: &mut Response<Body>, request: &Parts, context: &Context, route: Route<'_>) {
    if route.is_delivery() {
        delivery::share(response);
    } else if let Ok(id) = HeaderValue::try_from(context.id.to_string()) {
        // Not on delivery: a cache would hand one request's id to everybody.
        response.headers_mut().insert("x-request-id", id);
    }
    response.headers_mut().insert(header::X_CONTENT_TYPE_OPTIONS, HeaderValue::from_static("nosniff"));
    if request.version == Version::HTTP_2 {
        // RFC 9113 §8.2.2: a stream that ends says so itself.
        response.headers_mut().remove(header::CONNECTION);
    }
    if request.method == Method::HEAD {
        let length = response.body().size_hint().exact().unwrap_or(0);
        let headers = response.headers_mut();
        if length > 0 {
            headers.entry(header::CONTENT_LENGTH).or_insert(HeaderValue::from(length));
        }
        *response.body_mut() = Body::default();
    }
}

fn close(mut response: Response<Body>) -> Response<Body> {
    response.headers_mut().insert(header::CONNECTION, HeaderValue::from_static("close"));
    response
}

#[cfg(test)]
mod tests {
    use http::Uri;

    use super::*;

    fn parts(target: &str, fields: &[(&str, &str)]) -> Parts {
        let request = Request::get(target).header(header::HOST, "a");
        let request = fields.iter().fold(request, |request, (name, value)| request.header(*name, *value));
        request.body(()).unwrap().into_parts().0
    }

    #[test]
    fn targets_and_fields_are_taken_to_their_last_byte() {
        let kind = |parts: &Parts| check(parts).err().map(|problem| problem.kind);
        let path = "x".repeat(URI_BYTES_MAX - 1 - 4);
        for (target, refused) in [
            (format!("/{path}xxxx"), None),
            (format!("/{path}xxxxx"), Some(Kind::UriTooLong)),
            (format!("/{path}?quer"), None),
            (format!("/{path}?query"), Some(Kind::UriTooLong)),
        ] {
            assert_eq!(kind(&parts(&target, &[])), refused, "{} bytes", target.len());
        }
        let host_bytes = "host".len() + "a".len() + FIELD_OVERHEAD_BYTES;
        let rest = FIELDS_BYTES_MAX - host_bytes - "x-wide".len() - FIELD_OVERHEAD_BYTES;
        for (bytes, refused) in [(rest, None), (rest + 1, Some(Kind::FieldsTooLarge))] {
            assert_eq!(kind(&parts("/", &[("x-wide", "y".repeat(bytes).as_str())])), refused, "{bytes}");
        }
        // Many small ones cost more than their text.
        let count = (FIELDS_BYTES_MAX - host_bytes) / (1 + FIELD_OVERHEAD_BYTES);
        let many = vec![("x", ""); count + 1];
        assert_eq!(
            [count, count + 1].map(|count| kind(&parts("/", &many[..count]))),
            [None, Some(Kind::FieldsTooLarge)]
        );
    }

    #[tokio::test]
    async fn a_panic_is_a_500_that_ends_the_connection() {
        // A player on another website is told of it as of any other answer.
        for (path, shared) in [("/v/x", Some("*")), ("/v/x/1/360p/1.m4s", Some("*")), ("/v1/videos", None)] {
            let context = Context::new(([127, 0, 0, 1], 1).into(), [127, 0, 0, 1].into(), Uri::from_static(path));
            let mut response = caught(&context, async { panic!("a bug") }).await;
            finish(&mut response, &parts(path, &[]), &context, Route::parse(path));
            let said = |name: header::HeaderName| response.headers().get(name).and_then(|value| value.to_str().ok());
            assert_eq!(response.status(), 500, "{path}");
            assert_eq!(said(header::CONNECTION), Some("close"), "{path}");
            assert_eq!(said(header::CACHE_CONTROL), Some("no-store"), "{path}");
            assert_eq!(said(header::ACCESS_CONTROL_ALLOW_ORIGIN), shared, "{path}");
        }
    }
}
