//! CMAF bytes: initialisation segments and fragments, written, read again and judged.
//!
//! A track's file is `init` followed by fragments, each one `moof` + `mdat` with one track run
//! (ISO/IEC 23000-19 §7.3). Times are presentation times of the grid: the writer uses signed
//! composition offsets instead of an edit list (structural brand `cmf2`), so that the first
//! picture of a fragment is shown exactly at its `tfdt`.

mod boxes;
mod grid;
mod init;
mod language;
mod nal;
mod read;
mod read_init;
mod verify;
mod write;

pub use grid::{Slot, sequence, slots};
pub use init::init;
pub use read::{ReadFragment, ReadSample, read_fragments};
pub use read_init::{Kind, ReadInit, read_init};
pub use verify::{Finding, Severity, verify};
pub use write::{Fragment, Sample, write_fragment};

use crate::track::Track;

/// The only track of every file (ISO/IEC 23000-19 §7.3.1 wants one track a file).
pub(crate) const TRACK_ID: u32 = 1;
/// Samples of one fragment, written or read.
pub const SAMPLES_MAX: usize = 1 << 20;

/// Bytes cannot be written as asked or are not what they should be.
#[derive(Debug, thiserror::Error, PartialEq, Eq)]
pub enum Error {
    /// The plan has no such track.
    #[error("the plan has no track {0}")]
    UnknownTrack(Track),
    /// The decoder configuration does not fit the track or is malformed.
    #[error("decoder configuration: {0}")]
    Config(&'static str),
    /// A sample or a set of samples breaks the contract of the writer.
    #[error("samples: {0}")]
    Samples(&'static str),
    /// A size or a time exceeds its field.
    #[error("{0} exceeds its field")]
    TooLarge(&'static str),
    /// Read bytes are cut short, contradict themselves or lack a needed box.
    #[error("at byte {offset}: {what}")]
    Malformed {
        /// Offset of the box in question.
        offset: u64,
        /// What is wrong.
        what: &'static str,
    },
}

#[cfg(test)]
mod tests;
