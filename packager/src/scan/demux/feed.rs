//! Pushes the source into the demuxer as it uploads.

use std::{
    sync::{
        Arc,
        atomic::{AtomicBool, AtomicU64, Ordering},
        mpsc::SyncSender,
    },
    thread,
};

use gst::prelude::*;

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

/// How a demuxer gets its bytes.
#[derive(Clone, Copy, Debug)]
pub(super) enum Feed {
    /// From the first to the last, as they are uploaded.
    Stream,
    /// From wherever it asks, of a complete file.
    Jumping {
        /// Bytes of the file.
        bytes: u64,
    },
}

/// Reads the source and pushes it.
#[derive(Clone)]
pub(super) struct Feeder {
    pub(super) source: Source,
    pub(super) to: gst_app::AppSrc,
    pub(super) activity: Arc<Activity>,
    /// Hears why reading failed.
    pub(super) verdict: SyncSender<Failure>,
}

// === impl Feeder ===

impl Feeder {
    /// Tells the element how it will be fed; for a jumping demuxer, answers its wishes from now on.
    pub(super) fn prepare(&self, how: Feed) {
        let Feed::Jumping { bytes } = how else { return };
        self.to.set_stream_type(gst_app::AppStreamType::Seekable);
        self.to.set_size(i64::try_from(bytes).unwrap_or(i64::MAX));
        let place = Arc::new(AtomicU64::new(0));
        let wanted = Arc::clone(&place);
        // The element holds this; a weak reference back keeps it from holding itself.
        let to = self.to.downgrade();
        let Self { source, activity, verdict, .. } = self.clone();
        let need = move |_: &gst_app::AppSrc, _| {
            let Some(to) = to.upgrade() else { return };
            let feeder = Self { source: source.clone(), to, activity: Arc::clone(&activity), verdict: verdict.clone() };
            let at = place.load(Ordering::Acquire);
            let moved = feeder.one(at).map(|bytes| (bytes, place.fetch_add(bytes, Ordering::AcqRel)));
            if !matches!(moved, Ok((bytes, _)) if bytes > 0) {
                feeder.end(moved.err());
            }
        };
        let seek = move |_: &gst_app::AppSrc, offset| {
            wanted.store(offset, Ordering::Release);
            true
        };
        self.to.set_callbacks(gst_app::AppSrcCallbacks::builder().need_data(need).seek_data(seek).build());
    }

    /// Starts the thread that pushes the file from its first byte to its last.
    pub(super) fn spawn(self) -> Result<(), Failure> {
        let push_all = move || {
            let mut offset = 0_u64;
            let failure = loop {
                match self.one(offset) {
                    Ok(0) => break None,
                    Ok(bytes) => offset = offset.saturating_add(bytes),
                    Err(failure) => break Some(failure),
                }
            };
            self.end(failure);
        };
        thread::Builder::new().name("source".into()).spawn(push_all)?;
        Ok(())
    }

    /// Reads and pushes one piece; tells its bytes, none at the end of the file or of the pipeline.
    fn one(&self, offset: u64) -> Result<u64, Failure> {
        self.activity.waits.store(true, Ordering::Release);
        let piece = self.source.read(offset, PIECE_BYTES);
        self.activity.waits.store(false, Ordering::Release);
        let piece = gst::Buffer::from_mut_slice(piece?);
        let length = piece.size() as u64;
        self.source.progress(offset.saturating_add(length))?;
        let mut parts = gst::BufferList::new_sized(piece.size().div_ceil(BUFFER_BYTES));
        for start in (0..piece.size()).step_by(BUFFER_BYTES) {
            let end = (start + BUFFER_BYTES).min(piece.size());
            if let (Ok(part), Some(list)) =
                (piece.copy_region(gst::BufferCopyFlags::MEMORY, start..end), parts.get_mut())
            {
                list.add(part);
            }
        }
        if length == 0 || self.to.push_buffer_list(parts).is_err() {
            return Ok(0);
        }
        self.activity.pushed.fetch_add(1, Ordering::AcqRel);
        Ok(length)
    }

    fn end(&self, failure: Option<Failure>) {
        if let Some(failure) = failure {
            // There is room for the one failure; if nobody listens any more, the scan is over.
            drop(self.verdict.try_send(failure));
        }
        self.activity.ended.store(true, Ordering::Release);
        // A pipeline that refuses has failed or is stopped, and says so on its bus.
        let _ = self.to.end_of_stream();
    }
}
