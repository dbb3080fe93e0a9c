//! Test media whose every frame says which frame it is, and the means to read that back.
//!
//! Tests of the whole chain must see the right picture at the right time, not just a picture. So each frame carries a
//! machine-readable counter ([`counter`]), each whole second a beep and a flash ([`beep`]); [`clip`] makes files of them
//! with ffmpeg, [`decode`] reads them back from any file, playlist or URL, [`films`] has a film of every kind, [`odd`] makes
//! the files that publishers send by mistake. [`postgres`], [`redis`] and `s3` are real servers beside them. It is no part
//! of the product: only tests, benches and the demo use it.

pub mod beep;
pub mod cache;
pub mod clip;
pub mod corpus;
pub mod counter;
pub mod decode;
pub mod encoding;
mod ffmpeg;
pub mod films;
mod guard;
pub mod odd;
mod paint;
pub mod postgres;
pub mod redis;
#[cfg(feature = "s3")]
pub mod s3;
pub mod scene;
mod schema;
pub mod ssim;

pub use clip::{Audio, Clip};
pub use decode::counters;
pub use encoding::Encoding;
pub use scene::Content;
pub use schema::Schema;
pub use ssim::ssim;
