//! Mutated and cut bytes never make a reader panic, loop or reserve more than its input allows.

use proptest::prelude::*;

use super::*;

fn corpus() -> Vec<Vec<u8>> {
    let plan = plan(130);
    let mut files: Vec<Vec<u8>> = plan.tracks().into_iter().map(|track| object(&plan, track, 1, 2).0).collect();
    files.push(init(&plan, Track::Trick, &DecoderConfig::Avc(AVCC.to_vec())).unwrap());
    files.push(init(&plan, Track::Audio, &DecoderConfig::Aac(ASC.to_vec())).unwrap());
    files
}

fn try_readers(bytes: &[u8]) {
    if let Ok(fragments) = read_fragments(bytes) {
        let samples: usize = fragments.iter().map(|fragment| fragment.samples.len()).sum();
        assert!(samples <= bytes.len());
        for sample in fragments.iter().flat_map(|fragment| &fragment.samples) {
            assert!(!bytes[sample.data.clone()].is_empty());
        }
    }
    let _ = read_init(bytes);
    let plan = plan(130);
    for track in plan.tracks() {
        let (_, part) = object(&plan, track, 1, 2);
        let findings = verify(&plan, &part, bytes);
        assert!(findings.len() <= 20);
    }
}

#[test]
fn every_cut_is_survived() {
    for file in corpus() {
        for length in 0..file.len().min(900) {
            let _ = read_fragments(&file[..length]);
            let _ = read_init(&file[..length]);
        }
    }
}

#[test]
fn every_single_byte_may_be_anything() {
    for file in corpus() {
        for at in 0..file.len().min(700) {
            for value in [0, 1, 7, 8, 0x7f, 0x80, 0xff] {
                let mut bytes = file.clone();
                bytes[at] = value;
                let _ = read_fragments(&bytes);
                let _ = read_init(&bytes);
            }
        }
    }
}

#[test]
fn a_claim_of_many_samples_is_not_believed() {
    let (mut bytes, _) = object(&plan(130), Track::Trick, 1, 1);
    let trun = bytes.windows(4).position(|window| window == b"trun").unwrap();
    // No field a sample, a default size in its place: only the mdat bounds the count.
    bytes[trun + 4..trun + 8].copy_from_slice(&[1, 0, 0, 1]);
    bytes[trun + 8..trun + 12].copy_from_slice(&(1_u32 << 19).to_be_bytes());
    assert!(matches!(read_fragments(&bytes), Err(Error::Malformed { .. })));
}

proptest! {
    #[test]
    fn mutated_bytes_are_survived(
        file in 0usize..5,
        edits in proptest::collection::vec((any::<prop::sample::Index>(), any::<u8>()), 1..12),
        words in proptest::collection::vec((any::<prop::sample::Index>(), any::<u32>()), 0..3),
        cut in any::<prop::sample::Index>(),
        cuts in any::<bool>(),
    ) {
        let mut bytes = corpus().swap_remove(file);
        let head = bytes.len().min(900);
        for (at, value) in edits {
            bytes[at.index(head)] = value;
        }
        for (at, value) in words {
            let at = at.index(head - 4);
            bytes[at..at + 4].copy_from_slice(&value.to_be_bytes());
        }
        if cuts {
            bytes.truncate(cut.index(head));
        }
        try_readers(&bytes);
    }

    #[test]
    fn noise_is_survived(bytes in proptest::collection::vec(any::<u8>(), 0..400)) {
        try_readers(&bytes);
    }

    #[test]
    fn what_is_written_is_read(
        base_decode_time in 0u64..1 << 62, sequence: u32,
        samples in proptest::collection::vec((1usize..50, 1u32..5000, any::<i32>(), any::<bool>()), 1..80),
    ) {
        let blob = [7; 50];
        let samples: Vec<Sample<'_>> = samples
            .iter()
            .enumerate()
            .map(|(place, &(bytes, duration, composition_offset, sync))| {
                Sample { data: &blob[..bytes], duration, composition_offset, sync: sync || place == 0 }
            })
            .collect();
        let mut out = Vec::new();
        let written = write_fragment(&mut out, Fragment { sequence, base_decode_time }, &samples).unwrap();
        prop_assert_eq!(u64::from(written.bytes), u64::try_from(out.len()).unwrap());
        let read = read_fragments(&out).unwrap().remove(0);
        prop_assert_eq!((read.sequence, read.base_decode_time), (sequence, base_decode_time));
        prop_assert_eq!(read.samples.len(), samples.len());
        for (read, sample) in read.samples.iter().zip(&samples) {
            prop_assert_eq!(&out[read.data.clone()], sample.data);
            prop_assert_eq!((read.duration, read.sync), (sample.duration, sample.sync));
            prop_assert_eq!(read.composition_offset, sample.composition_offset);
        }
        let mut rest = &out[..];
        let moof = mp4_atom::Moof::decode(&mut rest).unwrap();
        prop_assert_eq!(moof.traf[0].trun[0].samples.len(), samples.len());
    }
}
