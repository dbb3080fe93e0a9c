//! The executable as its users meet it: real processes, real media, HTTP.
#![expect(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::indexing_slicing,
    reason = "a failed expectation is what a test is for"
)]

mod bad_files;
mod deletion;
mod exit_codes;
mod recovery;
mod server;
mod upload;
