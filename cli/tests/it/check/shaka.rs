//! A reference that is not ours: the same clip by Shaka Packager, HLS and DASH with trick play, and why each verdict
//! on it that is no pass is right.

use std::{
    path::{Path, PathBuf},
    process::Command,
};

use vidstream_testkit::{Clip, Encoding};

use super::{failed, verdicts, with_verdict};

/// Rules that the reference breaks, with the gravest finding's place and reason in part, and why that is right.
const BROKEN: [(u64, &str, &str, &str); 9] = [
    (
        2,
        "hi/iframe.m3u8",
        "version 6",
        "EXT-X-MAP needs 6 only without EXT-X-I-FRAMES-ONLY, and one version is written for all",
    ),
    (23, "master.m3u8", "above BANDWIDTH", "the peak leaves the short last entry out, and the average does not"),
    (33, "audio/init.mp4", "ludt", "it writes no loudness"),
    (35, "master.m3u8", "192000", "the ladder of this test has no audio-only and no other such small variant"),
    (
        42,
        "hi/iframe.m3u8",
        "flags 0x00000000",
        "its I-frames do not say that they depend on nothing (sample_depends_on is 0, unknown)",
    ),
    (
        43,
        "hi/iframe.m3u8",
        "more samples",
        "its ranges are cut out of whole groups of pictures, and HLS has no trick track",
    ),
    (
        45,
        "master.m3u8",
        "the greatest window has",
        "the peak is of single entries, and the window of the last two has more",
    ),
    (46, "master.m3u8", "a picture a second", "it lists the first key frame of each segment"),
    (53, "hi/init.mp4", "colr or pasp", "it claims cmfc, and writes no colour where the source says none"),
];
/// Rules about what the reference lacks.
const ABSENT: [(u64, &str); 18] = [
    (4, "files"),
    (17, "EXT-X-BITRATE"),
    (25, "finished"),
    (31, "second group"),
    (34, "subtitles"),
    (44, "encryption"),
    (47, "motion JPEG"),
    (48, "parts"),
    (49, "image playlist"),
    (58, "encryption"),
    (65, "on-demand"),
    (69, "thumbnails"),
    (70, "encryption"),
    (72, "subtitles"),
    (73, "subtitles"),
    (74, "subtitles"),
    (75, "parts"),
    (76, "low-latency"),
];

/// Two rungs with closed groups of two seconds, as a packager wants them.
fn rung(clip: &Path, to: &Path, size: &str) {
    let mut command = Command::new("ffmpeg");
    command.args(["-v", "error", "-nostdin", "-i"]).arg(clip).args([
        "-vf",
        &format!("scale={size}"),
        "-c:v",
        "libx264",
    ]);
    command.args(["-bf", "2", "-g", "60", "-keyint_min", "60", "-sc_threshold", "0", "-c:a", "copy"]).arg(to);
    let output = command.output().unwrap();
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
}

fn packager() -> PathBuf {
    let script = Path::new(env!("CARGO_MANIFEST_DIR")).join("../scripts/shaka.sh");
    let output = Command::new(script).output().unwrap();
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    PathBuf::from(String::from_utf8(output.stdout).unwrap().trim())
}

fn stream(input: &Path, kind: &str, name: &str, more: &str) -> String {
    let input = input.display();
    format!("in={input},stream={kind},init_segment={name}/init.mp4,segment_template={name}/$Number$.m4s,{more}")
}

fn package(folder: &Path) {
    let clip = Clip::new((640, 360), 30, 13).cached(&Encoding::default(), "mp4").unwrap();
    let (hi, lo) = (folder.join("hi.mp4"), folder.join("lo.mp4"));
    rung(&clip, &hi, "640x360");
    rung(&clip, &lo, "320x180");
    let video = |name: &str| format!("playlist_name={name}/main.m3u8,iframe_playlist_name={name}/iframe.m3u8");
    let audio = "playlist_name=audio/main.m3u8,hls_group_id=audio,hls_name=en,language=en";
    let output = Command::new(packager())
        .current_dir(folder)
        .arg(stream(&hi, "video", "hi", &video("hi")))
        .arg(stream(&lo, "video", "lo", &video("lo")))
        .arg(stream(&lo, "video", "trick", "trick_play_factor=1,dash_only=1"))
        .arg(stream(&hi, "audio", "audio", audio))
        .args(["--segment_duration", "4", "--generate_static_live_mpd"])
        .args(["--hls_master_playlist_output", "master.m3u8", "--mpd_output", "manifest.mpd"])
        .output()
        .unwrap();
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
}

#[test]
fn every_verdict_on_another_packager_is_explained() {
    let folder = tempfile::tempdir().unwrap();
    package(folder.path());
    let rules = verdicts(folder.path().to_str().unwrap());
    let mut expected: Vec<u64> = BROKEN.iter().map(|row| row.0).collect();
    expected.sort_unstable();
    let broken: Vec<u64> = with_verdict(&rules, "fail").into_iter().collect();
    assert_eq!(broken, expected, "{:#?}", failed(&rules));
    for (rule, place, reason, why) in BROKEN {
        let found = &rules[usize::try_from(rule).unwrap() - 1];
        let is_there =
            found["where"].as_str().unwrap().contains(place) && found["reason"].as_str().unwrap().contains(reason);
        assert!(is_there, "{why}: {found}");
    }
    let absent: Vec<u64> = with_verdict(&rules, "not_applicable").into_iter().collect();
    let expected: Vec<u64> = ABSENT.iter().map(|row| row.0).collect();
    assert_eq!(absent, expected);
    for (rule, lack) in ABSENT {
        let found = &rules[usize::try_from(rule).unwrap() - 1];
        assert!(found["reason"].as_str().unwrap().contains(lack), "{found}");
    }
}
