//! Coded samples of one track in, finished objects of fragments out, one object for each run of segments.
//!
//! Holds one fragment at a time. What an encoder delivers is checked against the grid here: the right
//! number of samples, a sync sample first, and no picture outside its closed GOP.

use std::{borrow::Cow, collections::VecDeque};

use vidstream_media::{
    Plan, Track,
    chunks::Segments,
    cmaf::{self, Slot},
    codec::DecoderConfig,
    index::{Segment, TrackChunk},
};

use super::{
    events::{Event, Events},
    fault, nal,
};
use crate::{
    child::ChildIo,
    protocol::{Failure, Output, OutputId},
};

/// A coded sample, in decode order.
pub(super) struct Coded {
    /// The grid frame that it shows; for audio the audio frame.
    pub(super) frame: u64,
    /// Its bytes.
    pub(super) data: gst::MappedBuffer<gst::buffer::Readable>,
    /// Whether decoding can start with it.
    pub(super) sync: bool,
}

/// Writes the fragments of one track.
pub(super) struct Fragments {
    io: ChildIo,
    events: Events,
    track: Track,
    config: Option<DecoderConfig>,
    runs: VecDeque<Run>,
    pending: Vec<Coded>,
}

/// One object: the slots that are still to be filled, and what is written.
struct Run {
    number: usize,
    first_segment: u64,
    slots: VecDeque<(u64, Slot)>,
    chunk: TrackChunk,
    bytes: u64,
    output: Option<OutputId>,
}

// === impl Fragments ===

impl Fragments {
    /// For one track of a job that publishes these runs.
    ///
    /// # Errors
    /// `packet_index` when the plan has no such track or segment.
    pub(super) fn new(
        io: &ChildIo,
        events: &Events,
        plan: &Plan,
        track: Track,
        runs: &[Segments],
    ) -> Result<Self, Failure> {
        let runs =
            runs.iter().enumerate().map(|(number, &run)| Run::new(plan, track, number, run)).collect::<Option<_>>();
        let runs = runs.ok_or_else(|| fault::index(format!("the plan has no such segment of {track}")))?;
        Ok(Self { io: io.clone(), events: events.clone(), track, config: None, runs, pending: Vec::new() })
    }

    /// The track.
    pub(super) fn track(&self) -> Track {
        self.track
    }

    /// Takes the decoder configuration, before the first sample.
    ///
    /// # Errors
    /// `encoder_error` when it changes.
    pub(super) fn configure(&mut self, config: DecoderConfig) -> Result<(), Failure> {
        match &self.config {
            Some(known) if *known != config => Err(fault::encoder(self.track, "its decoder configuration changed")),
            Some(_) => Ok(()),
            None => {
                self.config = Some(config);
                Ok(())
            }
        }
    }

    /// Takes the next sample; writes a fragment when it is complete.
    ///
    /// # Errors
    /// `encoder_error` when the sample is not one that the grid wants, else what writing gave.
    pub(super) fn push(&mut self, sample: Coded) -> Result<(), Failure> {
        let Some((_, slot)) = self.runs.front().and_then(|run| run.slots.front()) else {
            return Err(fault::encoder(self.track, "it made more samples than it was given"));
        };
        if !slot.frames.contains(&sample.frame) {
            let detail = format!("frame {} came among frames {:?}", sample.frame, slot.frames);
            return Err(fault::encoder(self.track, detail));
        }
        if self.pending.is_empty() && !sample.sync {
            return Err(fault::encoder(self.track, format!("frame {} is not a key frame", sample.frame)));
        }
        let complete = self.pending.len() as u64 + 1 == slot.samples;
        self.pending.push(sample);
        if complete { self.write() } else { Ok(()) }
    }

    /// Says that the encoder is done.
    ///
    /// # Errors
    /// `encoder_error` when samples are missing.
    pub(super) fn finish(&mut self) -> Result<(), Failure> {
        let missing: usize = self.runs.iter().map(|run| run.slots.len()).sum();
        if missing > 0 {
            return Err(fault::encoder(self.track, format!("it ended with {missing} fragments missing")));
        }
        Ok(())
    }

    fn write(&mut self) -> Result<(), Failure> {
        let Some(run) = self.runs.front_mut() else { return Ok(()) };
        let Some((segment, slot)) = run.slots.pop_front() else { return Ok(()) };
        let mut bytes = Vec::new();
        let written = {
            let is_video = self.track.is_video();
            let data: Vec<Cow<'_, [u8]>> = self
                .pending
                .iter()
                .map(|sample| {
                    if is_video {
                        nal::without_parameter_sets(&sample.data)
                    } else {
                        Cow::Borrowed(sample.data.as_slice())
                    }
                })
                .collect();
            let samples =
                self.pending.iter().zip(&data).zip(slot.frames.clone()).map(|((sample, data), decoded_at)| {
                    let offset = (i128::from(sample.frame) - i128::from(decoded_at)) * i128::from(slot.sample_duration);
                    cmaf::Sample {
                        data,
                        duration: slot.sample_duration,
                        composition_offset: i32::try_from(offset).unwrap_or(i32::MAX),
                        sync: sample.sync,
                    }
                });
            let samples: Vec<cmaf::Sample<'_>> = samples.collect();
            cmaf::write_fragment(&mut bytes, slot.fragment, &samples)
                .map_err(|error| fault::encoder(self.track, error))?
        };
        self.pending.clear();
        run.take(segment, written, &bytes);
        let output = match run.output {
            Some(output) => output,
            None => {
                *run.output.insert(self.io.open_output(Output::Media { track: self.track, first: run.first_segment })?)
            }
        };
        self.io.write(output, &bytes)?;
        if run.slots.is_empty() { self.close_run() } else { Ok(()) }
    }

    /// Makes the run's object durable and tells of it.
    fn close_run(&mut self) -> Result<(), Failure> {
        let Some(run) = self.runs.pop_front() else { return Ok(()) };
        if let Some(output) = run.output {
            self.io.finish(output)?;
        }
        let config =
            self.config.clone().ok_or_else(|| fault::encoder(self.track, "it told no decoder configuration"))?;
        self.events.send(Event::Track { run: run.number, chunk: run.chunk, config });
        Ok(())
    }
}

// === impl Run ===

impl Run {
    fn new(plan: &Plan, track: Track, number: usize, run: Segments) -> Option<Self> {
        let numbers = match track {
            Track::Trick => plan.timeline.tricks_of_segments(run.first, run.last),
            Track::Rung(_) | Track::Audio => run.first..run.last + 1,
        };
        let first = numbers.start;
        let mut slots = VecDeque::new();
        for n in numbers {
            slots.extend(cmaf::slots(plan, track, n)?.into_iter().map(|slot| (n, slot)));
        }
        let chunk = TrackChunk { track, first, segments: Vec::new() };
        Some(Self { number, first_segment: run.first, slots, chunk, bytes: 0, output: None })
    }

    /// Notes a written fragment of segment `n`, and its bytes in the checksum.
    fn take(&mut self, n: u64, fragment: vidstream_media::index::Fragment, bytes: &[u8]) {
        let place = n - self.chunk.first;
        if self.chunk.segments.len() as u64 <= place {
            self.chunk.segments.push(Segment::new(self.bytes));
        }
        if let Some(segment) = self.chunk.segments.last_mut() {
            segment.push(fragment, bytes);
        }
        self.bytes += u64::from(fragment.bytes);
    }
}
