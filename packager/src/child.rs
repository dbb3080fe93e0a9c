//! The child's side: what a child process does, and how its jobs reach the worker.

pub mod io;
pub mod local;

pub use io::ChildIo;
