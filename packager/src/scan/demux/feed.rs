//! Pushes the source into the demuxer as it uploads.

use std::{
    sync::{
        Arc,
        atomic::{AtomicBool, AtomicU64, Ordering},
        mpsc::SyncSender,
    },
    thread,
};

use super::Source;
use crate::protocol::Failure;

/// Bytes read at once.
const PIECE_BYTES: u32 = 256 << 10;
/// Bytes pushed at once, as a file source does: some demuxers take one step of a header for each buffer.
const BUFFER_BYTES: usize = 4 << 10;

/// Signs of life of the pass.
#[derive(Default)]
pub(super) struct Activity {
    pushed: AtomicU64,
    waits: AtomicBool,
    ended: AtomicBool,
}

// === impl Activity ===

impl Activity {
    /// Grows whenever bytes have moved.
    pub(super) fn count(&self) -> u64 {
        self.pushed.load(Ordering::Acquire)
    }

    /// Whether the next bytes are not uploaded yet.
    pub(super) fn waits_for_source(&self) -> bool {
        self.waits.load(Ordering::Acquire)
    }

    /// Whether the last byte was pushed.
    pub(super) fn ended(&self) -> bool {
        self.ended.load(Ordering::Acquire)
    }
}

/// Starts the thread that reads and pushes; a failed read goes to `verdict` and ends the stream.
pub(super) fn spawn(
    source: Source,
    to: gst_app::AppSrc,
    activity: Arc<Activity>,
    verdict: SyncSender<Failure>,
) -> Result<(), Failure> {
    let push_all = move || {
        if let Err(failure) = push(&source, &to, &activity) {
            // There is room for the one failure; if nobody listens any more, the scan is over.
            drop(verdict.try_send(failure));
        }
        activity.ended.store(true, Ordering::Release);
        // A pipeline that refuses has failed or is stopped, and says so on its bus.
        let _ = to.end_of_stream();
    };
    thread::Builder::new().name("source".into()).spawn(push_all)?;
    Ok(())
}

fn push(source: &Source, to: &gst_app::AppSrc, activity: &Activity) -> Result<(), Failure> {
    let mut offset = 0_u64;
    loop {
        activity.waits.store(true, Ordering::Release);
        let piece = source.read(offset, PIECE_BYTES)?;
        activity.waits.store(false, Ordering::Release);
        let length = piece.len() as u64;
        if length == 0 {
            return Ok(());
        }
        offset = offset.saturating_add(length);
        source.progress(offset)?;
        let piece = gst::Buffer::from_mut_slice(piece);
        for start in (0..piece.size()).step_by(BUFFER_BYTES) {
            let end = (start + BUFFER_BYTES).min(piece.size());
            let Ok(part) = piece.copy_region(gst::BufferCopyFlags::MEMORY, start..end) else { return Ok(()) };
            if to.push_buffer(part).is_err() {
                return Ok(());
            }
            activity.pushed.fetch_add(1, Ordering::AcqRel);
        }
        if length < u64::from(PIECE_BYTES) {
            return Ok(());
        }
    }
}
