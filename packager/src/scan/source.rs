//! The source as the scan reads it: blocking, also while it is uploaded, and quiet at its end.

use std::io;

use crate::{
    child::ChildIo,
    protocol::{Failure, Input, Progress},
};

/// No source is as long as this: a read here waits for the last byte.
const BEYOND_BYTES: u64 = 1 << 42;
/// Waits for the last byte before the upload is taken for stuck; the worker's watchdog is sooner.
const END_WAITS_MAX: u32 = 1000;

/// The uploaded file.
#[derive(Clone)]
pub(super) struct Source {
    io: ChildIo,
}

// === impl Source ===

impl Source {
    pub(super) fn new(io: ChildIo) -> Self {
        Self { io }
    }

    pub(super) fn io(&self) -> &ChildIo {
        &self.io
    }

    /// Bytes at `offset`; fewer only at the end of the file, none past it. Waits while they are uploaded.
    pub(super) fn read(&self, offset: u64, bytes: u32) -> io::Result<Vec<u8>> {
        match self.io.read(Input::Source, offset, bytes) {
            Err(error) if error.kind() == io::ErrorKind::InvalidInput => {
                let past_end = self.io.size(Input::Source)?.is_some_and(|size| offset >= size);
                if past_end { Ok(Vec::new()) } else { Err(error) }
            }
            other => other,
        }
    }

    /// Waits for the last byte; tells how many there are.
    pub(super) fn end(&self) -> Result<u64, Failure> {
        for _ in 0..END_WAITS_MAX {
            if let Some(bytes) = self.io.size(Input::Source)? {
                return Ok(bytes);
            }
            self.read(BEYOND_BYTES, 1)?;
        }
        Err(Failure::retryable("stalled", "the upload does not end", "the source is neither growing nor complete"))
    }

    /// Tells the worker how far the scan is.
    pub(super) fn progress(&self, done: u64) -> io::Result<()> {
        self.io.progress(Progress { done, total: 0 })
    }
}
