//! One progressive picture for each interlaced one, at the same time.
//!
//! The deinterlacer looks at the picture before and after, and gives the first and the last of a stream
//! wrong times or none. So both are sent twice, the copies outside the stream.

use std::sync::{Mutex, PoisonError};

use gst::prelude::*;

use super::{decode::LEAD, element};
use crate::protocol::Failure;

/// How far outside the stream the copies lie.
const ASIDE: gst::ClockTime = gst::ClockTime::from_nseconds(LEAD.nseconds() / 2);

/// The deinterlacer that follows `chain`.
///
/// # Errors
/// `element_unavailable` when it does not exist here.
pub(super) fn element(chain: &[gst::Element]) -> Result<gst::Element, Failure> {
    let deinterlace = element::make("deinterlace")?;
    element::set_if_there(&deinterlace, "fields", "top");
    element::set_if_there(&deinterlace, "method", "yadif");
    if let Some(pad) = chain.last().and_then(|decoder| decoder.static_pad("src")) {
        repeat_ends(&pad);
    }
    Ok(deinterlace)
}

fn repeat_ends(pad: &gst::Pad) {
    let last: Mutex<Option<gst::Buffer>> = Mutex::new(None);
    pad.add_probe(gst::PadProbeType::BUFFER | gst::PadProbeType::EVENT_DOWNSTREAM, move |pad, probe| {
        let mut last = last.lock().unwrap_or_else(PoisonError::into_inner);
        match &mut probe.data {
            Some(gst::PadProbeData::Buffer(buffer)) => {
                if last.is_none() {
                    send(pad, moved(buffer, |pts| pts.saturating_sub(ASIDE)));
                    // A discontinuity would make it forget the copy.
                    buffer.make_mut().unset_flags(gst::BufferFlags::DISCONT);
                }
                *last = Some(buffer.clone());
            }
            Some(gst::PadProbeData::Event(event)) if event.type_() == gst::EventType::Eos => {
                if let Some(buffer) = last.take() {
                    send(pad, moved(&buffer, |pts| pts + ASIDE));
                }
            }
            _ => {}
        }
        gst::PadProbeReturn::Ok
    });
}

fn moved(buffer: &gst::Buffer, to: impl Fn(gst::ClockTime) -> gst::ClockTime) -> gst::Buffer {
    let mut copy = buffer.copy();
    if let Some(copy) = copy.get_mut() {
        copy.set_pts(buffer.pts().map(to));
    }
    copy
}

/// Sends a picture past the probe. If it is refused, so is what follows it, which tells why.
fn send(pad: &gst::Pad, buffer: gst::Buffer) {
    if let Some(peer) = pad.peer() {
        peer.chain(buffer).ok();
    }
}
