//! How much of a segment is looked at.

use super::*;
use crate::check::{entry::Entry, init::Track};

fn boxed(kind: [u8; 4], body: &[u8]) -> Vec<u8> {
    let size = u32::try_from(8 + body.len()).unwrap();
    [&size.to_be_bytes()[..], &kind, body].concat()
}

/// A fragment of the track 1 with such runs.
fn moof(truns: &[Vec<u8>]) -> Vec<u8> {
    let tfhd = boxed(*b"tfhd", &[0, 0, 0, 0, 0, 0, 0, 1]);
    let trafs: Vec<Vec<u8>> = truns.iter().map(|trun| boxed(*b"traf", &[&tfhd[..], trun].concat())).collect();
    boxed(*b"moof", &trafs.concat())
}

/// A run of so many samples of which nothing is said.
fn trun(samples: u32) -> Vec<u8> {
    boxed(*b"trun", &[[0; 4], samples.to_be_bytes()].concat())
}

#[test]
fn so_many_samples_of_a_segment_are_read_and_not_one_more() {
    for (told, read) in [
        ([SAMPLES_MAX - 1, 1], [SAMPLES_MAX - 1, 1]),
        ([SAMPLES_MAX - 1, 2], [SAMPLES_MAX - 1, 1]),
        ([SAMPLES_MAX, 1], [SAMPLES_MAX, 0]),
        ([u32::MAX, 1], [SAMPLES_MAX, 0]),
    ] {
        let segment = Segment::read(&told.map(|samples| moof(&[trun(samples)])).concat(), None);
        let found: Vec<u32> = segment.runs().map(|run| run.samples).collect();
        assert_eq!(found, read, "{told:?}");
    }
}

#[test]
fn so_many_tracks_of_a_fragment_are_read_and_not_one_more() {
    for (told, read) in [(TRACKS_MAX, TRACKS_MAX), (TRACKS_MAX + 1, TRACKS_MAX)] {
        let segment = Segment::read(&moof(&vec![trun(1); told]), None);
        assert_eq!(segment.fragments.iter().map(|fragment| fragment.runs.len()).collect::<Vec<_>>(), [read]);
    }
}

/// An initialisation segment of a track of H.264.
fn avc() -> Init {
    let entry = Entry { format: *b"avc1", nal_length: Some(4), ..Entry::default() };
    let track = Track { id: 1, entry: Some(entry), ..Track::default() };
    Init { tracks: vec![track], ..Init::default() }
}

/// A fragment of these samples (§8.8.8).
fn fragment_of(samples: &[&[u8]]) -> Vec<u8> {
    let count = u32::try_from(samples.len()).unwrap();
    let sizes = samples.iter().map(|sample| u32::try_from(sample.len()).unwrap());
    let run = |place: u32| {
        let fields: Vec<[u8; 4]> =
            [0x0000_0201, count, place].into_iter().chain(sizes.clone()).map(u32::to_be_bytes).collect();
        boxed(*b"trun", &fields.concat())
    };
    let place = u32::try_from(moof(&[run(0)]).len() + 8).unwrap();
    [moof(&[run(place)]), boxed(*b"mdat", &samples.concat())].concat()
}

#[test]
fn captions_are_found_in_any_sample() {
    let plain: &[u8] = &[0, 0, 0, 2, 0x65, 1];
    let sei: &[u8] = &[0, 0, 0, 10, 6, 4, 0xb5, 0x00, 0x31, b'G', b'A', b'9', b'4', 0x03];
    for (samples, found) in [(vec![plain; 3], false), (vec![sei, plain], true), (vec![plain, plain, sei], true)] {
        let two = [fragment_of(&[plain]), fragment_of(&samples)].concat();
        assert_eq!(Segment::read(&two, Some(&avc())).captions, found, "{samples:?}");
    }
}

#[test]
fn so_many_pictures_of_a_segment_are_looked_at_and_not_one_more() {
    let fragment = fragment_of(&[&[0, 0, 0, 2, 0x65, 1]]);
    let segment = Segment::read(&fragment.repeat(PICTURES_MAX + 1), Some(&avc()));
    let seen = segment.runs().map(|run| run.picture.idr);
    assert!(seen.eq((0..=PICTURES_MAX).map(|nth| nth < PICTURES_MAX)));
}
