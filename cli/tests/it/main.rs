//! The executable as its users meet it: real processes, real media, HTTP.

#![expect(clippy::unwrap_used, clippy::indexing_slicing, reason = "a test fails by panicking")]
#![expect(clippy::print_stdout, reason = "a test says what it measured")]

mod access_log;
mod add;
mod bad_files;
mod bounded;
mod bucket;
mod check;
mod deletion;
mod delivered;
mod documented;
mod dumps;
mod exit_codes;
mod fsck;
mod package;
mod packager;
mod plugins;
mod postgres;
mod recovery;
mod redis;
mod retention;
mod samples;
mod server;
mod transfer;
mod upload;
