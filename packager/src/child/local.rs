//! A job's connection to plain files: the same protocol and service, on a thread of this process.
//!
//! For tests of probe, encode, sheet and poster, and for tools that package one file.

use std::{
    io,
    os::unix::net::UnixStream,
    path::{Path, PathBuf},
    sync::{
        Arc, Mutex, PoisonError,
        atomic::{AtomicBool, Ordering},
    },
    thread,
    time::Duration,
};

use bytes::Bytes;
use tokio::io::{AsyncReadExt, AsyncSeekExt, AsyncWriteExt};

use super::io::{ChildIo, Orphan};
use crate::{
    protocol::{Failure, Input, Level, Output, Part, Progress, Refusal, RefusalKind, Report},
    worker::{
        pulse::Pulse,
        service::{self, Backend},
    },
};

/// How often a growing source is looked at.
const GROWING_POLL: Duration = Duration::from_millis(20);

/// The other end of a local connection: what the job has published and said.
#[derive(Clone)]
pub struct Local {
    folder: Arc<Folder>,
}

struct Folder {
    dir: PathBuf,
    source: PathBuf,
    source_complete: AtomicBool,
    heard: Mutex<Heard>,
}

#[derive(Default)]
struct Heard {
    parts: Vec<Part>,
    progress: Vec<Progress>,
    log: Vec<String>,
    result: Option<Result<Report, Failure>>,
}

/// An unfinished output of [`Local`].
pub struct LocalWriter {
    file: tokio::fs::File,
    staged: PathBuf,
    path: PathBuf,
    bytes: u64,
}

// === impl ChildIo ===

impl ChildIo {
    /// Connects a job to `source` and to a folder for its outputs, from which later jobs read them as inputs.
    pub fn local(dir: &Path, source: &Path) -> io::Result<(Self, Local)> {
        Self::connect(dir, source, true)
    }

    /// As [`ChildIo::local`], with a source that grows until [`Local::complete_source`].
    pub fn local_growing(dir: &Path, source: &Path) -> io::Result<(Self, Local)> {
        Self::connect(dir, source, false)
    }

    fn connect(dir: &Path, source: &Path, complete: bool) -> io::Result<(Self, Local)> {
        let (child, worker) = UnixStream::pair()?;
        worker.set_nonblocking(true)?;
        let folder = Folder {
            dir: dir.to_owned(),
            source: source.to_owned(),
            source_complete: AtomicBool::new(complete),
            heard: Mutex::default(),
        };
        let local = Local { folder: Arc::new(folder) };
        let backend = local.clone();
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
        thread::Builder::new().name("local worker".into()).spawn(move || runtime.block_on(run(worker, backend)))?;
        Ok((Self::new(child, Orphan::FailCalls)?, local))
    }
}

/// Serves until the job ends or drops its connection.
async fn run(worker: UnixStream, local: Local) {
    let ended = match tokio::net::UnixStream::from_std(worker) {
        Ok(socket) => {
            let (from, to) = socket.into_split();
            service::serve(from, to, local.clone(), Arc::new(Pulse::default())).await
        }
        Err(_) => Err(service::Error::Gone),
    };
    if let Ok(result) = ended {
        local.heard().result = Some(result);
    }
}

// === impl Local ===

impl Local {
    /// Says that the source has its last byte.
    pub fn complete_source(&self) {
        self.folder.source_complete.store(true, Ordering::Release);
    }

    /// Where an output is once it is finished.
    pub fn path(&self, output: Output) -> PathBuf {
        self.folder.dir.join(match output {
            Output::Packets => "packets".to_owned(),
            Output::Remux => "remux".to_owned(),
            Output::Media { track, first } => format!("{track}-{first}"),
            Output::Sheet { n } => format!("sheet-{n}.jpg"),
            Output::Poster => "poster.jpg".to_owned(),
        })
    }

    /// The published runs, in order.
    pub fn parts(&self) -> Vec<Part> {
        self.heard().parts.clone()
    }

    /// The progress reports, in order.
    pub fn progress_reports(&self) -> Vec<Progress> {
        self.heard().progress.clone()
    }

    /// The log lines, in order.
    pub fn log_lines(&self) -> Vec<String> {
        self.heard().log.clone()
    }

    fn heard(&self) -> std::sync::MutexGuard<'_, Heard> {
        self.folder.heard.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn input_path(&self, object: Input) -> PathBuf {
        match object {
            Input::Source => self.folder.source.clone(),
            Input::Packets => self.path(Output::Packets),
            Input::Remux => self.path(Output::Remux),
            Input::Media { track, first, .. } => self.path(Output::Media { track, first }),
        }
    }

    fn grows(&self, object: Input) -> bool {
        object == Input::Source && !self.folder.source_complete.load(Ordering::Acquire)
    }
}

impl Backend for Local {
    type Writer = LocalWriter;

    async fn read(&self, object: Input, offset: u64, bytes: u32) -> Result<Bytes, Refusal> {
        let path = self.input_path(object);
        let end = offset.saturating_add(u64::from(bytes));
        loop {
            // Asked before the length, so that a complete file is never taken for a growing one.
            let grows = self.grows(object);
            let have = tokio::fs::metadata(&path).await.map_err(refusal)?.len();
            if have >= end || !grows {
                break;
            }
            tokio::time::sleep(GROWING_POLL).await;
        }
        let mut file = tokio::fs::File::open(&path).await.map_err(refusal)?;
        file.seek(io::SeekFrom::Start(offset)).await.map_err(refusal)?;
        let mut found = Vec::new();
        file.take(u64::from(bytes)).read_to_end(&mut found).await.map_err(refusal)?;
        Ok(found.into())
    }

    async fn size(&self, object: Input) -> Result<Option<u64>, Refusal> {
        if self.grows(object) {
            return Ok(None);
        }
        tokio::fs::metadata(self.input_path(object)).await.map(|found| Some(found.len())).map_err(refusal)
    }

    async fn open(&self, output: Output) -> Result<LocalWriter, Refusal> {
        let path = self.path(output);
        let staged = path.with_added_extension("part");
        let file = tokio::fs::File::create(&staged).await.map_err(refusal)?;
        Ok(LocalWriter { file, staged, path, bytes: 0 })
    }

    async fn write(&self, writer: &mut LocalWriter, bytes: Bytes) -> Result<(), Refusal> {
        writer.file.write_all(&bytes).await.map_err(refusal)?;
        writer.bytes += bytes.len() as u64;
        Ok(())
    }

    async fn finish(&self, mut writer: LocalWriter) -> Result<u64, Refusal> {
        writer.file.flush().await.map_err(refusal)?;
        tokio::fs::rename(&writer.staged, &writer.path).await.map_err(refusal)?;
        Ok(writer.bytes)
    }

    async fn discard(&self, writer: LocalWriter) {
        // What cannot be removed is overwritten by the next attempt.
        drop(tokio::fs::remove_file(&writer.staged).await);
    }

    async fn publish(&self, part: Part) -> Result<(), Refusal> {
        self.heard().parts.push(part);
        Ok(())
    }

    fn progress(&self, progress: Progress) {
        self.heard().progress.push(progress);
    }

    fn log(&self, _level: Level, text: &str) {
        self.heard().log.push(text.to_owned());
    }
}

#[expect(clippy::needless_pass_by_value, reason = "the shape of map_err")]
fn refusal(error: io::Error) -> Refusal {
    let kind = match error.kind() {
        io::ErrorKind::NotFound => RefusalKind::NotFound,
        io::ErrorKind::StorageFull => RefusalKind::Full,
        _ => RefusalKind::Io,
    };
    Refusal { kind, detail: error.to_string() }
}
