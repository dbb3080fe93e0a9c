//! The transcoder plugin contract: manifests, promises and verdicts, and the registry that chooses among plugins.
//!
//! A plugin is a folder with a `plugin.toml`. It names a GStreamer element and says how vidstream's
//! knobs map to that element's properties. Nothing here links GStreamer: whether an element exists
//! is asked of the caller.

mod knobs;
mod manifest;
mod promise;
mod registry;
pub mod verdict;

pub use knobs::Knobs;
pub use manifest::{Error, Kind, Plugin};
pub use promise::{Promise, Promises};
pub use registry::{MANIFEST, Registry};
