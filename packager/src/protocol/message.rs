//! Messages: the frames' headers in both directions, and how a child is set up.

use std::path::PathBuf;

use serde::{Deserialize, Serialize};

use super::{
    job::{Input, Job, Output, OutputId},
    report::{Failure, Part, Progress, Report},
};

/// From the worker to the child.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum ToChild {
    /// First: what to confine itself to.
    Hello(Box<Setup>),
    /// The job, once, after the child has said [`ToWorker::Ready`].
    Start {
        /// The job.
        job: Box<Job>,
        /// How much to step back for other processes, 0 to 19.
        nice: u8,
    },
    /// The answer to a request.
    Reply {
        /// The request's number.
        id: u64,
        /// The answer; for [`Ask::Read`] the payload holds the bytes.
        result: Result<Answer, Refusal>,
    },
}

/// From the child to the worker.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum ToWorker {
    /// Confined, initialised and waiting for its job.
    Ready {
        /// How the network is kept away, for the log.
        isolation: Isolation,
        /// Milliseconds from the start of `main` to this message.
        start_ms: u64,
    },
    /// A request; each is answered once.
    Request {
        /// Its number, unique in the life of the child.
        id: u64,
        /// What is asked.
        ask: Ask,
    },
    /// How far the job is.
    Progress(Progress),
    /// A line for the log.
    Log {
        /// How important.
        level: Level,
        /// The line.
        text: String,
    },
    /// The end: the result of the job. Nothing may follow.
    Done(Result<Report, Failure>),
}

/// What a child asks for.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Ask {
    /// Bytes of an object. The answer is short only at its end, and waits while the source grows.
    Read {
        /// The object.
        object: Input,
        /// Where.
        offset: u64,
        /// How many bytes, at most [`super::frame::PAYLOAD_BYTES_MAX`].
        bytes: u32,
    },
    /// The size of an object, unknown while the source grows.
    Size {
        /// The object.
        object: Input,
    },
    /// Open an output under a new number.
    Open {
        /// Its number.
        id: OutputId,
        /// What it is.
        output: Output,
    },
    /// Append the payload to an output.
    Write {
        /// Its number.
        id: OutputId,
    },
    /// Make an output durable and visible.
    Finish {
        /// Its number.
        id: OutputId,
    },
    /// Forget an unfinished output.
    Discard {
        /// Its number.
        id: OutputId,
    },
    /// Put a finished run of segments into the catalog.
    Publish(Part),
}

/// What a request brought.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Answer {
    /// The bytes are in the payload.
    Bytes,
    /// The size, `None` while the source grows.
    Size(Option<u64>),
    /// Done.
    Ok,
    /// The output is durable and has this many bytes.
    Finished(u64),
}

/// Why a request was refused.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Refusal {
    /// What kind.
    pub kind: RefusalKind,
    /// A sentence.
    pub detail: String,
}

/// Kinds of refusals, each an [`std::io::ErrorKind`] in the child.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum RefusalKind {
    /// No such object.
    NotFound,
    /// Not a range of the object, an unknown output, or an ask that this job may not make.
    Invalid,
    /// The store is full.
    Full,
    /// The job is no longer this worker's, or its decoder configuration differs from the first chunk's.
    Conflict,
    /// Anything else; another attempt may succeed.
    Io,
}

/// Importance of a log line.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Level {
    /// Only for developers.
    Debug,
    /// Worth a line.
    Info,
    /// Somebody should look.
    Warn,
}

/// How the network is kept away from a child.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Isolation {
    /// A network namespace of its own, and a filter that refuses sockets.
    Namespace,
    /// Only a filter that refuses sockets.
    Filter,
}

/// What a child confines itself to before it reads anything from a stranger.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Setup {
    /// Hard limits.
    pub limits: Limits,
    /// Process id of the worker: a child whose parent is another process was orphaned at birth.
    pub worker_pid: u32,
    /// The private temporary folder.
    pub temp: PathBuf,
    /// Elements whose GStreamer plugins are loaded before saying [`ToWorker::Ready`]; absent ones are skipped.
    pub preload: Vec<String>,
}

/// Hard limits of a child.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Limits {
    /// Address space in bytes (`RLIMIT_AS`), with headroom over the resident limit.
    pub address_space_bytes: u64,
    /// Processor time in seconds (`RLIMIT_CPU`).
    pub cpu_s: u64,
    /// Largest file it may write in bytes (`RLIMIT_FSIZE`).
    pub file_bytes: u64,
    /// Open descriptors (`RLIMIT_NOFILE`).
    pub open_files: u64,
}

// === impl Limits ===

impl Default for Limits {
    /// Address space has headroom over what the worker allows as resident memory: thread stacks and
    /// mappings count there though nobody touches them.
    fn default() -> Self {
        Self { address_space_bytes: 16 << 30, cpu_s: 48 * 3600, file_bytes: 1 << 30, open_files: 1024 }
    }
}

// === impl RefusalKind ===

impl RefusalKind {
    /// The kind as the child sees it.
    pub fn error_kind(self) -> std::io::ErrorKind {
        use std::io::ErrorKind;
        match self {
            Self::NotFound => ErrorKind::NotFound,
            Self::Invalid => ErrorKind::InvalidInput,
            Self::Full => ErrorKind::StorageFull,
            Self::Conflict => ErrorKind::ResourceBusy,
            Self::Io => ErrorKind::Other,
        }
    }
}
