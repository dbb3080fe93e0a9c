//! Hand-made `moov` and `moof` boxes: packets, edits, codecs, and any mutation of them without a panic.

use mp4_atom::{
    Atom, Co64, Ctts, CttsEntry, Elst, ElstEntry, Encode, Mdhd, Mvhd, Stco, Stsc, StscEntry, Stss, Stsz, StszSamples,
    Stts, SttsEntry, Tfdt, Tfhd, Tkhd, Trex, Trun, TrunEntry,
};
use proptest::prelude::*;

use super::*;

fn bytes_of(atom: &impl Atom) -> Vec<u8> {
    let mut bytes = Vec::new();
    atom.encode(&mut bytes).unwrap();
    bytes
}

fn container(kind: boxes::Kind, children: &[Vec<u8>]) -> Vec<u8> {
    let body = children.concat();
    let mut bytes = u32::try_from(body.len() + 8).unwrap().to_be_bytes().to_vec();
    bytes.extend(kind);
    bytes.extend(body);
    bytes
}

fn content(whole: &[u8]) -> &[u8] {
    &whole[8..]
}

fn hdlr(kind: boxes::Kind) -> Vec<u8> {
    container(*b"hdlr", &[vec![0; 8], kind.to_vec(), vec![0; 13]])
}

fn avc_entry() -> Vec<u8> {
    let mut fixed = vec![0; 78];
    fixed[25] = 160;
    fixed[27] = 120;
    let pasp = container(*b"pasp", &[vec![0, 0, 0, 4, 0, 0, 0, 3]]);
    container(*b"avc1", &[fixed, container(*b"avcC", &[vec![1, 100, 0, 31]]), pasp])
}

fn aac_entry() -> Vec<u8> {
    let mut fixed = vec![0; 28];
    fixed[17] = 2;
    fixed[24] = 0xbb;
    fixed[25] = 0x80;
    let specific = vec![5, 2, 0x11, 0x90];
    let config = [vec![4, 13 + 4, 0x40], vec![0; 12], specific].concat();
    let es = [vec![0; 4], vec![3, u8::try_from(3 + config.len()).unwrap(), 0, 1, 0], config].concat();
    container(*b"mp4a", &[fixed, container(*b"esds", &[es])])
}

fn stsd(entry: Vec<u8>) -> Vec<u8> {
    container(*b"stsd", &[vec![0, 0, 0, 0, 0, 0, 0, 1], entry])
}

struct Trak {
    id: u32,
    handler: boxes::Kind,
    timescale: u32,
    edits: Vec<ElstEntry>,
    tables: Vec<Vec<u8>>,
}

fn trak(trak: Trak) -> Vec<u8> {
    let mut head = Tkhd { track_id: trak.id, enabled: true, ..Tkhd::default() };
    (head.matrix.a, head.matrix.b, head.matrix.c, head.matrix.d) = (0, 0x1_0000, -0x1_0000, 0);
    let media_head = Mdhd { timescale: trak.timescale, language: "fra".into(), ..Mdhd::default() };
    let stbl = container(*b"stbl", &trak.tables);
    let mdia = container(*b"mdia", &[bytes_of(&media_head), hdlr(trak.handler), container(*b"minf", &[stbl])]);
    let edts = container(*b"edts", &[bytes_of(&Elst { entries: trak.edits })]);
    container(*b"trak", &[bytes_of(&head), edts, mdia])
}

/// Five pictures I P B B P at 25 fps in two chunks, the first skipped by an edit.
fn video_tables() -> Vec<Vec<u8>> {
    let ctts = |sample_count, sample_offset| CttsEntry { sample_count, sample_offset };
    let chunk =
        |first_chunk, samples_per_chunk| StscEntry { first_chunk, samples_per_chunk, sample_description_index: 1 };
    vec![
        stsd(avc_entry()),
        bytes_of(&Stts { entries: vec![SttsEntry { sample_count: 5, sample_delta: 40 }] }),
        bytes_of(&Ctts { entries: vec![ctts(1, 40), ctts(1, 120), ctts(2, 0), ctts(1, 40)] }),
        bytes_of(&Stss { entries: vec![1, 5] }),
        bytes_of(&Stsz { samples: StszSamples::Different { sizes: vec![100, 20, 10, 10, 50] } }),
        bytes_of(&Stsc { entries: vec![chunk(1, 3), chunk(2, 2)] }),
        bytes_of(&Stco { entries: vec![1000, 5000] }),
    ]
}

fn edit(segment_duration: u64, media_time: Option<u64>) -> ElstEntry {
    ElstEntry { segment_duration, media_time, media_rate: 1.into() }
}

fn indexed() -> Vec<u8> {
    let audio = vec![
        stsd(aac_entry()),
        bytes_of(&Stts { entries: vec![SttsEntry { sample_count: 3, sample_delta: 1024 }] }),
        bytes_of(&Stsz { samples: StszSamples::Identical { count: 3, size: 7 } }),
        bytes_of(&Stsc {
            entries: vec![StscEntry { first_chunk: 1, samples_per_chunk: 9, sample_description_index: 1 }],
        }),
        bytes_of(&Co64 { entries: vec![1 << 33] }),
    ];
    let video = Trak {
        id: 1,
        handler: *b"vide",
        timescale: 1000,
        edits: vec![edit(500, None), edit(160, Some(40))],
        tables: video_tables(),
    };
    let sound = Trak { id: 2, handler: *b"soun", timescale: 48_000, edits: vec![edit(64, Some(1024))], tables: audio };
    let head = bytes_of(&Mvhd { timescale: 1000, ..Mvhd::default() });
    container(*b"moov", &[head, trak(video), trak(sound)])
}

#[test]
fn sample_tables_become_packets_in_presentation_time() {
    let whole = indexed();
    let movie = Movie::parse(content(&whole)).unwrap();
    let [video, audio] = movie.tracks.as_slice() else { panic!("two tracks") };
    let rows: Vec<(u64, u32, bool, i64)> =
        video.packets.iter().map(|p| (p.offset, p.bytes, p.sync, p.pts_ns / 1_000_000)).collect();
    let wanted = [
        (1000, 100, true, 500),
        (1100, 20, false, 620),
        (1120, 10, false, 540),
        (5000, 10, false, 580),
        (5010, 50, true, 660),
    ];
    assert_eq!(rows, wanted);
    assert_eq!((video.start_ns, video.end_ns), (500_000_000, Some(660_000_000)));
    assert_eq!((video.rotation, video.language.as_deref()), (90, Some("fra")));
    let caps = video.codec.caps.as_deref().unwrap();
    assert!(caps.starts_with("video/x-h264,") && caps.contains("codec_data=(buffer)0164001f"), "{caps}");
    assert!(caps.ends_with("width=(int)160,height=(int)120,pixel-aspect-ratio=(fraction)4/3"), "{caps}");

    assert_eq!(
        audio.packets.iter().map(|p| (p.offset, p.pts_ns)).collect::<Vec<_>>(),
        [(1 << 33, -21_333_334), ((1 << 33) + 7, 0), ((1 << 33) + 14, 21_333_333)]
    );
    assert_eq!((audio.codec.name.as_str(), audio.codec.channels, audio.codec.sample_rate), ("aac", 2, 48_000));
    assert!(audio.codec.caps.as_deref().unwrap().contains("codec_data=(buffer)1190,rate=(int)48000,channels=(int)2"));
}

#[test]
fn a_short_file_keeps_the_packets_that_lie_inside() {
    let mut movie = Movie::parse(content(&indexed())).unwrap();
    assert_eq!(movie.tracks[0].truncate(5010), 1);
    assert_eq!(movie.tracks[0].packets.len(), 4);
    assert_eq!(movie.tracks[1].truncate(5010), 3);
}

fn fragmented() -> (Vec<u8>, Vec<u8>) {
    let video = Trak { id: 7, handler: *b"vide", timescale: 1000, edits: vec![], tables: vec![stsd(avc_entry())] };
    let trex = Trex { track_id: 7, default_sample_duration: 40, default_sample_flags: 0x1_0000, ..Trex::default() };
    let movie_box = container(*b"moov", &[trak(video), container(*b"mvex", &[bytes_of(&trex)])]);
    let sample = |size, cts, flags| TrunEntry { size: Some(size), cts: Some(cts), flags, duration: None };
    let trun = Trun { data_offset: Some(108), samples: vec![sample(30, 0, Some(0)), sample(20, -40, None)].into() };
    let head = Tfhd { track_id: 7, default_base_is_moof: true, ..Tfhd::default() };
    let traf =
        container(*b"traf", &[bytes_of(&head), bytes_of(&Tfdt { base_media_decode_time: 4000 }), bytes_of(&trun)]);
    let fragment_box = container(*b"moof", &[traf]);
    (movie_box, fragment_box)
}

#[test]
fn fragments_add_packets() {
    let (movie_box, fragment_box) = fragmented();
    let mut movie = Movie::parse(content(&movie_box)).unwrap();
    assert!(movie.fragmented);
    movie.add_fragment(content(&fragment_box), 10_000).unwrap();
    let packets = &movie.tracks[0].packets;
    let rows: Vec<_> =
        packets.iter().map(|p| (p.offset, p.bytes, p.sync, p.pts_ns / 1_000_000, p.duration_ns / 1_000_000)).collect();
    // The encoder writes the resolved flags of the first sample and zero for the other.
    assert_eq!(rows[0], (10_108, 30, true, 4000, 40));
    assert_eq!((rows[1].0, rows[1].3), (10_138, 4000));
}

#[test]
fn a_fragment_that_lists_nothing_cannot_fill_memory() {
    let (movie_box, _) = fragmented();
    let mut movie = Movie::parse(content(&movie_box)).unwrap();
    let trun =
        Trun { data_offset: None, samples: mp4_atom::TrunSamples::Inherited { count: u32::MAX, first_flags: None } };
    let head = Tfhd { track_id: 7, default_sample_size: Some(1), ..Tfhd::default() };
    let fragment_box = container(*b"moof", &[container(*b"traf", &[bytes_of(&head), bytes_of(&trun)])]);
    assert!(matches!(movie.add_fragment(content(&fragment_box), 0), Err(Error::TooManyPackets)));
    assert!(movie.tracks[0].packets.is_empty());
}

#[test]
fn a_fragment_may_list_as_many_samples_as_a_track_may_have() {
    let (movie_box, _) = fragmented();
    let most = u32::try_from(PACKETS_MAX).unwrap();
    for (count, good) in [(most, true), (most + 1, false)] {
        let mut movie = Movie::parse(content(&movie_box)).unwrap();
        let trun = Trun { data_offset: None, samples: mp4_atom::TrunSamples::Inherited { count, first_flags: None } };
        // Samples of no bytes count, and are no packets.
        let head = Tfhd { track_id: 7, default_sample_size: Some(0), ..Tfhd::default() };
        let fragment_box = container(*b"moof", &[container(*b"traf", &[bytes_of(&head), bytes_of(&trun)])]);
        assert_eq!(movie.add_fragment(content(&fragment_box), 0).is_ok(), good, "{count}");
    }
}

#[test]
fn a_file_has_so_many_tracks_and_a_packet_so_many_bytes() {
    let tables = || {
        vec![
            stsd(avc_entry()),
            bytes_of(&Stts { entries: vec![SttsEntry { sample_count: 2, sample_delta: 40 }] }),
            bytes_of(&Stsz { samples: StszSamples::Different { sizes: vec![PACKET_BYTES_MAX, PACKET_BYTES_MAX + 1] } }),
            bytes_of(&Stsc {
                entries: vec![StscEntry { first_chunk: 1, samples_per_chunk: 2, sample_description_index: 1 }],
            }),
            bytes_of(&Stco { entries: vec![1000] }),
        ]
    };
    let movie = |tracks: usize| {
        let track = |_| trak(Trak { id: 1, handler: *b"vide", timescale: 1000, edits: vec![], tables: tables() });
        let traks: Vec<Vec<u8>> = (0..tracks).map(track).collect();
        Movie::parse(content(&container(*b"moov", &traks)))
    };
    let most = movie(TRACKS_MAX).unwrap();
    assert_eq!(most.tracks.len(), TRACKS_MAX);
    // What is longer than any picture is damage, and left out.
    assert_eq!(most.tracks[0].packets.iter().map(|packet| packet.bytes).collect::<Vec<_>>(), [PACKET_BYTES_MAX]);
    assert!(matches!(movie(TRACKS_MAX + 1), Err(Error::TooManyTracks)));
}

#[test]
fn transfers_are_read_from_the_colours_of_the_entry() {
    let colr = |content: &[u8]| container(*b"colr", &[content.to_vec()]);
    let icc = || colr(b"prof\0\0\0\x10\0\0\0\x12");
    for (boxes, transfer) in [
        (vec![], None),
        (vec![colr(b"nclx\0\x01\0\x01\0\x01\0")], Some(1)),
        (vec![colr(b"nclx\0\x02\0\x02\0\x02\0")], None),
        (vec![colr(b"nclx\0\0\0\0\0\0\0")], None),
        (vec![colr(b"nclx\0\x09\0\x10\0\x09\0")], Some(16)),
        (vec![colr(b"nclx\0\x09\0\x12\0\x09\0")], Some(18)),
        (vec![colr(b"nclc\0\x09\0\x12\0\x09")], Some(18)),
        (vec![icc(), colr(b"nclx\0\x09\0\x10\0\x09\0")], Some(16)),
        (vec![icc()], None),
        (vec![colr(b"nclx\0\x09\0")], None),
        (vec![colr(b"")], None),
    ] {
        let entry = container(*b"avc1", &[content(&avc_entry()).to_vec(), boxes.concat()]);
        let trak = trak(Trak { id: 1, handler: *b"vide", timescale: 1000, edits: vec![], tables: vec![stsd(entry)] });
        let movie = Movie::parse(content(&container(*b"moov", &[trak]))).unwrap();
        assert_eq!(movie.tracks[0].codec.transfer, transfer, "{boxes:?}");
    }
}

#[test]
fn raw_sound_is_cut_into_packets_of_many_frames() {
    let mut fixed = vec![0; 28];
    fixed[17] = 2;
    fixed[19] = 16;
    fixed[24] = 0xbb;
    fixed[25] = 0x80;
    let tables = vec![
        stsd(container(*b"sowt", &[fixed])),
        bytes_of(&Stts { entries: vec![SttsEntry { sample_count: 10_000, sample_delta: 1 }] }),
        bytes_of(&Stsz { samples: StszSamples::Identical { count: 10_000, size: 4 } }),
        bytes_of(&Stsc {
            entries: vec![StscEntry { first_chunk: 1, samples_per_chunk: 5000, sample_description_index: 1 }],
        }),
        bytes_of(&Stco { entries: vec![100, 90_000] }),
    ];
    let movie_box =
        container(*b"moov", &[trak(Trak { id: 1, handler: *b"soun", timescale: 48_000, edits: vec![], tables })]);
    let movie = Movie::parse(content(&movie_box)).unwrap();
    let rows: Vec<_> = movie.tracks[0].packets.iter().map(|p| (p.offset, p.bytes)).collect();
    assert_eq!(rows, [(100, 16_384), (100 + 16_384, 3616), (90_000, 16_384), (90_000 + 16_384, 3616)]);
    assert_eq!(movie.tracks[0].packets[2].pts_ns, 5000 * 1_000_000_000 / 48_000);
    assert_eq!(movie.tracks[0].codec.caps.as_deref().unwrap().split(',').nth(1), Some("format=(string)S16LE"));
}

#[test]
fn files_are_told_by_their_first_box() {
    assert!(sniff(b"\0\0\0\x20ftypisom"));
    assert!(sniff(b"\0\0\0\x01mdat\0\0\0\0"));
    assert!(!sniff(b"\0\0\0\x03ftypisom"));
    assert!(!sniff(b"\x1aE\xdf\xa3....") && !sniff(b"ftyp"));
    assert!(is_quicktime(b"qt  \0\0\0\0"));
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(2000))]

    /// Any few bytes changed and any cut: an answer, no panic, and no more packets than the bytes allow.
    #[test]
    fn mutations_neither_panic_nor_run_away(
        edits in proptest::collection::vec((any::<prop::sample::Index>(), any::<u8>()), 0..12),
        cut in any::<prop::sample::Index>(), fragment: bool,
    ) {
        let (movie_box, fragment_box) = fragmented();
        let mut bytes = if fragment { fragment_box.clone() } else { indexed() };
        for (at, value) in &edits {
            let place = at.index(bytes.len());
            bytes[place] = *value;
        }
        bytes.truncate(cut.index(bytes.len() * 4).max(8).min(bytes.len()));
        if fragment {
            let mut movie = Movie::parse(content(&movie_box)).unwrap();
            drop(movie.add_fragment(content(&bytes), u64::MAX - 5));
            prop_assert!(movie.tracks[0].packets.len() <= PACKETS_MAX);
        } else if let Ok(movie) = Movie::parse(content(&bytes)) {
            for track in movie.tracks {
                prop_assert!(track.packets.len() <= PACKETS_MAX);
            }
        }
    }

    #[test]
    fn random_bytes_are_no_movie(bytes in proptest::collection::vec(any::<u8>(), 0..400)) {
        prop_assert!(Movie::parse(&bytes).is_err());
    }
}
