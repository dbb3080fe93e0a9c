//! The packets that a job needs: their index, and their bytes in few large reads.

use std::{ops::Range, str::FromStr};

use vidstream_media::{
    chunks::Segments,
    source::{
        Packet,
        packets::{PREFIX_BYTES, PacketFile, SourceTrack, decode_records},
    },
};

use super::{decode::Treatment, fault};
use crate::{
    child::ChildIo,
    protocol::{Failure, Input},
};

/// One read takes in at most this many bytes, unless a single packet is longer.
const WINDOW_BYTES_MAX: u64 = 1 << 20;
/// Packets of one window may lie this far apart; what is between them is read and thrown away.
const GAP_BYTES_MAX: u64 = 64 << 10;
/// The first read of the packet file, enough for the header of a film.
const HEAD_BYTES: u32 = 256 << 10;
/// A packet longer than this is not a coded picture.
const PACKET_BYTES_MAX: u32 = 256 << 20;

/// The part of the source that a job needs.
pub(super) struct SourceSpan {
    pub(super) video: Option<VideoSpan>,
    pub(super) audio: Option<AudioSpan>,
}

/// Pictures of the source.
pub(super) struct VideoSpan {
    pub(super) stream: Stream,
    /// Packets before the one where decoding normally starts; they begin with a sync packet too.
    pub(super) lead: usize,
    /// Start of the presentation on the clock of the packets, in nanoseconds.
    pub(super) t0_ns: i64,
    pub(super) treatment: Treatment,
}

/// Sound of the source.
pub(super) struct AudioSpan {
    pub(super) stream: Stream,
    /// Start of the presentation on the clock of the packets, in nanoseconds.
    pub(super) t0_ns: i64,
}

/// Packets of one stream, in decode order.
#[derive(Clone)]
pub(super) struct Stream {
    pub(super) caps: gst::Caps,
    pub(super) packets: Vec<Packet>,
    pub(super) object: Input,
}

/// Reads packets of a stream one after another.
pub(super) struct Reader {
    io: ChildIo,
    stream: Stream,
    next: usize,
    window_start: u64,
    window: Vec<u8>,
}

/// Reads the header of the packet file and the records of `segments`.
///
/// # Errors
/// `packet_index` when they do not make sense, else what reading gave.
pub(super) fn read_span(io: &ChildIo, segments: Segments) -> Result<SourceSpan, Failure> {
    let mut head = io.read(Input::Packets, 0, HEAD_BYTES)?;
    let wanted = PacketFile::head_bytes(head.get(..prefix_len()).unwrap_or_default()).map_err(fault::index)?;
    let have = head.len() as u64;
    if wanted > have {
        head.extend(io.read(Input::Packets, have, clamp_u32(wanted - have))?);
    }
    let file = PacketFile::read_header(&head).map_err(fault::index)?;
    let span = file.span(segments).ok_or_else(|| fault::index("it does not know these segments"))?;
    let treatment = Treatment { rotation: file.rotation, interlaced: file.interlaced, show_corrupt: false };
    let video = file.video.as_ref().map(|track| {
        let records = span.video_earlier.min(span.video.start)..span.video.end;
        let lead = usize::try_from(span.video.start - records.start).unwrap_or(0);
        let stream = stream(io, &file, track, records)?;
        Ok::<_, Failure>(VideoSpan { stream, lead, t0_ns: file.t0_ns, treatment })
    });
    let audio = file.audio.as_ref().map(|track| {
        let stream = stream(io, &file, track, span.audio.clone())?;
        Ok::<_, Failure>(AudioSpan { stream, t0_ns: file.t0_ns })
    });
    Ok(SourceSpan { video: video.transpose()?, audio: audio.transpose()? })
}

fn stream(io: &ChildIo, file: &PacketFile, track: &SourceTrack, records: Range<u64>) -> Result<Stream, Failure> {
    let caps = gst::Caps::from_str(&track.caps).map_err(|error| fault::index(format!("caps: {error}")))?;
    let bytes = file.record_bytes(&records);
    let length = bytes.end.saturating_sub(bytes.start);
    let raw = io.read(Input::Packets, bytes.start, clamp_u32(length))?;
    if raw.len() as u64 != length {
        return Err(fault::index("it ends before its records do"));
    }
    let object = if file.remuxed { Input::Remux } else { Input::Source };
    Ok(Stream { caps, packets: decode_records(&raw), object })
}

// === impl SourceSpan ===

impl SourceSpan {
    /// Nothing of the source.
    pub(super) fn none() -> Self {
        Self { video: None, audio: None }
    }
}

// === impl Reader ===

impl Reader {
    pub(super) fn new(io: ChildIo, stream: Stream) -> Self {
        Self { io, stream, next: 0, window_start: 0, window: Vec::new() }
    }

    /// The next packet and its bytes; `None` after the last. Empty packets are left out.
    ///
    /// # Errors
    /// What reading gave, and `packet_index` for a packet past the end of its object.
    pub(super) fn next(&mut self) -> Result<Option<(Packet, Vec<u8>)>, Failure> {
        loop {
            let Some(&packet) = self.stream.packets.get(self.next) else { return Ok(None) };
            if packet.bytes == 0 {
                self.next += 1;
                continue;
            }
            if packet.bytes > PACKET_BYTES_MAX {
                return Err(fault::index(format!("a packet of {} bytes", packet.bytes)));
            }
            if self.cached(packet).is_none() {
                self.read_window(packet)?;
            }
            let data =
                self.cached(packet).ok_or_else(|| fault::index("a packet lies past the end of its object"))?.to_vec();
            self.next += 1;
            return Ok(Some((packet, data)));
        }
    }

    fn cached(&self, packet: Packet) -> Option<&[u8]> {
        let start = usize::try_from(packet.offset.checked_sub(self.window_start)?).ok()?;
        let length = usize::try_from(packet.bytes).ok()?;
        self.window.get(start..start.checked_add(length)?)
    }

    /// Reads from `packet` as far as the following packets lie close behind one another.
    fn read_window(&mut self, packet: Packet) -> Result<(), Failure> {
        let start = packet.offset;
        let mut end = start.saturating_add(u64::from(packet.bytes));
        for later in self.stream.packets.iter().skip(self.next + 1) {
            let later_end = later.offset.saturating_add(u64::from(later.bytes));
            let near = later.offset >= start && later.offset <= end.saturating_add(GAP_BYTES_MAX);
            if !near || later_end - start > WINDOW_BYTES_MAX {
                break;
            }
            end = end.max(later_end);
        }
        self.window = self.io.read(self.stream.object, start, clamp_u32(end - start))?;
        self.window_start = start;
        Ok(())
    }
}

fn clamp_u32(bytes: u64) -> u32 {
    u32::try_from(bytes).unwrap_or(u32::MAX)
}

fn prefix_len() -> usize {
    usize::try_from(PREFIX_BYTES).unwrap_or(4)
}
