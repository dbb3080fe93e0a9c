//! Gives what comes out of a demuxer the times that the headers of the file tell.
//!
//! The demuxer's own times stand where both agree, so they decide how times begin; only jumps, which
//! demuxers of streams take for another programme, come out as [`Clock`] has them.

use std::{
    collections::BTreeSet,
    sync::{Arc, Mutex},
};

use gst::prelude::*;
use vidstream_media::source::clock::{Clock, FLV_AUDIO, FLV_VIDEO, Times};

use super::lock;

/// Times as close as this are the same: containers and demuxers round to a millisecond.
const SAME_NS_MAX: u64 = 1_000_000;

/// Stands beside a demuxer.
#[derive(Clone)]
pub(super) struct Retimer(Arc<Mutex<State>>);

struct State {
    clock: Clock,
    /// From the file's times to those of the demuxer, as the first unit has both.
    base_ns: Option<i64>,
    /// Streams of which a unit was recognized.
    known: BTreeSet<u16>,
}

// === impl Retimer ===

impl Retimer {
    /// Reads along with a demuxer of this container; `None` where its times are enough.
    pub(super) fn beside(demuxer: &gst::Element, container: &str) -> Option<Self> {
        let clock = Clock::of(container)?;
        let retimer = Self(Arc::new(Mutex::new(State { clock, base_ns: None, known: BTreeSet::new() })));
        let reader = retimer.clone();
        demuxer.static_pad("sink")?.add_probe(gst::PadProbeType::BUFFER, move |_, info| {
            if let Some(data) = info.buffer().and_then(|buffer| buffer.map_readable().ok()) {
                lock(&reader.0).clock.read(&data);
            }
            gst::PadProbeReturn::Ok
        });
        Some(retimer)
    }

    /// Corrects what comes out of one of its pads.
    pub(super) fn correct(&self, pad: &gst::Pad) {
        let Some(stream) = stream(pad) else { return };
        let retimer = self.clone();
        pad.add_probe(gst::PadProbeType::BUFFER, move |_, info| {
            if let Some(buffer) = info.buffer_mut() {
                lock(&retimer.0).time(stream, buffer);
            }
            gst::PadProbeReturn::Ok
        });
    }
}

// === impl State ===

impl State {
    fn time(&mut self, stream: u16, buffer: &mut gst::Buffer) {
        let Ok(payload) = buffer.map_readable() else { return };
        let told = self.clock.take(stream, &payload);
        drop(payload);
        let own = buffer.dts().or(buffer.pts()).and_then(|time| i64::try_from(time.nseconds()).ok());
        let Some(told) = told else {
            // Of one stream it is better to guess some times from their neighbours' than to mix two clocks.
            if self.known.contains(&stream) {
                set(buffer, None, None);
            }
            return;
        };
        self.known.insert(stream);
        if self.base_ns.is_none() {
            self.base_ns = own.map(|own| own.saturating_sub(told.dts_ns));
        }
        let Some(base_ns) = self.base_ns else { return };
        let moved = Times { pts_ns: told.pts_ns.saturating_add(base_ns), dts_ns: told.dts_ns.saturating_add(base_ns) };
        let differs = |own: Option<gst::ClockTime>, moved_ns: i64| {
            own.is_some_and(|own| i128::from(own.nseconds()).abs_diff(moved_ns.into()) > SAME_NS_MAX.into())
        };
        if differs(buffer.pts(), moved.pts_ns) || differs(buffer.dts(), moved.dts_ns) {
            let time = |ns: i64| u64::try_from(ns).ok().map(gst::ClockTime::from_nseconds);
            set(buffer, time(moved.pts_ns), time(moved.dts_ns));
        }
    }
}

fn set(buffer: &mut gst::Buffer, pts: Option<gst::ClockTime>, dts: Option<gst::ClockTime>) {
    let buffer = buffer.make_mut();
    buffer.set_pts(pts);
    buffer.set_dts(dts);
}

/// The stream behind a pad: `flvdemux` calls them `video` and `audio`, `tsdemux` ends names with the PID.
fn stream(pad: &gst::Pad) -> Option<u16> {
    match pad.name().as_str() {
        "video" => Some(FLV_VIDEO),
        "audio" => Some(FLV_AUDIO),
        name => u16::from_str_radix(name.rsplit('_').next()?, 16).ok(),
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;
    use vidstream_testkit::corpus;

    use super::*;

    const FLV: &[u8] = include_bytes!("../../../../media/fuzz/corpus/clock/plain.flv");

    /// What a demuxer gives of an FLV file: stream and payload of each tag (Adobe FLV 10.1 Annex E.4).
    fn units(flv: &[u8]) -> Vec<(u16, &[u8])> {
        let mut units = Vec::new();
        let mut rest = flv.get(13..).unwrap_or_default();
        while let [kind, size @ ..] = rest
            && let Some((&[high, middle, low, ..], tag)) = size.split_first_chunk::<10>()
        {
            let bytes = u32::from_be_bytes([0, high, middle, low]) as usize;
            let stream = u16::from(*kind);
            let head = if stream == FLV_VIDEO { 5 } else { 2 };
            let Some(payload) = tag.get(head..bytes) else { break };
            units.push((stream, payload));
            rest = tag.get(bytes + 4..).unwrap_or_default();
        }
        units
    }

    fn state(container: &str, read: &[u8]) -> State {
        gst::init().unwrap();
        let mut clock = Clock::of(container).unwrap();
        clock.read(read);
        State { clock, base_ns: None, known: BTreeSet::new() }
    }

    fn buffer(payload: &[u8], times_ns: [Option<u64>; 2]) -> gst::Buffer {
        let [pts, dts] = times_ns.map(|time| time.map(gst::ClockTime::from_nseconds));
        let mut buffer = gst::Buffer::from_mut_slice(payload.to_vec());
        set(&mut buffer, pts, dts);
        buffer
    }

    #[test]
    fn units_of_a_file_are_told_their_times_from_where_the_demuxer_begins() {
        let mut state = state("flv", FLV);
        let mut pictures = Vec::new();
        // A demuxer that says of every unit that it comes at the same time.
        for (stream, payload) in units(FLV) {
            let mut given = buffer(payload, [Some(5_000_000_000); 2]);
            state.time(stream, &mut given);
            // The end of the sequence tells no time.
            pictures.extend(given.dts().filter(|_| stream == FLV_VIDEO));
        }
        assert_eq!(state.known, [FLV_VIDEO, FLV_AUDIO].into());
        assert!(pictures.len() > 3 && pictures.is_sorted(), "{pictures:?}");
        assert!(pictures.last() > pictures.first(), "{pictures:?}");
    }

    proptest! {
        #[test]
        fn whatever_is_read_and_given_only_times_change_and_only_of_streams_that_are_known(
            container in prop::sample::select(vec!["flv", "mpegts"]),
            case in any::<u64>(),
            any_bytes in prop::collection::vec(any::<u8>(), 0..300),
            times_ns in prop::collection::vec(prop::array::uniform2(prop::option::of(0..u64::MAX)), 1..20),
        ) {
            let read = corpus::mutation("plain.flv", case, FLV);
            let mut state = state(container, &read);
            let given = units(FLV).into_iter().chain([(FLV_VIDEO, any_bytes.as_slice()), (0x100, any_bytes.as_slice())]);
            for ((stream, payload), times_ns) in given.zip(times_ns.iter().cycle()) {
                let before = buffer(payload, *times_ns);
                let mut after = before.clone();
                state.time(stream, &mut after);
                prop_assert_eq!(after.map_readable().unwrap().to_vec(), payload);
                prop_assert_eq!((after.duration(), after.flags()), (before.duration(), before.flags()));
                let is_same = (after.pts(), after.dts()) == (before.pts(), before.dts());
                prop_assert!(is_same || state.known.contains(&stream));
            }
        }
    }
}
