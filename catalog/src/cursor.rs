//! The opaque text that says where a page of a list ended.

use vidstream_media::VideoId;

use crate::{Error, Result};

/// The place after which a list goes on: creation time and id of the last video shown.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Cursor {
    pub(crate) created_at_ms: i64,
    pub(crate) id: VideoId,
}

impl Cursor {
    /// The text, safe in a URL.
    pub(crate) fn to_text(self) -> String {
        format!("{:x}-{}", self.created_at_ms, self.id)
    }

    /// Reads what [`Self::to_text`] wrote.
    pub(crate) fn parse(text: &str) -> Result<Self> {
        let parts = text.split_once('-').and_then(|(time, id)| {
            let created_at_ms = i64::from_str_radix(time, 16).ok()?;
            Some(Self { created_at_ms, id: id.parse().ok()? })
        });
        // One spelling per cursor: whatever else parses was not made here.
        parts
            .filter(|cursor| cursor.to_text() == text)
            .ok_or_else(|| Error::Invalid("the cursor is not one that a list gave".to_owned()))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn round_trips_and_refuses_what_no_list_gave() {
        let cursor = Cursor { created_at_ms: 1_700_000_000_000, id: VideoId::from_bits(7) };
        assert_eq!(Cursor::parse(&cursor.to_text()).unwrap(), cursor);
        let id = cursor.id;
        for bad in [
            String::new(),
            "-".into(),
            format!("+1-{id}"),
            format!("01-{id}"),
            format!("ffffffffffffffffff-{id}"),
            "1-vid_".into(),
        ] {
            assert!(matches!(Cursor::parse(&bad), Err(Error::Invalid(_))), "{bad}");
        }
    }
}
