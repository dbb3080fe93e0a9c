//! Object bytes: what a key is called, and how its bytes become durable and are read back.
//!
//! [`Key`] is the only place that knows a path or a content type. A [`Store`] is chosen by URL: local
//! files, a bucket of an S3-compatible server, or memory. An object appears whole and durable under
//! its key, or not at all, and once it is there only a key that may be replaced changes it.
//!
//! Methods give boxed futures: what they do is then compiled here, and not again in every crate that awaits it.

mod bucket;
mod error;
mod key;
mod local;
mod store;

pub use error::Error;
pub use key::Key;
pub use store::{Access, Growing, Store, Writer};
