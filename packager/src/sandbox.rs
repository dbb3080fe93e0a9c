//! What a child gives up before it reads anything from a stranger: memory, time, files, network.
//!
//! Runs on the only thread of the process, so that every later thread inherits it. It does not hide
//! the file system: that is the job of the container or user that the worker runs as.

use std::{io, os::unix::process::parent_id};

use nix::{
    errno::Errno,
    sched::{CloneFlags, unshare},
    sys::{
        prctl,
        resource::{Resource, setrlimit},
        signal::Signal,
    },
};

use crate::protocol::{Isolation, Limits, Setup};

mod filter;

/// The highest nice level there is.
const NICE_MAX: u8 = 19;
/// Between the signal that names a child which used up its processor time and the one that it cannot survive.
const CPU_GRACE_S: u64 = 1;

/// A child could not confine itself, and does no work then.
#[derive(Debug, thiserror::Error)]
pub(crate) enum Error {
    /// The worker was gone before the child could ask to die with it.
    #[error("the worker is gone")]
    Orphan,
    /// A limit was refused.
    #[error("{what} cannot be limited: {errno}")]
    Limit {
        /// Which.
        what: &'static str,
        /// Why.
        errno: Errno,
    },
    /// The filter of system calls was refused.
    #[error("system calls cannot be filtered: {0}")]
    Filter(#[from] seccompiler::Error),
    /// The filter of system calls does not know this processor.
    #[error("system calls cannot be filtered: {0}")]
    Backend(#[from] seccompiler::BackendError),
}

/// Confines this process for the rest of its life; tells how the network is kept away.
pub(crate) fn confine(setup: &Setup) -> Result<Isolation, Error> {
    die_with_parent(setup.worker_pid)?;
    limit(setup.limits)?;
    // Not permitted in most containers; the filter below refuses sockets either way.
    let namespace =
        unshare(CloneFlags::CLONE_NEWNET).or_else(|_| unshare(CloneFlags::CLONE_NEWUSER | CloneFlags::CLONE_NEWNET));
    filter::install()?;
    Ok(if namespace.is_ok() { Isolation::Namespace } else { Isolation::Filter })
}

/// Steps back for other processes; threads that start later inherit it.
pub(crate) fn step_back(nice: u8) -> io::Result<()> {
    if nice > 0 {
        rustix::process::nice(i32::from(nice.min(NICE_MAX)))?;
    }
    Ok(())
}

fn die_with_parent(worker_pid: u32) -> Result<(), Error> {
    prctl::set_pdeathsig(Signal::SIGKILL).map_err(|errno| Error::Limit { what: "life after the worker", errno })?;
    // The worker may have died before the line above; then nobody sends the signal.
    if parent_id() == worker_pid { Ok(()) } else { Err(Error::Orphan) }
}

fn limit(limits: Limits) -> Result<(), Error> {
    let all = [
        (Resource::RLIMIT_AS, limits.address_space_bytes, "address space"),
        (Resource::RLIMIT_CPU, limits.cpu_s, "processor time"),
        (Resource::RLIMIT_FSIZE, limits.file_bytes, "file size"),
        (Resource::RLIMIT_NOFILE, limits.open_files, "open files"),
        // A core of a decoder would be a copy of somebody's video.
        (Resource::RLIMIT_CORE, 0, "core size"),
    ];
    for (resource, value, what) in all {
        // Lower limits that are set already stay: raising them may not be permitted.
        let (_, hard) = nix::sys::resource::getrlimit(resource).map_err(|errno| Error::Limit { what, errno })?;
        let value = value.min(hard);
        // At the hard limit Linux sends SIGKILL alone, which does not say why.
        let grace = if matches!(resource, Resource::RLIMIT_CPU) { CPU_GRACE_S } else { 0 };
        setrlimit(resource, value, value.saturating_add(grace).min(hard))
            .map_err(|errno| Error::Limit { what, errno })?;
    }
    Ok(())
}

#[cfg(test)]
mod tests;
