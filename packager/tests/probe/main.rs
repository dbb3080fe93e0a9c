//! Probes of real files, made by ffmpeg and compared with what ffprobe says of them.

#![expect(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::indexing_slicing,
    clippy::panic,
    reason = "a test fails by panicking"
)]

mod bad;
mod decode;
mod film;
mod mp4;
mod others;
mod probing;
