//! A media playlist as rules see it: its header, and every segment with what is in force for it.

use super::{
    place::{Place, resolve},
    playlist::{Attributes, Kind, Text, byte_range, micros},
};

/// What refers to a playlist.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
#[expect(clippy::struct_excessive_bools, reason = "a playlist may have several roles at once")]
pub(super) struct Roles {
    pub(super) variant: bool,
    pub(super) audio: bool,
    pub(super) subtitles: bool,
    pub(super) iframes: bool,
    pub(super) images: bool,
}

/// One media playlist.
#[derive(Clone, Debug, Default)]
pub(super) struct Media {
    /// As other documents name it.
    pub(super) url: String,
    /// What its own references are relative to: where a redirection led.
    pub(super) base: String,
    pub(super) roles: Roles,
    pub(super) text: Text,
    /// EXT-X-TARGETDURATION, in seconds.
    pub(super) target_s: Option<u64>,
    /// EXT-X-PLAYLIST-TYPE.
    pub(super) kind: Option<String>,
    pub(super) ended: bool,
    pub(super) iframes_only: bool,
    pub(super) sequence: u64,
    pub(super) segments: Vec<Entry>,
    /// Lines of EXT-X-BYTERANGE without an offset that follow no sub-range of the same resource.
    pub(super) loose_ranges: Vec<usize>,
    /// Parts of the segment that is not complete yet.
    pub(super) loose_parts: Vec<Part>,
}

/// One segment.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Entry {
    pub(super) line: usize,
    pub(super) place: Place,
    /// `None` if EXTINF is missing or no decimal number.
    pub(super) duration_us: Option<u64>,
    pub(super) map: Option<Place>,
    pub(super) discontinuity: bool,
    pub(super) gap: bool,
    /// METHOD of the key in force, if it is not NONE.
    pub(super) key: Option<String>,
    /// EXT-X-BITRATE in force, in kilobits per second.
    pub(super) bitrate_kbps: Option<u64>,
    pub(super) has_date: bool,
    /// EXT-X-TILES of an image playlist.
    pub(super) tiles: Option<String>,
    /// EXT-X-PART lines that belong to it.
    pub(super) parts: Vec<Part>,
}

/// One EXT-X-PART.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Part {
    pub(super) line: usize,
    pub(super) place: Option<Place>,
    pub(super) duration_us: Option<u64>,
    pub(super) independent: bool,
}

/// What holds for the next segment.
#[derive(Default)]
struct State {
    duration_us: Option<u64>,
    range: Option<(usize, u64, Option<u64>)>,
    map: Option<Place>,
    discontinuity: bool,
    gap: bool,
    key: Option<String>,
    bitrate_kbps: Option<u64>,
    has_date: bool,
    tiles: Option<String>,
    parts: Vec<Part>,
    /// The resource of the segment before, and where its sub-range ended.
    last: Option<(String, u64)>,
}

// === impl Media ===

impl Media {
    /// Reads a playlist that was asked for by `url` and found at `base`.
    pub(super) fn read(url: &str, base: &str, bytes: &[u8]) -> Self {
        let text = Text::read(bytes);
        let number = |name: &str| text.value(name).and_then(|value| value.trim().parse::<u64>().ok());
        let mut media = Self {
            url: url.to_owned(),
            base: base.to_owned(),
            target_s: number("EXT-X-TARGETDURATION"),
            kind: text.value("EXT-X-PLAYLIST-TYPE").map(|kind| kind.trim().to_owned()),
            ended: text.has("EXT-X-ENDLIST"),
            iframes_only: text.has("EXT-X-I-FRAMES-ONLY"),
            sequence: number("EXT-X-MEDIA-SEQUENCE").unwrap_or(0),
            ..Self::default()
        };
        let mut state = State::default();
        for line in &text.lines {
            match &line.kind {
                Kind::Tag { name, value } => state.tag(base, line.number, name, value),
                Kind::Uri(uri) => media.segment(&mut state, line.number, uri),
            }
        }
        media.loose_parts = state.parts;
        media.text = text;
        media
    }

    fn segment(&mut self, state: &mut State, line: usize, uri: &str) {
        let url = resolve(&self.base, uri).unwrap_or_else(|| uri.to_owned());
        let range = state.range.take().map(|(range_line, bytes, offset)| {
            let follows = state.last.as_ref().filter(|(last, _)| *last == url).map(|(_, end)| *end);
            if offset.is_none() && follows.is_none() {
                self.loose_ranges.push(range_line);
            }
            (offset.or(follows).unwrap_or(0), bytes)
        });
        state.last = range.map(|(offset, bytes)| (url.clone(), offset.saturating_add(bytes)));
        self.segments.push(Entry {
            line,
            place: Place { url, range },
            duration_us: state.duration_us.take(),
            map: state.map.clone(),
            discontinuity: std::mem::take(&mut state.discontinuity),
            gap: std::mem::take(&mut state.gap),
            key: state.key.clone(),
            // §4.4.4.8: it does not apply to sub-ranges.
            bitrate_kbps: state.bitrate_kbps.filter(|_| range.is_none()),
            has_date: std::mem::take(&mut state.has_date),
            tiles: state.tiles.clone(),
            parts: std::mem::take(&mut state.parts),
        });
    }

    /// Whether its segments are media on the common timeline: neither I-frames nor images nor text.
    pub(super) fn is_main(&self) -> bool {
        (self.roles.variant || self.roles.audio) && !self.iframes_only
    }

    /// Sum of EXTINF.
    pub(super) fn duration_us(&self) -> u64 {
        self.segments.iter().filter_map(|entry| entry.duration_us).fold(0, u64::saturating_add)
    }
}

// === impl State ===

impl State {
    fn tag(&mut self, base: &str, line: usize, name: &str, value: &str) {
        match name {
            "EXTINF" => self.duration_us = micros(value.split(',').next().unwrap_or_default()),
            "EXT-X-BYTERANGE" => self.range = byte_range(value).map(|(bytes, offset)| (line, bytes, offset)),
            "EXT-X-MAP" => {
                let attributes = Attributes::read(value);
                let url = attributes.get("URI").and_then(|uri| resolve(base, uri));
                let range = attributes.get("BYTERANGE").and_then(byte_range);
                self.map =
                    url.map(|url| Place { url, range: range.map(|(bytes, offset)| (offset.unwrap_or(0), bytes)) });
            }
            "EXT-X-DISCONTINUITY" => self.discontinuity = true,
            "EXT-X-GAP" => self.gap = true,
            "EXT-X-KEY" => {
                let method = Attributes::read(value).get("METHOD").map(str::to_owned);
                self.key = method.filter(|method| method != "NONE");
            }
            "EXT-X-BITRATE" => self.bitrate_kbps = value.trim().parse().ok(),
            "EXT-X-PROGRAM-DATE-TIME" => self.has_date = true,
            "EXT-X-TILES" => self.tiles = Some(value.to_owned()),
            "EXT-X-PART" => {
                let attributes = Attributes::read(value);
                let range = attributes.get("BYTERANGE").and_then(byte_range);
                let url = attributes.get("URI").and_then(|uri| resolve(base, uri));
                self.parts.push(Part {
                    line,
                    place: url
                        .map(|url| Place { url, range: range.map(|(bytes, offset)| (offset.unwrap_or(0), bytes)) }),
                    duration_us: attributes.get("DURATION").and_then(micros),
                    independent: attributes.get("INDEPENDENT") == Some("YES"),
                });
            }
            _ => {}
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn references_are_relative_to_where_a_redirection_led() {
        let media = Media::read("http://h/x.m3u8", "http://cdn/v/x.m3u8", b"#EXTM3U\n#EXTINF:1,\na.m4s\n");
        assert_eq!(
            (media.url.as_str(), media.segments[0].place.url.as_str()),
            ("http://h/x.m3u8", "http://cdn/v/a.m4s")
        );
    }

    #[test]
    fn byte_ranges_follow_each_other_within_one_resource_only() {
        let text = "#EXTM3U\n#EXT-X-MAP:URI=\"i.mp4\",BYTERANGE=\"10@5\"\n#EXTINF:1,\n#EXT-X-BYTERANGE:5@15\na\n#EXTINF:1,\n\
                    #EXT-X-BYTERANGE:7\na\n#EXTINF:1,\n#EXT-X-BYTERANGE:3\nb\n";
        let media = Media::read("http://h/x.m3u8", "http://h/x.m3u8", text.as_bytes());
        let ranges: Vec<_> = media.segments.iter().map(|entry| entry.place.range).collect();
        assert_eq!(ranges, [Some((15, 5)), Some((20, 7)), Some((0, 3))]);
        assert_eq!(media.loose_ranges, [10]);
        assert_eq!(media.segments[0].map, Some(Place { url: "http://h/i.mp4".into(), range: Some((5, 10)) }));
    }
}
