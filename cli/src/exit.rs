//! Exit codes, and the one sentence that goes with a failure.

use std::{fmt, process::ExitCode};

/// How a command ended, in the codes of sysexits.h where one fits.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Code {
    /// Done.
    Done = 0,
    /// A negative verdict: the video failed.
    Verdict = 1,
    /// Bad flags or configuration.
    Usage = 64,
    /// The input cannot be read.
    NoInput = 66,
    /// A port, a server or a `GStreamer` element is missing.
    Unavailable = 69,
    /// A bug.
    Software = 70,
    /// I/O or disk.
    Io = 74,
}

/// A failure whose exit code is known.
#[derive(Debug)]
pub(crate) struct Failure {
    code: Code,
    sentence: String,
}

// === impl Failure ===

impl Failure {
    pub(crate) fn new(code: Code, sentence: impl Into<String>) -> Self {
        Self { code, sentence: sentence.into() }
    }
}

impl fmt::Display for Failure {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.sentence)
    }
}

impl std::error::Error for Failure {}

impl From<Code> for ExitCode {
    fn from(code: Code) -> Self {
        Self::from(code as u8)
    }
}

/// Ends a command that clap could not read, or whose help was asked for.
pub(crate) fn of_usage(error: &clap::Error) -> ExitCode {
    // A closed pipe while printing help is nobody's failure.
    let _ = error.print();
    if error.use_stderr() { Code::Usage.into() } else { Code::Done.into() }
}

/// Prints the sentence of a failure and gives its code; a failure without one is a bug.
pub(crate) fn of_error(error: &anyhow::Error) -> ExitCode {
    eprintln!("vidstream: {error:#}");
    error
        .chain()
        .find_map(|cause| cause.downcast_ref::<Failure>())
        .map_or(Code::Software, |failure| failure.code)
        .into()
}

/// A child's exit code is for its worker.
#[cfg(feature = "packager")]
pub(crate) fn of_child(code: i32) -> Code {
    if code == 0 { Code::Done } else { Code::Software }
}
