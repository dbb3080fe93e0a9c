//! Boxes of served files, found and changed.

use std::ops::Range;

/// A box around a body.
pub(crate) fn atom(kind: &[u8], body: &[u8]) -> Vec<u8> {
    let size = u32::try_from(body.len() + 8).unwrap();
    [&size.to_be_bytes(), kind, body].concat()
}

/// Children of the box whose body this is: kind and whole range.
pub(crate) fn children(bytes: &[u8], body: Range<usize>) -> Vec<([u8; 4], Range<usize>)> {
    let mut at = body.start;
    let mut found = Vec::new();
    while at + 8 <= body.end {
        let size = u32_at(bytes, at) as usize;
        found.push((bytes[at + 4..at + 8].try_into().unwrap(), at..at + size));
        at += size;
    }
    found
}

/// The ranges of a box and all around it, outermost first. A part `moof#1` means the second of its kind.
pub(crate) fn path(bytes: &[u8], names: &str) -> Vec<Range<usize>> {
    let mut body = 0..bytes.len();
    let mut ranges = Vec::new();
    for name in names.split('/') {
        let (kind, n) = name.split_once('#').map_or((name, 0), |(kind, n)| (kind, n.parse().unwrap()));
        let found = children(bytes, body).into_iter().filter(|(own, _)| own == kind.as_bytes()).nth(n);
        let range = found.unwrap_or_else(|| panic!("no {names}")).1;
        // What comes before the children of these.
        let skip = match kind {
            "stsd" => 16,
            "avc1" | "encv" => 86,
            "mp4a" | "enca" => 36,
            _ => 8,
        };
        body = range.start + skip..range.end;
        ranges.push(range);
    }
    ranges
}

/// Where the body of a box begins, after its 8-byte header.
pub(crate) fn body(bytes: &[u8], names: &str) -> usize {
    path(bytes, names).last().unwrap().start + 8
}

/// Puts bytes at the end of a box, and lengthens all that hold it.
pub(crate) fn append(bytes: &mut Vec<u8>, names: &str, more: &[u8]) {
    let ranges = path(bytes, names);
    for range in &ranges {
        let size = u32_at(bytes, range.start) + u32::try_from(more.len()).unwrap();
        put(bytes, range.start, &size.to_be_bytes());
    }
    let end = ranges.last().unwrap().end;
    bytes.splice(end..end, more.iter().copied());
}

pub(crate) fn rename(bytes: &mut [u8], names: &str, kind: &[u8]) {
    let at = path(bytes, names).last().unwrap().start + 4;
    put(bytes, at, kind);
}

pub(crate) fn put(bytes: &mut [u8], at: usize, new: &[u8]) {
    bytes[at..at + new.len()].copy_from_slice(new);
}

pub(crate) fn u32_at(bytes: &[u8], at: usize) -> u32 {
    u32::from_be_bytes(bytes[at..at + 4].try_into().unwrap())
}

/// Adds to the 64-bit `tfdt` of every fragment.
pub(crate) fn delay(bytes: &mut [u8], ticks: u64) {
    let moofs = children(bytes, 0..bytes.len()).iter().filter(|(kind, _)| kind == b"moof").count();
    for n in 0..moofs {
        let at = body(bytes, &format!("moof#{n}/traf/tfdt")) + 4;
        let time = u64::from_be_bytes(bytes[at..at + 8].try_into().unwrap());
        put(bytes, at, &(time + ticks).to_be_bytes());
    }
}

/// Adds to the composition offset of every sample; the runs must have offsets.
pub(crate) fn delay_composition(bytes: &mut [u8], ticks: i32) {
    let moofs = children(bytes, 0..bytes.len()).iter().filter(|(kind, _)| kind == b"moof").count();
    for n in 0..moofs {
        let start = body(bytes, &format!("moof#{n}/traf/trun"));
        let flags = u32_at(bytes, start) & 0xff_ffff;
        assert!(flags & 0x800 != 0, "no composition offsets");
        let count = u32_at(bytes, start + 4) as usize;
        let fixed = 8 + 4 * (flags & 5).count_ones() as usize;
        let step = 4 * (flags & 0xf00).count_ones() as usize;
        for sample in 0..count {
            let at = start + fixed + step * sample + step - 4;
            let offset = u32_at(bytes, at).cast_signed() + ticks;
            put(bytes, at, &offset.to_be_bytes());
        }
    }
}

/// Other channels in the configuration of stereo AAC-LC at 48 kHz (ISO/IEC 14496-3 §1.6.2.1).
pub(crate) fn set_channels(init: &mut [u8], count: u8) {
    let esds = path(init, "moov/trak/mdia/minf/stbl/stsd/mp4a/esds").pop().unwrap();
    let at = esds.start + init[esds].windows(2).position(|pair| pair == [0x11, 0x90]).unwrap();
    init[at + 1] = 0x80 | count << 3;
}

/// Turns the first IDR slice of the first sample into another slice.
pub(crate) fn spoil_idr(bytes: &mut [u8]) {
    let mut at = body(bytes, "mdat");
    while bytes[at + 4] & 0x1f != 5 {
        at += 4 + u32_at(bytes, at) as usize;
    }
    bytes[at + 4] = bytes[at + 4] & 0xe0 | 1;
}
