//! The origin as its clients see it: a real server on a free port, with a real catalog and store.

#![expect(clippy::unwrap_used, clippy::expect_used, clippy::indexing_slicing, reason = "a test fails by panicking")]

mod client;
mod delivery;
mod events;
mod fixture;
mod hygiene;
mod pending;
mod uploads;
mod videos;
mod writes;
