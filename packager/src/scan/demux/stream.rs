//! One stream behind the demuxer: its caps, whether it is chosen, and its packets as they are told.

use vidstream_media::source::Packet;

use super::{
    super::{Stream, caps, times::Raw},
    headers::Headers,
    order::Order,
};
use crate::encode::autoplug;

/// What a stream carries.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Kind {
    Video,
    Audio,
}

/// How much a container tells of presentation times.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Timing {
    /// Of every picture.
    Full,
    /// Of some pictures.
    Partial,
    /// Only when to decode.
    None,
}

/// One stream.
pub(super) struct StreamState {
    pub(super) kind: Kind,
    /// Caps of its packets; those of the demuxer until the first packet comes.
    caps: gst::Caps,
    settled: bool,
    pub(super) caps_changes: u32,
    /// Whether its packets are copied.
    pub(super) chosen: bool,
    timing: Timing,
    order: Order,
    pub(super) headers: Headers,
    pub(super) packets: Vec<Raw>,
    pub(super) language: Option<String>,
}

// === impl Timing ===

impl Timing {
    pub(super) fn of(container: &str) -> Self {
        match container {
            "avi" => Self::None,
            "mpegps" | "mpegts" => Self::Partial,
            _ => Self::Full,
        }
    }
}

// === impl StreamState ===

impl StreamState {
    pub(super) fn new(kind: Kind, found: gst::Caps, timing: Timing) -> Self {
        Self {
            kind,
            order: if timing == Timing::Full { Order::Unknown } else { Order::new(&found) },
            timing,
            headers: Headers::new(&found),
            caps: found,
            settled: false,
            caps_changes: 0,
            chosen: false,
            packets: Vec::new(),
            language: None,
        }
    }

    /// Takes the first caps; a stream is chosen if none of its kind is and a decoder takes it.
    pub(super) fn set_caps(&mut self, found: &gst::CapsRef, free: bool) {
        if self.settled {
            if self.chosen && self.caps.as_ref() != found {
                self.caps_changes += 1;
            }
            return;
        }
        self.settled = true;
        self.caps = found.to_owned();
        self.chosen = free && autoplug::decoder_chain(&self.caps).is_ok();
    }

    /// A packet without its place in the copy.
    pub(super) fn raw(&mut self, buffer: &gst::BufferRef, data: &[u8]) -> Raw {
        let sync = !buffer.flags().contains(gst::BufferFlags::DELTA_UNIT) || self.kind == Kind::Audio;
        let mut pts_ns = buffer.pts().and_then(nanoseconds);
        let mut dts_ns = buffer.dts().and_then(nanoseconds);
        if self.timing == Timing::None
            && self.kind == Kind::Audio
            && !self.packets.is_empty()
            && buffer.duration().is_some()
        {
            // Sound without times of its own has no holes; what the demuxer counts is off by its look-ahead.
            (pts_ns, dts_ns) = (None, None);
        }
        Raw {
            offset: 0,
            bytes: 0,
            sync,
            pts_ns,
            dts_ns,
            duration_ns: buffer.duration().map(gst::ClockTime::nseconds),
            display: self.order.next(data),
        }
    }

    /// Short name of its codec.
    pub(super) fn codec(&self) -> String {
        caps::codec_name(&self.caps)
    }

    /// Channels and samples per second.
    pub(super) fn sound(&self) -> (u32, u32) {
        caps::sound(&self.caps)
    }

    /// The stream with its packets timed.
    pub(super) fn into_stream(self, timed: fn(&[Raw]) -> Vec<Packet>) -> Stream {
        let (_, sample_rate) = self.sound();
        Stream {
            codec: self.codec(),
            caps: self.caps.to_string(),
            packets: timed(&self.packets),
            start_ns: i64::MIN,
            end_ns: None,
            language: self.language,
            sample_rate,
        }
    }
}

/// A buffer's own time. Segments are left aside: some demuxers start a second one when a stream turns
/// out to begin earlier, and then the same picture would have two running times.
fn nanoseconds(time: gst::ClockTime) -> Option<i64> {
    i64::try_from(time.nseconds()).ok()
}
