//! The packet file: what a chunk job reads instead of opening a demuxer.
//!
//! A `u32` little-endian length, that many bytes of JSON (a [`PacketFile`]), then records of 32 bytes:
//! all video packets in decode order, after them all audio packets. A job reads the header, looks up
//! its segments, and reads only their records.

use std::ops::Range;

use serde::{Deserialize, Serialize};

use super::Packet;
use crate::chunks::Segments;

/// Bytes of one record.
pub const RECORD_BYTES: u64 = 32;
/// Bytes of the length in front of the header.
pub const PREFIX_BYTES: u64 = 4;
/// A header is refused above this; five hours of segments take a quarter of a megabyte.
pub const HEADER_BYTES_MAX: u64 = 64 << 20;
/// Bit of a record's flags: decoding can start here.
const FLAG_SYNC: u32 = 1;

/// The header of a packet file.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct PacketFile {
    /// The pictures; absent for audio-only sources.
    pub video: Option<SourceTrack>,
    /// The sound; absent for silent sources.
    pub audio: Option<SourceTrack>,
    /// Whether offsets point into the stream copy that the scan wrote, else into the source itself.
    pub remuxed: bool,
    /// Start of the presentation on the clock of the packets' times, in nanoseconds: output frame `n`
    /// shows the picture with the greatest time at or before `t0_ns + (n + 1/2) / fps`.
    pub t0_ns: i64,
    /// End of the presentation on the same clock.
    pub t1_ns: i64,
    /// Clockwise rotation to bake in: 0, 90, 180 or 270 degrees.
    pub rotation: u16,
    /// Whether the pictures are (or may be) interlaced.
    pub interlaced: bool,
    /// The records that each segment of the grid needs; segment 1 first.
    pub segments: Vec<SegmentSpan>,
    /// Bytes of the JSON, known once the file is read or written.
    #[serde(skip)]
    pub header_bytes: u64,
}

/// A stream of the source.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct SourceTrack {
    /// GStreamer caps of the packets, codec data included, as `gst::Caps::from_str` reads them.
    pub caps: String,
    /// The codec's short name, `h264` say.
    pub codec: String,
    /// Its records, as indexes into the file.
    pub records: Range<u64>,
}

/// The records that one segment needs.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct SegmentSpan {
    /// Video records in decode order: from the sync packet that the first shown picture needs to the
    /// last packet that any shown picture needs.
    pub video: Range<u64>,
    /// A sync packet before `video`, to start from when decoding from there gives no first picture.
    pub video_earlier: u64,
    /// Audio records, with pre-roll and post-roll for decoder and encoder.
    pub audio: Range<u64>,
}

/// A packet file that cannot be read or written.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// The bytes end before the header does.
    #[error("the packet file ends inside its header")]
    Short,
    /// The header's length is impossible.
    #[error("the header of the packet file is too long: {0} bytes")]
    TooLong(u64),
    /// The header is not what this version writes.
    #[error("the header of the packet file cannot be read")]
    Header(#[from] serde_json::Error),
}

// === impl PacketFile ===

impl PacketFile {
    /// Bytes of prefix and header together, from the first [`PREFIX_BYTES`] of the file.
    ///
    /// # Errors
    /// [`Error::Short`] with fewer bytes than that, [`Error::TooLong`] above [`HEADER_BYTES_MAX`].
    pub fn head_bytes(prefix: &[u8]) -> Result<u64, Error> {
        let length = prefix.first_chunk().ok_or(Error::Short)?;
        let length = u64::from(u32::from_le_bytes(*length));
        if length > HEADER_BYTES_MAX {
            return Err(Error::TooLong(length));
        }
        Ok(PREFIX_BYTES + length)
    }

    /// Reads prefix and header; `head` holds at least [`Self::head_bytes`] bytes from the file's start.
    ///
    /// # Errors
    /// Any [`Error`].
    pub fn read_header(head: &[u8]) -> Result<Self, Error> {
        let end = usize::try_from(Self::head_bytes(head)?).map_err(|_| Error::Short)?;
        let json = head.get(PREFIX_BYTES.try_into().unwrap_or(4)..end).ok_or(Error::Short)?;
        let mut file: Self = serde_json::from_slice(json)?;
        file.header_bytes = json.len() as u64;
        Ok(file)
    }

    /// Prefix and header as bytes; sets `header_bytes`. The records follow, see [`encode_records`].
    ///
    /// # Errors
    /// [`Error::TooLong`] or [`Error::Header`].
    pub fn write_header(&mut self) -> Result<Vec<u8>, Error> {
        let json = serde_json::to_vec(self)?;
        self.header_bytes = json.len() as u64;
        if self.header_bytes > HEADER_BYTES_MAX {
            return Err(Error::TooLong(self.header_bytes));
        }
        let length = u32::try_from(json.len()).map_err(|_| Error::TooLong(self.header_bytes))?;
        let mut bytes = length.to_le_bytes().to_vec();
        bytes.extend_from_slice(&json);
        Ok(bytes)
    }

    /// The byte range of these records in the packet file, for a ranged read.
    pub fn record_bytes(&self, records: &Range<u64>) -> Range<u64> {
        let start = PREFIX_BYTES + self.header_bytes;
        let at = |index: u64| start.saturating_add(index.saturating_mul(RECORD_BYTES));
        at(records.start)..at(records.end.max(records.start))
    }

    /// What a run of segments needs together; `None` if one of them does not exist.
    pub fn span(&self, run: Segments) -> Option<SegmentSpan> {
        let index = |n: u64| usize::try_from(n.checked_sub(1)?).ok();
        let spans = self.segments.get(index(run.first)?..=index(run.last)?)?;
        let (first, rest) = spans.split_first()?;
        Some(rest.iter().fold(first.clone(), |all, span| SegmentSpan {
            video: union(&all.video, &span.video),
            video_earlier: all.video_earlier.min(span.video_earlier),
            audio: union(&all.audio, &span.audio),
        }))
    }
}

/// The records of `packets`, in order.
pub fn encode_records(packets: &[Packet]) -> Vec<u8> {
    let mut bytes = Vec::with_capacity(packets.len().saturating_mul(32));
    for packet in packets {
        bytes.extend_from_slice(&packet.offset.to_le_bytes());
        bytes.extend_from_slice(&packet.pts_ns.to_le_bytes());
        bytes.extend_from_slice(&packet.duration_ns.to_le_bytes());
        bytes.extend_from_slice(&packet.bytes.to_le_bytes());
        let flags = if packet.sync { FLAG_SYNC } else { 0 };
        bytes.extend_from_slice(&flags.to_le_bytes());
    }
    bytes
}

/// The packets of whole records; a rest shorter than a record is ignored.
pub fn decode_records(bytes: &[u8]) -> Vec<Packet> {
    let (records, _) = bytes.as_chunks::<32>();
    records.iter().map(decode_record).collect()
}

fn decode_record(record: &[u8; 32]) -> Packet {
    let [a, b, c, d] = record.as_chunks::<8>().0 else {
        return Packet { offset: 0, bytes: 0, sync: false, pts_ns: 0, duration_ns: 0 };
    };
    let tail = u64::from_le_bytes(*d);
    let bytes = u32::try_from(tail & u64::from(u32::MAX)).unwrap_or(0);
    let flags = u32::try_from(tail >> 32).unwrap_or(0);
    Packet {
        offset: u64::from_le_bytes(*a),
        bytes,
        sync: flags & FLAG_SYNC != 0,
        pts_ns: i64::from_le_bytes(*b),
        duration_ns: u64::from_le_bytes(*c),
    }
}

fn union(a: &Range<u64>, b: &Range<u64>) -> Range<u64> {
    match (a.is_empty(), b.is_empty()) {
        (true, _) => b.clone(),
        (_, true) => a.clone(),
        _ => a.start.min(b.start)..a.end.max(b.end),
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn file(segments: Vec<SegmentSpan>) -> PacketFile {
        let video = SourceTrack { caps: "video/x-h264".into(), codec: "h264".into(), records: 0..100 };
        PacketFile {
            video: Some(video),
            audio: None,
            remuxed: false,
            t0_ns: -5,
            t1_ns: 1_000,
            rotation: 90,
            interlaced: false,
            segments,
            header_bytes: 0,
        }
    }

    #[test]
    fn a_header_is_read_back_and_says_where_records_lie() {
        let mut written = file(vec![SegmentSpan { video: 0..10, video_earlier: 0, audio: 0..0 }]);
        let head = written.write_header().unwrap();
        assert_eq!(PacketFile::head_bytes(&head).unwrap(), head.len() as u64);
        let read = PacketFile::read_header(&head).unwrap();
        assert_eq!(read, written);
        let start = head.len() as u64;
        assert_eq!(read.record_bytes(&(2..5)), start + 64..start + 160);
    }

    #[test]
    fn a_run_of_segments_takes_in_all_its_spans() {
        let span = |video: Range<u64>, audio| SegmentSpan { video_earlier: video.start, video, audio };
        let file = file(vec![span(0..12, 0..0), span(8..20, 40..50), span(16..30, 48..60)]);
        assert_eq!(file.span(Segments { first: 1, last: 2 }), Some(span(0..20, 40..50)));
        assert_eq!(file.span(Segments { first: 2, last: 3 }), Some(span(8..30, 40..60)));
        assert_eq!(file.span(Segments { first: 2, last: 4 }), None);
        assert_eq!(file.span(Segments { first: 0, last: 1 }), None);
    }

    #[test]
    fn damaged_headers_are_errors() {
        assert!(matches!(PacketFile::read_header(&[1, 0]), Err(Error::Short)));
        assert!(matches!(PacketFile::read_header(&[9, 0, 0, 0, b'{']), Err(Error::Short)));
        assert!(matches!(PacketFile::read_header(&[255, 255, 255, 255]), Err(Error::TooLong(_))));
        assert!(matches!(PacketFile::read_header(&[2, 0, 0, 0, b'{', b'}']), Err(Error::Header(_))));
        let told = |bytes: u64| PacketFile::head_bytes(&u32::try_from(bytes).unwrap().to_le_bytes());
        assert_eq!(told(HEADER_BYTES_MAX).unwrap(), PREFIX_BYTES + HEADER_BYTES_MAX);
        assert!(matches!(told(HEADER_BYTES_MAX + 1), Err(Error::TooLong(_))));
    }

    proptest! {
        #[test]
        fn records_round_trip(offset: u64, bytes: u32, sync: bool, pts_ns: i64, duration_ns: u64) {
            let packet = Packet { offset, bytes, sync, pts_ns, duration_ns };
            let mut encoded = encode_records(&[packet, packet]);
            prop_assert_eq!(encoded.len() as u64, 2 * RECORD_BYTES);
            encoded.push(0);
            prop_assert_eq!(decode_records(&encoded), vec![packet, packet]);
        }
    }
}
