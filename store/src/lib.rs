//! Object bytes: what a key is called, and how its bytes become durable and are read back.
//!
//! [`Key`] is the only place that knows a path or a content type. A [`Store`] is chosen by URL.
//! An object appears whole and durable under its key, or not at all.

mod error;
mod file;
mod key;
mod writer;

pub use error::Error;
pub use file::{Growing, Store};
pub use key::Key;
pub use writer::Writer;
