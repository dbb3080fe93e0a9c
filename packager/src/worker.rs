//! The worker's side: children, what they are served, and the loop that claims jobs.

mod log;
pub mod process;
pub mod service;
pub mod watch;
