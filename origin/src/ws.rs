//! `/v1/ws`: events of videos, live, resumable by their place in the log; and who watches them.

mod feed;
mod frames;
mod heartbeat;
mod session;
mod viewers;

use std::sync::Arc;

use http::{HeaderValue, Request, Response, header, request::Parts};
use hyper_tungstenite::tungstenite::protocol::WebSocketConfig;

pub(crate) use feed::Feed;
pub(crate) use viewers::Viewers;

use crate::{
    api::guard::is_foreign,
    app::App,
    limits::MESSAGE_BYTES_MAX,
    request::Context,
    respond::{Body, Kind, Problem},
};

const PROTOCOL: &str = "vs.v1";

/// Turns a request into a WebSocket; the session runs in a task of its own.
pub(crate) fn upgrade(app: &Arc<App>, context: &Context, request: &mut Parts) -> Result<Response<Body>, Problem> {
    // The extensions carry the means to take over the connection.
    let extensions = std::mem::take(&mut request.extensions);
    let mut handshake = Request::new(());
    *handshake.headers_mut() = request.headers.clone();
    *handshake.extensions_mut() = extensions;
    if !hyper_tungstenite::is_upgrade_request(&handshake) {
        return Err(Kind::UpgradeRequired.because("open this URL as a WebSocket"));
    }
    // A WebSocket knows no CORS: without this check a page of any website could listen in.
    if is_foreign(&request.headers) {
        return Err(Kind::WriteNotAllowed.because("a page of another website may not listen"));
    }
    let place = app.feed.enter().ok_or_else(|| Kind::Busy.because("too many WebSockets are open"))?;
    let config =
        WebSocketConfig::default().max_message_size(Some(MESSAGE_BYTES_MAX)).max_frame_size(Some(MESSAGE_BYTES_MAX));
    let malformed = |_| Kind::BadRequest.because("the WebSocket handshake is malformed");
    let (mut response, socket) = hyper_tungstenite::upgrade(&mut handshake, Some(config)).map_err(malformed)?;
    if offers_protocol(&request.headers) {
        response.headers_mut().insert(header::SEC_WEBSOCKET_PROTOCOL, HeaderValue::from_static(PROTOCOL));
    }
    let teller = app.guard.check_view(&request.headers).map(|()| context.client);
    let app = Arc::clone(app);
    app.sockets.clone().spawn(async move {
        match socket.await {
            Ok(stream) => session::run(&app, stream, teller).await,
            Err(error) => tracing::debug!(%error, "a WebSocket was not taken over"),
        }
        drop(place);
    });
    Ok(response)
}

fn offers_protocol(headers: &http::HeaderMap) -> bool {
    let values = headers.get_all(header::SEC_WEBSOCKET_PROTOCOL).iter();
    values.filter_map(|value| value.to_str().ok()).any(|value| value.split(',').any(|name| name.trim() == PROTOCOL))
}
