//! Writer and reader agree, other readers agree with both, and nothing trusts its input.

mod gridded;
mod mutation;
mod verdicts;

use std::{collections::BTreeMap, fmt::Write};

use mp4_atom::{Any, Decode, DecodeMaybe};

use super::*;
use crate::{
    codec::DecoderConfig,
    index::{Segment, TrackChunk},
    plan::{AudioTrack, Encoder, Plan, VideoTrack},
    rational::Rational,
    timeline::{AudioGrid, Config, Timeline},
};

/// 320x180 High at level 1.3 from x264, as h264parse gives it.
const AVCC: &[u8] = &[
    0x01, 0x64, 0x00, 0x0d, 0xff, 0xe1, 0x00, 0x18, 0x67, 0x64, 0x00, 0x0d, 0xac, 0xd9, 0x41, 0x41, 0xfa, 0x10, 0x00,
    0x00, 0x03, 0x00, 0x10, 0x00, 0x00, 0x03, 0x03, 0x20, 0xf1, 0x42, 0x99, 0x60, 0x01, 0x00, 0x06, 0x68, 0xeb, 0xe3,
    0xcb, 0x22, 0xc0, 0xfd, 0xf8, 0xf8, 0x00,
];
/// AAC-LC, 48 kHz, stereo.
const ASC: &[u8] = &[0x11, 0x90];

fn encoder(codec: &str) -> Encoder {
    Encoder { plugin: "test".into(), version: "1".into(), codec: codec.into(), settings: BTreeMap::new() }
}

fn video(track: Track) -> VideoTrack {
    let (width, height) = (320, 180);
    VideoTrack { track, width, height, cap_bps: 300_000, target_bps: 180_000, buffer_ms: 500, encoder: encoder("h264") }
}

/// Film of `frames` frames at 24000/1001 with one rung, a trick track and stereo audio.
pub(super) fn plan(frames: u64) -> Plan {
    let timeline = Timeline::new(Rational::new(24_000, 1001), frames, Config::default());
    let grid = AudioGrid { sample_rate: 48_000, frame_samples: 1024 };
    Plan {
        target_duration_s: timeline.target_duration_s(Some(grid)),
        timeline,
        rungs: vec![video(Track::Rung(180))],
        trick: Some(video(Track::Trick)),
        audio: Some(AudioTrack {
            grid,
            channels: 2,
            bitrate_bps: 128_000,
            language: "de-AT".into(),
            encoder: encoder("aac"),
        }),
        storyboard: None,
        chunks: Vec::new(),
    }
}

/// The object of segments `first..=last` of a track, with made-up samples, and its index.
pub(super) fn object(plan: &Plan, track: Track, first: u64, last: u64) -> (Vec<u8>, TrackChunk) {
    let mut bytes = Vec::new();
    let mut part = TrackChunk { track, first, segments: Vec::new() };
    for n in first..=last {
        let mut segment = Segment::new(u64::try_from(bytes.len()).unwrap());
        for slot in slots(plan, track, n).unwrap() {
            let count = usize::try_from(slot.samples).unwrap();
            let data: Vec<Vec<u8>> = (0..count).map(|place| payload(track, place)).collect();
            let offsets = reordered(count, slot.sample_duration);
            let samples: Vec<Sample<'_>> = (0..count)
                .map(|place| Sample {
                    data: &data[place],
                    duration: slot.sample_duration,
                    composition_offset: if matches!(track, Track::Rung(_)) { offsets[place] } else { 0 },
                    sync: track == Track::Audio || place == 0,
                })
                .collect();
            let start = bytes.len();
            let fragment = write_fragment(&mut bytes, slot.fragment, &samples).unwrap();
            segment.push(fragment, &bytes[start..]);
        }
        part.segments.push(segment);
    }
    (bytes, part)
}

/// A NAL unit: IDR first, then others; for audio any bytes.
fn payload(track: Track, place: usize) -> Vec<u8> {
    let length = u8::try_from(place % 40).unwrap() + 2;
    let unit_type = if track.is_video() && place > 0 { 0x41 } else { 0x65 };
    let mut data = vec![0, 0, 0, length, unit_type];
    data.extend((1..length).map(|byte| byte | 1));
    data
}

/// Composition offsets of I P B P B …: each B is decoded after the P that follows it.
fn reordered(count: usize, duration: u32) -> Vec<i32> {
    let duration = i32::try_from(duration).unwrap();
    let mut offsets = vec![0; count];
    for pair in offsets.get_mut(1..).unwrap_or_default().chunks_exact_mut(2) {
        pair[0] = duration;
        pair[1] = -duration;
    }
    offsets
}

fn boxes(bytes: &[u8]) -> Vec<Any> {
    let mut rest = bytes;
    let mut found = Vec::new();
    while let Some(atom) = Any::decode_maybe(&mut rest).unwrap() {
        found.push(atom);
    }
    assert!(rest.is_empty());
    found
}

/// One line a box: depth, type, size.
fn tree(bytes: &[u8]) -> String {
    const CONTAINERS: [&[u8; 4]; 10] =
        [b"moov", b"trak", b"mdia", b"minf", b"dinf", b"stbl", b"mvex", b"moof", b"traf", b"edts"];
    fn walk(bytes: &[u8], range: std::ops::Range<usize>, depth: usize, out: &mut String) {
        for found in boxes::Walk::new(bytes, range) {
            let found = found.unwrap();
            let name = String::from_utf8(found.kind.to_vec()).unwrap();
            writeln!(out, "{}{name} {}", "  ".repeat(depth), found.body.end - found.start).unwrap();
            let body = match &found.kind {
                kind if CONTAINERS.contains(&kind) => found.body,
                b"stsd" | b"dref" => found.body.start + 8..found.body.end,
                b"avc1" => found.body.start + 78..found.body.end,
                b"mp4a" => found.body.start + 28..found.body.end,
                _ => continue,
            };
            walk(bytes, body, depth + 1, out);
        }
    }
    let mut out = String::new();
    walk(bytes, 0..bytes.len(), 0, &mut out);
    out
}

fn hex(bytes: &[u8]) -> String {
    let mut out = String::new();
    for line in bytes.chunks(16) {
        let cells: Vec<String> = line.iter().map(|byte| format!("{byte:02x}")).collect();
        out.push_str(&cells.join(" "));
        out.push('\n');
    }
    out
}

#[test]
fn the_video_init_has_the_boxes_that_players_want() {
    let bytes = init(&plan(480), Track::Rung(180), &DecoderConfig::Avc(AVCC.to_vec())).unwrap();
    insta::assert_snapshot!("video_init_tree", tree(&bytes));
    insta::assert_snapshot!("video_init_bytes", hex(&bytes));
}

#[test]
fn the_audio_init_has_the_boxes_that_players_want() {
    let bytes = init(&plan(480), Track::Audio, &DecoderConfig::Aac(ASC.to_vec())).unwrap();
    insta::assert_snapshot!("audio_init_tree", tree(&bytes));
    insta::assert_snapshot!("audio_init_bytes", hex(&bytes));
}

#[test]
fn inits_are_read_back() {
    let plan = plan(480);
    for track in [Track::Rung(180), Track::Trick] {
        let config = DecoderConfig::Avc(AVCC.to_vec());
        let read = read_init(&init(&plan, track, &config).unwrap()).unwrap();
        assert_eq!(
            read,
            ReadInit { track_id: 1, timescale: 24_000, kind: Kind::Video { width: 320, height: 180 }, config }
        );
    }
    let config = DecoderConfig::Aac(ASC.to_vec());
    let read = read_init(&init(&plan, Track::Audio, &config).unwrap()).unwrap();
    assert_eq!(read, ReadInit { track_id: 1, timescale: 48_000, kind: Kind::Audio { channels: 2 }, config });
}

#[test]
fn another_reader_agrees_about_the_init() {
    let bytes = init(&plan(480), Track::Rung(180), &DecoderConfig::Avc(AVCC.to_vec())).unwrap();
    let found = boxes(&bytes);
    let [Any::Ftyp(ftyp), Any::Moov(moov)] = &found[..] else { panic!("{found:?}") };
    assert!(ftyp.compatible_brands.iter().any(|brand| brand.as_ref() == b"cmf2"));
    assert_eq!((moov.mvhd.duration, moov.trak.len()), (0, 1));
    let trak = &moov.trak[0];
    assert!(trak.edts.is_none() && trak.tkhd.enabled && trak.tkhd.duration == 0);
    assert_eq!((trak.tkhd.width.integer(), trak.tkhd.height.integer()), (320, 180));
    let stbl = &trak.mdia.minf.stbl;
    assert!(stbl.stts.entries.is_empty() && stbl.stsc.entries.is_empty());
    let [mp4_atom::Codec::Avc1(avc1)] = &stbl.stsd.codecs[..] else { panic!() };
    assert_eq!(avc1.avcc.sequence_parameter_sets.len(), 1);
    assert_eq!(avc1.pasp, Some(mp4_atom::Pasp { h_spacing: 1, v_spacing: 1 }));
    assert!(matches!(avc1.colr, Some(mp4_atom::Colr::Nclx { colour_primaries: 1, full_range_flag: false, .. })));
    assert_eq!(moov.mvex.as_ref().unwrap().trex[0].track_id, 1);

    let bytes = init(&plan(480), Track::Audio, &DecoderConfig::Aac(ASC.to_vec())).unwrap();
    let moov = mp4_atom::Moov::decode(&mut &bytes[bytes.len() - boxes_size(&bytes, *b"moov")..]).unwrap();
    let mdia = &moov.trak[0].mdia;
    assert_eq!(mdia.mdhd.language, "deu");
    let [mp4_atom::Codec::Mp4a(mp4a)] = &mdia.minf.stbl.stsd.codecs[..] else { panic!() };
    let specific = mp4a.esds.es_desc.dec_config.dec_specific.as_ref().unwrap();
    assert_eq!((specific.profile, specific.freq_index, specific.chan_conf), (2, 3, 2));
    assert_eq!(mp4a.audio.sample_rate.integer(), 48_000);
}

fn boxes_size(bytes: &[u8], kind: [u8; 4]) -> usize {
    let found = boxes::child(bytes, 0..bytes.len(), kind, "many").unwrap().unwrap();
    found.body.end - found.start
}

#[test]
fn configurations_that_do_not_fit_are_refused() {
    let plan = plan(480);
    let avc = |record: &[u8]| DecoderConfig::Avc(record.to_vec());
    let config_error = |result: Result<Vec<u8>, Error>| matches!(result, Err(Error::Config(_)));
    assert!(config_error(init(&plan, Track::Audio, &avc(AVCC))));
    assert!(config_error(init(&plan, Track::Trick, &DecoderConfig::Aac(ASC.to_vec()))));
    assert!(config_error(init(&plan, Track::Trick, &avc(&[]))));
    assert!(config_error(init(&plan, Track::Trick, &avc(&AVCC[..20]))));
    assert!(config_error(init(&plan, Track::Audio, &DecoderConfig::Aac(vec![0x11]))));
    let mut two_byte_lengths = AVCC.to_vec();
    two_byte_lengths[4] = 0xfd;
    assert!(config_error(init(&plan, Track::Trick, &avc(&two_byte_lengths))));
    let no_sets = [1, 0x64, 0, 0x0d, 0xff, 0xe0, 0];
    assert!(config_error(init(&plan, Track::Trick, &avc(&no_sets))));
    assert_eq!(init(&plan, Track::Rung(720), &avc(AVCC)), Err(Error::UnknownTrack(Track::Rung(720))));
    let mut wide = plan;
    wide.rungs[0].width = 65_536;
    assert!(matches!(init(&wide, Track::Rung(180), &avc(AVCC)), Err(Error::TooLarge(_))));
}

#[test]
fn fragments_are_read_back() {
    let plan = plan(200);
    for track in plan.tracks() {
        let (bytes, part) = object(&plan, track, 1, plan.segments(track));
        assert_eq!(u64::try_from(bytes.len()).unwrap(), part.bytes());
        let fragments = read_fragments(&bytes).unwrap();
        let indexed: Vec<_> = part.segments.iter().flat_map(|segment| &segment.fragments).collect();
        assert_eq!(fragments.len(), indexed.len());
        let (mut offset, mut time, mut sequence) = (0, 0, 0);
        for (fragment, indexed) in fragments.iter().zip(indexed) {
            assert_eq!((fragment.offset, fragment.bytes), (offset, u64::from(indexed.bytes)));
            assert_eq!(fragment.base_decode_time, time);
            assert!(fragment.sequence > sequence);
            let range_end = offset + u64::from(indexed.first_sample_end);
            assert_eq!(range_end, u64::try_from(fragment.samples[0].data.end).unwrap());
            for (place, sample) in fragment.samples.iter().enumerate() {
                assert_eq!(bytes[sample.data.clone()], payload(track, place));
                time += u64::from(sample.duration);
            }
            (offset, sequence) = (offset + fragment.bytes, fragment.sequence);
        }
    }
}

#[test]
fn another_reader_agrees_about_fragments() {
    let plan = plan(100);
    let (bytes, _) = object(&plan, Track::Rung(180), 1, 2);
    let found = boxes(&bytes);
    let [Any::Moof(first), Any::Mdat(data), Any::Moof(second), Any::Mdat(_)] = &found[..] else { panic!("{found:?}") };
    assert_eq!((first.mfhd.sequence_number, second.mfhd.sequence_number), (1, 2));
    assert_eq!(second.traf[0].tfdt.as_ref().unwrap().base_media_decode_time, 48 * 1001);
    let traf = &first.traf[0];
    assert!(traf.tfhd.default_base_is_moof);
    assert_eq!((traf.tfhd.default_sample_duration, traf.tfhd.default_sample_flags), (Some(1001), Some(0x0101_0000)));
    let run: Vec<_> = traf.trun[0].samples.iter().collect();
    assert_eq!(run.len(), 48);
    assert_eq!((run[0].flags, run[1].flags), (Some(0x0200_0000), None));
    assert_eq!((run[0].duration, run[1].cts, run[2].cts), (None, Some(1001), Some(-1001)));
    let total: u32 = run.iter().map(|sample| sample.size.unwrap()).sum();
    assert_eq!(usize::try_from(total).unwrap(), data.data.len());
}

#[test]
fn uneven_samples_carry_their_own_fields() {
    let sample = |duration, sync| Sample { data: b"data", duration, composition_offset: 0, sync };
    let samples = [sample(3, true), sample(5, false), sample(7, true), sample(3, false)];
    let mut bytes = b"before".to_vec();
    let written = write_fragment(&mut bytes, Fragment { sequence: 9, base_decode_time: 1 << 40 }, &samples).unwrap();
    let read = &read_fragments(&bytes[6..]).unwrap()[0];
    assert_eq!((read.sequence, read.base_decode_time, read.bytes), (9, 1 << 40, u64::from(written.bytes)));
    let seen: Vec<_> = read.samples.iter().map(|sample| (sample.duration, sample.sync, sample.independent)).collect();
    assert_eq!(seen, [(3, true, true), (5, false, false), (7, true, true), (3, false, false)]);
}

#[test]
fn samples_that_break_the_contract_are_refused_and_leave_no_bytes() {
    let good = Sample { data: b"x", duration: 1, composition_offset: 0, sync: true };
    let start = Fragment { sequence: 1, base_decode_time: 0 };
    let end = Fragment { sequence: 1, base_decode_time: u64::MAX };
    let mut out = Vec::new();
    let mut refused = |fragment, samples: &[Sample<'_>]| {
        let error = write_fragment(&mut out, fragment, samples).unwrap_err();
        assert!(out.is_empty());
        error
    };
    assert!(matches!(refused(start, &[]), Error::Samples(_)));
    assert!(matches!(refused(start, &[Sample { sync: false, ..good }]), Error::Samples(_)));
    assert!(matches!(refused(start, &[good, Sample { data: b"", ..good }]), Error::Samples(_)));
    assert!(matches!(refused(start, &[Sample { duration: 0, ..good }]), Error::Samples(_)));
    assert!(matches!(refused(end, &[good]), Error::TooLarge(_)));
    // One megabyte shown 4097 times is more than a box holds; nothing is copied to find out.
    let megabyte = vec![1; 1 << 20];
    let huge = vec![Sample { data: &megabyte, ..good }; 4097];
    assert!(matches!(refused(start, &huge), Error::TooLarge(_)));
    assert!(matches!(refused(start, &vec![good; SAMPLES_MAX + 1]), Error::Samples(_)));
}

#[test]
fn sequence_numbers_come_from_the_grid() {
    let plan = plan(48 * 10);
    let rung: Vec<_> = (1..=6).map(|n| sequence(&plan, Track::Rung(180), n)).collect();
    assert_eq!(rung, [Some(1), Some(2), Some(3), Some(5), Some(7), Some(9)]);
    assert_eq!(sequence(&plan, Track::Trick, 20), Some(20));
    assert_eq!(sequence(&plan, Track::Audio, 6), Some(6));
    assert_eq!((sequence(&plan, Track::Audio, 7), sequence(&plan, Track::Audio, 0)), (None, None));
    assert_eq!(slots(&plan, Track::Rung(720), 1), None);
}
