//! Child processes as the worker sees them: started, confined, given one job, watched, ended.

use std::{
    ffi::OsString,
    os::{
        fd::OwnedFd,
        unix::{net::UnixStream, process::ExitStatusExt},
    },
    path::{Path, PathBuf},
    process::{ExitStatus, Stdio},
    sync::{Arc, mpsc},
    thread,
    time::Duration,
};

use futures_util::future::BoxFuture;
use tempfile::TempDir;
use tokio::{
    net::unix::{OwnedReadHalf, OwnedWriteHalf},
    process::{Child, Command},
    runtime::Handle,
    sync::oneshot,
    time::timeout,
};
use tokio_util::sync::CancellationToken;

use super::{
    log::Tail,
    pulse::Pulse,
    service::{self, Backend},
    watch::{self, Watch},
};
use crate::protocol::{Failure, Isolation, Job, Limits, Report, Setup, ToChild, ToWorker, frame};

/// A child that has not confined and initialised itself by then is given up.
const READY_WAIT: Duration = Duration::from_secs(20);
/// A killed child is reaped within this time, or left to the kernel.
const REAP_WAIT: Duration = Duration::from_secs(2);
/// A child that closed its socket is about to die, and its exit status is worth this wait.
const EXIT_GRACE: Duration = Duration::from_millis(500);
/// What nearly every job needs: the first of libav takes 90 ms to load.
const PRELOAD: [&str; 6] = ["appsrc", "avdec_h264", "h264parse", "audioconvert", "audioresample", "x264enc"];
/// Variables of the worker that a child may see; everything else stays with the worker.
const ENV_PASSED: [&str; 8] = [
    "PATH",
    "LD_LIBRARY_PATH",
    "LANG",
    "GST_PLUGIN_PATH",
    "GST_PLUGIN_SYSTEM_PATH",
    "GST_DEBUG",
    "RUST_BACKTRACE",
    "LIBVA_DRIVER_NAME",
];

/// How children are started.
#[derive(Clone, Debug)]
pub struct ChildConfig {
    /// The executable; it must call [`crate::child::main`] when given `args`.
    pub program: PathBuf,
    /// Its arguments.
    pub args: Vec<OsString>,
    /// Variables on top of the few that are passed on.
    pub env: Vec<(OsString, OsString)>,
    /// Limits that a child sets for itself.
    pub limits: Limits,
    /// Limits that the worker watches.
    pub watch: Watch,
    /// Elements whose plugins a spare child loads while it waits.
    pub preload: Vec<String>,
}

/// How a child starts.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Start {
    /// It looks for changed GStreamer plugins and writes the registry file, which takes a second.
    Refresh,
    /// It trusts the registry file, and its job is waiting.
    Cold,
    /// As cold; nobody waits, so that it also loads plugins which jobs are likely to need.
    Warm,
}

/// Starts children.
#[derive(Clone, Debug)]
pub struct Launcher {
    config: Arc<ChildConfig>,
    /// Where private temporary folders are made.
    temp: Arc<Path>,
    /// The GStreamer registry file that all children read.
    registry: Arc<Path>,
    spawner: mpsc::Sender<SpawnOrder>,
}

/// A confined child that waits for its job.
#[derive(Debug)]
pub struct Spare {
    child: Child,
    from: OwnedReadHalf,
    to: OwnedWriteHalf,
    tail: Tail,
    /// Removed when the child is gone.
    temp: TempDir,
    /// Milliseconds that its start took, as it says.
    pub start_ms: u64,
    /// How the network is kept away from it.
    pub isolation: Isolation,
}

/// How a child's job ended.
#[derive(Debug)]
pub enum Ended {
    /// It reported, or was killed for breaking a limit.
    Reported(Result<Report, Failure>),
    /// It was killed because its job was cancelled.
    Cancelled,
}

struct SpawnOrder {
    command: Command,
    runtime: Handle,
    reply: oneshot::Sender<std::io::Result<Child>>,
}

// === impl ChildConfig ===

impl ChildConfig {
    /// An executable that calls [`crate::child::main`] when given these arguments, within the usual limits.
    pub fn new(program: PathBuf, args: Vec<OsString>) -> Self {
        let preload = PRELOAD.map(str::to_owned).to_vec();
        Self { program, args, env: Vec::new(), limits: Limits::default(), watch: Watch::default(), preload }
    }
}

// === impl Launcher ===

impl Launcher {
    /// Prepares to start children whose temporary folders lie in `temp`.
    pub fn new(config: ChildConfig, temp: &Path, registry: &Path) -> std::io::Result<Self> {
        Ok(Self { config: Arc::new(config), temp: temp.into(), registry: registry.into(), spawner: spawner()? })
    }

    /// Limits that the worker watches.
    pub fn watch(&self) -> Watch {
        self.config.watch
    }

    /// Starts a child and waits until it is confined and initialised.
    pub fn launch(&self, start: Start) -> BoxFuture<'_, Result<Spare, Failure>> {
        Box::pin(async move {
            metrics::counter!("vidstream_children_started_total").increment(1);
            let failed = |error: &dyn std::fmt::Display| {
                Failure::retryable("worker_start", "a child process could not be started", error)
            };
            let (temp, socket, command) = self.command(start).map_err(|error| failed(&error))?;
            let mut child = self.spawn(command).await.map_err(|error| failed(&error))?;
            let tail = Tail::follow(child.stderr.take());
            let (from, to) = socket.into_split();
            let mut spare = Spare { child, from, to, tail, temp, start_ms: 0, isolation: Isolation::Filter };
            let setup = Setup {
                limits: self.config.limits,
                worker_pid: std::process::id(),
                temp: spare.temp.path().to_owned(),
                preload: if start == Start::Warm { self.config.preload.clone() } else { Vec::new() },
            };
            let ready = match timeout(READY_WAIT, spare.greet(setup)).await {
                Ok(ready) => ready,
                Err(_) => Err("it did not get ready in time".to_owned()),
            };
            match ready {
                Ok(()) => Ok(spare),
                Err(text) => {
                    let tail = spare.end().await.1;
                    Err(failed(&format!("{text}; its last words: {tail}")))
                }
            }
        })
    }

    fn command(&self, start: Start) -> std::io::Result<(TempDir, tokio::net::UnixStream, Command)> {
        let temp = tempfile::Builder::new().prefix("child-").tempdir_in(&self.temp)?;
        let (ours, theirs) = UnixStream::pair()?;
        ours.set_nonblocking(true)?;
        let mut command = Command::new(&self.config.program);
        command.args(&self.config.args).env_clear();
        command.envs(ENV_PASSED.iter().filter_map(|&name| Some((name, std::env::var_os(name)?))));
        command.env("TMPDIR", temp.path()).env("HOME", temp.path()).current_dir(temp.path());
        command.env("GST_REGISTRY", self.registry.as_os_str()).env("GST_REGISTRY_FORK", "no");
        command.env("GST_REGISTRY_UPDATE", if start == Start::Refresh { "yes" } else { "no" });
        command.envs(self.config.env.iter().map(|(name, value)| (name, value)));
        command.stdin(Stdio::from(OwnedFd::from(theirs))).stdout(Stdio::null()).stderr(Stdio::piped());
        command.kill_on_drop(true);
        Ok((temp, tokio::net::UnixStream::from_std(ours)?, command))
    }

    async fn spawn(&self, command: Command) -> std::io::Result<Child> {
        let (reply, answer) = oneshot::channel();
        let order = SpawnOrder { command, runtime: Handle::current(), reply };
        let gone = || std::io::Error::other("the thread that starts children is gone");
        self.spawner.send(order).map_err(|_| gone())?;
        answer.await.map_err(|_| gone())?
    }
}

/// A thread that starts children and lives as long as they may: `PR_SET_PDEATHSIG` fires when the
/// *thread* ends that started the child (prctl(2)), and threads of the runtime come and go.
fn spawner() -> std::io::Result<mpsc::Sender<SpawnOrder>> {
    let (sender, orders) = mpsc::channel::<SpawnOrder>();
    thread::Builder::new().name("spawner".into()).spawn(move || {
        while let Ok(mut order) = orders.recv() {
            let _runtime = order.runtime.enter();
            // If nobody waits any more, the child is dropped here and thereby killed.
            drop(order.reply.send(order.command.spawn()));
        }
    })?;
    Ok(sender)
}

// === impl Spare ===

impl Spare {
    async fn greet(&mut self, setup: Setup) -> Result<(), String> {
        let hello = ToChild::Hello(Box::new(setup));
        frame::write_async(&mut self.to, &hello, &[]).await.map_err(|error| error.to_string())?;
        match frame::read_async::<ToWorker>(&mut self.from).await {
            Ok(Some((ToWorker::Ready { isolation, start_ms }, _))) => {
                (self.isolation, self.start_ms) = (isolation, start_ms);
                Ok(())
            }
            Ok(Some(_)) => Err("it sent another message than ready".to_owned()),
            Ok(None) => Err("it ended".to_owned()),
            Err(error) => Err(error.to_string()),
        }
    }

    /// The process id, while it runs.
    pub fn pid(&self) -> Option<u32> {
        self.child.id()
    }

    /// Whether it still waits for a job.
    pub fn is_alive(&mut self) -> bool {
        matches!(self.child.try_wait(), Ok(None))
    }

    /// Ends a child that is not needed any more.
    pub fn discard(self) -> BoxFuture<'static, ()> {
        Box::pin(async move {
            end(self.child, self.tail, Duration::ZERO).await;
        })
    }

    /// Gives the child its job, serves it and watches it until it has reported, broken a limit or
    /// was cancelled. The process is gone when this returns.
    pub async fn run<B: Backend>(
        mut self,
        job: Job,
        nice: u8,
        watch: Watch,
        backend: B,
        cancel: &CancellationToken,
    ) -> Ended {
        let start = ToChild::Start { job: Box::new(job), nice };
        let pulse = Arc::new(Pulse::default());
        let pid = self.child.id();
        self.tail.attach(tracing::Span::current());
        tracing::debug!(pid, "a child begins");
        let sent = frame::write_async(&mut self.to, &start, &[]).await;
        let Self { child, from, to, tail, temp, start_ms, isolation } = self;
        let verdict = if sent.is_err() {
            Err(service::Error::Gone)
        } else {
            tokio::select! {
                // A job that ends as it is cancelled counts as cancelled: its result would be refused.
                biased;
                () = cancel.cancelled() => {
                    end(child, tail, Duration::ZERO).await;
                    return Ended::Cancelled;
                }
                broken = watch::limits(watch, pid, Arc::clone(&pulse)) => Ok(Err(broken)),
                served = service::serve(from, to, backend, pulse) => served,
            }
        };
        tracing::trace!(start_ms, ?isolation, "child ends");
        let grace = if matches!(verdict, Err(service::Error::Gone)) { EXIT_GRACE } else { Duration::ZERO };
        let (status, tail) = end(child, tail, grace).await;
        drop(temp);
        Ended::Reported(match verdict {
            Ok(result) => result,
            Err(service::Error::Gone) => Err(crash(status, &tail)),
            Err(service::Error::Violation(text)) => {
                Err(Failure::retryable("worker_protocol", "the child process broke the protocol", text))
            }
        })
    }

    /// Ends the child; its last lines are returned.
    async fn end(self) -> (Option<ExitStatus>, String) {
        end(self.child, self.tail, EXIT_GRACE).await
    }
}

/// Kills and reaps a child. Its own end, if it came first, is what the status tells.
async fn end(mut child: Child, tail: Tail, grace: Duration) -> (Option<ExitStatus>, String) {
    // A child that died by itself is seen before it is killed, so that the status is its own.
    if timeout(grace, child.wait()).await.is_err() {
        // It fails only for a child that is gone.
        drop(child.start_kill());
    }
    let status = timeout(REAP_WAIT, child.wait()).await.ok().and_then(Result::ok);
    (status, tail.take().await)
}

/// What a child's death without a report says.
fn crash(status: Option<ExitStatus>, tail: &str) -> Failure {
    let how = match status.map(|status| (status.code(), status.signal())) {
        Some((Some(code), _)) => format!("exit code {code}"),
        Some((_, Some(signal))) => format!("signal {signal}"),
        _ => "no exit status".to_owned(),
    };
    if status.and_then(|status| status.signal()) == Some(nix::libc::SIGXCPU) {
        return Failure::retryable("worker_cpu", "the child process used up its processor time", how);
    }
    Failure::retryable("worker_crash", "the child process died", format!("{how}; its last words: {tail}"))
}
