//! What a WebSocket client may say. Pure.

use serde_json::{Map, Value};
use vidstream_catalog::Viewer;
use vidstream_media::VideoId;

use crate::{
    api::views::session,
    limits::TOPICS_MAX,
    respond::{Kind, Problem},
};

/// What events are about.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Topic {
    /// All videos.
    Videos,
    /// One video.
    Video(VideoId),
    /// How many watch one video.
    Viewers(VideoId),
}

/// A message of a client.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Said {
    /// Wants events, from a place in the log on or from now on.
    Subscribe { topics: Vec<Topic>, after_seq: Option<i64> },
    /// Does not want them any more.
    Unsubscribe { topics: Vec<Topic> },
    /// Watches something now.
    View(Viewer),
    /// Wants to know that somebody is there.
    Ping,
}

// === impl Topic ===

impl Topic {
    /// Whether events of this video are wanted.
    pub(crate) fn covers(self, id: VideoId) -> bool {
        match self {
            Self::Videos => true,
            Self::Video(video) => video == id,
            Self::Viewers(_) => false,
        }
    }

    /// Its name in frames.
    pub(crate) fn name(self) -> String {
        match self {
            Self::Videos => "videos".to_owned(),
            Self::Video(id) => format!("video:{id}"),
            Self::Viewers(id) => format!("viewers:{id}"),
        }
    }

    fn parse(text: &str) -> Option<Self> {
        match text.split_once(':') {
            Some(("video", id)) => id.parse().ok().map(Self::Video),
            Some(("viewers", id)) => id.parse().ok().map(Self::Viewers),
            _ => (text == "videos").then_some(Self::Videos),
        }
    }
}

/// Reads a text message.
pub(crate) fn read(text: &str) -> Result<Said, Problem> {
    let Ok(Value::Object(fields)) = serde_json::from_str(text) else {
        return Err(Kind::InvalidJson.because("a message is a JSON object with an op"));
    };
    match fields.get("op").and_then(Value::as_str) {
        Some("subscribe") => Ok(Said::Subscribe { topics: topics(&fields)?, after_seq: after_seq(&fields)? }),
        Some("unsubscribe") => Ok(Said::Unsubscribe { topics: topics(&fields)? }),
        Some("view") => viewer(&fields).map(Said::View),
        Some("ping") => Ok(Said::Ping),
        _ => Err(Kind::InvalidParameter.because("op is subscribe, unsubscribe, view or ping")),
    }
}

fn viewer(fields: &Map<String, Value>) -> Result<Viewer, Problem> {
    let video = fields.get("video").and_then(Value::as_str).and_then(|id| id.parse().ok());
    let video = video.ok_or_else(|| Kind::InvalidParameter.because("video is the id of one"))?;
    Ok(Viewer { video, session: session(fields.get("session"))? })
}

fn topics(fields: &Map<String, Value>) -> Result<Vec<Topic>, Problem> {
    let known = "\"videos\", \"video:{id}\" and \"viewers:{id}\"";
    let malformed = || Kind::InvalidParameter.because(format!("topics are 1 to {TOPICS_MAX} of {known}"));
    let list = fields.get("topics").and_then(Value::as_array).filter(|list| (1..=TOPICS_MAX).contains(&list.len()));
    let parse = |value: &Value| value.as_str().and_then(Topic::parse).ok_or_else(malformed);
    list.ok_or_else(malformed)?.iter().map(parse).collect()
}

fn after_seq(fields: &Map<String, Value>) -> Result<Option<i64>, Problem> {
    match fields.get("after_seq") {
        None | Some(Value::Null) => Ok(None),
        Some(value) => {
            let seq = value.as_i64().filter(|seq| *seq >= 0);
            seq.map(Some).ok_or_else(|| Kind::InvalidParameter.because("after_seq is a whole number from 0"))
        }
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn reads_what_is_meant_and_refuses_the_rest() {
        let id = VideoId::from_bits(7);
        let subscribe = |topics, after_seq| Said::Subscribe { topics, after_seq };
        assert_eq!(read(r#"{"op":"subscribe","topics":["videos"]}"#).unwrap(), subscribe(vec![Topic::Videos], None));
        let one = format!(r#"{{"op":"subscribe","topics":["video:{id}"],"after_seq":12}}"#);
        assert_eq!(read(&one).unwrap(), subscribe(vec![Topic::Video(id)], Some(12)));
        let audience = format!(r#"{{"op":"subscribe","topics":["viewers:{id}"]}}"#);
        assert_eq!(read(&audience).unwrap(), subscribe(vec![Topic::Viewers(id)], None));
        let view = format!(r#"{{"op":"view","video":"{id}","session":"a-1"}}"#);
        assert_eq!(read(&view).unwrap(), Said::View(Viewer { video: id, session: "a-1".parse().unwrap() }));
        assert_eq!(read(r#"{"op":"ping","extra":1}"#).unwrap(), Said::Ping);
        let bad = [
            "",
            "nonsense",
            "[]",
            "{}",
            r#"{"op":"dance"}"#,
            r#"{"op":"subscribe"}"#,
            r#"{"op":"subscribe","topics":[]}"#,
            r#"{"op":"subscribe","topics":["video:x"]}"#,
            r#"{"op":"subscribe","topics":["viewers"]}"#,
            r#"{"op":"subscribe","topics":["viewers:x"]}"#,
            r#"{"op":"view"}"#,
            r#"{"op":"view","video":"x","session":"a"}"#,
            &view.replace("a-1", "a 1"),
            &view.replace("\"a-1\"", "1"),
            r#"{"op":"subscribe","topics":["videos"],"after_seq":-1}"#,
            r#"{"op":"subscribe","topics":["videos"],"after_seq":1.5}"#,
            r#"{"op":"unsubscribe","topics":"videos"}"#,
        ];
        for text in bad {
            assert!(read(text).is_err(), "{text}");
        }
        let many = |count| format!(r#"{{"op":"subscribe","topics":[{}]}}"#, vec![r#""videos""#; count].join(","));
        assert_eq!([TOPICS_MAX, TOPICS_MAX + 1].map(|count| read(&many(count)).is_ok()), [true, false]);
    }

    proptest! {
        #[test]
        fn no_text_makes_it_panic(text in "\\PC{0,200}") {
            let _ = read(&text);
        }
    }
}
