//! What the fuzz targets in `packager/fuzz` run: our own readers of uploads, and what holds for every input.
//!
//! Compiled for those targets, and for the tests, which replay their corpora. No demuxer or decoder runs here: what
//! GStreamer makes of strangers' bytes is its own matter, and happens in a sandbox.

use std::{cell::Cell, io};

use vidstream_media::source::mp4::{MOOV_BYTES_MAX, Media, PACKET_BYTES_MAX, PACKETS_MAX, TRACKS_MAX, Track, boxes};

use super::{
    demux::fuzzed::{Headers, LOOK_BYTES, Order, SETS_BYTES_MAX, SETS_MAX},
    mp4::walk::{BOXES_MAX, File, WINDOW_BYTES, Walk},
    picture::First,
};
use crate::protocol::Failure;

/// A file that is there, and what is asked of it.
pub(super) struct InMemory<'a> {
    bytes: &'a [u8],
    reads: Cell<usize>,
    read_bytes: Cell<usize>,
    boxes: Cell<usize>,
    passed: Cell<u64>,
    pictures: Cell<usize>,
}

// === impl InMemory ===

impl<'a> InMemory<'a> {
    pub(super) fn new(bytes: &'a [u8]) -> Self {
        let [reads, read_bytes, boxes, pictures] = [const { Cell::new(0) }; 4];
        Self { bytes, reads, read_bytes, boxes, passed: Cell::new(0), pictures }
    }
}

impl File for InMemory<'_> {
    fn read_at(&self, offset: u64, bytes: u32) -> io::Result<Vec<u8>> {
        assert!(u64::from(bytes) <= MOOV_BYTES_MAX, "{bytes} bytes at once");
        let rest = usize::try_from(offset).ok().and_then(|at| self.bytes.get(at..)).unwrap_or_default();
        let found = rest.get(..usize::try_from(bytes).unwrap_or(usize::MAX)).unwrap_or(rest).to_vec();
        self.reads.set(self.reads.get() + 1);
        self.read_bytes.set(self.read_bytes.get() + found.len());
        Ok(found)
    }

    fn passed(&self, offset: u64) -> io::Result<()> {
        assert!(offset >= self.passed.get() + u64::from(boxes::HEADER_BYTES_MAX) / 2, "a box of nothing at {offset}");
        self.passed.set(offset);
        self.boxes.set(self.boxes.get() + 1);
        Ok(())
    }

    fn first_picture(&self, track: &Track) -> Result<Option<First>, Failure> {
        assert!(track.media == Media::Video && !track.packets.is_empty() && track.codec.caps.is_some());
        self.pictures.set(self.pictures.get() + 1);
        Ok(Some(First { width: 2, height: 2, pixel_aspect: (1, 1), interlaced: false, hdr: None }))
    }
}

/// An MP4 or `QuickTime` file, as the scan walks it while it is uploaded.
///
/// # Panics
/// If the walk does not go on, reads a file more than a few times over, decodes more than one picture, or finds packets
/// out of bounds.
pub fn walk(input: &[u8]) {
    let file = InMemory::new(input);
    let mut walk = Walk::new(&file);
    if let Err(failure) = walk.run(BOXES_MAX) {
        assert!(!failure.retryable, "what is in a file stays there: {failure:?}");
    }
    assert!(file.pictures.get() <= 1);
    // A header and its content of each box; each window holds all headers in it.
    assert!(file.reads.get() <= 2 * (file.boxes.get() + 1));
    let window_bytes = usize::try_from(WINDOW_BYTES).unwrap_or(usize::MAX);
    assert!(file.read_bytes.get() <= 3 * (input.len() + window_bytes), "{} bytes read", file.read_bytes.get());
    let Some(mut movie) = walk.movie else { return };
    assert!(movie.tracks.len() <= TRACKS_MAX);
    for track in &mut movie.tracks {
        assert!(track.packets.len() <= PACKETS_MAX);
        track.truncate(input.len() as u64);
        for packet in &track.packets {
            assert!(packet.bytes <= PACKET_BYTES_MAX);
            assert!(packet.offset + u64::from(packet.bytes) <= input.len() as u64);
        }
    }
}

/// Codecs whose packets are looked into: the letter that an input begins with, its caps, and what a packet begins with.
const CODECS: [(u8, &str, Option<i32>, &[u8]); 4] = [
    (b'a', "video/x-h264", None, b"\0\0\0\x01\x09"),
    (b'h', "video/x-h265", None, b"\0\0\0\x01\x46"),
    (b'2', "video/mpeg", Some(2), b"\0\0\x01\0"),
    (b'4', "video/mpeg", Some(4), b"\0\0\x01\xb6"),
];

/// A byte stream, packet by packet as parsers give them: what is put into packets that lack parameter sets, and the
/// order in which pictures are shown. The input is a letter for the codec, and the stream.
///
/// # Panics
/// If more is put in than is kept, or in the wrong place, or an order depends on what no header is long enough for.
pub fn units(input: &[u8]) {
    assert!(gst::init().is_ok(), "GStreamer does not start");
    let Some((letter, stream)) = input.split_first() else { return };
    let Some((_, name, version, begin)) = CODECS.into_iter().find(|(held, ..)| held == letter) else { return };
    let caps = gst::Caps::builder(name).field_if_some("mpegversion", version).build();
    let (mut headers, mut idle) = (Headers::new(&caps), Headers::new(&caps));
    let (mut order, mut hasty) = (Order::new(&caps), Order::new(&caps));
    for packet in packets(stream, begin) {
        assert_eq!(idle.missing(packet, false), None);
        if let Some((place, sets)) = headers.missing(packet, true) {
            completed(&caps, packet, place, &sets);
        }
        let key = order.next(packet);
        assert_eq!(key, hasty.next(packet.get(..LOOK_BYTES).unwrap_or(packet)));
        assert!(key.is_some() || version.is_none(), "MPEG tells of every picture");
    }
}

/// What is put into a packet lies inside of it, is no more than is kept, and is found there by whoever reads it.
fn completed(caps: &gst::Caps, packet: &[u8], place: usize, sets: &[u8]) {
    assert!(!sets.is_empty() && sets.len() <= SETS_BYTES_MAX + SETS_MAX * 4, "{} bytes", sets.len());
    let (before, after) = packet.split_at(place);
    let joined = [before, sets, after].concat();
    let is_whole = |bytes: &[u8]| Headers::new(caps).missing(bytes, true).is_none();
    assert_eq!(is_whole(&joined), is_whole(sets));
}

/// The stream cut where packets begin.
pub(super) fn packets<'a>(stream: &'a [u8], begin: &[u8]) -> Vec<&'a [u8]> {
    let places = stream.windows(begin.len()).enumerate().filter(|(_, bytes)| *bytes == begin).map(|(at, _)| at);
    let mut ends: Vec<usize> = places.chain([stream.len()]).collect();
    ends.dedup();
    let starts = [0].into_iter().chain(ends.clone());
    starts.zip(ends).filter_map(|(start, end)| stream.get(start..end)).filter(|packet| !packet.is_empty()).collect()
}

#[cfg(test)]
mod tests {
    use std::path::Path;

    use proptest::prelude::*;
    use vidstream_testkit::corpus::replay;

    use super::*;

    /// Bytes that start codes and heads of units are made of, more often than others.
    fn bytes_of_units() -> impl Strategy<Value = Vec<u8>> {
        const HEADS: [u8; 12] = [0x01, 0x41, 0x65, 0x67, 0x68, 0x09, 0x46, 0x40, 0x42, 0x44, 0xb6, 0x64];
        let byte = prop_oneof![4 => Just(0), 2 => Just(1), 2 => prop::sample::select(HEADS.to_vec()), 1 => any::<u8>()];
        prop::collection::vec(byte, 0..400)
    }

    /// Boxes one behind the other, some of a size that is not theirs.
    fn boxes_of_a_file() -> impl Strategy<Value = Vec<u8>> {
        const KINDS: [boxes::Kind; 8] =
            [*b"ftyp", *b"moov", *b"moof", *b"mdat", *b"free", *b"wide", *b"trak", *b"mvex"];
        let size = prop::option::weighted(0.1, prop_oneof![0..32_u32, any::<u32>()]);
        let content =
            prop_oneof![prop::collection::vec(any::<u8>(), 0..40), (4_080..4_110_usize).prop_map(|n| vec![0; n])];
        let one = (prop::sample::select(KINDS.to_vec()), size, content).prop_map(|(kind, size, content)| {
            let size = size.unwrap_or_else(|| u32::try_from(content.len() + 8).unwrap());
            [&size.to_be_bytes()[..], &kind[..], &content[..]].concat()
        });
        prop::collection::vec(one, 0..30).prop_map(|all| all.concat())
    }

    proptest! {
        #[test]
        fn any_stream_holds(letter in prop::sample::select(b"ah24".to_vec()), stream in bytes_of_units()) {
            units(&[&[letter], &stream[..]].concat());
        }

        #[test]
        fn any_boxes_hold(file in boxes_of_a_file()) {
            walk(&file);
        }
    }

    #[test]
    fn the_corpora_hold() {
        let crate_folder = Path::new(env!("CARGO_MANIFEST_DIR"));
        replay(&crate_folder.join("fuzz/corpus/walk"), walk).unwrap();
        replay(&crate_folder.join("../media/fuzz/corpus/file"), walk).unwrap();
        replay(&crate_folder.join("fuzz/corpus/units"), units).unwrap();
    }
}
