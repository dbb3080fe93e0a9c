//! MP4 and `QuickTime`: packets stay where they are, times obey the edit list.

use vidstream_media::Rational;

use crate::{
    film::{self, film},
    probing::{Probed, probe},
};

/// Offsets, sizes, times and sync flags are those that ffprobe finds.
fn same_as_ffprobe(probed: &Probed, path: &std::path::Path) {
    for (stream, ours) in [("v:0", &probed.video), ("a:0", &probed.audio)] {
        let theirs = film::packets(path, stream);
        // ffprobe leaves out sound that an edit list hides as a whole.
        let hidden = ours.len() - theirs.len();
        assert!(ours[..hidden].iter().all(|packet| packet.pts_ns < 0), "{stream}: {hidden}");
        for (our, their) in ours[hidden..].iter().zip(&theirs) {
            assert_eq!((our.bytes, Some(our.offset)), (their.bytes, their.offset), "{stream}");
            assert!(our.pts_ns.abs_diff(their.pts_ns.unwrap()) <= 1_000, "{stream}: {our:?} {their:?}");
            assert_eq!(our.sync, their.key, "{stream}: {our:?}");
        }
    }
}

#[test]
fn the_index_may_come_first_or_last_or_in_fragments() {
    let dir = tempfile::tempdir().unwrap();
    let codecs = "-c:v libx264 -bf 3 -g 48 -c:a aac";
    for (name, flags) in [
        ("last.mp4", ""),
        ("first.mp4", "-movflags +faststart"),
        ("fragments.mp4", "-movflags +frag_keyframe+empty_moov"),
        ("hybrid.mp4", "-movflags +frag_keyframe"),
        ("based.mp4", "-movflags +frag_keyframe+empty_moov+default_base_moof+separate_moof"),
        ("negative.mp4", "-movflags +negative_cts_offsets"),
        ("plain.mov", ""),
    ] {
        let path = film(dir.path(), name, "24000/1001", &format!("{codecs} {flags}"));
        let probed = probe(&path).unwrap_or_else(|failure| panic!("{name}: {failure:?}"));
        same_as_ffprobe(&probed, &path);
        let facts = &probed.report.facts;
        let timeline = &probed.report.plan.timeline;
        assert_eq!(timeline.fps, Rational::new(24_000, 1001), "{name}");
        assert_eq!(timeline.frames, 192, "{name}");
        assert_eq!((facts.width, facts.height, facts.rotation, facts.vfr), (Some(320), Some(180), 0, false), "{name}");
        assert_eq!(facts.container, if name.ends_with("mov") { "mov" } else { "mp4" });
        assert_eq!(facts.video_codec.as_deref(), Some("h264"));
        assert_eq!(
            (facts.audio[0].codec.as_str(), facts.audio[0].sample_rate, facts.audio[0].channels),
            ("aac", 48_000, 1)
        );
        assert!(!probed.index.remuxed && !probed.index.interlaced);
        assert_eq!(probed.warnings(), [""; 0], "{name}");
        assert_eq!(probed.report.plan.audio.as_ref().unwrap().grid.sample_rate, 48_000);
    }
}

#[test]
fn codecs_of_all_kinds_are_mapped() {
    let dir = tempfile::tempdir().unwrap();
    for (name, codecs, video, audio) in [
        ("hevc.mp4", "-c:v libx265 -tag:v hvc1 -x265-params log-level=0 -c:a ac3", "h265", "ac3"),
        ("hev1.mp4", "-c:v libx265 -tag:v hev1 -x265-params log-level=0 -c:a eac3", "h265", "eac3"),
        ("av1.mp4", "-c:v libaom-av1 -cpu-used 8 -t 1 -c:a libopus", "av1", "opus"),
        ("vp9.mp4", "-c:v libvpx-vp9 -deadline realtime -cpu-used 8 -t 1 -c:a flac -strict -2", "vp9", "flac"),
        ("asp.mp4", "-c:v mpeg4 -bf 2 -c:a libmp3lame", "mpeg4", "mp3"),
        ("mpeg2.mp4", "-c:v mpeg2video -bf 2 -c:a aac", "mpeg2", "aac"),
        ("mjpeg.mov", "-c:v mjpeg -c:a pcm_s16le", "mjpeg", "pcm"),
        ("prores.mov", "-c:v prores_ks -pix_fmt yuv422p10le -c:a pcm_s24be", "prores", "pcm"),
        ("alac.mov", "-c:v libx264 -c:a alac", "h264", "alac"),
        ("law.mov", "-c:v libx264 -c:a pcm_mulaw -ar 8000", "h264", "mulaw"),
    ] {
        let path = film(dir.path(), name, "25", codecs);
        let probed = probe(&path).unwrap_or_else(|failure| panic!("{name}: {failure:?}"));
        assert_eq!(probed.report.facts.video_codec.as_deref(), Some(video), "{name}");
        assert_eq!(probed.report.facts.audio[0].codec, audio, "{name}");
        assert_eq!(probed.warnings(), [""; 0], "{name}");
        assert_eq!(probed.video.len(), film::packets(&path, "v:0").len(), "{name}");
        assert_eq!((probed.report.facts.width, probed.report.facts.height), (Some(320), Some(180)), "{name}");
        let sound_ns: u64 = probed.audio.iter().map(|packet| packet.duration_ns).sum();
        let length_ns = if codecs.contains("-t 1") { 1_000_000_000 } else { 8_000_000_000 };
        assert!(sound_ns.abs_diff(length_ns) < 100_000_000, "{name}: {sound_ns}");
    }
}

#[test]
fn codecs_that_only_the_demuxer_knows_are_copied() {
    let dir = tempfile::tempdir().unwrap();
    for (name, codecs) in [
        ("svq.mov", "-c:v svq1 -g 25 -c:a aac"),
        ("rle.mov", "-c:v qtrle -pix_fmt rgb24 -t 2 -c:a pcm_s16le"),
        ("first.mov", "-c:v svq1 -g 25 -c:a aac -movflags +faststart"),
    ] {
        let path = film(dir.path(), name, "25", codecs);
        let probed = probe(&path).unwrap_or_else(|failure| panic!("{name}: {failure:?}"));
        assert!(probed.index.remuxed, "{name}");
        assert_eq!(probed.video.len(), film::packets(&path, "v:0").len(), "{name}");
        assert_eq!(probed.report.plan.timeline.frames, probed.video.len() as u64, "{name}");
        assert!(!probed.audio.is_empty());
    }
}

#[test]
fn edits_shift_and_cut_the_presentation() {
    let dir = tempfile::tempdir().unwrap();
    let whole = film(dir.path(), "whole.mp4", "25", "-c:v libx264 -bf 2 -g 50 -c:a aac");
    let whole = whole.to_str().unwrap();
    // Copied from 3 s: the file begins with the sync picture at 2 s, which an edit list hides.
    let cut = film::ffmpeg(dir.path(), &["-ss", "3", "-i", whole, "-c", "copy"], "cut.mov");
    let probed = probe(&cut).unwrap();
    same_as_ffprobe(&probed, &cut);
    assert_eq!(probed.report.plan.timeline.frames, 125);
    assert_eq!(probed.index.t0_ns, 0);
    assert!(probed.video[0].sync && probed.video[0].pts_ns == -1_000_000_000);
    // Pictures that begin half a second after the sound.
    let words = ["-itsoffset", "0.5", "-i", whole, "-i", whole, "-map", "0:v", "-map", "1:a", "-c", "copy"];
    let late = film::ffmpeg(dir.path(), &words, "late.mp4");
    let probed = probe(&late).unwrap();
    assert_eq!(probed.index.t0_ns, 500_000_000);
    assert_eq!(probed.report.plan.timeline.frames, 200);
    assert!(probed.audio[1].pts_ns.abs() < 1_000_000, "{:?}", probed.audio[1]);
}

#[test]
fn rotation_and_pixel_shape_make_the_displayed_size() {
    let dir = tempfile::tempdir().unwrap();
    let whole = film(dir.path(), "whole.mp4", "25", "-c:v libx264 -t 2 -an");
    for (degrees, rotation, size) in [("90", 270, (180, 320)), ("-90", 90, (180, 320)), ("180", 180, (320, 180))] {
        let words = ["-i", whole.to_str().unwrap(), "-c", "copy", "-metadata:s:v", &format!("rotate={degrees}")];
        let turned = film::ffmpeg(dir.path(), &words, &format!("{degrees}.mp4"));
        let probed = probe(&turned).unwrap();
        let shown = ffprobe_rotation(&turned);
        assert_eq!(i32::from(probed.index.rotation), (360 - shown).rem_euclid(360), "ffprobe says {shown}");
        assert_eq!((probed.report.facts.width.unwrap(), probed.report.facts.height.unwrap()), size, "{rotation}");
        assert!(probed.report.plan.audio.is_none());
    }
    let wide = film(dir.path(), "wide.mp4", "25", "-c:v libx264 -t 2 -an -vf setsar=4/3");
    let facts = probe(&wide).unwrap().report.facts;
    assert_eq!((facts.width, facts.height), (Some(427), Some(180)));
}

/// Counter-clockwise degrees of the display matrix.
fn ffprobe_rotation(path: &std::path::Path) -> i32 {
    let output = std::process::Command::new("ffprobe")
        .args(["-v", "error", "-show_entries", "stream_side_data=rotation", "-of", "csv=p=0"])
        .arg(path)
        .output()
        .unwrap();
    String::from_utf8(output.stdout).unwrap().trim().parse().unwrap()
}

#[test]
fn uneven_pictures_keep_their_times_and_a_common_rate() {
    let dir = tempfile::tempdir().unwrap();
    let words = "-c:v libx264 -bf 2 -an -vf select='lt(n,60)+gt(n,150)',setpts=PTS -vsync vfr";
    let path = film(dir.path(), "vfr.mp4", "30", words);
    let probed = probe(&path).unwrap();
    assert_eq!(probed.report.plan.timeline.fps, Rational::new(30, 1));
    assert!(probed.report.facts.vfr);
    assert_eq!(probed.report.plan.timeline.frames, 240);
    assert_eq!(probed.video.len(), 60 + 89);
}

#[test]
fn interlaced_pictures_are_told() {
    let dir = tempfile::tempdir().unwrap();
    let path = film(dir.path(), "fields.mp4", "25", "-c:v libx264 -flags +ilme+ildct -t 2 -an -vf setfield=tff");
    assert!(probe(&path).unwrap().index.interlaced);
}

#[test]
fn sound_alone_has_a_grid_of_its_own() {
    let dir = tempfile::tempdir().unwrap();
    let path = film(dir.path(), "sound.m4a", "25", "-vn -c:a aac -ar 44100 -metadata:s:a:0 language=deu");
    let probed = probe(&path).unwrap();
    let plan = &probed.report.plan;
    assert!(plan.rungs.is_empty() && plan.trick.is_none() && plan.storyboard.is_none());
    assert_eq!((plan.timeline.fps, plan.timeline.frames), (Rational::new(25, 1), 200));
    let audio = plan.audio.as_ref().unwrap();
    assert_eq!((audio.grid.sample_rate, audio.language.as_str()), (44_100, "de"));
    assert_eq!((probed.report.facts.width, probed.report.facts.fps), (None, None));
}
