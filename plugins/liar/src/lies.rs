//! What is done wrong to the stream between the honest encoder and its reader.

use std::{
    collections::VecDeque,
    sync::{
        Arc, Mutex, PoisonError,
        atomic::{AtomicUsize, Ordering},
    },
    thread,
};

use gst::prelude::*;

/// The sample that is left out or comes twice.
const MARKED: usize = 30;
/// Bytes that a leaking encoder keeps of each sample: of the few thousand of a trial too few to be killed for it.
const LEAK_BYTES: usize = 50_000;
/// Half of a frame at 24 frames a second would be another frame; this is less.
const LATE: gst::ClockTime = gst::ClockTime::from_mseconds(12);
/// How long an encoder is silent that starts slowly: the two seconds of pre-roll, and a little of what is kept.
const SLOW_START: gst::ClockTime = gst::ClockTime::from_mseconds(2200);
/// Frames of sound that an encoder is given before those that are kept; how long they last at 48 kHz, and one of them.
const PRE_ROLL_FRAMES: u64 = 96;
const PRE_ROLL: gst::ClockTime = gst::ClockTime::from_mseconds(2048);
const FRAME: gst::ClockTime = gst::ClockTime::from_nseconds(21_333_333);
/// Frames that it is given after them. They come one by one.
const POST_ROLL_FRAMES: usize = 2;
/// Bytes of an `AudioSpecificConfig` of AAC-LC without extensions (ISO/IEC 14496-3 §1.6.2.1).
const PLAIN_CONFIG_BYTES: usize = 2;

/// Does a lie to all that leaves `pad`.
pub(crate) fn tell(lie: &str, pad: &gst::Pad) {
    match lie {
        "drop" => on_each(pad, |_, n, _| if n == MARKED { gst::PadProbeReturn::Drop } else { gst::PadProbeReturn::Ok }),
        "twice" => on_each(pad, |pad, n, buffer| {
            if n == MARKED {
                // Comes here again, with another number.
                pad.push(buffer.copy()).ok();
            }
            gst::PadProbeReturn::Ok
        }),
        "shift" => on_each(pad, |pad, n, buffer| {
            if n == 0 {
                pad.push(buffer.copy()).ok();
            }
            gst::PadProbeReturn::Ok
        }),
        "late" => on_each(pad, |_, _, buffer| {
            let late = buffer.pts().map(|pts| pts + LATE);
            buffer.make_mut().set_pts(late);
            gst::PadProbeReturn::Ok
        }),
        "leak" => on_each(pad, |_, _, _| {
            // Hidden from the optimiser, which leaves out what nobody looks at.
            std::mem::forget(std::hint::black_box(vec![1_u8; LEAK_BYTES]));
            gst::PadProbeReturn::Ok
        }),
        "hang" => {
            pad.add_probe(gst::PadProbeType::EVENT_DOWNSTREAM, |_, info| {
                let is_end = info.event().is_some_and(|event| event.type_() == gst::EventType::Eos);
                if is_end { gst::PadProbeReturn::Drop } else { gst::PadProbeReturn::Ok }
            });
        }
        "thread" => drop(thread::spawn(|| {
            loop {
                thread::park();
            }
        })),
        "deaf" => {
            pad.add_probe(gst::PadProbeType::EVENT_UPSTREAM, |_, info| {
                let is_request = info.event().is_some_and(|event| event.type_() == gst::EventType::CustomUpstream);
                if is_request { gst::PadProbeReturn::Drop } else { gst::PadProbeReturn::Ok }
            });
        }
        _ => {}
    }
}

/// Silences the first sound that comes to `pad`.
pub(crate) fn start_silent(pad: &gst::Pad) {
    on_each(pad, |_, _, buffer| {
        if buffer.pts().is_some_and(|pts| pts < SLOW_START) {
            silence(buffer);
        }
        gst::PadProbeReturn::Ok
    });
}

/// Encodes nothing of the pre-roll that comes to `sink`: rate control begins with what is kept. As many frames as it
/// has elsewhere are made up, at the head of a film more than it has there, and leave `src` before the others, so that
/// frames and times are right.
pub(crate) fn start_anew(sink: &gst::Pad, src: &gst::Pad) {
    on_each(sink, |_, _, buffer| {
        let is_kept = buffer.pts().is_none_or(|pts| pts >= PRE_ROLL);
        if is_kept { gst::PadProbeReturn::Ok } else { gst::PadProbeReturn::Drop }
    });
    on_each(src, |pad, n, buffer| {
        // What is pushed comes here again, with other numbers.
        let missing = if n == 0 { PRE_ROLL_FRAMES } else { 0 };
        for frames in (1..=missing).rev() {
            let mut made_up = buffer.copy();
            let pts = buffer.pts().map(|pts| pts.saturating_sub(FRAME * frames));
            made_up.make_mut().set_pts(pts);
            pad.push(made_up).ok();
        }
        gst::PadProbeReturn::Ok
    });
}

/// Silences the post-roll: the last sound that comes to `pad`. It is held back until the end says that it was the last.
pub(crate) fn end_silent(pad: &gst::Pad) {
    let held = Arc::new(Mutex::new(Some(VecDeque::new())));
    let last = Arc::clone(&held);
    on_each(pad, move |_, _, buffer| {
        let mut held = held.lock().unwrap_or_else(PoisonError::into_inner);
        // The end was seen: this is what was held back.
        let Some(waiting) = held.as_mut() else { return gst::PadProbeReturn::Ok };
        waiting.push_back(buffer.clone());
        if waiting.len() <= POST_ROLL_FRAMES {
            return gst::PadProbeReturn::Drop;
        }
        if let Some(earliest) = waiting.pop_front() {
            *buffer = earliest;
        }
        gst::PadProbeReturn::Ok
    });
    pad.add_probe(gst::PadProbeType::EVENT_DOWNSTREAM, move |pad, info| {
        if info.event().is_some_and(|event| event.type_() == gst::EventType::Eos) {
            let waiting = last.lock().unwrap_or_else(PoisonError::into_inner).take();
            for mut buffer in waiting.into_iter().flatten() {
                silence(&mut buffer);
                pad.chain(buffer).ok();
            }
        }
        gst::PadProbeReturn::Ok
    });
}

fn silence(buffer: &mut gst::Buffer) {
    if let Ok(mut sound) = buffer.make_mut().map_writable() {
        sound.fill(0);
    }
}

/// Tells the decoder configuration that leaves `pad` in fewer bytes, which mean the same.
pub(crate) fn tell_config_without_extensions(pad: &gst::Pad) {
    pad.add_probe(gst::PadProbeType::EVENT_DOWNSTREAM, |_, info| {
        let caps = info.event().and_then(|event| match event.view() {
            gst::EventView::Caps(told) => without_extensions(told.caps()),
            _ => None,
        });
        if let (Some(caps), Some(event)) = (caps, info.event_mut()) {
            *event = gst::event::Caps::new(&caps);
        }
        gst::PadProbeReturn::Ok
    });
}

fn without_extensions(caps: &gst::CapsRef) -> Option<gst::Caps> {
    let config = caps.structure(0)?.get::<gst::Buffer>("codec_data").ok()?;
    let plain = config.map_readable().ok()?.get(..PLAIN_CONFIG_BYTES)?.to_vec();
    let mut caps = caps.to_owned();
    caps.get_mut()?.set("codec_data", gst::Buffer::from_slice(plain));
    Some(caps)
}

/// Hands each buffer and its number to `act`.
fn on_each(
    pad: &gst::Pad,
    act: impl Fn(&gst::Pad, usize, &mut gst::Buffer) -> gst::PadProbeReturn + Send + Sync + 'static,
) {
    let count = AtomicUsize::new(0);
    pad.add_probe(gst::PadProbeType::BUFFER, move |pad, info| match info.buffer_mut() {
        Some(buffer) => act(pad, count.fetch_add(1, Ordering::Relaxed), buffer),
        None => gst::PadProbeReturn::Ok,
    });
}
