//! List, show, change and delete videos, and read their events.

use std::collections::BTreeMap;

use http::{Response, StatusCode, header};
use serde_json::{Value, json};
use vidstream_catalog::{
    Catalog, Deletion, Edit, Error, Expiry, ListQuery, Lookup, MetaEdit, State, Video, limits::EVENTS_READ_MAX,
    limits::PAGE_MAX,
};
use vidstream_media::VideoId;

use super::{Call, answer, body, expiry, upload::check_title, video};
use crate::{
    delivery::fails_if_match,
    etag,
    limits::{EVENTS_DEFAULT, PAGE_DEFAULT},
    respond::{Body, Kind, Problem},
};

/// `GET /v1/videos?limit=&cursor=&state=`.
pub(super) async fn list(call: &Call<'_>) -> Result<Response<Body>, Problem> {
    let query = call.query()?;
    let limit = bounded(query.parsed("limit")?, PAGE_DEFAULT, PAGE_MAX)?;
    let state: Option<State> = query.parsed("state")?;
    let cursor = query.text("cursor").map(str::to_owned);
    let page = call.app.catalog.list(ListQuery { limit, cursor, state }).await?;
    let mut data = Vec::with_capacity(page.videos.len());
    for row in &page.videos {
        data.push(video::render(&call.app.views, row).await);
    }
    let has_more = page.next_cursor.is_some();
    Ok(call.found(&json!({ "data": data, "next_cursor": page.next_cursor, "has_more": has_more })))
}

/// `GET /v1/videos/{id}`.
pub(super) async fn get(call: &Call<'_>, id: VideoId) -> Result<Response<Body>, Problem> {
    let row = live(&call.app.catalog, id).await?;
    let shown = video::render(&call.app.views, &row).await;
    let tag = etag::of_version(row.row_version, shown.to_string().as_bytes());
    Ok(call.tagged(&shown, tag))
}

/// `PATCH /v1/videos/{id}` with a JSON merge patch (RFC 7396): title, `expires_at` and `meta` can be changed.
pub(super) async fn patch(call: &mut Call<'_>, id: VideoId) -> Result<Response<Body>, Problem> {
    let row = live(&call.app.catalog, id).await?;
    // Views come all the time, and whoever edits a title does not edit them.
    if fails_if_match(&call.request.headers, |tag| etag::is_of_version(tag, row.row_version)) {
        return Err(Kind::PreconditionFailed.because("the video has changed since"));
    }
    let Some(incoming) = call.body.take() else { return Err(Kind::EmptyBody.because("there is no body")) };
    let bytes = body::small(incoming, call.app.patience.body_idle).await?;
    let change = read_change(&bytes)?;
    if change.row_version.is_some_and(|version| version != row.row_version) {
        return Err(Kind::PreconditionFailed.because("the video has another row_version"));
    }
    // Whoever named a version changes that one, or nothing: what was read above may be gone by now.
    let is_conditional = call.request.headers.contains_key(header::IF_MATCH) || change.row_version.is_some();
    let version = is_conditional.then_some(row.row_version);
    let edited = match change.edit {
        edit if edit == Edit::default() => row,
        edit => call.app.catalog.edit(id, edit, version).await.map_err(refusal)?,
    };
    Ok(answer(StatusCode::OK, &video::render(&call.app.views, &edited).await))
}

/// `DELETE /v1/videos/{id}`.
pub(super) async fn delete(call: &Call<'_>, id: VideoId) -> Result<Response<Body>, Problem> {
    let row = live(&call.app.catalog, id).await?;
    if call.app.catalog.delete(id).await? == Deletion::Unknown {
        return Err(unknown());
    }
    let row = match call.app.catalog.lookup(id).await? {
        Lookup::Live(row) => row,
        // Nothing was stored of it, and it is gone already.
        Lookup::Deleted | Lookup::Unknown => Video { state: State::Deleting, playable: false, ..row },
    };
    call.app.views.changed(Some(id));
    Ok(answer(StatusCode::ACCEPTED, &video::render(&call.app.views, &row).await))
}

/// `GET /v1/videos/{id}/events?after_seq=&limit=`.
pub(super) async fn events(call: &Call<'_>, id: VideoId) -> Result<Response<Body>, Problem> {
    live(&call.app.catalog, id).await?;
    let query = call.query()?;
    let limit = bounded(query.parsed("limit")?, EVENTS_DEFAULT, EVENTS_READ_MAX)?;
    let after_seq: i64 = query.parsed("after_seq")?.unwrap_or(0);
    let events = call.app.catalog.video_events(id, after_seq, limit).await?;
    let mut data = Vec::with_capacity(events.len());
    for event in &events {
        data.push(video::render_event(&call.app.views, event, None).await);
    }
    let has_more = u32::try_from(events.len()).unwrap_or(u32::MAX) >= limit;
    let next_after_seq = events.last().map_or(after_seq, |event| event.seq);
    Ok(call.found(&json!({ "data": data, "next_after_seq": next_after_seq, "has_more": has_more })))
}

#[derive(Debug, Default, PartialEq, Eq)]
struct Change {
    edit: Edit,
    row_version: Option<u64>,
}

fn read_change(bytes: &[u8]) -> Result<Change, Problem> {
    let not_json = || Kind::InvalidJson.because("the body must be a JSON object such as {\"title\": \"T\"}");
    let Ok(Value::Object(fields)) = serde_json::from_slice(bytes) else { return Err(not_json()) };
    let mut change = Change::default();
    for (name, value) in fields {
        change.read(&name, value).map_err(|problem| problem.under(&name))?;
    }
    Ok(change)
}

/// What is wrong with an edit. Titles and times were read before: what the catalog finds invalid is what `meta` would be.
fn refusal(error: Error) -> Problem {
    match error {
        Error::Invalid(reason) => Kind::InvalidMeta.because(reason).under("meta"),
        error => error.into(),
    }
}

// === impl Change ===

impl Change {
    /// Takes a member of the patch.
    fn read(&mut self, name: &str, value: Value) -> Result<(), Problem> {
        match (name, value) {
            ("title", Value::String(title)) => self.edit.title = Some(check_title(&title)?),
            ("title", _) => return Err(Kind::InvalidTitle.because("a title is a text")),
            ("expires_at", Value::String(time)) => self.edit.expiry = Some(Expiry::AtMs(expiry::read(&time)?)),
            ("expires_at", Value::Null) => self.edit.expiry = Some(Expiry::Never),
            ("expires_at", _) => return Err(Kind::InvalidParameter.because("expires_at is a time, or null for never")),
            ("meta", value) => self.edit.meta = Some(read_meta(value)?),
            ("row_version", value) => {
                let version = value.as_u64();
                self.row_version =
                    Some(version.ok_or_else(|| Kind::InvalidJson.because("row_version is a whole number"))?);
            }
            (other, _) => {
                let shown: String = other.chars().take(40).collect();
                let detail = format!("{shown:?} cannot be changed; title, expires_at and meta can");
                return Err(Kind::UnknownField.because(detail));
            }
        }
        Ok(())
    }
}

fn read_meta(value: Value) -> Result<MetaEdit, Problem> {
    let fields = match value {
        Value::Null => return Ok(MetaEdit::Clear),
        Value::Object(fields) => fields,
        _ => return Err(Kind::InvalidMeta.because("meta is an object of texts, or null for none")),
    };
    let mut changes = BTreeMap::new();
    for (name, value) in fields {
        let text = match value {
            Value::Null => None,
            Value::String(text) => Some(text),
            _ => return Err(Kind::InvalidMeta.because("this is a text, or null to remove it").under(&name)),
        };
        changes.insert(name, text);
    }
    Ok(MetaEdit::Merge(changes))
}

/// The video, unless it is gone or never was.
pub(super) async fn live(catalog: &Catalog, id: VideoId) -> Result<Video, Problem> {
    match catalog.lookup(id).await? {
        Lookup::Live(row) => Ok(row),
        Lookup::Deleted => Err(Kind::Deleted.because("the video was deleted")),
        Lookup::Unknown => Err(unknown()),
    }
}

fn unknown() -> Problem {
    Kind::NotFound.because("there is no such video")
}

/// A limit from 1 to `max`; more is cut to it.
fn bounded(limit: Option<u32>, default: u32, max: u32) -> Result<u32, Problem> {
    match limit {
        Some(0) => Err(Kind::InvalidParameter.because("limit must be at least 1")),
        limit => Ok(limit.unwrap_or(default).min(max)),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_change_has_known_fields_only() {
        let change = read_change(br#"{"title":" New ","row_version":3}"#).unwrap();
        assert_eq!(change, Change { edit: Edit::title("New"), row_version: Some(3) });
        let never = Edit::expiry(Expiry::Never);
        assert_eq!(read_change(br#"{"expires_at":null}"#).unwrap(), Change { edit: never, row_version: None });
        let change = read_change(br#"{"expires_at":"9999-12-31T00:00:00Z"}"#).unwrap();
        assert_eq!(change.edit, Edit::expiry(Expiry::AtMs(253_402_214_400_000)));
        let change = read_change(br#"{"meta":{"course":"bio1","week":null}}"#).unwrap();
        let changes = [("course".to_owned(), Some("bio1".to_owned())), ("week".to_owned(), None)];
        assert_eq!(change.edit, Edit::meta(MetaEdit::Merge(changes.into())));
        assert_eq!(read_change(br#"{"meta":null}"#).unwrap().edit, Edit::meta(MetaEdit::Clear));
        assert_eq!(read_change(b"{}").unwrap(), Change::default());
        let cases = [
            ("", Kind::InvalidJson),
            ("[]", Kind::InvalidJson),
            ("{\"title\":", Kind::InvalidJson),
            ("{\"title\":null}", Kind::InvalidTitle),
            ("{\"title\":\"\"}", Kind::InvalidTitle),
            ("{\"title\":\"a\\u0000\"}", Kind::InvalidTitle),
            ("{\"expires_at\":7}", Kind::InvalidParameter),
            ("{\"expires_at\":\"2026-01-01T00:00:00Z\"}", Kind::InvalidParameter),
            ("{\"row_version\":-1}", Kind::InvalidJson),
            ("{\"meta\":\"bio1\"}", Kind::InvalidMeta),
            ("{\"state\":\"ready\"}", Kind::UnknownField),
        ];
        for (text, kind) in cases {
            assert_eq!(read_change(text.as_bytes()).unwrap_err().kind, kind, "{text}");
        }
    }

    #[test]
    fn what_is_wrong_is_pointed_at() {
        let (longest, longer) = ("k".repeat(64), "k".repeat(65));
        for (text, pointer) in [
            ("[]".to_owned(), None),
            (r#"{"title":7}"#.to_owned(), Some("/title".to_owned())),
            (r#"{"state":"ready"}"#.to_owned(), Some("/state".to_owned())),
            (r#"{"meta":7}"#.to_owned(), Some("/meta".to_owned())),
            (r#"{"meta":["a"]}"#.to_owned(), Some("/meta".to_owned())),
            (r#"{"meta":{"week":3}}"#.to_owned(), Some("/meta/week".to_owned())),
            (r#"{"meta":{"":{}}}"#.to_owned(), Some("/meta/".to_owned())),
            (r#"{"meta":{"a/b~1":false}}"#.to_owned(), Some("/meta/a~1b~01".to_owned())),
            (format!(r#"{{"meta":{{"{longest}":1}}}}"#), Some(format!("/meta/{longest}"))),
            (format!(r#"{{"meta":{{"{longer}":1}}}}"#), Some("/meta".to_owned())),
            (format!(r#"{{"{longer}":1}}"#), None),
        ] {
            assert_eq!(read_change(text.as_bytes()).unwrap_err().pointer, pointer, "{text}");
        }
    }
}
