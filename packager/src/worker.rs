//! The worker's side: children, what they are served, and the loop that claims jobs.

pub mod service;
