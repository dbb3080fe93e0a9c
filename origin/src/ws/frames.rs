//! What a WebSocket client may say. Pure.

use serde_json::{Map, Value};
use vidstream_media::VideoId;

use crate::{
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
}

/// A message of a client.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Said {
    /// Wants events, from a place in the log on or from now on.
    Subscribe { topics: Vec<Topic>, after_seq: Option<i64> },
    /// Does not want them any more.
    Unsubscribe { topics: Vec<Topic> },
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
        }
    }

    /// Its name in frames.
    pub(crate) fn name(self) -> String {
        match self {
            Self::Videos => "videos".to_owned(),
            Self::Video(id) => format!("video:{id}"),
        }
    }

    fn parse(text: &str) -> Option<Self> {
        match text.strip_prefix("video:") {
            Some(id) => id.parse().ok().map(Self::Video),
            None => (text == "videos").then_some(Self::Videos),
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
        Some("ping") => Ok(Said::Ping),
        _ => Err(Kind::InvalidParameter.because("op is subscribe, unsubscribe or ping")),
    }
}

fn topics(fields: &Map<String, Value>) -> Result<Vec<Topic>, Problem> {
    let malformed =
        || Kind::InvalidParameter.because(format!("topics are 1 to {TOPICS_MAX} of \"videos\" and \"video:{{id}}\""));
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
