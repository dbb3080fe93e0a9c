//! Encode jobs over real sources: exact frames, right pictures, key frames on the grid, sound in place.

mod film;
mod hard;
mod outcome;
mod planned;
mod scan;
mod sound;
mod stills;
mod video;
