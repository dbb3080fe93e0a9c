//! Parameter sets before every sync picture of a byte stream, so that decoding can start at any of them.
//!
//! Parsers put them before IDR pictures only; an open GOP begins with another I-picture.

use super::units::{starts, unit};

/// Parameter sets kept, and bytes of them; a stream that sends more is damaged.
pub(in crate::scan) const SETS_MAX: usize = 64;
pub(in crate::scan) const SETS_BYTES_MAX: usize = 64 << 10;
const START_CODE: [u8; 4] = [0, 0, 0, 1];

/// The last parameter sets of a stream.
#[derive(Debug)]
pub(in crate::scan) struct Headers {
    syntax: Syntax,
    sets: Vec<Vec<u8>>,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Syntax {
    /// No byte stream with parameter sets.
    Other,
    H264,
    H265,
}

/// What a NAL unit is good for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Unit {
    Delimiter,
    /// The set that the others refer to or belong to: it begins a new group.
    SequenceSet,
    OtherSet,
    Picture,
    Other,
}

// === impl Headers ===

impl Headers {
    /// For a stream with these caps.
    pub(in crate::scan) fn new(caps: &gst::CapsRef) -> Self {
        let syntax = match caps.structure(0).map(|structure| structure.name().as_str()) {
            Some("video/x-h264") => Syntax::H264,
            Some("video/x-h265") => Syntax::H265,
            _ => Syntax::Other,
        };
        Self { syntax, sets: Vec::new() }
    }

    /// What has to be put into this packet, and where, so that a decoder can start with it.
    pub(in crate::scan) fn missing(&mut self, data: &[u8], sync: bool) -> Option<(usize, Vec<u8>)> {
        if self.syntax == Syntax::Other {
            return None;
        }
        let (mut place, mut group) = (0, Vec::new());
        let mut complete = false;
        for start in starts(data) {
            let kind = self.syntax.kind(data.get(start).copied().unwrap_or_default());
            match kind {
                Unit::Delimiter => place = start + unit(data, start).len(),
                Unit::SequenceSet | Unit::OtherSet => group.push(unit(data, start)),
                Unit::Picture => break,
                Unit::Other => {}
            }
            complete |= kind == Unit::SequenceSet;
        }
        self.remember(&group, complete);
        if complete || !sync || self.sets.is_empty() {
            return None;
        }
        let bytes = self.sets.iter().flat_map(|set| START_CODE.iter().chain(set)).copied().collect();
        Some((place, bytes))
    }

    fn remember(&mut self, group: &[&[u8]], complete: bool) {
        if complete {
            self.sets.clear();
        }
        for set in group {
            let bytes: usize = self.sets.iter().map(Vec::len).sum();
            let known = self.sets.iter().any(|held| held == set);
            if !known && self.sets.len() < SETS_MAX && bytes + set.len() <= SETS_BYTES_MAX {
                self.sets.push(set.to_vec());
            }
        }
    }
}

// === impl Syntax ===

impl Syntax {
    /// NAL unit types of ITU-T H.264 table 7-1 and H.265 table 7-1.
    fn kind(self, first: u8) -> Unit {
        match (self, first & 0x1f, (first >> 1) & 0x3f) {
            (Self::H264, 9, _) | (Self::H265, _, 35) => Unit::Delimiter,
            (Self::H264, 7, _) | (Self::H265, _, 33) => Unit::SequenceSet,
            (Self::H264, 8 | 13, _) | (Self::H265, _, 32 | 34) => Unit::OtherSet,
            (Self::H264, 1..=5, _) | (Self::H265, _, 0..=31) => Unit::Picture,
            _ => Unit::Other,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn stream(units: &[&[u8]]) -> Vec<u8> {
        units.iter().flat_map(|unit| START_CODE.iter().chain(*unit)).copied().collect()
    }

    #[test]
    fn sync_pictures_without_sets_get_the_last_ones() {
        let mut headers = Headers { syntax: Syntax::H264, sets: Vec::new() };
        let (sets, delimiter): ([&[u8]; 2], &[u8]) = ([&[0x67, 1, 2], &[0x68, 3]], &[0x09, 0xf0]);
        let idr = stream(&[delimiter, sets[0], sets[1], &[0x65, 9, 9]]);
        assert_eq!(headers.missing(&idr, true), None);
        assert_eq!(headers.missing(&stream(&[delimiter, &[0x41, 9]]), false), None);
        let intra = stream(&[delimiter, &[0x06, 5], &[0x41, 9, 9]]);
        let (place, bytes) = headers.missing(&intra, true).unwrap();
        assert_eq!((place, bytes), (6, stream(&sets)));
        // A new sequence set replaces the old group.
        assert_eq!(headers.missing(&stream(&[&[0x67, 7], &[0x65, 1]]), true), None);
        assert_eq!(headers.missing(&intra, true).unwrap().1, stream(&[&[0x67, 7]]));
    }

    #[test]
    fn sets_of_h265_are_known_too() {
        let mut headers = Headers { syntax: Syntax::H265, sets: Vec::new() };
        let sets: [&[u8]; 3] = [&[0x40, 1, 7], &[0x42, 1, 7], &[0x44, 1, 7]];
        assert_eq!(headers.missing(&stream(&[sets[0], sets[1], sets[2], &[0x26, 1, 9]]), true), None);
        assert_eq!(headers.missing(&stream(&[&[0x2a, 1, 9]]), true), Some((0, stream(&sets))));
    }

    #[test]
    fn so_many_sets_and_bytes_of_them_are_kept_and_not_one_more() {
        let kept = |units: &[Vec<u8>]| {
            let mut headers = Headers { syntax: Syntax::H264, sets: Vec::new() };
            headers.missing(&stream(&units.iter().map(Vec::as_slice).collect::<Vec<_>>()), true);
            (headers.sets.len(), headers.sets.iter().map(Vec::len).sum::<usize>())
        };
        let sps = || vec![0x67, 1];
        let pps = |n: usize| vec![0x68, u8::try_from(n).unwrap()];
        for (count, held) in [(SETS_MAX, SETS_MAX), (SETS_MAX + 1, SETS_MAX)] {
            // No byte of them may look like a start code.
            let sets: Vec<Vec<u8>> = [sps()].into_iter().chain((2..=count).map(pps)).collect();
            assert_eq!(kept(&sets), (held, 2 * held), "{count}");
        }
        for (bytes, held) in [(SETS_BYTES_MAX - 2, 2), (SETS_BYTES_MAX - 1, 1)] {
            let long = [vec![0x68], vec![7; bytes - 1]].concat();
            assert_eq!(kept(&[sps(), long]).0, held, "{bytes}");
        }
    }

    #[test]
    fn damaged_packets_are_left_alone() {
        let mut headers = Headers { syntax: Syntax::H264, sets: Vec::new() };
        for data in [&[][..], &[0, 0, 1], &[0, 0, 0, 0, 1, 0, 0, 1], &[1, 2, 3]] {
            assert_eq!(headers.missing(data, true), None);
        }
    }
}
