//! Tags of an FLV file: Adobe Flash Video File Format Specification 10.1, Annex E.

use super::{super::mp4::boxes::u32_at, HEAD_BYTES, Ledger, Times};

/// `TagType` of sound (E.4.1).
pub(super) const AUDIO: u8 = 8;
/// `TagType` of pictures.
pub(super) const VIDEO: u8 = 9;

/// `FLVHeader` (E.2).
const FILE_HEADER_BYTES: usize = 9;
/// `FLVTAG` before its data (E.4.1).
const TAG_HEADER_BYTES: usize = 11;
/// `PreviousTagSize` behind every tag and before the first (E.3).
const SIZE_BYTES: u64 = 4;
/// The longest header of data: that of AVC pictures (E.4.3.1).
const DATA_HEADER_BYTES: usize = 5;
/// `SoundFormat` of AAC (E.4.2.1).
const AAC: u8 = 10;
/// `CodecID` of AVC (E.4.3.1).
const AVC: u8 = 7;
const NS_PER_MS: i64 = 1_000_000;

/// Where in the file the reader is.
#[derive(Debug, Default)]
pub(super) struct Tags {
    started: bool,
    /// Not what it seemed to be: nothing more is read.
    lost: bool,
    /// Bytes of the header that is being read.
    held: Vec<u8>,
    /// Bytes that nobody needs.
    skip_bytes: u64,
}

// === impl Tags ===

impl Tags {
    pub(super) fn read(&mut self, mut data: &[u8], ledger: &mut Ledger) {
        while !data.is_empty() && !self.lost {
            let skipped = usize::try_from(self.skip_bytes).unwrap_or(usize::MAX).min(data.len());
            self.skip_bytes -= skipped as u64;
            data = data.get(skipped..).unwrap_or_default();
            let missing = self.wanted_bytes().saturating_sub(self.held.len()).min(data.len());
            let (head, rest) = data.split_at_checked(missing).unwrap_or_default();
            self.held.extend_from_slice(head);
            data = rest;
            if missing > 0 && self.held.len() == self.wanted_bytes() {
                self.header(ledger);
            }
        }
    }

    /// Bytes that are needed to understand what begins here, as far as it is known.
    fn wanted_bytes(&self) -> usize {
        match u24(&self.held, 1) {
            _ if !self.started => FILE_HEADER_BYTES,
            Some(bytes) if self.held.len() >= TAG_HEADER_BYTES => {
                TAG_HEADER_BYTES + (bytes as usize).min(DATA_HEADER_BYTES + HEAD_BYTES)
            }
            _ => TAG_HEADER_BYTES,
        }
    }

    fn header(&mut self, ledger: &mut Ledger) {
        if self.started {
            let bytes = u24(&self.held, 1).unwrap_or(0);
            tag(&self.held, bytes as usize, ledger);
            let read = self.held.len() - TAG_HEADER_BYTES;
            self.skip_bytes = u64::from(bytes).saturating_sub(read as u64).saturating_add(SIZE_BYTES);
        } else {
            self.lost = !self.held.starts_with(b"FLV");
            self.started = true;
            let offset = u64::from(u32_at(&self.held, 5).unwrap_or(0));
            self.skip_bytes = offset.saturating_sub(FILE_HEADER_BYTES as u64).saturating_add(SIZE_BYTES);
        }
        self.held.clear();
    }
}

/// Notes the unit of a tag, of whose `bytes` of data `held` has the first.
fn tag(held: &[u8], bytes: usize, ledger: &mut Ledger) {
    let (Some(kind), Some(low), Some(high)) = (held.first(), u24(held, 4), held.get(7)) else { return };
    let data = held.get(TAG_HEADER_BYTES..).unwrap_or_default();
    let dts_ns = i64::from(u32::from(*high) << 24 | low) * NS_PER_MS;
    let kind = kind & 0x1f;
    let (header_bytes, later_ms) = match (kind, data) {
        (AUDIO, [format, step, ..]) if format >> 4 == AAC => (coded(*step, 2), 0),
        (VIDEO, [format, step, ..]) if format & 0x0f == AVC => (coded(*step, DATA_HEADER_BYTES), later_ms(data)),
        (AUDIO | VIDEO, [_, ..]) => (Some(1), 0),
        _ => (None, 0),
    };
    let Some((header_bytes, payload)) = header_bytes.and_then(|bytes| Some((bytes, data.get(bytes..)?))) else {
        return;
    };
    let times = Times { pts_ns: dts_ns.saturating_add(later_ms * NS_PER_MS), dts_ns };
    ledger.begin(u16::from(kind), Some(times), payload, bytes.saturating_sub(header_bytes));
}

/// The header of a unit whose `AACPacketType` or `AVCPacketType` is this; `None` of what is no unit: decoder configurations.
fn coded(step: u8, header_bytes: usize) -> Option<usize> {
    (step == 1).then_some(header_bytes)
}

/// `CompositionTime` (E.4.3.1), a signed number of three bytes.
fn later_ms(data: &[u8]) -> i64 {
    let unsigned = i64::from(u24(data, 2).unwrap_or(0));
    if unsigned >= 1 << 23 { unsigned - (1 << 24) } else { unsigned }
}

fn u24(data: &[u8], at: usize) -> Option<u32> {
    match data.get(at..at + 3)? {
        [high, middle, low] => Some(u32::from_be_bytes([0, *high, *middle, *low])),
        _ => None,
    }
}
