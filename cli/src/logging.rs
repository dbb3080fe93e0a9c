//! Log lines on standard error.

use std::io::IsTerminal;

use tracing_subscriber::EnvFilter;

/// What a server shows by default.
pub(crate) const SERVER: &str = "info";
/// What a command shows by default that has its own progress to show.
#[cfg(feature = "packager")]
pub(crate) const COMMAND: &str = "error";

/// Starts logging; `RUST_LOG` chooses what is shown, `default` without it.
pub(crate) fn start(json: bool, default: &str) {
    let filter = EnvFilter::try_from_default_env().unwrap_or_else(|_| EnvFilter::new(default));
    let builder = tracing_subscriber::fmt()
        .with_env_filter(filter)
        .with_writer(std::io::stderr)
        .with_ansi(std::io::stderr().is_terminal());
    // Tests start several servers in one process; the first subscriber stays.
    let _ = if json { builder.json().try_init() } else { builder.with_target(false).try_init() };
}
