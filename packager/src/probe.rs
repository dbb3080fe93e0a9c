//! Scans the source and plans its generation, in a child process.

use crate::{
    child::ChildIo,
    protocol::{Failure, ProbeJob, ProbeReport},
};

/// Scans the source and plans its generation.
///
/// # Errors
/// What the worker reports as the reason of a failed attempt.
pub fn run(io: &ChildIo, job: &ProbeJob) -> Result<ProbeReport, Failure> {
    io.log(crate::protocol::Level::Debug, format!("{job:?}"))?;
    Err(Failure::permanent(
        "unsupported",
        "this job is not supported here",
        "probe",
    ))
}
