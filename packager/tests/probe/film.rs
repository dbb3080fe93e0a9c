//! Small sources made by ffmpeg, and what ffprobe says of their packets.

use std::{
    path::{Path, PathBuf},
    process::{Command, Stdio},
};

/// What ffprobe says of a packet.
#[derive(Clone, Debug)]
pub(crate) struct Seen {
    /// Presentation time in nanoseconds, where the container has one.
    pub(crate) pts_ns: Option<i64>,
    /// Offset in the file, where the container has one.
    pub(crate) offset: Option<u64>,
    /// Bytes.
    pub(crate) bytes: u32,
    /// Whether decoding can start here.
    pub(crate) key: bool,
}

/// Makes `name` in `dir` of a test picture and a tone, with these arguments.
pub(crate) fn film(dir: &Path, name: &str, rate: &str, arguments: &str) -> PathBuf {
    let picture = format!("testsrc2=size=320x180:rate={rate}:duration=8");
    let mut words =
        vec!["-f", "lavfi", "-i", &picture, "-f", "lavfi", "-i", "sine=f=440:r=48000:d=8", "-pix_fmt", "yuv420p"];
    words.extend(arguments.split_whitespace());
    ffmpeg(dir, &words, name)
}

/// Runs ffmpeg with an output in `dir`.
pub(crate) fn ffmpeg(dir: &Path, words: &[&str], name: &str) -> PathBuf {
    let path = dir.join(name);
    let status = Command::new("ffmpeg")
        .args(["-y", "-v", "error", "-nostdin"])
        .args(words)
        .arg(&path)
        .stdout(Stdio::null())
        .status()
        .expect("ffmpeg runs");
    assert!(status.success(), "ffmpeg {words:?}");
    path
}

/// The packets of a stream (`v:0`, `a:0`) in file order.
pub(crate) fn packets(path: &Path, stream: &str) -> Vec<Seen> {
    let output = Command::new("ffprobe")
        .args([
            "-v",
            "error",
            "-select_streams",
            stream,
            "-show_entries",
            "packet=pts_time,size,pos,flags",
            "-of",
            "csv=p=0",
        ])
        .arg(path)
        .output()
        .expect("ffprobe runs");
    let text = String::from_utf8(output.stdout).unwrap();
    text.lines().filter(|line| line.contains(',')).map(seen).collect()
}

fn seen(line: &str) -> Seen {
    let fields: Vec<&str> = line.split(',').collect();
    let [pts, bytes, offset, flags, ..] = fields.as_slice() else { panic!("{line}") };
    #[expect(clippy::cast_possible_truncation, reason = "test films are short")]
    let nanoseconds = |seconds: f64| (seconds * 1e9).round() as i64;
    Seen {
        pts_ns: pts.parse().ok().map(nanoseconds),
        offset: offset.parse().ok(),
        bytes: bytes.parse().unwrap(),
        key: flags.contains('K'),
    }
}
