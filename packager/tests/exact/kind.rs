//! Whether a film is of the kind that its row says: its pictures and packets as ffprobe has them, its sound as ffmpeg
//! decodes it, its container as its own bytes have it. What is made of the film has no part in it.

use std::{
    io::{BufRead as _, BufReader},
    path::Path,
    process::{Command, Stdio},
};

use vidstream_testkit::{
    decode,
    films::{Film, Row},
};

use crate::layout;

/// So much of a film is decoded to see how its pictures are coded: many GOPs, and all of it but for two hours.
const CODING: &str = "%+40";
/// So many seconds of sound are heard: late sound has begun by then.
const HEARD_S: &str = "3";
/// What is still silence, of full scale.
const SILENCE: f32 = 0.01;
/// What starts or ends together does so to within a few coded frames of sound, in seconds.
const TOGETHER_S: f64 = 0.1;
/// What does not is further apart, even in half a second of film.
const APART_S: f64 = 0.15;

/// Collects what is not as the row says.
struct Kind<'a> {
    row: &'a Row,
    film: &'a Film,
    found: Vec<String>,
}

/// A picture, in the order in which they are shown.
struct Shown {
    is_key: bool,
    is_b: bool,
    /// Where it is in the file, which has pictures in the order in which they are decoded.
    place: u64,
}

/// The packets of a stream.
struct Packets {
    /// When the first one is shown or heard, and when the last one ends, in seconds.
    start_s: f64,
    end_s: f64,
    /// How many are there to be decoded, but not to be shown.
    hidden: usize,
}

/// Everything that is not as the row says.
pub(crate) fn findings(row: &Row, film: &Film) -> Vec<String> {
    let mut kind = Kind { row, film, found: Vec::new() };
    kind.container();
    kind.coding();
    let (pictures, sound) = packets(&film.path);
    kind.expect("hidden pictures", pictures.hidden > 0, row.container == "mp4-edits");
    kind.expect("sound", sound.start_s.is_finite(), row.channels != "none");
    if row.channels != "none" {
        kind.streams();
        kind.extent(&pictures, &sound);
    }
    kind.found
}

// === impl Kind ===

impl Kind<'_> {
    fn note(&mut self, text: impl std::fmt::Display) {
        self.found.push(format!("not of its kind: {text}"));
    }

    fn expect(&mut self, what: &str, is_there: bool, is_wanted: bool) {
        if is_there != is_wanted {
            self.note(format!("{what} {}", if is_there { "where there is none" } else { "missing" }));
        }
    }

    /// Where the index is.
    fn container(&mut self) {
        let path = &self.film.path;
        match self.row.container {
            "mkv" | "webm" => self.expect("cues", layout::has_cues(path), true),
            "mkv-live" => self.expect("cues", layout::has_cues(path), false),
            "ts" | "flv" | "avi" => {}
            kind => {
                let boxes = layout::boxes(path);
                let place = |name: &[u8; 4]| boxes.iter().position(|other| other == name);
                let (moov, mdat) = (place(b"moov").unwrap(), place(b"mdat").unwrap());
                self.expect("fragments", place(b"moof").is_some(), kind == "mp4-fragments");
                self.expect("moov before mdat", moov < mdat, matches!(kind, "mp4-first" | "mp4-fragments"));
            }
        }
    }

    /// B-frames, and those that lead key pictures: shown before them, and decoded after them.
    fn coding(&mut self) {
        let shown = shown(&self.film.path);
        let keys = shown.iter().enumerate().skip(1).filter(|(_, picture)| picture.is_key);
        let leads = |(at, key): (usize, &Shown)| shown[..at].iter().filter(|other| other.place > key.place).count();
        let leads: Vec<usize> = keys.map(leads).collect();
        // There have to be GOPs to be open or closed.
        self.expect("key pictures but the first", !leads.is_empty(), true);
        if leads.iter().any(|&count| (count > 0) != (self.row.gop == "open")) {
            self.note(format!("key pictures have {leads:?} pictures that lead them"));
        }
        self.expect("B-frames", shown.iter().any(|picture| picture.is_b), self.row.b == "some");
    }

    /// Channels and samples per second.
    fn streams(&mut self) {
        let probed = decode::probe(&[&self.film.path]).unwrap();
        let streams = probed["streams"].as_array().unwrap();
        let sound = streams.iter().find(|stream| stream["codec_type"] == "audio").unwrap();
        let channels = match self.row.channels {
            "mono" => 1,
            "stereo" => 2,
            _ => 6,
        };
        if sound["channels"] != channels || sound["sample_rate"] != self.row.hertz {
            self.note(format!("{} channels at {} Hz", sound["channels"], sound["sample_rate"]));
        }
    }

    /// When sound starts and ends beside the pictures, and whether it can be heard.
    fn extent(&mut self, pictures: &Packets, sound: &Packets) {
        let path = self.film.path.to_str().unwrap();
        let extent = self.row.extent;
        let start_s = sound.start_s - pictures.start_s;
        let past_s = sound.end_s - pictures.start_s - self.film.length_ns as f64 / 1e9;
        let input = ["-t", HEARD_S, "-i", path];
        let is_heard = decode::sound(&input).unwrap().iter().any(|sample| sample.abs() > SILENCE);
        self.expect("sound to be heard", is_heard, extent != "silent");
        let is_as_said = match extent {
            // Whatever a muxer does with a first packet of nothing but padding: sound begins with a beep.
            "late" => {
                let beeps = decode::beeps_on_clock(&input).unwrap();
                beeps.first().is_some_and(|at| at - pictures.start_s > APART_S)
            }
            _ if start_s.abs() > TOGETHER_S => false,
            "short" => past_s < -APART_S,
            "long" => past_s > APART_S,
            _ => past_s.abs() < TOGETHER_S,
        };
        if !is_as_said {
            self.note(format!("sound starts {start_s:.3} s after the pictures, and ends {past_s:.3} s after them"));
        }
    }
}

/// The pictures of the head of a film.
fn shown(path: &Path) -> Vec<Shown> {
    let mut shown = Vec::new();
    let options =
        ["-select_streams", "v", "-read_intervals", CODING, "-show_entries", "frame=key_frame,pict_type,pkt_pos"];
    ffprobe(path, &options, |line| {
        if let Some(place) = field(line, "pkt_pos") {
            let (is_key, is_b) = (field(line, "key_frame") == Some("1"), field(line, "pict_type") == Some("B"));
            shown.push(Shown { is_key, is_b, place: place.parse().unwrap() });
        }
    });
    shown
}

/// The packets of pictures and those of sound.
fn packets(path: &Path) -> (Packets, Packets) {
    let none = || Packets { start_s: f64::INFINITY, end_s: f64::NEG_INFINITY, hidden: 0 };
    let (mut pictures, mut sound) = (none(), none());
    let entries = "packet=codec_type,pts_time,dts_time,duration_time,flags";
    ffprobe(path, &["-show_entries", entries], |line| {
        let stream = match field(line, "codec_type") {
            Some("video") => &mut pictures,
            Some("audio") => &mut sound,
            _ => return,
        };
        let seconds = |name: &str| field(line, name).and_then(|text| text.parse::<f64>().ok());
        // AVI has no times of its own; ffprobe counts there.
        let start_s = seconds("pts_time").or(seconds("dts_time")).unwrap();
        if field(line, "flags").unwrap().contains('D') {
            stream.hidden += 1;
        } else {
            stream.start_s = stream.start_s.min(start_s);
            stream.end_s = stream.end_s.max(start_s + seconds("duration_time").unwrap_or_default());
        }
    });
    (pictures, sound)
}

/// Hands each line of what ffprobe prints about a film to `take`.
fn ffprobe(path: &Path, options: &[&str], mut take: impl FnMut(&str)) {
    let mut command = Command::new("ffprobe");
    command.args(["-v", "error", "-of", "compact=print_section=0"]).args(options).arg(path).stdin(Stdio::null());
    let mut run = command.stdout(Stdio::piped()).spawn().expect("scripts/setup.sh test installs ffmpeg");
    for line in BufReader::new(run.stdout.take().unwrap()).lines() {
        take(&line.unwrap());
    }
    assert!(run.wait().unwrap().success(), "ffprobe cannot read {}", path.display());
}

/// A field of a line of ffprobe's.
fn field<'a>(line: &'a str, name: &str) -> Option<&'a str> {
    line.split('|').find_map(|field| field.strip_prefix(name)?.strip_prefix('='))
}

/// Rows that films are made of, and how they are not.
const OTHERS: [&[&str]; 2] = [
    &[
        "long mp4-edits     open   some 59.94  stereo 44100 late   3",
        "long mp4           open   some 59.94  stereo 44100 late   3",
        "long mp4-first     open   some 59.94  stereo 44100 late   3",
        "long mp4-fragments open   some 59.94  stereo 44100 late   3",
        "long mp4-edits     closed some 59.94  stereo 44100 late   3",
        "long mp4-edits     open   none 59.94  stereo 44100 late   3",
        "long mp4-edits     open   some 59.94  mono   44100 late   3",
        "long mp4-edits     open   some 59.94  none   44100 late   3",
        "long mp4-edits     open   some 59.94  stereo 48000 late   3",
        "long mp4-edits     open   some 59.94  stereo 44100 whole  3",
        "long mp4-edits     open   some 59.94  stereo 44100 silent 3",
        "long mp4-edits     open   some 59.94  stereo 44100 short  3",
        "long mp4-edits     open   some 59.94  stereo 44100 long   3",
    ],
    &[
        "long mkv           closed none 23.976 stereo 44100 silent 0.5",
        "long mkv-live      closed none 23.976 stereo 44100 silent 0.5",
        "long mkv           open   none 23.976 stereo 44100 silent 0.5",
        "long mkv           closed some 23.976 stereo 44100 silent 0.5",
        "long mkv           closed none 23.976 stereo 44100 whole  0.5",
        "long mkv           closed none 23.976 stereo 44100 late   0.5",
    ],
];

#[test]
fn a_film_of_another_kind_is_seen() {
    for lines in OTHERS {
        let folder = tempfile::tempdir().unwrap();
        let mut rows = lines.iter().map(|line| Row::read(line).unwrap());
        let row = rows.next().unwrap();
        let film = Film::make(&row, folder.path()).unwrap();
        assert_eq!(findings(&row, &film), Vec::<String>::new(), "{row}");
        for other in rows {
            assert!(!findings(&other, &film).is_empty(), "{row} is taken for {other}");
        }
    }
}
