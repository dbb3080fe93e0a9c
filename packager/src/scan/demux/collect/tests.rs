//! Whatever a demuxer gives: what is copied is all of it, once and in order, and packets say where it lies.

use proptest::prelude::*;
use vidstream_testkit::corpus;

use super::*;
use crate::scan::fuzz::packets;

/// A second of open GOPs, behind a letter; an access unit delimiter begins each packet.
const PICTURES: &[u8] = include_bytes!("../../../../fuzz/corpus/units/h264");
const DELIMITER: &[u8] = b"\0\0\0\x01\x09";

/// What a demuxer gives of one of two streams.
#[derive(Clone, Debug)]
struct Given {
    kind: Kind,
    payload: Vec<u8>,
    is_header: bool,
    is_sync: bool,
    times_ns: [Option<u64>; 3],
}

// === impl Given ===

impl Given {
    fn buffer(&self) -> gst::Buffer {
        let mut buffer = gst::Buffer::from_mut_slice(self.payload.clone());
        let fields = buffer.make_mut();
        let [pts, dts, duration] = self.times_ns.map(|time| time.map(gst::ClockTime::from_nseconds));
        fields.set_pts(pts);
        fields.set_dts(dts);
        fields.set_duration(duration);
        if self.is_header {
            fields.set_flags(gst::BufferFlags::HEADER);
        }
        if !self.is_sync {
            fields.set_flags(gst::BufferFlags::DELTA_UNIT);
        }
        buffer
    }

    /// Whether it is a packet and no header that the caps have too; `is_first`: its stream has no packet yet.
    fn is_packet(&self, is_first: bool) -> bool {
        let is_timeless = self.times_ns[0].is_none() && self.times_ns[1].is_none();
        let is_header = match self.kind {
            Kind::Video => self.is_header && is_timeless,
            Kind::Audio => self.is_header || is_timeless && is_first,
        };
        !is_header && !self.payload.is_empty()
    }

    /// Whether these bytes are its own, but for what was put into one place.
    fn is_in(&self, found: &[u8]) -> bool {
        let own = &self.payload;
        let Some(more) = found.len().checked_sub(own.len()) else { return false };
        (0..=own.len()).any(|at| found[..at] == own[..at] && found[at + more..] == own[at..])
    }
}

/// Packets of a real stream with some bytes changed, or of any bytes.
fn payloads() -> impl Strategy<Value = Vec<Vec<u8>>> {
    let changed = any::<u64>().prop_map(|case| {
        let stream = corpus::mutation("h264", case, &PICTURES[1..]);
        packets(&stream, DELIMITER).into_iter().map(<[u8]>::to_vec).collect::<Vec<_>>()
    });
    prop_oneof![changed, prop::collection::vec(prop::collection::vec(any::<u8>(), 0..60), 0..20)]
}

fn given() -> impl Strategy<Value = Vec<Given>> {
    let fields = (any::<[bool; 2]>(), prop::bool::weighted(0.2), prop::array::uniform3(prop::option::of(0..u64::MAX)));
    payloads().prop_flat_map(move |payloads| {
        let rows = prop::collection::vec(fields.clone(), payloads.len());
        rows.prop_map(move |rows| {
            let given = |(payload, row): (&Vec<u8>, _)| {
                let ([is_video, is_sync], is_header, times_ns): ([bool; 2], bool, [Option<u64>; 3]) = row;
                let kind = if is_video { Kind::Video } else { Kind::Audio };
                Given { kind, payload: payload.clone(), is_header, is_sync, times_ns }
            };
            payloads.iter().zip(rows).map(given).collect::<Vec<_>>()
        })
    })
}

/// Collects it; gives the packets of both streams, and the copy.
fn collected(container: &str, all: &[Given]) -> (Vec<(Kind, Raw)>, Vec<u8>) {
    let folder = tempfile::tempdir().unwrap();
    let (io, local) = ChildIo::local(folder.path(), &folder.path().join("source")).unwrap();
    let collector = Collector::new(io);
    let streams = [
        (Kind::Video, gst::Caps::builder("video/x-h264").field("stream-format", "byte-stream").build()),
        (Kind::Audio, gst::Caps::builder("audio/mpeg").field("mpegversion", 4).build()),
    ];
    for (kind, caps) in streams {
        let mut stream = StreamState::new(kind, caps, Timing::of(container));
        stream.chosen = true;
        lock(&collector.0).streams.push(stream);
    }
    for given in all {
        collector.buffer(usize::from(given.kind == Kind::Audio), &given.buffer()).unwrap();
    }
    let collected = collector.finish().unwrap();
    let packets = collected.streams.iter().flat_map(|stream| stream.packets.iter().map(move |raw| (stream.kind, *raw)));
    let mut packets: Vec<(Kind, Raw)> = packets.collect();
    packets.sort_by_key(|(_, raw)| raw.offset);
    (packets, std::fs::read(local.path(Output::Remux)).unwrap_or_default())
}

proptest! {
    #[test]
    fn all_of_it_is_copied_once_and_in_order(
        container in prop::sample::select(vec!["avi", "mpegts", "matroska"]),
        all in given(),
    ) {
        gst::init().unwrap();
        let (packets, copy) = collected(container, &all);
        let mut found = packets.iter();
        let mut end = 0;
        let mut begun = Vec::new();
        for given in &all {
            if !given.is_packet(!begun.contains(&given.kind)) {
                continue;
            }
            begun.push(given.kind);
            let Some((kind, raw)) = found.next() else { return Err(TestCaseError::fail("a packet is missing")) };
            let bytes = &copy[usize::try_from(end).unwrap()..][..raw.bytes as usize];
            prop_assert_eq!((*kind, raw.offset), (given.kind, end));
            prop_assert!(given.is_in(bytes), "{given:?} became {bytes:?}");
            prop_assert!(*kind == Kind::Video || bytes == given.payload);
            prop_assert_eq!(raw.sync, given.is_sync || *kind == Kind::Audio);
            end += u64::from(raw.bytes);
        }
        prop_assert!(found.next().is_none());
        prop_assert_eq!(end, copy.len() as u64);
    }
}
