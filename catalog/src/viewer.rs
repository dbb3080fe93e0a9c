//! Viewers: a playback session that watches a video.

use std::{fmt, str::FromStr, sync::Arc};

use vidstream_media::VideoId;

use crate::limits::SESSION_BYTES_MAX;

/// The id that a player gives one playback: 1 to [`SESSION_BYTES_MAX`] letters, digits, `-` and `_`.
///
/// Parsing is the only way in from outside, so a value of this type is always safe in a key.
#[derive(Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Session(Arc<str>);

/// A text is not a playback session's id.
#[derive(Debug, thiserror::Error)]
#[error("a session is 1 to {} letters, digits, - and _", SESSION_BYTES_MAX)]
pub struct ParseSessionError;

/// A playback session and what it watches.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Viewer {
    /// The video.
    pub video: VideoId,
    /// The session.
    pub session: Session,
}

// === impl Session ===

impl Session {
    /// Its text.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl FromStr for Session {
    type Err = ParseSessionError;

    fn from_str(text: &str) -> Result<Self, ParseSessionError> {
        let allowed = |byte: u8| byte.is_ascii_alphanumeric() || matches!(byte, b'-' | b'_');
        let fits = (1..=SESSION_BYTES_MAX).contains(&text.len()) && text.bytes().all(allowed);
        if fits { Ok(Self(text.into())) } else { Err(ParseSessionError) }
    }
}

impl fmt::Display for Session {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

impl fmt::Debug for Session {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

// === impl Viewer ===

impl fmt::Display for Viewer {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} {}", self.video, self.session)
    }
}

impl FromStr for Viewer {
    type Err = ParseSessionError;

    /// Reads what `Display` writes.
    fn from_str(text: &str) -> Result<Self, ParseSessionError> {
        let (video, session) = text.split_once(' ').ok_or(ParseSessionError)?;
        Ok(Self { video: video.parse().map_err(|_| ParseSessionError)?, session: session.parse()? })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_session_is_a_short_plain_word() {
        let longest = "x".repeat(SESSION_BYTES_MAX);
        for good in ["a", "0b7E-1_f", "0192f1c4-5a2e-7c11-9d44-0a1b2c3d4e5f", &longest] {
            assert_eq!(good.parse::<Session>().unwrap().as_str(), good);
        }
        for bad in ["", " a", "a b", "a\n", "a\0", "ä", "a:b", "a/b", &(longest + "x")] {
            assert!(bad.parse::<Session>().is_err(), "{bad:?}");
        }
    }

    #[test]
    fn a_viewer_is_read_back() {
        let viewer = Viewer { video: VideoId::from_bits(7), session: "s-1".parse().unwrap() };
        assert_eq!(viewer.to_string().parse::<Viewer>().unwrap(), viewer);
        for odd in ["", "x", "x y", &format!("{} ", viewer.video), &format!("{viewer} z")] {
            assert!(odd.parse::<Viewer>().is_err(), "{odd:?}");
        }
    }
}
