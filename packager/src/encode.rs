//! Makes every track of a run of segments, in a child process.

use crate::{
    child::ChildIo,
    protocol::{EncodeJob, Failure},
};

/// Makes every track of a run of segments.
///
/// # Errors
/// What the worker reports as the reason of a failed attempt.
pub fn run(io: &ChildIo, job: &EncodeJob) -> Result<(), Failure> {
    io.log(crate::protocol::Level::Debug, format!("{job:?}"))?;
    Err(Failure::permanent(
        "unsupported",
        "this job is not supported here",
        "encode",
    ))
}
