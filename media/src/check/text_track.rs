//! A `WebVTT` segment: its header, its timestamp map and its cues (RFC 8216bis §3.1.4).

/// Cues of one segment.
const CUES_MAX: usize = 1 << 16;

/// What rules ask of a `WebVTT` segment.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(super) struct TextTrack {
    pub(super) bytes: u64,
    pub(super) has_header: bool,
    /// `X-TIMESTAMP-MAP` if it stands in the lines directly after the header.
    pub(super) map: Option<Map>,
    /// Start, end and what else identifies each cue, times in milliseconds.
    pub(super) cues: Vec<Cue>,
}

/// `X-TIMESTAMP-MAP`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Map {
    pub(super) local_ms: u64,
    /// In 90 kHz.
    pub(super) mpegts: u64,
    /// Whether a blank line, or the end, ends the header.
    pub(super) is_closed: bool,
}

/// One cue.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) struct Cue {
    pub(super) start_ms: u64,
    pub(super) end_ms: u64,
    pub(super) text: String,
}

// === impl TextTrack ===

impl TextTrack {
    pub(super) fn read(bytes: &[u8]) -> Self {
        let text = String::from_utf8_lossy(bytes);
        let text = text.trim_start_matches('\u{feff}');
        let lines: Vec<&str> = text.lines().collect();
        let has_header = lines
            .first()
            .is_some_and(|line| *line == "WEBVTT" || line.starts_with("WEBVTT ") || line.starts_with("WEBVTT\t"));
        let header: Vec<&str> = lines.iter().skip(1).copied().take_while(|line| !line.trim().is_empty()).collect();
        let map = header.iter().find_map(|line| map(line.strip_prefix("X-TIMESTAMP-MAP=")?));
        let is_closed = !header.iter().any(|line| line.contains("-->"));
        let mut track = Self {
            bytes: u64::try_from(bytes.len()).unwrap_or(u64::MAX),
            has_header,
            map: map.map(|map| Map { is_closed, ..map }),
            cues: Vec::new(),
        };
        for (place, line) in lines.iter().enumerate() {
            let Some((start_ms, end_ms)) = times(line) else { continue };
            let text = lines.iter().skip(place + 1).take_while(|line| !line.trim().is_empty());
            let text = text.copied().collect::<Vec<_>>().join("\n");
            if track.cues.len() < CUES_MAX {
                track.cues.push(Cue { start_ms, end_ms, text });
            }
        }
        track
    }
}

fn map(value: &str) -> Option<Map> {
    let mut local_ms = None;
    let mut mpegts = None;
    for part in value.split(',') {
        match part.split_once(':')? {
            ("LOCAL", time) => local_ms = stamp(time),
            ("MPEGTS", time) => mpegts = time.trim().parse().ok(),
            _ => {}
        }
    }
    Some(Map { local_ms: local_ms?, mpegts: mpegts?, is_closed: true })
}

fn times(line: &str) -> Option<(u64, u64)> {
    let (start, rest) = line.split_once("-->")?;
    Some((stamp(start)?, stamp(rest.split_whitespace().next()?)?))
}

/// `[hours:]minutes:seconds.milliseconds`.
fn stamp(text: &str) -> Option<u64> {
    let (clock, ms) = text.trim().split_once('.')?;
    let seconds = clock.split(':').try_fold(0_u64, |sum, part| {
        sum.checked_mul(60)?.checked_add(part.parse::<u64>().ok().filter(|part| *part < 1 << 32)?)
    })?;
    seconds.checked_mul(1000)?.checked_add(ms.get(..3).filter(|_| ms.len() == 3)?.parse().ok()?)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn segments_are_read() {
        let text = b"WEBVTT\nX-TIMESTAMP-MAP=LOCAL:00:00:00.000,MPEGTS:900000\n\n1\n00:01.500 --> 01:00:02.000 line:0\nHello\nyou\n";
        let track = TextTrack::read(text);
        assert!(track.has_header);
        assert_eq!(track.map, Some(Map { local_ms: 0, mpegts: 900_000, is_closed: true }));
        assert_eq!(track.cues, [Cue { start_ms: 1500, end_ms: 3_602_000, text: "Hello\nyou".into() }]);
        assert_eq!(TextTrack::read(b"words"), TextTrack { bytes: 5, ..TextTrack::default() });
    }

    #[test]
    fn so_many_cues_are_read_and_not_one_more() {
        for (told, read) in [(CUES_MAX, CUES_MAX), (CUES_MAX + 1, CUES_MAX)] {
            let text = ["WEBVTT\n\n".to_owned(), "00:01.000 --> 00:02.000\nword\n\n".repeat(told)].concat();
            assert_eq!(TextTrack::read(text.as_bytes()).cues.len(), read, "{told}");
        }
    }
}
