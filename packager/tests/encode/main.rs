//! Encode jobs over real sources: exact frames, right pictures, key frames on the grid, sound in place.

#![expect(
    clippy::unwrap_used,
    clippy::indexing_slicing,
    clippy::cast_possible_truncation,
    clippy::cast_sign_loss,
    clippy::cast_precision_loss,
    reason = "helpers of tests fail loudly, and their numbers are small"
)]

mod film;
mod hard;
mod outcome;
mod planned;
mod scan;
mod sound;
mod stills;
mod video;
