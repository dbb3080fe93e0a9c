//! An example of a third-party plugin: a GStreamer library with an encoder of its own, `calmx264enc`.
//!
//! The encoder is a bin of two elements: a filter written here that calms the grain of a picture, and
//! x264enc. vidstream sees one element with the properties that `plugin.toml` maps its knobs to. What a
//! plugin must keep to, and how it is installed and judged, is in `docs/plugins.md`.

mod encoder;
mod entry;
mod filter;
