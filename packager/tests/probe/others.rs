//! Other containers: demuxed once, packets copied, times as ffprobe finds them.

use std::path::Path;

use vidstream_media::{Rational, source::Hdr};

use crate::{
    film::{self, film},
    probing::{Probed, probe},
};

/// The pictures are shown at the times that ffprobe finds, counted from the first; at those of
/// `fps` where the container has none.
fn shown_as_ffprobe(probed: &Probed, path: &Path, name: &str, slack_ns: u64) {
    let theirs = film::packets(path, "v:0");
    let fps = probed.report.plan.timeline.fps;
    let even = |n: i64| n * 1_000_000_000 * i64::from(fps.den) / i64::from(fps.num);
    let timed: Option<Vec<i64>> = theirs.iter().map(|seen| seen.pts_ns).collect();
    let mut expected = timed.unwrap_or_else(|| (0_i64..).take(theirs.len()).map(even).collect());
    expected.sort_unstable();
    let ours = probed.picture_times();
    assert_eq!(ours.len(), expected.len(), "{name}");
    for (our, their) in ours.iter().zip(&expected) {
        assert!(our.abs_diff(their - expected[0]) <= slack_ns, "{name}: {our} {}", their - expected[0]);
    }
}

/// Where the sound begins, counted from the first picture, in nanoseconds.
fn sound_offset(path: &Path) -> i64 {
    let first = |stream| film::packets(path, stream).iter().filter_map(|seen| seen.pts_ns).min().unwrap_or(0);
    first("a:0") - first("v:0")
}

#[test]
fn every_container_gives_its_pictures_and_sound() {
    let dir = tempfile::tempdir().unwrap();
    let h264 = "-c:v libx264 -bf 3 -g 48";
    for (name, codecs, container) in [
        ("film.mkv", format!("{h264} -c:a aac"), "matroska"),
        ("open.mkv", format!("{h264} -x264-params open-gop=1 -c:a libmp3lame"), "matroska"),
        ("film.webm", "-c:v libvpx-vp9 -deadline realtime -cpu-used 8 -g 48 -c:a libopus".into(), "webm"),
        ("vp8.webm", "-c:v libvpx -deadline realtime -cpu-used 8 -g 48 -c:a libvorbis -ac 2".into(), "webm"),
        ("av1.mkv", "-c:v libaom-av1 -cpu-used 8 -usage realtime -g 48 -c:a flac".into(), "matroska"),
        ("hevc.mkv", "-c:v libx265 -x265-params log-level=0 -g 48 -c:a ac3".into(), "matroska"),
        ("film.ts", format!("{h264} -c:a aac"), "mpegts"),
        ("open.ts", format!("{h264} -x264-params open-gop=1 -c:a mp2"), "mpegts"),
        ("hevc.ts", "-c:v libx265 -x265-params log-level=0 -g 48 -c:a ac3".into(), "mpegts"),
        ("mpeg2.ts", "-c:v mpeg2video -bf 2 -g 48 -c:a mp2".into(), "mpegts"),
        ("film.flv", format!("{h264} -c:a aac"), "flv"),
        ("film.avi", format!("{h264} -c:a libmp3lame"), "avi"),
        ("asp.avi", "-c:v mpeg4 -bf 2 -g 48 -c:a libmp3lame".into(), "avi"),
        ("jpeg.avi", "-c:v mjpeg -c:a pcm_s16le".into(), "avi"),
        ("film.mpg", "-c:v mpeg2video -bf 2 -g 48 -c:a mp2".into(), "mpegps"),
        ("film.ogv", "-c:v libtheora -g 48 -c:a libvorbis -ac 2".into(), "ogg"),
    ] {
        let path = film(dir.path(), name, "24000/1001", &codecs);
        let probed = probe(&path).unwrap_or_else(|failure| panic!("{name}: {failure:?}"));
        let facts = &probed.report.facts;
        assert_eq!(facts.container, container, "{name}");
        assert_eq!((facts.width, facts.height, facts.vfr), (Some(320), Some(180), false), "{name}");
        assert_eq!(probed.report.plan.timeline.fps, Rational::new(24_000, 1001), "{name}");
        assert!(
            probed.report.plan.timeline.frames.abs_diff(192) <= 1,
            "{name}: {}",
            probed.report.plan.timeline.frames
        );
        assert_eq!(probed.warnings(), [""; 0], "{name}");
        assert!(probed.index.remuxed);
        shown_as_ffprobe(&probed, &path, name, 2_000_000);
        let offset = probed.audio[0].pts_ns - probed.index.t0_ns;
        // ffprobe counts back from what AVI does not say.
        let wanted = if container == "avi" { 0 } else { sound_offset(&path) };
        assert!(offset.abs_diff(wanted) < 30_000_000, "{name}: {offset} {wanted}");
        let ends = probed.audio.iter().map(|packet| packet.pts_ns.cast_unsigned() + packet.duration_ns);
        assert!(probed.audio.windows(2).all(|pair| pair[1].pts_ns.abs_diff(pair[0].pts_ns) < 100_000_000), "{name}");
        assert!(ends.max().unwrap().abs_diff(probed.index.t1_ns.cast_unsigned()) < 200_000_000, "{name}");
        let sound_ns: u64 = probed.audio.iter().map(|packet| packet.duration_ns).sum();
        assert!(sound_ns.abs_diff(8_000_000_000) < 150_000_000, "{name}: {sound_ns}");
        let keys = film::packets(&path, "v:0").iter().filter(|seen| seen.key).count();
        let syncs = probed.video.iter().filter(|packet| packet.sync).count();
        assert!(syncs >= keys, "{name}: {syncs} of {keys} sync pictures");
    }
}

#[test]
fn high_dynamic_range_is_told_in_every_container() {
    let dir = tempfile::tempdir().unwrap();
    for (colours, hdr) in [
        ("-color_primaries bt2020 -colorspace bt2020nc -color_trc smpte2084", Some(Hdr::Pq)),
        ("-color_primaries bt2020 -colorspace bt2020nc -color_trc arib-std-b67", Some(Hdr::Hlg)),
        ("-color_primaries bt709 -colorspace bt709 -color_trc bt709", None),
        ("", None),
    ] {
        for name in ["film.mp4", "film.mov", "film.mkv", "film.ts"] {
            let path = film(dir.path(), name, "25", &format!("-c:v libx264 -t 1 -an {colours}"));
            let probed = probe(&path).unwrap_or_else(|failure| panic!("{name}: {failure:?}"));
            assert_eq!(probed.report.facts.hdr, hdr, "{name}: {colours}");
        }
    }
}

#[test]
fn recordings_without_an_index_are_read_to_their_end() {
    let dir = tempfile::tempdir().unwrap();
    let words = "-c:v libx264 -g 48 -c:a libopus -f matroska -live 1";
    let path = film(dir.path(), "live.mkv", "25", words);
    let probed = probe(&path).unwrap();
    assert_eq!(probed.report.plan.timeline.frames, 200);
    shown_as_ffprobe(&probed, &path, "live", 1_000_000);
}

#[test]
fn times_far_from_zero_and_languages_are_kept_apart() {
    let dir = tempfile::tempdir().unwrap();
    let words = "-c:v libx264 -g 48 -c:a aac -metadata:s:a:0 language=fra -output_ts_offset 9000";
    let path = film(dir.path(), "far.ts", "25", words);
    let probed = probe(&path).unwrap();
    shown_as_ffprobe(&probed, &path, "far", 1_000_000);
    assert_eq!(probed.report.plan.timeline.frames, 200);
    assert_eq!(probed.report.plan.audio.as_ref().unwrap().language, "fr");
}

#[test]
fn sound_files_are_played() {
    let dir = tempfile::tempdir().unwrap();
    for (name, codec) in
        [("a.mp3", "libmp3lame"), ("a.flac", "flac"), ("a.ogg", "libopus"), ("a.wav", "pcm_s16le"), ("a.aac", "aac")]
    {
        let path = film(dir.path(), name, "25", &format!("-vn -c:a {codec}"));
        let probed = probe(&path).unwrap_or_else(|failure| panic!("{name}: {failure:?}"));
        assert!(probed.report.plan.rungs.is_empty(), "{name}");
        assert!(
            probed.report.plan.timeline.frames.abs_diff(200) <= 3,
            "{name}: {}",
            probed.report.plan.timeline.frames
        );
    }
}

#[test]
fn a_file_cut_off_is_played_as_far_as_it_goes() {
    let dir = tempfile::tempdir().unwrap();
    for name in ["cut.mkv", "cut.ts", "cut.flv"] {
        let path = film(dir.path(), name, "25", "-c:v libx264 -g 25 -c:a aac");
        let bytes = std::fs::read(&path).unwrap();
        std::fs::write(&path, &bytes[..bytes.len() * 3 / 5]).unwrap();
        let probed = probe(&path).unwrap_or_else(|failure| panic!("{name}: {failure:?}"));
        let frames = probed.report.plan.timeline.frames;
        assert!((80..200).contains(&frames), "{name}: {frames}");
    }
}
