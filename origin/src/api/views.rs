//! Who watches a video: said by its players, and shown.

use std::{net::IpAddr, time::Instant};

use http::{Response, StatusCode};
use serde_json::{Value, json};
use vidstream_catalog::{Session, Viewer};
use vidstream_media::VideoId;

use super::{Call, answer, body, videos};
use crate::{
    app::App,
    respond::{Body, Kind, Problem},
};

/// `GET /v1/videos/{id}/views`.
pub(super) async fn get(call: &Call<'_>, id: VideoId) -> Result<Response<Body>, Problem> {
    let row = videos::live(&call.app.catalog, id).await?;
    let viewers = call.app.catalog.viewers(&[id]).await.first().copied().unwrap_or(0);
    Ok(answer(StatusCode::OK, &json!({ "views": row.views, "viewers": viewers })))
}

/// `POST /v1/videos/{id}/views`: a session watches now. Its first time counts a view.
pub(super) async fn post(call: &mut Call<'_>, id: VideoId) -> Result<Response<Body>, Problem> {
    call.app.guard.check_view(&call.request.headers)?;
    let Some(incoming) = call.body.take() else { return Err(Kind::EmptyBody.because("there is no body")) };
    let bytes = body::small(incoming, call.app.patience.body_idle).await?;
    watch(call.app, call.context.client, Viewer { video: id, session: read(&bytes)? }).await?;
    // It is in memory and not yet anywhere else.
    Ok(answer(StatusCode::ACCEPTED, &json!({})))
}

/// A session watches a video now; a client that may say so says it.
pub(crate) async fn watch(app: &App, client: IpAddr, viewer: Viewer) -> Result<(), Problem> {
    if !app.views.get(viewer.video).await?.playable {
        videos::live(&app.catalog, viewer.video).await?;
        return Err(Kind::Conflict.because("nothing of the video can be played"));
    }
    if !app.catalog.knows_viewer(&viewer) && !app.newcomers.admit(client, Instant::now()) {
        return Err(Kind::Busy.because("too many sessions begin at once; say it again in a while"));
    }
    Ok(app.catalog.note_viewer(viewer)?)
}

/// The session that a JSON value names.
pub(crate) fn session(value: Option<&Value>) -> Result<Session, Problem> {
    let text = value.and_then(Value::as_str).unwrap_or_default();
    text.parse()
        .map_err(|error: vidstream_catalog::ParseSessionError| Kind::InvalidParameter.because(error.to_string()))
}

fn read(bytes: &[u8]) -> Result<Session, Problem> {
    let Ok(Value::Object(fields)) = serde_json::from_slice(bytes) else {
        return Err(Kind::InvalidJson.because("the body must be a JSON object such as {\"session\": \"S\"}"));
    };
    if let Some(other) = fields.keys().find(|name| *name != "session") {
        let shown: String = other.chars().take(40).collect();
        return Err(Kind::UnknownField.because(format!("{shown:?} is not known; session is")));
    }
    session(fields.get("session"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_beacon_names_a_session_and_nothing_else() {
        assert_eq!(read(br#"{"session":"a-1"}"#).unwrap().as_str(), "a-1");
        for (text, kind) in [
            ("", Kind::InvalidJson),
            ("[]", Kind::InvalidJson),
            ("{}", Kind::InvalidParameter),
            (r#"{"session":7}"#, Kind::InvalidParameter),
            (r#"{"session":""}"#, Kind::InvalidParameter),
            (r#"{"session":"a b"}"#, Kind::InvalidParameter),
            (r#"{"session":"a","to":3}"#, Kind::UnknownField),
        ] {
            assert_eq!(read(text.as_bytes()).unwrap_err().kind, kind, "{text}");
        }
    }
}
