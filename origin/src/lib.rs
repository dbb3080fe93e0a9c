//! The origin: delivery of HLS and DASH, the API with its uploads and events, and the page.
//!
//! It renders every document from the catalog's rows and serves stored bytes by range. It encodes
//! nothing and never links GStreamer: it and the packager meet in catalog and store alone. Whatever
//! the size of a file, a request holds bounded memory.

mod access;
mod admin;
mod api;
mod app;
mod client;
mod clock;
mod config;
mod delivery;
mod error;
mod etag;
#[cfg(any(test, feature = "fuzz"))]
pub mod fuzz;
mod lane;
mod limits;
mod memory;
mod metering;
mod page;
mod request;
mod respond;
mod route;
mod scratch;
mod server;
mod ws;

pub use admin::{Check, Readiness};
pub use config::{Config, Patience, TlsFiles};
pub use error::Error;
pub use server::{Admin, Origin};
