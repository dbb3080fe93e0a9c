//! The pure heart of vidstream: timelines, plans, CMAF bytes and the HLS and DASH documents.
//!
//! Bytes and values in, values and bytes out. Nothing here touches a file, a socket, a clock or a
//! thread, and no input makes it panic.

pub mod bandwidth;
pub mod check;
pub mod chunks;
pub mod cmaf;
pub mod codec;
pub mod crc32;
pub mod dash;
pub mod hls;
pub mod id;
pub mod index;
pub mod ladder;
pub mod plan;
pub mod presentation;
pub mod rational;
pub mod source;
pub mod storyboard;
pub mod timeline;
pub mod track;

pub use crc32::Crc32;
pub use id::VideoId;
pub use plan::Plan;
pub use presentation::Presentation;
pub use rational::Rational;
pub use timeline::Timeline;
pub use track::Track;
