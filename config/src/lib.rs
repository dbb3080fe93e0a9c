//! Configuration: flags over environment over file over defaults, from one table of known keys.
//!
//! An unknown key, in the file or as a `VIDSTREAM_*` variable, is an error, so that a misspelt
//! setting is never silently without effect.

mod config;
mod error;
mod keys;
mod layers;
mod secret;
mod units;

pub use config::{Config, default_slots};
pub use error::Error;
pub use keys::{KEYS, Key};
pub use layers::Layers;
pub use secret::read_secret;
pub use units::{parse_bytes, parse_duration, parse_network};
