//! The child's side: what a child process does from its start to the result of its one job.

use std::{
    any::Any,
    fs::File,
    os::{
        fd::{AsFd, AsRawFd, RawFd},
        unix::net::UnixStream,
    },
    panic::{AssertUnwindSafe, catch_unwind},
    time::Instant,
};

use gst::prelude::*;
use nix::errno::Errno;

use crate::{
    encode, poster, probe,
    protocol::{Failure, Job, Report, ToChild, ToWorker, frame},
    replay, sandbox, sheet, trial,
};

mod inspect;
pub mod io;
pub mod local;

pub use io::ChildIo;

/// Exit code after the job's result was sent, whatever it was.
pub const EXIT_DONE: i32 = 0;
/// Exit code of a child that could not start: standard input is not the worker's socket, no sandbox.
pub const EXIT_BUG: i32 = 70;

/// Why a child ends before it has a job.
#[derive(Debug, thiserror::Error)]
enum Error {
    #[error("standard input is not a worker's socket: {0}")]
    Io(#[from] std::io::Error),
    #[error(transparent)]
    Frame(#[from] frame::Error),
    #[error("the worker sent another message than the one that is due")]
    Unexpected,
    #[error(transparent)]
    Sandbox(#[from] sandbox::Error),
    #[error("gstreamer does not start: {0}")]
    Gstreamer(#[from] gst::glib::Error),
}

/// The whole life of a child process; the result is its exit code.
///
/// Standard input is a socket to the worker. Nothing is read from anywhere else before the process
/// has confined itself. When the worker goes away, the process is gone at once.
#[must_use]
pub fn main() -> i32 {
    main_with(run)
}

/// [`main`], doing jobs in another way: for tests of the worker, whose children misbehave on purpose.
#[must_use]
pub fn main_with(run: impl FnOnce(&ChildIo, &Job) -> Result<Report, Failure>) -> i32 {
    match live(Instant::now(), run) {
        Ok(()) => EXIT_DONE,
        Err(error) => {
            // Standard error is the worker's log.
            eprintln!("{error}");
            EXIT_BUG
        }
    }
}

fn live(started: Instant, run: impl FnOnce(&ChildIo, &Job) -> Result<Report, Failure>) -> Result<(), Error> {
    let mut socket = take_stdin()?;
    close_inherited(&socket)?;
    let setup = match next(&mut socket)? {
        Some(ToChild::Hello(setup)) => setup,
        Some(_) => return Err(Error::Unexpected),
        None => return Ok(()),
    };
    let isolation = sandbox::confine(&setup)?;
    prepare(&setup.preload)?;
    let start_ms = u64::try_from(started.elapsed().as_millis()).unwrap_or(u64::MAX);
    frame::write(&mut socket, &ToWorker::Ready { isolation, start_ms }, &[])?;
    let (job, nice) = match next(&mut socket)? {
        Some(ToChild::Start { job, nice }) => (job, nice),
        Some(_) => return Err(Error::Unexpected),
        // A worker that ends while its spare child waits is no error.
        None => return Ok(()),
    };
    sandbox::step_back(nice)?;
    let io = ChildIo::new(socket, io::Orphan::Die)?;
    let result =
        catch_unwind(AssertUnwindSafe(|| run(&io, &job))).unwrap_or_else(|panic| Err(internal(panic.as_ref())));
    io.done(result)?;
    // The worker kills whom it has heard the last word of, should exit handlers of codecs hang.
    Ok(())
}

/// Moves the socket away from standard input, which codecs may read.
fn take_stdin() -> Result<UnixStream, Error> {
    let socket = std::io::stdin().as_fd().try_clone_to_owned()?;
    nix::unistd::dup2_stdin(File::open("/dev/null")?).map_err(std::io::Error::from)?;
    Ok(UnixStream::from(socket))
}

/// Closes what was open when the worker itself was started and was never meant for it, such as a log or
/// a socket of a service manager: descriptors without `FD_CLOEXEC` go through every exec. Nothing else
/// of this process is open yet.
fn close_inherited(socket: &UnixStream) -> std::io::Result<()> {
    let kept = [0, 1, 2, socket.as_raw_fd()];
    let open: Vec<RawFd> = std::fs::read_dir("/proc/self/fd")?
        .filter_map(|entry| entry.ok()?.file_name().to_str()?.parse().ok())
        .collect();
    for descriptor in open.into_iter().filter(|descriptor| !kept.contains(descriptor)) {
        // The one that listed the others is closed already.
        if let Err(errno) = nix::unistd::close(descriptor)
            && errno != Errno::EBADF
        {
            return Err(errno.into());
        }
    }
    Ok(())
}

fn next(socket: &mut UnixStream) -> Result<Option<ToChild>, frame::Error> {
    Ok(frame::read(socket)?.map(|(message, _)| message))
}

/// Initialises GStreamer and loads plugins: libav alone takes 90 ms, most of a child's start.
fn prepare(preload: &[String]) -> Result<(), Error> {
    gst::init()?;
    for element in preload {
        if let Some(factory) = gst::ElementFactory::find(element)
            && let Err(error) = factory.load()
        {
            // The job that needs it will tell the same; others do without.
            eprintln!("{element} does not load: {error}");
        }
    }
    Ok(())
}

fn run(io: &ChildIo, job: &Job) -> Result<Report, Failure> {
    match job {
        Job::Inspect(job) => Ok(Report::Inspect(inspect::run(job))),
        Job::Probe(job) => probe::run(io, job).map(|report| Report::Probe(Box::new(report))),
        Job::Encode(job) => encode::run(io, job).map(|()| Report::Encode),
        Job::Sheet(job) => sheet::run(io, job).map(Report::Sheet),
        Job::Poster(job) => poster::run(io, job).map(Report::Poster),
        Job::Trial(job) => trial::run(io, job).map(Report::Trial),
        Job::Replay(job) => replay::run(io, job).map(Report::Replay),
    }
}

/// A panic is a bug of ours; another attempt may still get past it.
fn internal(panic: &(dyn Any + Send)) -> Failure {
    let text = panic.downcast_ref::<&str>().copied().or_else(|| panic.downcast_ref::<String>().map(String::as_str));
    Failure::retryable("internal", "the job ran into a bug", text.unwrap_or("panic without a text"))
}
