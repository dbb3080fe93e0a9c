//! The API under `/v1`: JSON, problems as RFC 9457 documents, videos, their events and their viewers.

mod body;
mod digest;
mod expiry;
pub(crate) mod guard;
mod newcomers;
mod query;
mod upload;
pub(crate) mod video;
mod videos;
pub(crate) mod views;

use std::sync::Arc;

use http::{HeaderValue, Method, Response, StatusCode, header, request::Parts};
use hyper::body::Incoming;
use serde_json::Value;
use tokio::time::timeout;

pub(crate) use body::drain;
pub(crate) use newcomers::Newcomers;
pub(crate) use upload::Uploads;

use self::query::Query;
use crate::{
    app::App,
    delivery::{CacheRule, Representation},
    etag,
    limits::CATALOG_WAIT_MAX,
    request::Context,
    respond::{Body, Kind, Problem},
    route::Api,
    ws,
};

/// A request to the API.
pub(crate) struct Call<'a> {
    pub(crate) app: &'a Arc<App>,
    pub(crate) context: &'a Context,
    pub(crate) request: &'a mut Parts,
    /// The body; whoever takes it reads it to its end or gives it back.
    pub(crate) body: &'a mut Option<Incoming>,
}

// === impl Call ===

impl Call<'_> {
    /// Answers it. Who only reads waits for the catalog no longer than players do.
    pub(crate) async fn answer(self, api: Api) -> Result<Response<Body>, Problem> {
        if !matches!(self.request.method, Method::GET | Method::HEAD) {
            return self.fulfil(api).await;
        }
        let answer = timeout(CATALOG_WAIT_MAX, self.fulfil(api)).await;
        answer.unwrap_or_else(|_| Err(Kind::CatalogUnavailable.because("the catalog does not answer")))
    }

    async fn fulfil(mut self, api: Api) -> Result<Response<Body>, Problem> {
        let method = self.request.method.clone();
        match (api, &method) {
            (Api::Videos, &Method::GET | &Method::HEAD) => videos::list(&self).await,
            (Api::Videos, &Method::POST | &Method::PUT) => {
                self.check_write()?;
                upload::receive(&mut self).await
            }
            (Api::Videos, _) => Err(Problem::method("GET, HEAD, POST, PUT")),
            (Api::Video(id), &Method::GET | &Method::HEAD) => videos::get(&self, id).await,
            (Api::Video(id), &Method::PATCH) => {
                self.check_write()?;
                videos::patch(&mut self, id).await
            }
            (Api::Video(id), &Method::DELETE) => {
                self.check_write()?;
                videos::delete(&self, id).await
            }
            (Api::Video(_), _) => Err(Problem::method("GET, HEAD, PATCH, DELETE")),
            (Api::Events(id), &Method::GET | &Method::HEAD) => videos::events(&self, id).await,
            (Api::Events(_), _) => Err(Problem::method("GET, HEAD")),
            (Api::Views(id), &Method::GET | &Method::HEAD) => views::get(&self, id).await,
            (Api::Views(id), &Method::POST) => views::post(&mut self, id).await,
            (Api::Views(_), _) => Err(Problem::method("GET, HEAD, POST")),
            (Api::Socket, &Method::GET) => ws::upgrade(self.app, self.context, self.request),
            (Api::Socket, _) => Err(Problem::method("GET")),
            (Api::Unknown, _) => Err(Kind::NotFound.because("the API has nothing under this path")),
        }
    }

    fn check_write(&self) -> Result<(), Problem> {
        self.app.guard.check_write(self.context.peer.ip(), &self.request.headers)
    }

    fn query(&self) -> Result<Query, Problem> {
        Query::parse(self.request.uri.query().unwrap_or_default())
    }

    /// A 200 that can be asked for again with its entity tag.
    fn found(&self, value: &Value) -> Response<Body> {
        let bytes = value.to_string();
        self.tagged(value, etag::of(bytes.as_bytes()))
    }

    fn tagged(&self, value: &Value, etag: HeaderValue) -> Response<Body> {
        // Made for this request alone, so that encoding it would cost more than it saves.
        let representation = Representation {
            etag,
            modified_s: None,
            content_type: "application/json",
            cache: CacheRule::Revalidate,
            coding: None,
        };
        representation.answer(self.request, value.to_string().into())
    }
}

/// An answer that is not for keeping.
fn answer(status: StatusCode, value: &Value) -> Response<Body> {
    let mut response = Response::new(Body::from(value.to_string()));
    *response.status_mut() = status;
    let headers = response.headers_mut();
    headers.insert(header::CONTENT_TYPE, HeaderValue::from_static("application/json"));
    headers.insert(header::CACHE_CONTROL, HeaderValue::from_static("no-store"));
    response
}
