//! How a job reads its inputs and gives its outputs back: blocking calls over the one socket.
//!
//! Any thread of the child may call. A thread of our own reads answers and hands each to its caller;
//! when the worker goes away it ends the process, so that no child outlives its worker.

use std::{
    collections::HashMap,
    io,
    net::Shutdown,
    os::unix::net::UnixStream,
    sync::{
        Arc, Condvar, Mutex, MutexGuard, PoisonError,
        atomic::{AtomicU32, AtomicU64, Ordering},
        mpsc,
    },
    thread,
};

use crate::protocol::{
    Answer, Ask, Failure, Input, Level, Output, OutputId, Part, Progress, REQUESTS_OPEN_MAX, Refusal, Report, ToChild,
    ToWorker, cut,
    frame::{self, PAYLOAD_BYTES_MAX},
};

/// What to do when the worker goes away.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Orphan {
    /// End the process at once, threads of codecs included.
    Die,
    /// Fail every call.
    FailCalls,
}

/// The connection of a job to its worker. Clones share it.
#[derive(Clone)]
pub struct ChildIo {
    shared: Arc<Guard>,
}

/// Closes the connection with the last clone, upon which both sides' threads end.
struct Guard(Arc<Shared>);

struct Shared {
    writer: Mutex<UnixStream>,
    pending: Mutex<Pending>,
    /// Signalled when a request was answered.
    freed: Condvar,
    next_request: AtomicU64,
    next_output: AtomicU32,
}

#[derive(Default)]
struct Pending {
    closed: bool,
    waiting: HashMap<u64, mpsc::SyncSender<Reply>>,
}

type Reply = (Result<Answer, Refusal>, Vec<u8>);

// === impl ChildIo ===

impl ChildIo {
    /// Takes the socket over, after the job was read from it.
    pub(crate) fn new(socket: UnixStream, orphan: Orphan) -> io::Result<Self> {
        let reader = socket.try_clone()?;
        let shared = Arc::new(Shared {
            writer: Mutex::new(socket),
            pending: Mutex::default(),
            freed: Condvar::new(),
            next_request: AtomicU64::new(1),
            next_output: AtomicU32::new(1),
        });
        let pending = Arc::clone(&shared);
        thread::Builder::new().name("answers".into()).spawn(move || read_answers(reader, &pending, orphan))?;
        Ok(Self { shared: Arc::new(Guard(shared)) })
    }

    /// Reads bytes of an object. Fewer than asked only at its end; while the source is uploading,
    /// waits until they are there.
    ///
    /// # Errors
    /// `NotFound`: no such object. `InvalidInput`: this job may not read it, or `offset` lies past its end.
    pub fn read(&self, object: Input, offset: u64, bytes: u32) -> io::Result<Vec<u8>> {
        let mut all = Vec::new();
        let mut left = bytes;
        while left > 0 {
            let take = left.min(PAYLOAD_BYTES_MAX);
            let at = offset.saturating_add(u64::from(bytes - left));
            let (_, piece) = self.ask(Ask::Read { object, offset: at, bytes: take }, &[])?;
            let short = piece.len() < usize::try_from(take).unwrap_or(usize::MAX);
            if all.is_empty() {
                all = piece;
            } else {
                all.extend_from_slice(&piece);
            }
            if short {
                break;
            }
            left -= take;
        }
        Ok(all)
    }

    /// The size of an object; `None` while the source is uploading.
    pub fn size(&self, object: Input) -> io::Result<Option<u64>> {
        match self.ask(Ask::Size { object }, &[])?.0 {
            Answer::Size(bytes) => Ok(bytes),
            other => Err(unexpected(other)),
        }
    }

    /// Begins an object. It exists for others only once it is finished.
    pub fn open_output(&self, output: Output) -> io::Result<OutputId> {
        let id = OutputId(self.shared.0.next_output.fetch_add(1, Ordering::Relaxed));
        self.ask(Ask::Open { id, output }, &[])?;
        Ok(id)
    }

    /// Appends to an output; returns when the worker has taken the bytes.
    pub fn write(&self, id: OutputId, bytes: &[u8]) -> io::Result<()> {
        let piece_bytes = usize::try_from(PAYLOAD_BYTES_MAX).unwrap_or(usize::MAX);
        for piece in bytes.chunks(piece_bytes) {
            self.ask(Ask::Write { id }, piece)?;
        }
        Ok(())
    }

    /// Makes an output durable and visible; returns its size in bytes.
    pub fn finish(&self, id: OutputId) -> io::Result<u64> {
        match self.ask(Ask::Finish { id }, &[])?.0 {
            Answer::Finished(bytes) => Ok(bytes),
            other => Err(unexpected(other)),
        }
    }

    /// Forgets an unfinished output.
    pub fn discard(&self, id: OutputId) -> io::Result<()> {
        self.ask(Ask::Discard { id }, &[]).map(|_| ())
    }

    /// Puts a finished run of segments into the catalog. Its objects must be finished.
    ///
    /// # Errors
    /// `ResourceBusy`: the job was lost or its decoder configuration differs; stop.
    pub fn publish(&self, part: Part) -> io::Result<()> {
        self.ask(Ask::Publish(part), &[]).map(|_| ())
    }

    /// Tells how far the job is. The worker kills a job that is silent for long.
    pub fn progress(&self, progress: Progress) -> io::Result<()> {
        self.tell(&ToWorker::Progress(progress))
    }

    /// Writes a line to the worker's log.
    pub fn log(&self, level: Level, text: impl Into<String>) -> io::Result<()> {
        self.tell(&ToWorker::Log { level, text: cut(text.into()) })
    }

    /// Ends the job. Nothing may be called afterwards.
    pub(crate) fn done(&self, result: Result<Report, Failure>) -> io::Result<()> {
        self.tell(&ToWorker::Done(result))
    }

    /// Sends a request and waits for its answer.
    fn ask(&self, ask: Ask, payload: &[u8]) -> io::Result<(Answer, Vec<u8>)> {
        let id = self.shared.0.next_request.fetch_add(1, Ordering::Relaxed);
        let (sender, receiver) = mpsc::sync_channel(1);
        {
            let mut pending = lock(&self.shared.0.pending);
            while pending.waiting.len() >= REQUESTS_OPEN_MAX && !pending.closed {
                pending = self.shared.0.freed.wait(pending).unwrap_or_else(PoisonError::into_inner);
            }
            if pending.closed {
                return Err(io::ErrorKind::BrokenPipe.into());
            }
            pending.waiting.insert(id, sender);
        }
        let sent = self.send(&ToWorker::Request { id, ask }, payload);
        if let Err(error) = sent {
            lock(&self.shared.0.pending).waiting.remove(&id);
            return Err(error);
        }
        let (result, bytes) = receiver.recv().map_err(|_| io::Error::from(io::ErrorKind::BrokenPipe))?;
        match result {
            Ok(answer) => Ok((answer, bytes)),
            Err(refusal) => Err(io::Error::new(refusal.kind.error_kind(), refusal.detail)),
        }
    }

    fn tell(&self, message: &ToWorker) -> io::Result<()> {
        self.send(message, &[])
    }

    fn send(&self, message: &ToWorker, payload: &[u8]) -> io::Result<()> {
        let mut writer = lock(&self.shared.0.writer);
        frame::write(&mut *writer, message, payload).map_err(|error| match error {
            frame::Error::Broken(cause) => cause,
            frame::Error::Violation(text) => io::Error::new(io::ErrorKind::InvalidInput, text),
        })
    }
}

impl Drop for Guard {
    fn drop(&mut self) {
        // An error says that the other side has closed it already.
        drop(lock(&self.0.writer).shutdown(Shutdown::Both));
    }
}

/// Hands answers to their callers until the worker goes away.
fn read_answers(mut socket: UnixStream, shared: &Shared, orphan: Orphan) {
    while let Ok(Some((message, payload))) = frame::read::<ToChild>(&mut socket) {
        let ToChild::Reply { id, result } = message else {
            break;
        };
        let caller = lock(&shared.pending).waiting.remove(&id);
        shared.freed.notify_one();
        if let Some(caller) = caller {
            // The caller waits for exactly one answer, so there is always room.
            drop(caller.try_send((result, payload)));
        }
    }
    if orphan == Orphan::Die {
        die();
    }
    let mut pending = lock(&shared.pending);
    pending.closed = true;
    pending.waiting.clear();
    shared.freed.notify_all();
}

/// Ends the process without running exit handlers, which codecs' threads may block.
fn die() {
    let this = nix::unistd::Pid::this();
    if nix::sys::signal::kill(this, nix::sys::signal::Signal::SIGKILL).is_err() {
        std::process::abort();
    }
}

/// A poisoned lock only says that another thread panicked; the data below is whole at any time.
fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

fn unexpected(answer: Answer) -> io::Error {
    io::Error::new(io::ErrorKind::InvalidData, format!("unexpected answer {answer:?}"))
}
