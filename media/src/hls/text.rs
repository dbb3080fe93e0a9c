//! Lines, attribute lists and times as playlists spell them.

use std::fmt::{self, Write};

/// A playlist being written.
pub(super) struct Lines(String);

/// An attribute list (RFC 8216bis §4.2), values in the order they are added.
pub(super) struct Attributes(String);

/// Microseconds as decimal seconds with six digits, exactly.
#[derive(Clone, Copy)]
pub(super) struct Seconds(pub(super) u64);

// === impl Lines ===

impl Lines {
    /// Starts with the one line that every playlist starts with.
    pub(super) fn new() -> Self {
        Self(String::from("#EXTM3U\n"))
    }

    /// Starts a finished media playlist: version (§8) and target duration in seconds.
    pub(super) fn finished(version: u8, target_duration_s: u64) -> Self {
        let mut lines = Self::new();
        lines.line(format_args!("#EXT-X-VERSION:{version}"));
        lines.line(format_args!("#EXT-X-TARGETDURATION:{target_duration_s}"));
        lines.line(format_args!("#EXT-X-MEDIA-SEQUENCE:1"));
        lines.line(format_args!("#EXT-X-PLAYLIST-TYPE:VOD"));
        lines
    }

    pub(super) fn line(&mut self, text: fmt::Arguments<'_>) {
        append(&mut self.0, text);
        self.0.push('\n');
    }

    pub(super) fn finish(mut self) -> String {
        self.line(format_args!("#EXT-X-ENDLIST"));
        self.0
    }

    /// The text as it is: a multivariant playlist has no end tag.
    pub(super) fn into_text(self) -> String {
        self.0
    }
}

// === impl Attributes ===

impl Attributes {
    pub(super) fn new() -> Self {
        Self(String::new())
    }

    pub(super) fn plain(mut self, name: &str, value: impl fmt::Display) -> Self {
        let comma = if self.0.is_empty() { "" } else { "," };
        append(&mut self.0, format_args!("{comma}{name}={value}"));
        self
    }

    /// A quoted string. Quotes and control characters cannot be written in one and are dropped.
    pub(super) fn quoted(self, name: &str, value: &str) -> Self {
        let value: String = value.chars().filter(|c| *c != '"' && !c.is_control()).collect();
        self.plain(name, format_args!("\"{value}\""))
    }
}

impl fmt::Display for Attributes {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

// === impl Seconds ===

impl fmt::Display for Seconds {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}.{:06}", self.0 / 1_000_000, self.0 % 1_000_000)
    }
}

fn append(text: &mut String, arguments: fmt::Arguments<'_>) {
    // A String takes every write, and the Display of the values here never fails.
    let written = text.write_fmt(arguments);
    debug_assert!(written.is_ok(), "a value refused to be displayed");
}
