//! The multivariant playlist: variants, audio, trick play and images.

use super::{
    iframes, image_rates,
    text::{Attributes, Lines},
};
use crate::{
    bandwidth::{self, Rates},
    plan::{AudioTrack, VideoTrack},
    presentation::Presentation,
    rational::mul_div_round,
    track::Track,
};

const AUDIO_GROUP: &str = "audio";
/// The variant listed first is the one nearest to this (Apple authoring specification 1.32).
const FIRST_VARIANT_BPS: u32 = 2_000_000;

/// `master.m3u8`. The variant near 2 Mb/s comes first, the others follow from the largest down, the audio alone last.
///
/// CODECS must name what the samples are, so a track is listed once its decoder configuration is
/// known: from `playable` on all are, before that the playlist may have no variant.
pub fn multivariant(presentation: &Presentation) -> String {
    let plan = &presentation.plan;
    let mut lines = Lines::new();
    lines.line(format_args!("#EXT-X-INDEPENDENT-SEGMENTS"));
    let audio = plan.audio.as_ref().and_then(|audio| audio_rendition(presentation, audio));
    if let Some(audio) = audio.as_ref().filter(|_| !plan.rungs.is_empty()) {
        lines.line(format_args!("#EXT-X-MEDIA:{}", audio.attributes));
    }
    for video in order(&plan.rungs) {
        write_variant(&mut lines, presentation, video, audio.as_ref());
    }
    // Never before the video, or players would take the sound for all there is.
    let knows_video = plan.rungs.iter().all(|rung| presentation.configs.contains_key(&rung.track));
    if let Some(audio) = audio.as_ref().filter(|_| knows_video) {
        write_audio_only(&mut lines, presentation, audio);
    }
    for video in plan.trick.iter().chain(&plan.rungs) {
        write_iframes(&mut lines, presentation, video);
    }
    write_images(&mut lines, presentation);
    lines.into_text()
}

/// The audio rendition as variants refer to it.
struct Audio {
    attributes: Attributes,
    codec: String,
    rates: Rates,
}

fn audio_rendition(presentation: &Presentation, audio: &AudioTrack) -> Option<Audio> {
    let codec = presentation.configs.get(&Track::Audio)?.codec_string();
    let rates = bandwidth::declared(presentation, Track::Audio)?;
    let language = audio.language_tag();
    let name = if language == "und" { "Audio" } else { language };
    let attributes = Attributes::new()
        .plain("TYPE", "AUDIO")
        .quoted("GROUP-ID", AUDIO_GROUP)
        .quoted("LANGUAGE", language)
        .quoted("NAME", name)
        .plain("DEFAULT", "YES")
        .plain("AUTOSELECT", "YES")
        .quoted("CHANNELS", &audio.channels.to_string())
        .quoted("URI", &playlist_uri(presentation, Track::Audio, "index"));
    Some(Audio { attributes, codec, rates })
}

fn write_variant(lines: &mut Lines, presentation: &Presentation, video: &VideoTrack, audio: Option<&Audio>) {
    let config = presentation.configs.get(&video.track);
    let rates = bandwidth::declared(presentation, video.track);
    let (Some(config), Some(rates)) = (config, rates) else { return };
    let mut codecs = config.codec_string();
    if let Some(audio) = audio {
        codecs = format!("{codecs},{}", audio.codec);
    }
    let rates = audio.map_or(rates, |audio| rates + audio.rates);
    let fps = presentation.plan.timeline.fps;
    let fps_thousandths = mul_div_round(u64::from(fps.num), 1000, u64::from(fps.den));
    let (whole, thousandths) = (fps_thousandths / 1000, fps_thousandths % 1000);
    let mut attributes = rates_attributes(rates)
        .quoted("CODECS", &codecs)
        .plain("RESOLUTION", format_args!("{}x{}", video.width, video.height))
        .plain("FRAME-RATE", format_args!("{whole}.{thousandths:03}"));
    if audio.is_some() {
        attributes = attributes.quoted("AUDIO", AUDIO_GROUP);
    }
    let uri = playlist_uri(presentation, video.track, "index");
    lines.line(format_args!("#EXT-X-STREAM-INF:{attributes},CLOSED-CAPTIONS=NONE"));
    lines.line(format_args!("{uri}"));
}

/// The audio as a variant of its own: all there is of a sound file, and beside video what plays on below 192 kb/s
/// (Apple authoring specification 9.21). Players that have video in other variants leave it out.
fn write_audio_only(lines: &mut Lines, presentation: &Presentation, audio: &Audio) {
    let mut attributes = rates_attributes(audio.rates).quoted("CODECS", &audio.codec);
    if !presentation.plan.rungs.is_empty() {
        attributes = attributes.quoted("AUDIO", AUDIO_GROUP);
    }
    let uri = playlist_uri(presentation, Track::Audio, "index");
    lines.line(format_args!("#EXT-X-STREAM-INF:{attributes},CLOSED-CAPTIONS=NONE"));
    lines.line(format_args!("{uri}"));
}

/// The trick track's I-frame playlist from the start, a rung's once its offsets are known. FRAME-RATE
/// and the groups are not defined for this tag (RFC 8216bis §4.4.6.3).
fn write_iframes(lines: &mut Lines, presentation: &Presentation, video: &VideoTrack) {
    let rates = match video.track {
        Track::Trick => bandwidth::declared(presentation, Track::Trick),
        track => iframes::rates(presentation, track),
    };
    let config = presentation.configs.get(&video.track);
    let (Some(config), Some(rates)) = (config, rates) else { return };
    let attributes = rates_attributes(rates)
        .quoted("CODECS", &config.codec_string())
        .plain("RESOLUTION", format_args!("{}x{}", video.width, video.height))
        .quoted("URI", &playlist_uri(presentation, video.track, "iframes"));
    lines.line(format_args!("#EXT-X-I-FRAME-STREAM-INF:{attributes}"));
}

/// An image tag of its own kind: players that do not know it skip it as they skip any comment.
fn write_images(lines: &mut Lines, presentation: &Presentation) {
    let layout = presentation.plan.storyboard;
    let (Some(layout), Some(rates)) = (layout, image_rates(presentation)) else { return };
    let attributes = Attributes::new()
        .plain("BANDWIDTH", rates.peak_bps)
        .plain("RESOLUTION", format_args!("{}x{}", layout.tile_width, layout.tile_height))
        .quoted("CODECS", "jpeg")
        .quoted("URI", &format!("{}/thumbnails.m3u8", presentation.generation));
    lines.line(format_args!("#EXT-X-IMAGE-STREAM-INF:{attributes}"));
}

fn rates_attributes(rates: Rates) -> Attributes {
    Attributes::new().plain("BANDWIDTH", rates.peak_bps).plain("AVERAGE-BANDWIDTH", rates.average_bps)
}

fn playlist_uri(presentation: &Presentation, track: Track, list: &str) -> String {
    format!("{}/{track}/{list}.m3u8", presentation.generation)
}

/// The rungs with the one nearest to the first variant's rate in front. By the planned rate, so that
/// the order does not change when rates are measured.
fn order(rungs: &[VideoTrack]) -> Vec<&VideoTrack> {
    let mut ordered: Vec<&VideoTrack> = rungs.iter().collect();
    let distance = |video: &&VideoTrack| video.target_bps.abs_diff(FIRST_VARIANT_BPS);
    let nearest = ordered.iter().min_by_key(|video| distance(video)).map(|video| video.track);
    // A stable sort: the nearest moves to the front, the rest keep their order.
    ordered.sort_by_key(|video| Some(video.track) != nearest);
    ordered
}
