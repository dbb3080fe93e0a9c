//! When the units of a stream container are shown, as its own headers say it: FLV tags, PES packets of MPEG-TS.
//!
//! Demuxers of such containers are made for receivers, to whom a jump of the clock is another programme.
//! In a file it may as well be a screen that stood still for twelve seconds while somebody spoke. So
//! headers are read beside the demuxer, and what comes out of it is recognized and told its time.

use std::collections::{BTreeMap, VecDeque};

mod epochs;
mod flv;
mod ts;

use epochs::Epochs;

/// Pictures of an FLV file (Adobe FLV 10.1 Annex E.4.1).
pub const FLV_VIDEO: u16 = flv::VIDEO as u16;
/// Sound of an FLV file.
pub const FLV_AUDIO: u16 = flv::AUDIO as u16;
/// Streams followed; more are left to the demuxer.
const STREAMS_MAX: usize = 64;
/// Units of a stream that wait to be recognized; the oldest are forgotten first.
const UNITS_MAX: usize = 1024;
/// First bytes of a unit that it is recognized by, beside its length.
const HEAD_BYTES: usize = 32;

/// Times of one unit in nanoseconds; only their distances mean something.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Times {
    /// When it is shown.
    pub pts_ns: i64,
    /// When it is decoded.
    pub dts_ns: i64,
}

/// Reads the headers of a file from its first byte to its last.
#[derive(Debug)]
pub struct Clock {
    reader: Reader,
    ledger: Ledger,
}

#[derive(Debug)]
enum Reader {
    Flv(flv::Tags),
    Ts(ts::Packets),
}

/// The units that were read and not yet recognized, stream by stream.
#[derive(Debug, Default)]
struct Ledger {
    epochs: Epochs,
    streams: BTreeMap<u16, VecDeque<Unit>>,
}

/// What one header belongs to.
#[derive(Debug)]
struct Unit {
    /// `None`: its header tells no time.
    times: Option<Times>,
    bytes: usize,
    head: Vec<u8>,
}

// === impl Clock ===

impl Clock {
    /// For a container by its short name, `flv` or `mpegts`; the others tell their demuxers enough.
    pub fn of(container: &str) -> Option<Self> {
        let reader = match container {
            "flv" => Reader::Flv(flv::Tags::default()),
            "mpegts" => Reader::Ts(ts::Packets::default()),
            _ => return None,
        };
        Some(Self { reader, ledger: Ledger::default() })
    }

    /// Takes the next bytes of the file.
    pub fn read(&mut self, data: &[u8]) {
        match &mut self.reader {
            Reader::Flv(tags) => tags.read(data, &mut self.ledger),
            Reader::Ts(packets) => packets.read(data, &mut self.ledger),
        }
    }

    /// The times of the next unit of a stream that has this payload; earlier ones are forgotten. `None`:
    /// there is no such unit, or it tells no time. Streams are [`FLV_VIDEO`] and [`FLV_AUDIO`], or PIDs.
    pub fn take(&mut self, stream: u16, payload: &[u8]) -> Option<Times> {
        let units = self.ledger.streams.get_mut(&stream)?;
        let at = units.iter().position(|unit| unit.bytes == payload.len() && payload.starts_with(&unit.head))?;
        units.drain(..at);
        units.pop_front()?.times
    }
}

// === impl Ledger ===

impl Ledger {
    /// Notes a unit with the times that its header tells, whose payload begins with `head` and has `bytes` so far.
    fn begin(&mut self, stream: u16, told: Option<Times>, head: &[u8], bytes: usize) {
        if !self.streams.contains_key(&stream) && self.streams.len() >= STREAMS_MAX {
            return;
        }
        let times = told.map(|told| {
            let shift_ns = self.epochs.shift_ns(stream, told.dts_ns);
            let shifted = |time_ns: i64| time_ns.saturating_add(shift_ns);
            Times { pts_ns: shifted(told.pts_ns), dts_ns: shifted(told.dts_ns) }
        });
        let units = self.streams.entry(stream).or_default();
        if units.len() >= UNITS_MAX {
            units.pop_front();
        }
        let head = head.get(..HEAD_BYTES).unwrap_or(head).to_vec();
        units.push_back(Unit { times, bytes, head });
    }

    /// Adds to the payload of the last unit of a stream.
    fn grow(&mut self, stream: u16, bytes: usize) {
        if let Some(unit) = self.streams.get_mut(&stream).and_then(VecDeque::back_mut) {
            unit.bytes = unit.bytes.saturating_add(bytes);
        }
    }
}

#[cfg(test)]
mod tests;
