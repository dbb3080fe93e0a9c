//! The packager: sources go in, CMAF objects and their index come out.
//!
//! A worker claims jobs from the catalog and runs each in a child process of its own, since media
//! from strangers is only ever parsed there. The worker itself never calls GStreamer.

pub mod check;
pub mod child;
pub mod elements;
pub mod encode;
mod jobs;
pub mod poster;
pub mod probe;
pub mod protocol;
mod record;
mod replay;
mod sandbox;
mod scan;
pub mod sheet;
mod trial;
pub mod worker;

#[cfg(any(test, feature = "fuzz"))]
pub use scan::fuzz;
