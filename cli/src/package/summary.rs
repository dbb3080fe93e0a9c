//! What was made, as a table for people.

use std::{fmt::Write as _, path::Path, time::Duration};

use vidstream_catalog::Video;
use vidstream_media::{Presentation, Track};

/// Tracks, sizes and measured rates; then time, and where it can be played.
pub(super) fn text(video: &Video, presentation: &Presentation, out: &Path, took: Duration) -> String {
    let mut text = format!(
        "{:<8} {:<22} {:>11} {:>9} {:>9} {:>9} {:>10}\n",
        "TRACK", "CODEC", "SIZE", "SEGMENTS", "kb/s", "PEAK", "BYTES"
    );
    for track in presentation.plan.tracks() {
        row(&mut text, presentation, track);
    }
    let seconds = presentation.plan.timeline.duration_s();
    let took_s = took.as_secs_f64();
    // Writing to a string cannot fail.
    let _ = writeln!(
        text,
        "\n{seconds:.1} s of video in {took_s:.1} s, {:.1} times real time",
        seconds / took_s.max(0.001)
    );
    for warning in &video.warnings {
        let _ = writeln!(text, "warning: {} ({})", warning.detail, warning.code);
    }
    for name in ["master.m3u8", "manifest.mpd"] {
        let _ = writeln!(text, "{}", out.join(name).display());
    }
    text
}

fn row(text: &mut String, presentation: &Presentation, track: Track) {
    let plan = &presentation.plan;
    let codec =
        presentation.configs.get(&track).map_or_else(String::new, vidstream_media::codec::DecoderConfig::codec_string);
    let size = match (plan.video(track), plan.audio.as_ref()) {
        (Some(video), _) => format!("{}x{}", video.width, video.height),
        (None, Some(audio)) => format!("{} ch", audio.channels),
        (None, None) => String::new(),
    };
    let rates = presentation.measured.get(&track);
    let kbps = |bps: Option<u64>| bps.map_or_else(|| "-".to_owned(), |bps| (bps / 1000).to_string());
    let bytes: u64 = (1..=plan.segments(track))
        .filter_map(|n| presentation.stored(track, n))
        .map(|(_, segment)| segment.bytes())
        .sum();
    let _ = writeln!(
        text,
        "{:<8} {codec:<22} {size:>11} {:>9} {:>9} {:>9} {bytes:>10}",
        track.to_string(),
        plan.segments(track),
        kbps(rates.map(|rates| rates.average_bps)),
        kbps(rates.map(|rates| rates.peak_bps)),
    );
}
