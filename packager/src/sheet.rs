//! Makes a tile sheet, in a child process.

use crate::{
    child::ChildIo,
    protocol::{Failure, ImageReport, SheetJob},
};

/// Makes a tile sheet.
///
/// # Errors
/// What the worker reports as the reason of a failed attempt.
pub fn run(io: &ChildIo, job: &SheetJob) -> Result<ImageReport, Failure> {
    io.log(crate::protocol::Level::Debug, format!("{job:?}"))?;
    Err(Failure::permanent("unsupported", "this job is not supported here", "sheet"))
}
