//! Conformance of a served stream: HLS and DASH are judged as their clients see them, rule by rule.
//!
//! Bytes in, verdicts out. A [`Crawl`] says what to fetch, takes the answers, and gives a [`Report`] with a verdict
//! on each of the 76 rules. It has its own walk over boxes and its own readers of playlists and MPDs, and shares
//! nothing with what writes them, so that the writer does not certify itself.

mod boxes;
mod codec_string;
mod crawl;
mod entry;
mod gzip;
mod image;
mod init;
mod media;
mod mpd;
mod multivariant;
mod nal;
mod needs;
mod place;
mod playlist;
mod rates;
mod report;
mod rules;
mod segment;
mod stream;
mod text_track;
mod xml;

pub use crawl::{Answer, Ask, Crawl, Error};
pub use place::Place;
pub use report::{Level, Outcome, Report, Verdict};
pub use stream::Transport;

#[cfg(test)]
mod tests;
