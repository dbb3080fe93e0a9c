//! Where the coded samples of a track go: into the fragments of the grid, or, on trial, into a record.

use vidstream_media::{Track, codec::DecoderConfig, index::TrackChunk};

use super::{
    Context,
    events::{Event, Events},
    fragments::{Coded, Fragments},
};
use crate::{
    child::ChildIo,
    protocol::{Failure, Output, OutputId},
    record,
};

/// Bytes of a record that are gathered before they are given away.
const WRITE_BYTES: usize = 256 << 10;

/// The end of a coder.
pub(super) enum Delivery {
    /// Checked against the grid and written as fragments.
    Fragments(Fragments),
    /// Written down as it comes.
    Record(Recorder),
}

/// Writes down what an encoder gives, right or wrong.
pub(super) struct Recorder {
    io: ChildIo,
    events: Events,
    track: Track,
    first_segment: u64,
    output: Option<OutputId>,
    config: Option<DecoderConfig>,
    bytes: Vec<u8>,
}

// === impl Delivery ===

impl Delivery {
    /// For one track of a job.
    ///
    /// # Errors
    /// `packet_index` when the plan has no such track or segment.
    pub(super) fn new(context: &Context, track: Track) -> Result<Self, Failure> {
        let Context { io, job, events, runs, .. } = context;
        if context.on_trial {
            return Ok(Self::Record(Recorder {
                io: io.clone(),
                events: events.clone(),
                track,
                first_segment: job.segments.first,
                output: None,
                config: None,
                bytes: Vec::new(),
            }));
        }
        Fragments::new(io, events, &job.plan, track, runs).map(Self::Fragments)
    }

    /// The track.
    pub(super) fn track(&self) -> Track {
        match self {
            Self::Fragments(fragments) => fragments.track(),
            Self::Record(recorder) => recorder.track,
        }
    }

    /// Takes the decoder configuration, before the first sample.
    ///
    /// # Errors
    /// `encoder_error` when it changes and that matters.
    pub(super) fn configure(&mut self, config: DecoderConfig) -> Result<(), Failure> {
        match self {
            Self::Fragments(fragments) => fragments.configure(config),
            Self::Record(recorder) => {
                recorder.configure(config);
                Ok(())
            }
        }
    }

    /// Takes the next sample, whose running time stands for `frame`; `None` if that frame is not wanted.
    ///
    /// # Errors
    /// `encoder_error` when it is not one that the grid wants, else what writing gave.
    pub(super) fn take(
        &mut self,
        frame: Option<u64>,
        time: gst::ClockTime,
        data: gst::MappedBuffer<gst::buffer::Readable>,
        sync: bool,
    ) -> Result<(), Failure> {
        match (self, frame) {
            (Self::Fragments(fragments), Some(frame)) => fragments.push(Coded { frame, data, sync }),
            (Self::Fragments(_), None) => Ok(()),
            (Self::Record(recorder), frame) => {
                record::write_sample(&mut recorder.bytes, frame, time.nseconds(), sync, &data);
                if recorder.bytes.len() >= WRITE_BYTES { recorder.write() } else { Ok(()) }
            }
        }
    }

    /// Says that the encoder is done.
    ///
    /// # Errors
    /// `encoder_error` when samples are missing, else what writing gave.
    pub(super) fn finish(&mut self) -> Result<(), Failure> {
        match self {
            Self::Fragments(fragments) => fragments.finish(),
            Self::Record(recorder) => recorder.finish(),
        }
    }
}

// === impl Recorder ===

impl Recorder {
    fn configure(&mut self, config: DecoderConfig) {
        if self.config.as_ref() != Some(&config) {
            let (DecoderConfig::Avc(bytes) | DecoderConfig::Aac(bytes)) = &config;
            record::write_config(&mut self.bytes, bytes);
            self.config = Some(config);
        }
    }

    fn write(&mut self) -> Result<(), Failure> {
        let output = if let Some(output) = self.output {
            output
        } else {
            let output = Output::Media { track: self.track, first: self.first_segment };
            *self.output.insert(self.io.open_output(output)?)
        };
        self.io.write(output, &self.bytes)?;
        self.bytes.clear();
        Ok(())
    }

    /// Stores the record. Its chunk has no segments: nobody knows yet whether there are any in it.
    fn finish(&mut self) -> Result<(), Failure> {
        self.write()?;
        if let Some(output) = self.output.take() {
            self.io.finish(output)?;
        }
        let chunk = TrackChunk { track: self.track, first: self.first_segment, segments: Vec::new() };
        let config = self.config.clone().unwrap_or(DecoderConfig::Avc(Vec::new()));
        self.events.send(Event::Track { run: 0, chunk, config });
        Ok(())
    }
}
