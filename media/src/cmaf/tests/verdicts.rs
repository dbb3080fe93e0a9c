//! The checker accepts what the writer makes and names what breaks each rule.

use super::*;

fn rules(plan: &Plan, part: &TrackChunk, bytes: &[u8]) -> Vec<(u16, Severity)> {
    verify(plan, part, bytes).into_iter().map(|finding| (finding.rule, finding.severity)).collect()
}

fn position(bytes: &[u8], kind: [u8; 4]) -> usize {
    bytes.windows(4).position(|window| window == kind).unwrap()
}

#[test]
fn planned_objects_are_flawless() {
    for frames in [1, 2, 47, 48, 100, 480] {
        let plan = plan(frames);
        for track in plan.tracks() {
            let last = plan.segments(track);
            let (bytes, part) = object(&plan, track, 1, last);
            assert_eq!(verify(&plan, &part, &bytes), []);
            let (bytes, part) = object(&plan, track, last, last);
            assert_eq!(verify(&plan, &part, &bytes), []);
        }
    }
}

#[test]
fn bytes_that_are_not_the_indexed_ones_are_damaged() {
    let plan = plan(480);
    let track = Track::Rung(180);
    let (bytes, part) = object(&plan, track, 3, 4);
    let damaged = |part: &TrackChunk, bytes: &[u8]| {
        let findings = rules(&plan, part, bytes);
        assert!(findings.iter().any(|&(_, severity)| severity == Severity::Damaged), "{findings:?}");
    };
    damaged(&part, &[]);
    damaged(&part, &bytes[..bytes.len() - 1]);
    damaged(&part, &[&bytes[..], &[0, 0, 0, 8, b'f', b'r', b'e', b'e']].concat());
    let (more, _) = object(&plan, track, 3, 5);
    damaged(&part, &more);
    let mut wrong_end = part.clone();
    wrong_end.segments[1].fragments[0].first_sample_end += 1;
    damaged(&wrong_end, &bytes);
    let mut past_the_grid = part.clone();
    past_the_grid.first = 6;
    damaged(&past_the_grid, &bytes);
    // The length prefix of the first NAL unit.
    let mut broken_unit = bytes.clone();
    let data = position(&bytes, *b"mdat") + 4;
    broken_unit[data + 3] = 0xff;
    damaged(&part, &broken_unit);
}

#[test]
fn a_bit_that_has_turned_over_is_damage_wherever_it_is() {
    let plan = plan(480);
    for track in plan.tracks() {
        let (bytes, part) = object(&plan, track, 2, 3);
        for at in (0..bytes.len()).step_by(7) {
            let mut bytes = bytes.clone();
            bytes[at] ^= 1 << (at % 8);
            let findings = verify(&plan, &part, &bytes);
            let is_damaged = findings.iter().any(|finding| finding.severity == Severity::Damaged);
            assert!(is_damaged, "{track} at {at}: {findings:?}");
        }
    }
}

#[test]
fn whole_bytes_that_break_a_rule_are_named() {
    let plan = plan(480);
    let (bytes, mut part) = object(&plan, Track::Rung(180), 2, 3);
    // As if they had been written so.
    for segment in &mut part.segments {
        segment.crc32 = None;
    }
    assert_eq!(rules(&plan, &part, &bytes), []);
    let broken = |at: usize, value: u8| {
        let mut bytes = bytes.clone();
        bytes[at] = value;
        rules(&plan, &part, &bytes)
    };
    let (mfhd, tfhd, tfdt, trun) = (
        position(&bytes, *b"mfhd"),
        position(&bytes, *b"tfhd"),
        position(&bytes, *b"tfdt"),
        position(&bytes, *b"trun"),
    );
    assert_eq!(broken(mfhd + 11, 99), [(52, Severity::Nonconforming)]);
    assert_eq!(broken(tfdt + 15, 1), [(52, Severity::Nonconforming)]);
    assert_eq!(broken(tfhd + 15, 1), [(52, Severity::Nonconforming)]);
    // Flags of the first sample.
    assert_eq!(broken(trun + 16, 1), [(42, Severity::Nonconforming)]);
    // The low byte of the second sample's composition offset: first flags, then 8 bytes a sample.
    assert_eq!(broken(trun + 20 + 8 + 7, 0), [(54, Severity::Nonconforming)]);
    // The first slice is not of an IDR picture.
    let data = position(&bytes, *b"mdat") + 4;
    assert_eq!(broken(data + 4, 0x41), [(42, Severity::Nonconforming)]);
}

#[test]
fn an_object_of_another_place_is_named() {
    let plan = plan(480);
    let (bytes, mut part) = object(&plan, Track::Trick, 1, 2);
    part.first = 2;
    let findings = rules(&plan, &part, &bytes);
    assert!(findings.contains(&(52, Severity::Nonconforming)), "{findings:?}");
}
