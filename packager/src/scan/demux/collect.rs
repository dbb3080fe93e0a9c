//! What comes out of the demuxer: packets of the chosen streams, copied into one object.

use std::sync::{Arc, Mutex};

use gst::prelude::*;
use vidstream_media::source::mp4::PACKETS_MAX;

use super::{
    lock,
    stream::{Kind, StreamState, Timing},
    times::Raw,
};
use crate::{
    child::ChildIo,
    protocol::{Failure, Output, OutputId},
    scan::fault,
};

/// Streams listened to; more are thrown away.
pub(super) const STREAMS_MAX: usize = 64;
/// Bytes of the copy that are written at once.
const WRITE_BYTES: usize = 256 << 10;

/// Shared by the probes of all streams.
#[derive(Clone)]
pub(super) struct Collector(Arc<Mutex<State>>);

struct State {
    copy: Copy,
    container: Option<String>,
    refusal: Option<String>,
    streams: Vec<StreamState>,
    failure: Option<Failure>,
}

/// The object that packets are copied into.
struct Copy {
    io: ChildIo,
    output: Option<OutputId>,
    waiting: Vec<u8>,
    bytes: u64,
}

/// The end of the collection.
pub(super) struct Collected {
    pub(super) container: String,
    pub(super) streams: Vec<StreamState>,
}

// === impl Collector ===

impl Collector {
    pub(super) fn new(io: ChildIo) -> Self {
        let copy = Copy { io, output: None, waiting: Vec::new(), bytes: 0 };
        Self(Arc::new(Mutex::new(State { copy, container: None, refusal: None, streams: Vec::new(), failure: None })))
    }

    /// Remembers the type of the file; `false` if it was known.
    pub(super) fn set_container(&self, name: String) -> bool {
        let mut state = lock(&self.0);
        let first = state.container.is_none();
        state.container.get_or_insert(name);
        first
    }

    /// The file is of a type that is not played.
    pub(super) fn refuse(&self, what: String) {
        lock(&self.0).refusal = Some(what);
    }

    /// What type of file is not played.
    pub(super) fn refusal(&self) -> Option<String> {
        lock(&self.0).refusal.clone()
    }

    /// Whether nothing can come of the pass any more: see [`Self::refusal`] and [`Self::finish`].
    pub(super) fn is_over(&self) -> bool {
        let state = lock(&self.0);
        state.failure.is_some() || state.refusal.is_some()
    }

    /// Whether the type of the file is known.
    pub(super) fn is_typed(&self) -> bool {
        lock(&self.0).container.is_some()
    }

    /// Streams listened to.
    pub(super) fn sinks(&self) -> usize {
        lock(&self.0).streams.len()
    }

    /// Whether any stream appeared.
    pub(super) fn has_sinks(&self) -> bool {
        self.sinks() > 0
    }

    /// Collects what arrives at `pad`.
    pub(super) fn listen(&self, pad: &gst::Pad, kind: Kind, found: &gst::Caps) {
        let number = {
            let mut state = lock(&self.0);
            let timing = Timing::of(state.container.as_deref().unwrap_or_default());
            state.streams.push(StreamState::new(kind, found.clone(), timing));
            state.streams.len() - 1
        };
        let collector = self.clone();
        let mask = gst::PadProbeType::BUFFER | gst::PadProbeType::BUFFER_LIST | gst::PadProbeType::EVENT_DOWNSTREAM;
        pad.add_probe(mask, move |_, info| {
            let heard = match &info.data {
                Some(gst::PadProbeData::Buffer(buffer)) => collector.buffer(number, buffer),
                Some(gst::PadProbeData::BufferList(list)) => {
                    list.iter_owned().try_for_each(|buffer| collector.buffer(number, &buffer))
                }
                Some(gst::PadProbeData::Event(event)) => {
                    collector.event(number, event);
                    Ok(())
                }
                _ => Ok(()),
            };
            match heard {
                Ok(()) => gst::PadProbeReturn::Ok,
                Err(failure) => {
                    lock(&collector.0).failure.get_or_insert(failure);
                    gst::PadProbeReturn::Remove
                }
            }
        });
    }

    fn event(&self, number: usize, event: &gst::Event) {
        let mut state = lock(&self.0);
        let State { streams, .. } = &mut *state;
        let chosen_already = |kind| streams.iter().any(|stream| stream.chosen && stream.kind == kind);
        match event.view() {
            gst::EventView::Caps(found) => {
                let free = streams.get(number).is_some_and(|stream| !chosen_already(stream.kind));
                if let Some(stream) = streams.get_mut(number) {
                    stream.set_caps(found.caps(), free);
                }
            }
            gst::EventView::Tag(found) => {
                let language = found.tag().get::<gst::tags::LanguageCode>().map(|value| value.get().to_owned());
                if let Some(stream) = streams.get_mut(number) {
                    stream.language = language.or(stream.language.take());
                }
            }
            _ => {}
        }
    }

    fn buffer(&self, number: usize, buffer: &gst::BufferRef) -> Result<(), Failure> {
        let mut state = lock(&self.0);
        let State { copy, streams, failure, .. } = &mut *state;
        let Some(stream) = streams.get_mut(number).filter(|stream| stream.chosen && failure.is_none()) else {
            return Ok(());
        };
        if stream.packets.len() >= PACKETS_MAX {
            return Err(fault::malformed("a stream has too many packets"));
        }
        let Ok(data) = buffer.map_readable() else { return Ok(()) };
        let timeless = buffer.pts().is_none() && buffer.dts().is_none();
        // Headers of sound are in the caps too, and not all are marked; sync pictures carry the mark as well.
        let marked = buffer.flags().contains(gst::BufferFlags::HEADER);
        let header = match stream.kind {
            Kind::Video => marked && timeless,
            Kind::Audio => marked || timeless && stream.packets.is_empty(),
        };
        if data.is_empty() || header {
            return Ok(());
        }
        let offset = copy.bytes;
        let raw = stream.raw(buffer, &data);
        match stream.headers.missing(&data, raw.sync) {
            Some((place, sets)) => {
                let (before, after) = data.split_at_checked(place).unwrap_or((&data, &[]));
                for part in [before, &sets, after] {
                    copy.append(part)?;
                }
            }
            None => copy.append(&data)?,
        }
        let bytes = u32::try_from(copy.bytes - offset).map_err(fault::malformed)?;
        stream.packets.push(Raw { offset, bytes, ..raw });
        Ok(())
    }

    /// Makes the copy durable and gives what was collected.
    ///
    /// # Errors
    /// What writing gave.
    pub(super) fn finish(&self) -> Result<Collected, Failure> {
        let mut state = lock(&self.0);
        if let Some(failure) = state.failure.take() {
            return Err(failure);
        }
        state.copy.finish()?;
        let container = state.container.take().unwrap_or_default();
        Ok(Collected { container, streams: std::mem::take(&mut state.streams) })
    }
}

// === impl Copy ===

impl Copy {
    fn append(&mut self, data: &[u8]) -> Result<(), Failure> {
        self.waiting.extend_from_slice(data);
        self.bytes = self.bytes.saturating_add(data.len() as u64);
        if self.waiting.len() >= WRITE_BYTES { self.flush() } else { Ok(()) }
    }

    fn flush(&mut self) -> Result<(), Failure> {
        let output = match self.output {
            Some(output) => output,
            None => self.io.open_output(Output::Remux)?,
        };
        self.output = Some(output);
        self.io.write(output, &self.waiting)?;
        self.waiting.clear();
        Ok(())
    }

    fn finish(&mut self) -> Result<(), Failure> {
        if !self.waiting.is_empty() {
            self.flush()?;
        }
        if let Some(output) = self.output.take() {
            self.io.finish(output)?;
        }
        Ok(())
    }
}

// === impl Collected ===

impl Collected {
    /// Packets of all chosen streams.
    pub(super) fn packets(&self) -> usize {
        self.streams.iter().map(|stream| stream.packets.len()).sum()
    }
}

#[cfg(test)]
mod tests;
