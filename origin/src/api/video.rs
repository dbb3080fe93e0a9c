//! How the API shows videos and events.

use std::collections::BTreeMap;

use serde::Serialize;
use serde_json::Value;
use time::{OffsetDateTime, format_description::well_known::Rfc3339};
use vidstream_catalog::{Artifact, Event, Progress, State, Video, VideoError, Warning};
use vidstream_media::VideoId;

use crate::delivery::Views;

/// The artifact whose presence says that there are tiles.
const STORYBOARD: &str = "storyboard";

#[derive(Serialize)]
struct Shape<'a> {
    id: VideoId,
    title: &'a str,
    state: State,
    playable: bool,
    generation: u32,
    row_version: u64,
    progress: &'a Progress,
    duration_s: Option<f64>,
    source: Value,
    artifacts: &'a BTreeMap<String, Artifact>,
    urls: Urls,
    views: u64,
    meta: &'a BTreeMap<String, String>,
    warnings: &'a [Warning],
    error: Option<&'a VideoError>,
    created_at: String,
    updated_at: String,
    expires_at: Option<String>,
}

/// Absolute paths, each `null` until it answers 200.
#[derive(Default, Serialize)]
struct Urls {
    hls: Option<String>,
    dash: Option<String>,
    storyboard_vtt: Option<String>,
    storyboard_json: Option<String>,
    poster: Option<String>,
}

#[derive(Serialize)]
struct EventShape<'a> {
    #[serde(skip_serializing_if = "Option::is_none")]
    op: Option<&'static str>,
    id: &'a str,
    seq: i64,
    r#type: &'a str,
    created_at: String,
    object: Object,
    data: Value,
    attempt: u32,
}

#[derive(Serialize)]
struct Object {
    r#type: &'static str,
    id: VideoId,
}

/// The video as the API shows it.
pub(crate) async fn render(views: &Views, video: &Video) -> Value {
    // Whoever learns of a state here may fetch what it promises at once.
    views.observe(video).await;
    let shape = Shape {
        id: video.id,
        title: &video.title,
        state: video.state,
        playable: video.playable,
        generation: video.generation,
        row_version: video.row_version,
        progress: &video.progress,
        duration_s: video.facts.as_ref().map(|facts| facts.duration_s),
        source: source(video),
        artifacts: &video.artifacts,
        urls: urls(video),
        views: video.views,
        meta: &video.meta,
        warnings: &video.warnings,
        error: video.error.as_ref(),
        created_at: rfc3339(video.created_at_ms),
        updated_at: rfc3339(video.updated_at_ms),
        expires_at: video.expires_at_ms.map(rfc3339),
    };
    // Plain data with text keys always has a JSON form.
    serde_json::to_value(&shape).unwrap_or_default()
}

/// The event as the API shows it; `op` is set for a WebSocket frame.
pub(crate) async fn render_event(views: &Views, event: &Event, op: Option<&'static str>) -> Value {
    let video = event.kind.starts_with("video.").then(|| serde_json::from_value::<Video>(event.data.clone()).ok());
    let data = match video.flatten() {
        Some(video) => render(views, &video).await,
        None => event.data.clone(),
    };
    let shape = EventShape {
        op,
        id: &event.id,
        seq: event.seq,
        r#type: &event.kind,
        created_at: rfc3339(event.created_at_ms),
        object: Object { r#type: "video", id: event.video },
        data,
        attempt: event.attempt,
    };
    serde_json::to_value(&shape).unwrap_or_default()
}

fn urls(video: &Video) -> Urls {
    let shown = video.playable && matches!(video.state, State::Processing | State::Ready);
    if !shown {
        return Urls::default();
    }
    let (id, generation) = (video.id, video.generation);
    let tiles = video.artifacts.contains_key(STORYBOARD);
    let of_generation = |name: &str| Some(format!("/v/{id}/{generation}/{name}"));
    Urls {
        hls: Some(format!("/v/{id}/master.m3u8")),
        dash: Some(format!("/v/{id}/manifest.mpd")),
        storyboard_vtt: if tiles { of_generation("thumbnails.vtt") } else { None },
        storyboard_json: if tiles { of_generation("thumbnails.json") } else { None },
        poster: if video.state == State::Ready && video.has_poster { of_generation("poster.jpg") } else { None },
    }
}

fn source(video: &Video) -> Value {
    let mut source = match &video.facts {
        Some(facts) => serde_json::to_value(facts).unwrap_or_default(),
        None => serde_json::json!({ "bytes": video.bytes }),
    };
    if let (Value::Object(fields), Some(sha256)) = (&mut source, &video.sha256) {
        fields.insert("sha256".to_owned(), sha256.as_str().into());
    }
    source
}

fn rfc3339(ms: i64) -> String {
    let time = OffsetDateTime::from_unix_timestamp_nanos(i128::from(ms) * 1_000_000);
    time.ok().and_then(|time| time.format(&Rfc3339).ok()).unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn times_are_in_utc_with_milliseconds() {
        assert_eq!(rfc3339(0), "1970-01-01T00:00:00Z");
        assert_eq!(rfc3339(1_795_384_775_123), "2026-11-22T21:59:35.123Z");
        assert_eq!(rfc3339(i64::MAX), "");
    }
}
