//! What a worker and its child processes say to each other.
//!
//! One socket in both directions, framed as in [`frame`]. The child asks for byte ranges and gives
//! objects back; it names them by [`Input`] and [`Output`] and never learns a path or a key.

pub mod frame;
mod job;
mod message;
mod report;

pub use job::{
    EncodeJob, EncoderChoice, Encoders, Filler, Input, InspectJob, Job, Output, OutputId, Pass, Picture, PosterJob,
    ProbeJob, ReplayJob, Rolls, SheetJob, StoredGop, TrialJob,
};
pub use message::{Answer, Ask, Isolation, Level, Limits, Refusal, RefusalKind, Setup, ToChild, ToWorker};
pub use report::{
    Failure, ImageReport, InspectReport, Part, ProbeReport, Progress, Replayed, Report, TrialReport, Unit, Warning,
};

/// Requests of one child that may wait for an answer at the same time.
pub const REQUESTS_OPEN_MAX: usize = 16;
/// Outputs that one child may have open at the same time.
pub const OUTPUTS_OPEN_MAX: usize = 32;
/// Longest text of a log line, title or detail, in bytes; longer ones are cut.
pub const TEXT_BYTES_MAX: usize = 4096;

/// Cuts a text to [`TEXT_BYTES_MAX`] bytes at a character's edge.
pub fn cut(mut text: String) -> String {
    let end = (0..=TEXT_BYTES_MAX.min(text.len())).rev().find(|&at| text.is_char_boundary(at));
    text.truncate(end.unwrap_or(0));
    text
}

#[cfg(test)]
mod tests;
