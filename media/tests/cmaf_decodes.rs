//! Streams from a real encoder, wrapped by us, decode to the same pictures and sound in ffmpeg.
//!
//! ffmpeg is the judge only: it makes plain MP4 files, whose packets are put into CMAF fragments
//! on the grid, and it decodes both.

#![expect(clippy::unwrap_used, clippy::indexing_slicing, reason = "a failure of a test's own tools fails the test")]

use std::{
    collections::BTreeMap,
    path::{Path, PathBuf},
    process::Command,
};

use mp4_atom::{Any, DecodeMaybe};
use vidstream_media::{
    Plan, Rational, Timeline, Track, cmaf,
    codec::DecoderConfig,
    index::{Segment, TrackChunk},
    plan::{AudioTrack, Encoder, VideoTrack},
    timeline::{AudioGrid, Config},
};

const FRAMES: u64 = 205;
const FRAME_TICKS: i64 = 1001;
const GRID: AudioGrid = AudioGrid { sample_rate: 48_000, frame_samples: 1024 };

/// A packet of the plain MP4, with its presentation time in ticks of the track.
struct Packet {
    pts: i64,
    data: Vec<u8>,
}

fn run(program: &str, arguments: &[&str]) -> (String, String) {
    let output = Command::new(program).args(arguments).output().unwrap_or_else(|error| panic!("{program}: {error}"));
    let text = |bytes: Vec<u8>| String::from_utf8(bytes).unwrap();
    let (stdout, stderr) = (text(output.stdout), text(output.stderr));
    assert!(output.status.success(), "{program} {arguments:?}: {stderr}");
    (stdout, stderr)
}

fn folder(name: &str) -> PathBuf {
    let folder = Path::new(env!("CARGO_TARGET_TMPDIR")).join(format!("{name}-{}", std::process::id()));
    std::fs::create_dir_all(&folder).unwrap();
    folder
}

fn encoder(codec: &str) -> Encoder {
    Encoder { plugin: "test".into(), version: "1".into(), codec: codec.into(), settings: BTreeMap::new() }
}

fn plan() -> Plan {
    let timeline = Timeline::new(Rational::new(24_000, 1001), FRAMES, Config::default());
    let video = |track| VideoTrack {
        track,
        width: 320,
        height: 180,
        cap_bps: 300_000,
        target_bps: 180_000,
        buffer_ms: 500,
        encoder: encoder("h264"),
    };
    Plan {
        target_duration_s: timeline.target_duration_s(Some(GRID)),
        timeline,
        rungs: vec![video(Track::Rung(180))],
        trick: Some(video(Track::Trick)),
        audio: Some(AudioTrack {
            grid: GRID,
            channels: 2,
            bitrate_bps: 96_000,
            language: "en".into(),
            encoder: encoder("aac"),
        }),
        storyboard: None,
        chunks: Vec::new(),
    }
}

/// The packets of a plain MP4 in decode order.
fn packets(file: &Path) -> Vec<Packet> {
    let bytes = std::fs::read(file).unwrap();
    let entries = ["-v", "error", "-show_entries", "packet=pts,size,pos", "-of", "default=noprint_wrappers=1"];
    let (listing, _) = run("ffprobe", &[&entries[..], &[file.to_str().unwrap()]].concat());
    let mut packets = Vec::new();
    let mut fields = BTreeMap::new();
    for line in listing.lines() {
        let (key, value) = line.split_once('=').unwrap();
        fields.insert(key.to_owned(), value.parse::<i64>().unwrap());
        if fields.len() == 3 {
            let place = |key: &str| usize::try_from(fields[key]).unwrap();
            packets
                .push(Packet { pts: fields["pts"], data: bytes[place("pos")..place("pos") + place("size")].to_vec() });
            fields.clear();
        }
    }
    packets
}

fn config(file: &Path) -> DecoderConfig {
    let bytes = std::fs::read(file).unwrap();
    let mut rest = &bytes[..];
    while let Some(atom) = Any::decode_maybe(&mut rest).unwrap() {
        let Any::Moov(moov) = atom else { continue };
        return match &moov.trak[0].mdia.minf.stbl.stsd.codecs[0] {
            mp4_atom::Codec::Avc1(avc1) => {
                let mut record = Vec::new();
                mp4_atom::Atom::encode_body(&avc1.avcc, &mut record).unwrap();
                DecoderConfig::Avc(record)
            }
            mp4_atom::Codec::Mp4a(mp4a) => {
                DecoderConfig::Aac(mp4a.esds.es_desc.dec_config.dec_specific.clone().unwrap().raw)
            }
            other => panic!("{other:?}"),
        };
    }
    panic!("no moov")
}

/// Wraps the packets segment by segment, as a chunk job does, and writes a playable file.
fn wrap(plan: &Plan, track: Track, config: &DecoderConfig, packets: &[Packet], file: &Path) {
    let mut bytes = cmaf::init(plan, track, config).unwrap();
    let mut packets = packets.iter();
    for first in 1..=plan.segments(track) {
        let mut object = Vec::new();
        let mut segment = Segment::new(0);
        for slot in cmaf::slots(plan, track, first).unwrap() {
            let start = i64::try_from(slot.fragment.base_decode_time).unwrap();
            let taken: Vec<&Packet> = packets.by_ref().take(usize::try_from(slot.samples).unwrap()).collect();
            let samples: Vec<cmaf::Sample<'_>> = (0_i64..)
                .zip(&taken)
                .map(|(place, packet)| {
                    let decoded = start + place * i64::from(slot.sample_duration);
                    let offset = if track == Track::Audio { 0 } else { packet.pts - decoded };
                    cmaf::Sample {
                        data: &packet.data,
                        duration: slot.sample_duration,
                        composition_offset: i32::try_from(offset).unwrap(),
                        sync: track == Track::Audio || place == 0,
                    }
                })
                .collect();
            let start = object.len();
            let fragment = cmaf::write_fragment(&mut object, slot.fragment, &samples).unwrap();
            segment.push(fragment, &object[start..]);
        }
        let part = TrackChunk { track, first, segments: vec![segment] };
        assert_eq!(cmaf::verify(plan, &part, &object), []);
        bytes.extend(object);
    }
    assert_eq!(packets.next().map(|packet| packet.pts), None);
    std::fs::write(file, bytes).unwrap();
}

/// The hash of each decoded frame in presentation order; any complaint of the decoder fails the test.
fn decoded(file: &Path) -> Vec<String> {
    let arguments =
        ["-v", "warning", "-xerror", "-i", file.to_str().unwrap(), "-fps_mode", "passthrough", "-f", "framemd5", "-"];
    let (listing, complaints) = run("ffmpeg", &arguments);
    assert_eq!(complaints, "");
    let frames = listing.lines().filter(|line| !line.starts_with('#'));
    frames.map(|line| line.rsplit(',').next().unwrap().trim().to_owned()).collect()
}

fn make(folder: &Path, name: &str, arguments: &str) -> PathBuf {
    let file = folder.join(name);
    let arguments: Vec<&str> = arguments.split(' ').chain(["-y", file.to_str().unwrap()]).collect();
    run("ffmpeg", &[&["-v", "error", "-nostdin"], &arguments[..]].concat());
    file
}

#[test]
fn a_rung_with_b_frames_decodes_to_the_encoders_pictures() {
    let folder = folder("rung");
    let source = make(
        &folder,
        "plain.mp4",
        "-f lavfi -i testsrc2=size=320x180:rate=24000/1001 -frames:v 205 -pix_fmt yuv420p -c:v libx264 -preset veryfast \
         -bf 3 -x264-params keyint=48:min-keyint=48:scenecut=0:open-gop=0 -video_track_timescale 24000",
    );
    let wrapped = folder.join("cmaf.mp4");
    let packets = packets(&source);
    assert!(packets.windows(2).any(|pair| pair[1].pts < pair[0].pts), "the encoder made no B-frames");
    let plan = plan();
    wrap(&plan, Track::Rung(180), &config(&source), &packets, &wrapped);
    let frames = decoded(&wrapped);
    assert_eq!(u64::try_from(frames.len()).unwrap(), FRAMES);
    assert_eq!(frames, decoded(&source));

    // First presentation time, as a demuxer that honours signed offsets sees it.
    let entries = ["-v", "error", "-show_entries", "packet=pts,dts", "-of", "csv=p=0", wrapped.to_str().unwrap()];
    let (listing, _) = run("ffprobe", &entries);
    let times: Vec<i64> = listing.lines().map(|line| line.split(',').next().unwrap().parse().unwrap()).collect();
    let span = times.iter().max().unwrap() - times.iter().min().unwrap();
    assert_eq!(span, i64::try_from(FRAMES - 1).unwrap() * FRAME_TICKS);
    std::fs::remove_dir_all(folder).unwrap();
}

#[test]
fn a_trick_track_decodes_one_picture_a_second() {
    let folder = folder("trick");
    let source = make(
        &folder,
        "plain.mp4",
        "-f lavfi -i testsrc2=size=320x180:rate=24000/24024 -frames:v 9 -pix_fmt yuv420p -c:v libx264 -g 1 \
         -video_track_timescale 24000",
    );
    let wrapped = folder.join("cmaf.mp4");
    let plan = plan();
    assert_eq!(plan.segments(Track::Trick), 9);
    wrap(&plan, Track::Trick, &config(&source), &packets(&source), &wrapped);
    assert_eq!(decoded(&wrapped), decoded(&source));
    let entries = ["-v", "error", "-show_entries", "packet=pts", "-of", "csv=p=0", wrapped.to_str().unwrap()];
    let (listing, _) = run("ffprobe", &entries);
    let times: Vec<i64> = listing.lines().map(|line| line.trim_end_matches(',').parse().unwrap()).collect();
    assert_eq!(times, (0..9).map(|picture| picture * 24 * FRAME_TICKS).collect::<Vec<_>>());
    std::fs::remove_dir_all(folder).unwrap();
}

#[test]
fn audio_decodes_to_the_encoders_sound() {
    let folder = folder("audio");
    let plan = plan();
    let total = plan.timeline.audio_total(GRID);
    let source = make(
        &folder,
        "plain.mp4",
        "-f lavfi -i sine=frequency=440:sample_rate=48000:duration=12 -ac 2 -c:a aac -b:a 96k -use_editlist 0",
    );
    let mut packets = packets(&source);
    packets.truncate(usize::try_from(total).unwrap());
    let wrapped = folder.join("cmaf.mp4");
    wrap(&plan, Track::Audio, &config(&source), &packets, &wrapped);
    let sound = decoded(&wrapped);
    assert_eq!(u64::try_from(sound.len()).unwrap(), total);
    // ffmpeg drops nothing of a file without edit list; the plain one starts with the same frames.
    assert_eq!(sound, decoded(&source)[..sound.len()]);
    std::fs::remove_dir_all(folder).unwrap();
}
