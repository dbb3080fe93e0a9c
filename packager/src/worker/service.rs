//! Serves one child: answers its requests from a [`Backend`], and ends with its report.
//!
//! What the child sends is not trusted: numbers, sizes and counts are bounded, and a frame that
//! breaks the rules ends the service, upon which the owner kills the child.

use std::{collections::HashMap, future::Future, sync::Arc};

use bytes::Bytes;
use tokio::{
    io::{AsyncRead, AsyncWrite},
    sync::mpsc,
    task::JoinSet,
};

use super::pulse::Pulse;
use crate::protocol::{
    Answer, Ask, Failure, Input, Level, OUTPUTS_OPEN_MAX, Output, OutputId, Part, Progress, REQUESTS_OPEN_MAX, Refusal,
    RefusalKind, Report, ToChild, ToWorker, cut,
    frame::{self, PAYLOAD_BYTES_MAX},
};

/// Where a child's inputs come from and its outputs go.
pub trait Backend: Clone + Send + Sync + 'static {
    /// An unfinished output.
    type Writer: Send;

    /// Bytes of an object, short only at its end; waits while it grows.
    fn read(&self, object: Input, offset: u64, bytes: u32) -> impl Future<Output = Result<Bytes, Refusal>> + Send;
    /// The size of an object, `None` while it grows.
    fn size(&self, object: Input) -> impl Future<Output = Result<Option<u64>, Refusal>> + Send;
    /// Begins an output.
    fn open(&self, output: Output) -> impl Future<Output = Result<Self::Writer, Refusal>> + Send;
    /// Appends to an output.
    fn write(&self, writer: &mut Self::Writer, bytes: Bytes) -> impl Future<Output = Result<(), Refusal>> + Send;
    /// Makes an output durable and visible.
    fn finish(&self, writer: Self::Writer) -> impl Future<Output = Result<u64, Refusal>> + Send;
    /// Forgets an unfinished output.
    fn discard(&self, writer: Self::Writer) -> impl Future<Output = ()> + Send;
    /// Puts a finished run into the catalog.
    fn publish(&self, part: Part) -> impl Future<Output = Result<(), Refusal>> + Send;
    /// Takes note of progress.
    fn progress(&self, progress: Progress);
    /// Takes a log line.
    fn log(&self, level: Level, text: &str);
}

/// The backend of a job that has neither inputs nor outputs.
#[derive(Clone, Copy, Debug)]
pub struct Nothing;

/// Why a service ended without the job's own result.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// The child closed the connection, most likely because it died.
    #[error("the child went away")]
    Gone,
    /// The child broke the protocol.
    #[error("the child broke the protocol: {0}")]
    Violation(String),
}

struct Service<B: Backend> {
    backend: B,
    outputs: HashMap<OutputId, B::Writer>,
    pulse: Arc<Pulse>,
    replies: mpsc::Sender<(ToChild, Bytes)>,
    reads: JoinSet<()>,
}

/// Serves a child until it reports the result of its job.
pub async fn serve<B: Backend>(
    mut from: impl AsyncRead + Unpin,
    to: impl AsyncWrite + Unpin + Send + 'static,
    backend: B,
    pulse: Arc<Pulse>,
) -> Result<Result<Report, Failure>, Error> {
    let (replies, queue) = mpsc::channel(REQUESTS_OPEN_MAX);
    let mut service = Service { backend, outputs: HashMap::new(), pulse, replies, reads: JoinSet::new() };
    // Lives until the service and its reads are dropped; ends by itself when the child is gone.
    let mut writing = JoinSet::new();
    writing.spawn(write_replies(to, queue));
    loop {
        let message = match frame::read_async::<ToWorker>(&mut from).await {
            Ok(Some(message)) => message,
            Ok(None) | Err(frame::Error::Broken(_)) => return Err(Error::Gone),
            Err(frame::Error::Violation(text)) => return Err(Error::Violation(text)),
        };
        service.pulse.heard();
        if let Some(result) = service.take(message.0, message.1.into()).await? {
            return Ok(result);
        }
    }
}

async fn write_replies(mut to: impl AsyncWrite + Unpin, mut queue: mpsc::Receiver<(ToChild, Bytes)>) {
    while let Some((header, payload)) = queue.recv().await {
        // A broken connection shows up on the reading side, which owns the verdict.
        if frame::write_async(&mut to, &header, &payload).await.is_err() {
            break;
        }
    }
}

// === impl Service ===

impl<B: Backend> Service<B> {
    /// Handles one message; a result is the job's end.
    async fn take(&mut self, message: ToWorker, payload: Bytes) -> Result<Option<Result<Report, Failure>>, Error> {
        match message {
            ToWorker::Ready { .. } => return Err(violation("ready, twice")),
            ToWorker::Progress(progress) => self.backend.progress(progress),
            ToWorker::Log { level, text } => self.backend.log(level, &cut(text)),
            ToWorker::Done(result) => return Ok(Some(result)),
            ToWorker::Request { id, ask } => self.answer(id, ask, payload).await?,
        }
        Ok(None)
    }

    /// Reads and sizes are answered on the side, since they may wait for an upload; the rest in order.
    async fn answer(&mut self, id: u64, ask: Ask, payload: Bytes) -> Result<(), Error> {
        while self.reads.try_join_next().is_some() {}
        let open = self.pulse.asked();
        if open >= REQUESTS_OPEN_MAX {
            return Err(violation("too many open requests"));
        }
        let (backend, replies, pulse) = (self.backend.clone(), self.replies.clone(), Arc::clone(&self.pulse));
        match ask {
            Ask::Read { bytes, .. } if bytes > PAYLOAD_BYTES_MAX => {
                return Err(violation("a read longer than allowed"));
            }
            Ask::Read { object, offset, bytes } => {
                self.reads.spawn(async move {
                    let (result, bytes) = match backend.read(object, offset, bytes).await {
                        Ok(bytes) => (Ok(Answer::Bytes), bytes),
                        Err(refusal) => (Err(refusal), Bytes::new()),
                    };
                    reply(&replies, &pulse, id, result, bytes).await;
                });
            }
            Ask::Size { object } => {
                self.reads.spawn(async move {
                    let result = backend.size(object).await.map(Answer::Size);
                    reply(&replies, &pulse, id, result, Bytes::new()).await;
                });
            }
            other => {
                let result = self.change(other, payload).await?;
                reply(&replies, &pulse, id, result, Bytes::new()).await;
            }
        }
        Ok(())
    }

    /// Handles what changes something.
    async fn change(&mut self, ask: Ask, payload: Bytes) -> Result<Result<Answer, Refusal>, Error> {
        let result = match ask {
            Ask::Open { id, output } => self.open(id, output).await?,
            Ask::Write { id } => match self.outputs.get_mut(&id) {
                Some(writer) => self.backend.write(writer, payload).await.map(|()| Answer::Ok),
                None => Err(unknown_output()),
            },
            Ask::Finish { id } => match self.outputs.remove(&id) {
                Some(writer) => self.backend.finish(writer).await.map(Answer::Finished),
                None => Err(unknown_output()),
            },
            Ask::Discard { id } => match self.outputs.remove(&id) {
                Some(writer) => {
                    self.backend.discard(writer).await;
                    Ok(Answer::Ok)
                }
                None => Err(unknown_output()),
            },
            Ask::Publish(part) => self.backend.publish(part).await.map(|()| Answer::Ok),
            Ask::Read { .. } | Ask::Size { .. } => return Err(violation("unreachable ask")),
        };
        Ok(result)
    }

    async fn open(&mut self, id: OutputId, output: Output) -> Result<Result<Answer, Refusal>, Error> {
        if self.outputs.len() >= OUTPUTS_OPEN_MAX {
            return Err(violation("too many open outputs"));
        }
        if self.outputs.contains_key(&id) {
            return Err(violation("an output number used twice"));
        }
        match self.backend.open(output).await {
            Ok(writer) => {
                self.outputs.insert(id, writer);
                Ok(Ok(Answer::Ok))
            }
            Err(refusal) => Ok(Err(refusal)),
        }
    }
}

async fn reply(
    replies: &mpsc::Sender<(ToChild, Bytes)>,
    pulse: &Pulse,
    id: u64,
    result: Result<Answer, Refusal>,
    bytes: Bytes,
) {
    pulse.answered();
    // No receiver: the child is gone, which the reading side reports.
    drop(replies.send((ToChild::Reply { id, result }, bytes)).await);
}

fn violation(text: &str) -> Error {
    Error::Violation(text.to_owned())
}

fn unknown_output() -> Refusal {
    Refusal { kind: RefusalKind::Invalid, detail: "no such output is open".to_owned() }
}

// === impl Nothing ===

impl Backend for Nothing {
    type Writer = ();

    async fn read(&self, _: Input, _: u64, _: u32) -> Result<Bytes, Refusal> {
        Err(nothing())
    }

    async fn size(&self, _: Input) -> Result<Option<u64>, Refusal> {
        Err(nothing())
    }

    async fn open(&self, _: Output) -> Result<(), Refusal> {
        Err(nothing())
    }

    async fn write(&self, (): &mut (), _: Bytes) -> Result<(), Refusal> {
        Err(nothing())
    }

    async fn finish(&self, (): ()) -> Result<u64, Refusal> {
        Err(nothing())
    }

    async fn discard(&self, (): ()) {}

    async fn publish(&self, _: Part) -> Result<(), Refusal> {
        Err(nothing())
    }

    fn progress(&self, _: Progress) {}

    fn log(&self, _: Level, text: &str) {
        tracing::debug!(text, "child");
    }
}

fn nothing() -> Refusal {
    Refusal { kind: RefusalKind::Invalid, detail: "this job has neither inputs nor outputs".to_owned() }
}

#[cfg(test)]
mod tests;
