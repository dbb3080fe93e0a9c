//! A shell that looks after a real server, and outlives the test process by the moment that it takes to end the server.

use std::{
    io::Write as _,
    net::TcpListener,
    path::Path,
    process::{Child, Command, Stdio},
    sync::{Mutex, PoisonError},
};

use anyhow::{Context as _, Result};

/// The shell, until it is dropped.
#[derive(Debug)]
pub(crate) struct Guard(Mutex<Child>);

// === impl Guard ===

impl Guard {
    /// Starts a script with the server's folder and its command as arguments. It does what it is told, line by line; when
    /// the lines end, since the test process has, it ends the server and removes the folder.
    pub(crate) fn start(script: &str, folder: &Path, server: &Command) -> Result<Self> {
        let mut shell = Command::new("sh");
        shell.args(["-c", script, "sh"]).arg(folder).arg(server.get_program()).args(server.get_args());
        // Nobody's output: a reader of the test's would wait for this one too.
        shell.stdin(Stdio::piped()).stdout(Stdio::null()).stderr(Stdio::null()).current_dir("/");
        Ok(Self(Mutex::new(shell.spawn().context("sh")?)))
    }

    pub(crate) fn tell(&self, word: &str) -> Result<()> {
        let mut shell = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let stdin = shell.stdin.as_mut().context("the guard has no input")?;
        writeln!(stdin, "{word}").context("the guard of the server has ended")
    }
}

impl Drop for Guard {
    fn drop(&mut self) {
        let shell = self.0.get_mut().unwrap_or_else(PoisonError::into_inner);
        drop(shell.stdin.take());
        // It ends by itself; waiting leaves no zombie.
        drop(shell.wait());
    }
}

/// A loopback port that nobody has at the moment.
pub(crate) fn free_port() -> Result<u16> {
    Ok(TcpListener::bind("127.0.0.1:0")?.local_addr()?.port())
}
