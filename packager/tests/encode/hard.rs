//! Sources that cameras and accidents make: turned, interlaced, coloured otherwise, damaged, silent.

use std::{fs, path::Path, process::Command};

use vidstream_media::Track;

use crate::{
    film::{self, Film},
    outcome::Bench,
    planned::{Wanted, job},
    scan::{self, Scanned},
};

const RUNG: Track = Track::Rung(180);
const X264: [&str; 6] = ["-c:v", "libx264", "-preset", "veryfast", "-g", "60"];

fn film(dir: &Path, name: &str, options: &[&str]) -> Scanned {
    let path = Film { size: (320, 180), fps: "30", frames: 300, options, name }.make(dir);
    scan::scan(&path)
}

fn all() -> Vec<Option<u32>> {
    (0..300).map(Some).collect()
}

#[test]
fn rotation_is_baked_in() {
    let dir = Bench::folder();
    // Stored lying on its left side: a quarter turn clockwise makes it upright.
    let source = film(dir.path(), "a.mp4", &[&X264[..], &["-vf", "transpose=cclock"]].concat());
    let mut bench = Bench::with(Bench::folder(), &source, Wanted::default().plan(), 90, false);
    bench.run_all(&[(1, 4)]);
    film::assert_shows(&bench.counters(RUNG), 0..300);
}

#[test]
fn interlaced_pictures_keep_their_frames() {
    let dir = Bench::folder();
    let options =
        ["-c:v", "mpeg2video", "-q:v", "2", "-g", "15", "-bf", "2", "-flags", "+ildct+ilme", "-vf", "setfield=tff"];
    let source = film(dir.path(), "a.ts", &options);
    let mut bench = Bench::with(Bench::folder(), &source, Wanted::default().plan(), 0, true);
    bench.run_all(&[(1, 1), (2, 4)]);
    assert_eq!(bench.warnings(), Vec::<&_>::new());
    film::assert_shows(&bench.counters(RUNG), 0..300);
}

/// Mean red, green and blue of a file's first picture, which is in limited range BT.709.
fn rgb(path: &Path) -> [f64; 3] {
    let args = ["-frames:v", "1", "-vf", "scale=1:1:flags=area,format=yuv444p", "-f", "rawvideo", "-"];
    let out = Command::new("ffmpeg").args(["-v", "error", "-i"]).arg(path).args(args).output().unwrap();
    let [y, u, v]: [u8; 3] = out.stdout.try_into().unwrap();
    let (y, u, v) = ((f64::from(y) - 16.0) / 219.0, (f64::from(u) - 128.0) / 224.0, (f64::from(v) - 128.0) / 224.0);
    // ITU-R BT.709-6 §3.2, solved for the colours.
    [y + 1.5748 * v, y - 0.1873 * u - 0.4681 * v, y + 1.8556 * u].map(|value| value * 255.0)
}

/// File, matrix, range and pixel format, with the names that the stream's header has for the first two.
const COLOURS: [(&str, [&str; 3], [&str; 2]); 6] = [
    ("bt601.mp4", ["bt601", "limited", "yuv420p"], ["smpte170m", "tv"]),
    ("bt709.mp4", ["bt709", "limited", "yuv420p"], ["bt709", "tv"]),
    ("full.mp4", ["bt709", "full", "yuv420p"], ["bt709", "pc"]),
    ("full601.mp4", ["bt601", "full", "yuvj420p"], ["bt470bg", "pc"]),
    ("ten.mp4", ["bt709", "limited", "yuv420p10"], ["bt709", "tv"]),
    ("444.mp4", ["bt709", "limited", "yuv444p"], ["bt709", "tv"]),
];

#[test]
fn colours_are_the_same_whatever_the_matrix_and_depth() {
    for (name, [matrix, range, format], [space, header_range]) in COLOURS {
        let filter = format!("scale=out_color_matrix={matrix}:out_range={range},format={format}");
        let options = ["-vf", &filter, "-colorspace", space, "-color_range", header_range];
        let dir = Bench::folder();
        let path = dir.path().join(name);
        let color = ["-v", "error", "-f", "lavfi", "-i", "color=0xc83264:s=320x180:r=30:d=4,format=rgb24"];
        let made = Command::new("ffmpeg")
            .args(color)
            .args(options)
            .args(["-c:v", "libx264", "-qp", "8"])
            .arg(&path)
            .status()
            .unwrap();
        assert!(made.success());
        let plan = Wanted { frames: 120, ..Wanted::default() }.plan();
        let mut bench = Bench::new(dir, &path, plan);
        bench.run_all(&[(1, 2)]);
        let found = rgb(&bench.file(RUNG));
        let off = found.iter().zip([200.0, 50.0, 100.0]).map(|(a, b)| (a - b).abs()).fold(0.0, f64::max);
        assert!(off < 4.0, "{name}: {found:?}");
    }
}

#[test]
fn a_size_that_changes_on_the_way_is_scaled_to_the_rung() {
    let dir = Bench::folder();
    let ts =
        |name: &str, size, frames, options: &[&str]| Film { size, fps: "30", frames, options, name }.make(dir.path());
    let first = ts("1.ts", (320, 180), 90, &X264);
    let options = ["-c:v", "libx264", "-preset", "veryfast", "-g", "30", "-output_ts_offset", "3"];
    let second = ts("2.ts", (640, 360), 90, &options);
    let both = dir.path().join("both.ts");
    fs::write(&both, [fs::read(first).unwrap(), fs::read(second).unwrap()].concat()).unwrap();
    let plan = Wanted { frames: 180, ..Wanted::default() }.plan();
    let mut bench = Bench::with(Bench::folder(), &scan::scan(&both), plan, 0, false);
    bench.run_all(&[(1, 3)]);
    bench.verify();
    let shown = bench.counters(RUNG);
    assert_eq!(shown.len(), 180);
    assert_eq!(shown[..88], (0..88).map(Some).collect::<Vec<_>>());
    // A demuxer may lose what follows the splice, up to the next key picture; the second part begins
    // within some frames of the end of the first.
    let begins = shown[120].unwrap();
    assert!((28..=34).contains(&begins), "{begins}");
    assert_eq!(shown[120..170], (begins..begins + 50).map(Some).collect::<Vec<_>>());
}

#[test]
fn damage_repeats_pictures_and_is_told() {
    let dir = Bench::folder();
    let mut source = film(dir.path(), "a.mp4", &X264);
    let packets = source.video.as_ref().unwrap().packets.clone();
    // The pictures of half a second in the third GOP are noise.
    for packet in &packets[130..145] {
        let start = usize::try_from(packet.offset).unwrap();
        for (at, byte) in source.remux[start..start + packet.bytes as usize].iter_mut().enumerate() {
            *byte = u8::try_from(at * 37 % 251).unwrap() | 0x80;
        }
    }
    let mut bench = Bench::with(Bench::folder(), &source, Wanted::default().plan(), 0, false);
    bench.run_all(&[(1, 2), (3, 4)]);
    bench.verify();
    let shown = bench.counters(RUNG);
    assert_eq!(shown.len(), 300);
    assert_eq!((&shown[..120], &shown[180..]), (&all()[..120], &all()[180..]));
    let [warning] = bench.warnings()[..] else { panic!("{:?}", bench.warnings()) };
    assert_eq!(warning.code, "repeated_frames");
    let (from, to) = (warning.from_s.unwrap(), warning.to_s.unwrap());
    assert!(from >= 4.0 && to <= 6.0 && to - from >= 0.4, "{from} {to}");
}

#[test]
fn a_sync_flag_that_lies_is_found_out() {
    let dir = Bench::folder();
    let mut source = film(dir.path(), "a.mp4", &["-c:v", "libx264", "-preset", "veryfast", "-g", "900", "-bf", "2"]);
    for n in [50, 110, 170] {
        source.video.as_mut().unwrap().packets[n].sync = true;
    }
    let mut bench = Bench::with(Bench::folder(), &source, Wanted::default().plan(), 0, false);
    // Decoding from packet 110 gives nothing, nor from packet 50: what a decoder makes of that is shown.
    bench.run(&job(&bench.plan.clone(), 3, 3)).unwrap();
    bench.verify();
    for packet in [50, 170] {
        source.video.as_mut().unwrap().packets[packet].sync = false;
    }
    let mut bench = Bench::with(Bench::folder(), &source, Wanted::default().plan(), 0, false);
    bench.run_all(&[(1, 2), (3, 4)]);
    assert_eq!(bench.warnings(), Vec::<&_>::new());
    film::assert_shows(&bench.counters(RUNG), 0..300);
}

#[test]
fn channels_without_places_are_mixed() {
    let dir = Bench::folder();
    let quad = "aevalsrc=0.5*sin(2*PI*440*t)|0|0.5*sin(2*PI*440*t)|0:d=10:s=48000";
    let options = [&["-f", "lavfi", "-i", quad, "-c:a", "pcm_s16le"][..], &X264].concat();
    let mut source = film(dir.path(), "a.mov", &options);
    let caps = &mut source.audio.as_mut().unwrap().caps;
    assert!(caps.contains("channels=(int)4"), "{caps}");
    let places = caps.find("channel-mask=(bitmask)").unwrap() + "channel-mask=(bitmask)".len();
    caps.truncate(places);
    caps.push_str("0x0");
    let plan = Wanted { channels: 2, ..Wanted::default() }.plan();
    let mut bench = Bench::with(Bench::folder(), &source, plan, 0, false);
    bench.run_all(&[(1, 1)]);
    assert_eq!(bench.warnings(), Vec::<&_>::new());
    let samples = film::samples(&bench.file(Track::Audio));
    let loudest = samples.iter().fold(0.0_f32, |most, sample| most.max(sample.abs()));
    // Left alone has the tone; ffmpeg takes 0.7 of it for mono.
    assert!((0.3..0.4).contains(&loudest), "{loudest}");
}

#[test]
fn a_source_that_is_all_damage_fails_and_says_so() {
    let dir = Bench::folder();
    let mut source = film(dir.path(), "a.mp4", &X264);
    source.remux.fill(0x5a);
    let plan = Wanted::default().plan();
    let mut bench = Bench::with(Bench::folder(), &source, plan.clone(), 0, false);
    let failure = bench.run(&job(&plan, 2, 3)).unwrap_err();
    assert_eq!((failure.code.as_str(), failure.retryable), ("decode_error", true));
}

#[test]
fn damaged_sound_is_silent_and_told() {
    let dir = Bench::folder();
    let options = [&["-f", "lavfi", "-i", "sine=d=10", "-c:a", "aac"][..], &X264].concat();
    let mut source = film(dir.path(), "a.mp4", &options);
    let packets = source.audio.as_ref().unwrap().packets.clone();
    for packet in &packets {
        let start = usize::try_from(packet.offset).unwrap();
        source.remux[start..start + packet.bytes as usize].fill(0xff);
    }
    let plan = Wanted { channels: 2, ..Wanted::default() }.plan();
    let mut bench = Bench::with(Bench::folder(), &source, plan, 0, false);
    bench.run_all(&[(1, 2)]);
    bench.verify();
    let [warning] = bench.warnings()[..] else { panic!("{:?}", bench.warnings()) };
    assert_eq!(warning.code, "undecodable_audio");
}

#[test]
fn sound_alone_has_a_grid_too() {
    let dir = Bench::folder();
    let path = dir.path().join("a.m4a");
    let made = Command::new("ffmpeg")
        .args(["-v", "error", "-f", "lavfi", "-i", "sine=d=9.5", "-c:a", "aac"])
        .arg(&path)
        .status()
        .unwrap();
    assert!(made.success());
    let plan = Wanted { frames: 285, rungs: &[], channels: 2, ..Wanted::default() }.plan();
    let mut bench = Bench::new(dir, &path, plan);
    bench.run_all(&[(1, 1), (2, 4)]);
    bench.verify();
    let samples = film::samples(&bench.file(Track::Audio));
    assert_eq!(samples.len(), (9.5_f64 * 48_000.0 / 1024.0).ceil() as usize * 1024);
    assert!(bench.warnings().is_empty());
}
