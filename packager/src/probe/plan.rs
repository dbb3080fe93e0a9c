//! From what the scan found to the promise of a generation.

use std::collections::BTreeMap;

use vidstream_media::{
    Plan, Rational, Timeline, Track, chunks, ladder,
    plan::{AudioTrack, Encoder, VideoTrack},
    rational::mul_div_round,
    source::{
        language, pace,
        packets::SegmentSpan,
        spans::{Shown, Sound, spans},
    },
    storyboard,
    timeline::{AudioGrid, Config},
};

use crate::{
    protocol::{EncoderChoice, Failure, ProbeJob},
    scan::{
        Scanned, Stream, VideoStream,
        fault::{self, HOURS_MAX, SIDE_MAX},
    },
};

/// The grid of files without pictures, in frames per second.
const AUDIO_ONLY_FPS: u32 = 25;
/// Rates that the audio track keeps, in hertz; all others become 48 kHz.
const RATES_KEPT: [u32; 2] = [44_100, 48_000];
/// Samples of an AAC frame.
const AAC_FRAME_SAMPLES: u32 = 1024;
/// Stereo, of mono sound too: there must be a stereo rendition in AAC (Apple authoring specification 2.3).
const CHANNELS: u32 = 2;
/// Bit rate of two channels, in bits per second.
const STEREO_BPS: u32 = 128_000;
/// A pixel is not more oblong than this; more is a damaged header.
const PIXEL_ASPECT_MAX: u32 = 16;
const NS_PER_S: u64 = 1_000_000_000;

/// A plan and what goes into the packet file with it.
#[derive(Debug)]
pub(super) struct Draft {
    pub(super) plan: Plan,
    pub(super) t0_ns: i64,
    pub(super) t1_ns: i64,
    /// Width and height as shown.
    pub(super) display: Option<(u32, u32)>,
    /// Whether pictures are unevenly spaced.
    pub(super) uneven: bool,
    pub(super) spans: Vec<SegmentSpan>,
}

/// The grid's origin, rate and length.
struct Span {
    t0_ns: i64,
    t1_ns: i64,
    fps: Rational,
    uneven: bool,
}

/// Plans a generation.
///
/// # Errors
/// `too_short`, `too_long` and `unsupported_dimensions`.
pub(super) fn draft(scanned: &Scanned, job: &ProbeJob) -> Result<Draft, Failure> {
    let shown = scanned.video.as_ref().map(|video| Shown::new(&video.stream.packets));
    let span = match (&scanned.video, &shown, &scanned.audio) {
        (Some(video), Some(shown), _) => video_span(&video.stream, shown)?,
        (.., Some(audio)) => audio_span(audio)?,
        (.., None) => return Err(fault::no_streams()),
    };
    let frames = frames(&span)?;
    let timeline = Timeline::new(span.fps, frames, Config { gop_s: job.gop_s, segment_s: job.segment_s });
    let display = scanned.video.as_ref().map(display).transpose()?;
    let audio = scanned.audio.as_ref().map(|stream| audio_track(stream, job.encoders.of(Track::Audio)));
    let sound = scanned.audio.as_ref().zip(audio.as_ref());
    let sound = sound.map(|(stream, track)| Sound { packets: &stream.packets, grid: track.grid });
    let spans = spans(&timeline, span.t0_ns, shown.as_ref(), sound);
    // Sound can be cut anywhere: every second is a sync picture.
    let syncs = match &shown {
        Some(shown) => shown.sync_frames(&timeline, span.t0_ns),
        None => (0..timeline.frames).step_by(usize::try_from(AUDIO_ONLY_FPS).unwrap_or(1)).collect(),
    };
    let (rungs, trick) = match display {
        Some((width, height)) => video_tracks(width, height, &timeline, job),
        None => (Vec::new(), None),
    };
    let storyboard = trick.as_ref().map(|trick| storyboard::layout(&timeline, trick.width, trick.height));
    let target_duration_s = timeline.target_duration_s(audio.as_ref().map(|audio| audio.grid));
    let chunks = chunks::partition(&timeline, &syncs);
    let plan = Plan { timeline, rungs, trick, audio, storyboard, target_duration_s, chunks };
    Ok(Draft { plan, t0_ns: span.t0_ns, t1_ns: span.t1_ns, display, uneven: span.uneven, spans })
}

fn video_span(stream: &Stream, shown: &Shown<'_>) -> Result<Span, Failure> {
    let (t0_ns, t1_ns) = stream.interval(shown).ok_or_else(fault::too_short)?;
    let mut times = shown.times_ns();
    times.retain(|time| (t0_ns..t1_ns).contains(time));
    let pace = pace(&times, told_rate(&stream.caps));
    Ok(Span { t0_ns, t1_ns, fps: pace.fps, uneven: pace.uneven })
}

/// The frame rate that the stream's caps tell; none where it varies.
fn told_rate(caps: &str) -> Option<Rational> {
    let caps = caps.parse::<gst::Caps>().ok()?;
    let rate = caps.structure(0)?.get::<gst::Fraction>("framerate").ok()?;
    let part = |part: i32| u32::try_from(part).ok().filter(|&part| part > 0);
    Some(Rational::new(part(rate.numer())?, part(rate.denom())?))
}

fn audio_span(stream: &Stream) -> Result<Span, Failure> {
    let shown = Shown::new(&stream.packets);
    let (t0_ns, t1_ns) = stream.interval(&shown).ok_or_else(fault::too_short)?;
    Ok(Span { t0_ns, t1_ns, fps: Rational::new(AUDIO_ONLY_FPS, 1), uneven: false })
}

/// Frames of the presentation.
fn frames(span: &Span) -> Result<u64, Failure> {
    let length_ns = span.t1_ns.abs_diff(span.t0_ns);
    if length_ns > u64::from(HOURS_MAX) * 3600 * NS_PER_S {
        #[expect(clippy::cast_precision_loss, reason = "printed with one decimal")]
        return Err(fault::too_long(length_ns as f64 / 1e9));
    }
    let frames = mul_div_round(length_ns, u64::from(span.fps.num), u64::from(span.fps.den) * NS_PER_S);
    // Half a frame is nothing to play; less than that is rounding.
    if frames == 0 { Err(fault::too_short()) } else { Ok(frames) }
}

/// Width and height as shown: square pixels, turned upright.
fn display(video: &VideoStream) -> Result<(u32, u32), Failure> {
    let picture = video.picture;
    let fits = |side: u32| (2..=SIDE_MAX).contains(&side);
    if !fits(picture.width) || !fits(picture.height) {
        return Err(fault::dimensions(picture.width, picture.height));
    }
    let (across, down) = picture.pixel_aspect;
    let plausible = across <= down.saturating_mul(PIXEL_ASPECT_MAX) && down <= across.saturating_mul(PIXEL_ASPECT_MAX);
    let width =
        if plausible { mul_div_round(picture.width.into(), across.into(), down.into()) } else { picture.width.into() };
    let width = u32::try_from(width).unwrap_or(SIDE_MAX).clamp(2, SIDE_MAX);
    Ok(if video.rotation.is_multiple_of(180) { (width, picture.height) } else { (picture.height, width) })
}

fn video_tracks(width: u32, height: u32, timeline: &Timeline, job: &ProbeJob) -> (Vec<VideoTrack>, Option<VideoTrack>) {
    let planned = |track: Track, rung: ladder::Rung| VideoTrack {
        track,
        width: rung.width,
        height: rung.height,
        cap_bps: rung.cap_bps,
        target_bps: rung.target_bps,
        buffer_ms: rung.buffer_ms,
        encoder: pin(job.encoders.of(track)),
    };
    let rungs = ladder::plan_rungs(width, height, timeline.fps, &job.ladder);
    let rungs = rungs.into_iter().map(|rung| planned(Track::Rung(rung.label), rung)).collect();
    (rungs, ladder::trick(width, height).map(|rung| planned(Track::Trick, rung)))
}

fn audio_track(stream: &Stream, encoder: &EncoderChoice) -> AudioTrack {
    let sample_rate = if RATES_KEPT.contains(&stream.sample_rate) { stream.sample_rate } else { 48_000 };
    AudioTrack {
        grid: AudioGrid { sample_rate, frame_samples: AAC_FRAME_SAMPLES },
        channels: CHANNELS,
        bitrate_bps: STEREO_BPS,
        language: language::bcp47(stream.language.as_deref()),
        encoder: pin(encoder),
    }
}

fn pin(choice: &EncoderChoice) -> Encoder {
    let EncoderChoice { plugin, version, codec } = choice.clone();
    Encoder { plugin, version, codec, settings: BTreeMap::new() }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::scan::picture::First;

    fn span(length_ns: i64) -> Span {
        Span { t0_ns: -7, t1_ns: length_ns - 7, fps: Rational::new(25, 1), uneven: false }
    }

    #[test]
    fn a_day_is_a_film_and_a_nanosecond_more_is_too_long() {
        let day_ns = i64::from(HOURS_MAX) * 3600 * 1_000_000_000;
        assert_eq!(frames(&span(day_ns)).unwrap(), 24 * 3600 * 25);
        assert_eq!(frames(&span(day_ns + 1)).unwrap_err().code, "too_long");
    }

    #[test]
    fn half_a_frame_is_a_film_and_less_is_too_short() {
        assert_eq!(frames(&span(20_000_000)).unwrap(), 1);
        assert_eq!(frames(&span(19_999_999)).unwrap_err().code, "too_short");
    }

    #[test]
    fn sides_have_from_two_pixels_to_the_most_that_decoders_take() {
        let stream = || Stream {
            codec: String::new(),
            caps: String::new(),
            packets: Vec::new(),
            start_ns: 0,
            end_ns: None,
            language: None,
            sample_rate: 0,
        };
        let of = |picture, rotation| {
            display(&VideoStream { stream: stream(), rotation, picture }).map_err(|failure| failure.code)
        };
        let shown = |width, height, rotation| {
            of(First { width, height, pixel_aspect: (1, 1), interlaced: false, hdr: None }, rotation)
        };
        assert_eq!(shown(SIDE_MAX, 2, 0), Ok((SIDE_MAX, 2)));
        assert_eq!(shown(SIDE_MAX, 2, 90), Ok((2, SIDE_MAX)));
        for (width, height) in [(SIDE_MAX + 1, 2), (2, SIDE_MAX + 1), (1, 2), (2, 1)] {
            assert_eq!(shown(width, height, 0), Err("unsupported_dimensions".to_owned()), "{width}x{height}");
        }
        // Pixels more oblong than any camera's are taken for square.
        let oblong =
            |pixel_aspect| of(First { width: 320, height: 180, pixel_aspect, interlaced: false, hdr: None }, 0);
        assert_eq!([(16, 1), (1, 16)].map(oblong), [Ok((5120, 180)), Ok((20, 180))]);
        assert_eq!([(17, 1), (1, 17)].map(oblong), [Ok((320, 180)), Ok((320, 180))]);
    }
}
