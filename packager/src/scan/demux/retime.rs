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
