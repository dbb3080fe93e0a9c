//! The scan: packets of the source, without decoding more than its first picture, while it uploads.
//!
//! MP4 is read from its boxes and stays where it is. Every other container runs once through a
//! GStreamer demuxer, and the chosen streams are copied into one object that the index points into.

use vidstream_media::source::{AudioFacts, Packet, mp4 as boxes, spans::Shown};

use crate::{
    child::ChildIo,
    protocol::{Failure, Warning},
};

mod caps;
mod demux;
pub(crate) mod fault;
#[cfg(any(test, feature = "fuzz"))]
pub mod fuzz;
mod mp4;
pub(crate) mod picture;
mod source;
mod times;

use source::Source;

/// A file shorter than this cannot be told from any other.
const SNIFF_BYTES: u32 = 16;

/// What the scan found.
#[derive(Debug)]
pub(crate) struct Scanned {
    /// Container, `mp4` say.
    pub(crate) container: String,
    /// Bytes of the source.
    pub(crate) bytes: u64,
    /// The chosen pictures.
    pub(crate) video: Option<VideoStream>,
    /// The chosen sound.
    pub(crate) audio: Option<Stream>,
    /// All sound streams of the file.
    pub(crate) audio_facts: Vec<AudioFacts>,
    /// Whether packets were copied into an object of their own.
    pub(crate) remuxed: bool,
    /// What people should know.
    pub(crate) warnings: Vec<Warning>,
}

/// A stream and its packets in decode order.
#[derive(Debug)]
pub(crate) struct Stream {
    /// Short name of its codec.
    pub(crate) codec: String,
    /// Caps of its packets.
    pub(crate) caps: String,
    /// Its packets.
    pub(crate) packets: Vec<Packet>,
    /// Start of what the container presents of it, in nanoseconds.
    pub(crate) start_ns: i64,
    /// End of what the container presents of it; `None`: where the packets end.
    pub(crate) end_ns: Option<i64>,
    /// Language, if the file tells.
    pub(crate) language: Option<String>,
    /// Samples per second; 0 for pictures and if unknown.
    pub(crate) sample_rate: u32,
}

/// A stream of pictures, the first of which was decoded.
#[derive(Debug)]
pub(crate) struct VideoStream {
    /// The stream.
    pub(crate) stream: Stream,
    /// Clockwise rotation to bake in, in degrees.
    pub(crate) rotation: u16,
    /// What its first picture is like.
    pub(crate) picture: picture::First,
}

/// Scans the source; returns after its last byte was uploaded.
///
/// # Errors
/// What a publisher can do something about, see [`fault`]; and failures of reading and writing.
pub(crate) fn run(io: &ChildIo) -> Result<Scanned, Failure> {
    let source = Source::new(io.clone());
    let scanned = scan(&source);
    if scanned.is_err() {
        // A verdict before the last byte would meet an upload that is still going on.
        source.end()?;
    }
    scanned
}

fn scan(source: &Source) -> Result<Scanned, Failure> {
    let head = source.read(0, SNIFF_BYTES)?;
    if head.is_empty() {
        return Err(fault::empty());
    }
    if boxes::sniff(&head) { mp4::scan(source) } else { demux::scan(source) }
}

// === impl Stream ===

impl Stream {
    /// The presented interval [t0, t1) in nanoseconds; decoding begins with a sync packet, so that
    /// nothing is shown before the first of them.
    pub(crate) fn interval(&self, shown: &Shown<'_>) -> Option<(i64, i64)> {
        let timeless = self.packets.len() > 1 && self.packets.iter().all(|packet| packet.duration_ns == 0);
        if timeless {
            return None;
        }
        let (start, end) = shown.interval(self.start_ns, self.end_ns).or_else(|| shown.interval(i64::MIN, None))?;
        let first_sync = self.packets.iter().find(|packet| packet.sync).map_or(start, |packet| packet.pts_ns);
        let t0 = start.max(first_sync);
        (t0 < end).then_some((t0, end))
    }
}
