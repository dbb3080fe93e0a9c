//! The system calls that no decoder needs and an attacker would want.

use std::{collections::BTreeMap, env::consts::ARCH};

use nix::libc;
use seccompiler::{
    BpfProgram, SeccompAction, SeccompCmpArgLen, SeccompCmpOp, SeccompCondition, SeccompFilter, SeccompRule, TargetArch,
};

use super::Error;

type Rules = BTreeMap<i64, Vec<SeccompRule>>;

/// Sockets of any family, other programs, other processes' memory, and ways around this filter:
/// `io_uring` opens sockets without the call being seen. They fail with `EACCES`.
const REFUSED: [libc::c_long; 15] = [
    libc::SYS_socket,
    libc::SYS_io_uring_setup,
    libc::SYS_execve,
    libc::SYS_execveat,
    libc::SYS_ptrace,
    libc::SYS_process_vm_readv,
    libc::SYS_process_vm_writev,
    libc::SYS_pidfd_getfd,
    libc::SYS_bpf,
    libc::SYS_perf_event_open,
    libc::SYS_unshare,
    libc::SYS_setns,
    libc::SYS_mount,
    libc::SYS_keyctl,
    libc::SYS_userfaultfd,
];

/// The old ways to make a process, where the processor still has them.
#[cfg(target_arch = "x86_64")]
const FORKS: [libc::c_long; 2] = [libc::SYS_fork, libc::SYS_vfork];
#[cfg(not(target_arch = "x86_64"))]
const FORKS: [libc::c_long; 0] = [];

/// Installs the filters for this thread and those that it will start. Cannot be undone.
pub(super) fn install() -> Result<(), Error> {
    // An empty list of conditions matches whatever the arguments are.
    let mut rules: Rules = REFUSED.iter().chain(&FORKS).map(|&call| (call, Vec::new())).collect();
    // Threads yes, processes no: they would not die with the worker.
    let thread = u64::from(libc::CLONE_THREAD.unsigned_abs());
    let process = SeccompCondition::new(0, SeccompCmpArgLen::Qword, SeccompCmpOp::MaskedEq(thread), 0)?;
    rules.insert(libc::SYS_clone, vec![SeccompRule::new(vec![process])?]);
    // Its flags lie in memory, which a filter cannot read; told that it does not exist, libc uses clone.
    let clone3 = Rules::from([(libc::SYS_clone3, Vec::new())]);
    apply(clone3, libc::ENOSYS)?;
    apply(rules, libc::EACCES)
}

fn apply(rules: Rules, errno: i32) -> Result<(), Error> {
    let refuse = SeccompAction::Errno(errno.unsigned_abs());
    let filter = SeccompFilter::new(rules, SeccompAction::Allow, refuse, TargetArch::try_from(ARCH)?)?;
    seccompiler::apply_filter(&BpfProgram::try_from(filter)?)?;
    Ok(())
}
