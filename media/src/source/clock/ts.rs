//! PES packets of an MPEG transport stream: ISO/IEC 13818-1 §2.4.3.

use super::{Ledger, Times};

/// A transport packet (§2.4.3.2).
const PACKET_BYTES: usize = 188;
/// From packet to packet: bare, with the times of M2TS before each, with error correction behind.
const STRIDES: [usize; 3] = [PACKET_BYTES, 192, STRIDE_BYTES_MAX];
const STRIDE_BYTES_MAX: usize = 204;
/// Sync bytes in a row that make a stride sure.
const SURE: usize = 4;
/// Bytes in which a stride is searched.
const SEARCH_BYTES: usize = STRIDE_BYTES_MAX * (SURE + 1);
const SYNC: u8 = 0x47;
/// `PTS` and `DTS` count to this and begin again (§2.4.3.7).
const WRAP: i64 = 1 << 33;

/// Where in the stream the reader is.
#[derive(Debug, Default)]
pub(super) struct Packets {
    stride: Option<usize>,
    /// Bytes up to the next packet.
    skip_bytes: usize,
    held: Vec<u8>,
    /// The last decode time of any stream in ticks of 90 kHz, without wraps.
    last: Option<i64>,
}

/// The beginning of a PES packet, or more of one.
struct Part<'a> {
    pid: u16,
    begins: bool,
    payload: &'a [u8],
}

// === impl Packets ===

impl Packets {
    pub(super) fn read(&mut self, data: &[u8], ledger: &mut Ledger) {
        let mut held = std::mem::take(&mut self.held);
        held.extend_from_slice(data);
        let mut rest = held.as_slice();
        while let Some(after) = self.step(rest, ledger) {
            rest = after;
        }
        let done = held.len() - rest.len();
        held.drain(..done);
        self.held = held;
    }

    /// Reads what comes next; gives what is behind it, or `None` if more bytes are needed.
    fn step<'a>(&mut self, rest: &'a [u8], ledger: &mut Ledger) -> Option<&'a [u8]> {
        let Some(stride) = self.stride else {
            let searched = rest.get(..SEARCH_BYTES)?;
            let (start, stride) = find(searched).unzip();
            (self.stride, self.skip_bytes) = (stride, 0);
            return rest.get(start.unwrap_or(STRIDE_BYTES_MAX)..);
        };
        if self.skip_bytes > 0 {
            let skipped = self.skip_bytes.min(rest.len());
            self.skip_bytes -= skipped;
            return rest.get(skipped..).filter(|_| skipped > 0);
        }
        let (packet, after) = rest.split_at_checked(PACKET_BYTES)?;
        if packet.first() != Some(&SYNC) {
            self.stride = None;
            return Some(rest);
        }
        self.skip_bytes = stride - PACKET_BYTES;
        if let Some(part) = part(packet) {
            self.note(&part, ledger);
        }
        Some(after)
    }

    fn note(&mut self, part: &Part<'_>, ledger: &mut Ledger) {
        if !part.begins {
            ledger.grow(part.pid, part.payload.len());
        } else if let Some(payload) = behind_header(part.payload) {
            let times = self.times(part.payload);
            ledger.begin(part.pid, times, payload, payload.len());
        }
    }

    /// The times in the header of a PES packet (§2.4.3.6).
    fn times(&mut self, pes: &[u8]) -> Option<Times> {
        let told = pes.get(7)? >> 6;
        let pts = if told & 2 != 0 { timestamp(pes.get(9..14)?)? } else { return None };
        let dts = if told == 3 { timestamp(pes.get(14..19)?)? } else { pts };
        let dts_unwrapped = self.last.map_or(dts, |last| last.saturating_add(distance(last, dts)));
        self.last = Some(dts_unwrapped);
        let pts_unwrapped = dts_unwrapped.saturating_add(distance(dts, pts));
        Some(Times { pts_ns: nanoseconds(pts_unwrapped), dts_ns: nanoseconds(dts_unwrapped) })
    }
}

/// Where the first packet is, and how far it is from one to the next.
fn find(data: &[u8]) -> Option<(usize, usize)> {
    (0..STRIDE_BYTES_MAX).find_map(|start| {
        let fits = |stride: &usize| (0..SURE).all(|n| data.get(start + n * stride) == Some(&SYNC));
        STRIDES.into_iter().find(fits).map(|stride| (start, stride))
    })
}

/// What a transport packet carries (§2.4.3.2); `None` if that is nothing, damaged or scrambled.
fn part(packet: &[u8]) -> Option<Part<'_>> {
    let [_, flags, low, control, ..] = *packet else { return None };
    let (is_damaged, is_scrambled, has_payload) = (flags & 0x80 != 0, control & 0xc0 != 0, control & 0x10 != 0);
    if is_damaged || is_scrambled || !has_payload {
        return None;
    }
    let adaptation_bytes = if control & 0x20 == 0 { 0 } else { 1 + usize::from(*packet.get(4)?) };
    let payload = packet.get(4 + adaptation_bytes..)?;
    Some(Part { pid: u16::from_be_bytes([flags & 0x1f, low]), begins: flags & 0x40 != 0, payload })
}

/// The payload of a PES packet of pictures or sound whose header is whole.
fn behind_header(pes: &[u8]) -> Option<&[u8]> {
    let is_pes = pes.starts_with(&[0, 0, 1]) && matches!(pes.get(3)?, 0xbd | 0xc0..=0xef | 0xfd);
    pes.get(9 + usize::from(*pes.get(8)?)..).filter(|_| is_pes)
}

/// A number of 33 bits with a marker behind each part.
fn timestamp(five: &[u8]) -> Option<i64> {
    let [high, upper, middle, lower, low] = *five else { return None };
    let bits = |byte: u8, dropped: u32, place: u32| i64::from(byte >> dropped) << place;
    Some(bits(high & 0x0e, 1, 30) | bits(upper, 0, 22) | bits(middle, 1, 15) | bits(lower, 0, 7) | bits(low, 1, 0))
}

/// From one time to another the shorter way around.
fn distance(from: i64, to: i64) -> i64 {
    let ahead = (to - from).rem_euclid(WRAP);
    if ahead >= WRAP / 2 { ahead - WRAP } else { ahead }
}

fn nanoseconds(ticks: i64) -> i64 {
    i64::try_from(i128::from(ticks) * 100_000 / 9).unwrap_or(i64::MAX)
}
