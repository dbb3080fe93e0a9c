//! The origin as its clients see it: a real server on a free port, with a real catalog and store.

#![expect(clippy::unwrap_used, clippy::expect_used, clippy::indexing_slicing, reason = "a test fails by panicking")]

mod away;
mod client;
mod delivery;
mod differential;
mod encodings;
mod events;
mod fixture;
mod http2;
mod hygiene;
mod meeting;
mod nginx;
mod pending;
mod protocols;
mod redis;
mod retention;
mod rows;
mod spellings;
mod tls;
mod uploads;
mod videos;
mod viewers;
mod writes;
