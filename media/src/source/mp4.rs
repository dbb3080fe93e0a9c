//! MP4 and `QuickTime` sample tables as packets: what `moov` and `moof` say, without their media.
//!
//! Input is the content of those boxes as bytes; the caller walks the file with [`boxes::header`] and
//! reads only what it needs. Tables are decoded with mp4-atom, the tree around them by a bounded walk
//! of our own, so that one strange box costs only itself. Sections are of ISO 14496-12.

use super::Packet;

pub mod boxes;
mod caps;
mod edits;
mod entry;
mod fragments;
mod samples;
mod tables;
mod track;

pub use entry::Codec;

/// Packets of one track are refused above this: 23 hours of 48 kHz AAC.
pub const PACKETS_MAX: usize = 4_000_000;
/// Packets larger than this are left out: a frame of 8K `ProRes` takes 20 MB.
pub const PACKET_BYTES_MAX: u32 = 64 << 20;
/// Tracks of one file are refused above this.
pub const TRACKS_MAX: usize = 64;
/// A `moov` is refused above this; ten hours of interleaved audio and video take 30 MB.
pub const MOOV_BYTES_MAX: u64 = 256 << 20;
/// A `moof` is refused above this.
pub const MOOF_BYTES_MAX: u64 = 16 << 20;

/// What a `moov` describes, and the fragments added to it.
#[derive(Clone, Debug)]
pub struct Movie {
    /// Its tracks in file order.
    pub tracks: Vec<Track>,
    /// Whether fragments may follow (`mvex`, §8.8.1).
    pub fragmented: bool,
}

/// A track and its packets in decode order.
#[derive(Clone, Debug)]
pub struct Track {
    /// `tkhd.track_ID`.
    pub id: u32,
    /// What it carries.
    pub media: Media,
    /// Whether it takes part in the presentation (`tkhd` flag `track_enabled`).
    pub enabled: bool,
    /// Its codec.
    pub codec: Codec,
    /// Clockwise rotation of `tkhd.matrix`: 0, 90, 180 or 270 degrees.
    pub rotation: u16,
    /// ISO 639-2 language of `mdhd`, unless undetermined.
    pub language: Option<String>,
    /// Its packets in decode order; times have the edit list applied.
    pub packets: Vec<Packet>,
    /// Start of the presented interval on the presentation timeline, in nanoseconds.
    pub start_ns: i64,
    /// End of the presented interval; `None`: where the packets end.
    pub end_ns: Option<i64>,
    /// Whether the edit list says more than one interval can: cuts inside or other speeds.
    pub edits_simplified: bool,
    clock: edits::Clock,
    defaults: fragments::Defaults,
}

/// What a track carries.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Media {
    /// Pictures.
    Video,
    /// Sound.
    Audio,
    /// Text, timecode, hints and the like.
    Other,
}

/// Boxes that cannot be understood.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// No track in it.
    #[error("the moov box has no readable track")]
    NoTracks,
    /// More than [`TRACKS_MAX`] tracks.
    #[error("the file has more than {TRACKS_MAX} tracks")]
    TooManyTracks,
    /// More than [`PACKETS_MAX`] packets in a track.
    #[error("a track has more than {PACKETS_MAX} packets")]
    TooManyPackets,
}

/// Whether a file that begins with these bytes (at least 8) is MP4 or `QuickTime`.
pub fn sniff(head: &[u8]) -> bool {
    const FIRST_KINDS: [&boxes::Kind; 11] =
        [b"ftyp", b"moov", b"mdat", b"free", b"skip", b"wide", b"pnot", b"moof", b"styp", b"sidx", b"uuid"];
    let kind = head.get(4..8);
    let known = FIRST_KINDS.iter().any(|known| kind == Some(known.as_slice()));
    known && boxes::u32_at(head, 0).is_some_and(|size| !(2..8).contains(&size))
}

/// Whether the content of `ftyp` says `QuickTime`.
pub fn is_quicktime(ftyp: &[u8]) -> bool {
    ftyp.starts_with(b"qt  ")
}

// === impl Movie ===

impl Movie {
    /// Reads the content of a `moov` box. Tracks that make no sense are left out.
    ///
    /// # Errors
    /// Any [`Error`].
    pub fn parse(moov: &[u8]) -> Result<Self, Error> {
        track::movie(moov)
    }

    /// Adds the packets of a `moof` box: `moof` is its content, `offset` where the box (its header)
    /// lies in the file. Fragments of unknown tracks are ignored.
    ///
    /// # Errors
    /// [`Error::TooManyPackets`].
    pub fn add_fragment(&mut self, moof: &[u8], offset: u64) -> Result<(), Error> {
        fragments::add(&mut self.tracks, moof, offset)
    }
}

// === impl Track ===

impl Track {
    /// Leaves out the packets that do not lie inside the first `file_bytes` bytes; tells how many.
    pub fn truncate(&mut self, file_bytes: u64) -> usize {
        let before = self.packets.len();
        self.packets.retain(|packet| packet.offset.saturating_add(u64::from(packet.bytes)) <= file_bytes);
        before - self.packets.len()
    }
}

#[cfg(test)]
mod tests;
