//! The tracks of a presentation and the names they have in URLs and keys.

use std::{fmt, str::FromStr};

use serde::{Deserialize, Serialize};

/// One track of a presentation. Its text form is the `{track}` of URLs and storage keys.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub enum Track {
    /// A video rendition, by the nominal height of its rung: `720p`.
    Rung(u16),
    /// The audio rendition: `audio`.
    Audio,
    /// The all-intra trick-play rendition: `trick`.
    Trick,
}

/// A text is not the name of a track.
#[derive(Debug, thiserror::Error)]
#[error("a track is audio, trick or a height such as 720p")]
pub struct ParseError;

// === impl Track ===

impl Track {
    /// Whether the track carries pictures.
    pub fn is_video(self) -> bool {
        self != Self::Audio
    }
}

impl fmt::Display for Track {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Rung(height) => write!(f, "{height}p"),
            Self::Audio => f.write_str("audio"),
            Self::Trick => f.write_str("trick"),
        }
    }
}

impl FromStr for Track {
    type Err = ParseError;

    fn from_str(text: &str) -> Result<Self, ParseError> {
        match text {
            "audio" => Ok(Self::Audio),
            "trick" => Ok(Self::Trick),
            _ => {
                let digits = text.strip_suffix('p').ok_or(ParseError)?;
                // One spelling per track: no sign, no leading zero.
                let canonical = !digits.starts_with('0') && digits.bytes().all(|b| b.is_ascii_digit());
                if !canonical {
                    return Err(ParseError);
                }
                digits.parse().map(Self::Rung).map_err(|_| ParseError)
            }
        }
    }
}

impl TryFrom<String> for Track {
    type Error = ParseError;

    fn try_from(text: String) -> Result<Self, ParseError> {
        text.parse()
    }
}

impl From<Track> for String {
    fn from(track: Track) -> Self {
        track.to_string()
    }
}
