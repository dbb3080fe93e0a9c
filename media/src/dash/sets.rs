//! The adaptation sets: video, audio, trick mode (DASH-IF IOP) and tiles of thumbnail images.

use std::io;

use super::{timeline, xml::Xml};
use crate::{
    bandwidth, hls::image_rates, plan::VideoTrack, presentation::Presentation, rational::Rational, storyboard,
    track::Track,
};

const VIDEO_ID: &str = "1";
const AUDIO_ID: &str = "2";
const TRICK_ID: &str = "3";
const THUMBNAILS_ID: &str = "4";
const ROLE: &str = "urn:mpeg:dash:role:2011";
const CHANNELS: &str = "urn:mpeg:dash:23003:3:audio_channel_configuration:2011";
const TRICK_MODE: &str = "http://dashif.org/guidelines/trickmode";
const THUMBNAIL_TILE: &str = "http://dashif.org/guidelines/thumbnail_tile";

/// The rungs, which switch seamlessly: same grid, an IDR first in every segment.
pub(super) fn video(xml: &mut Xml, presentation: &Presentation) -> io::Result<()> {
    let plan = &presentation.plan;
    let known = |rung: &&VideoTrack| presentation.configs.contains_key(&rung.track);
    let rungs: Vec<&VideoTrack> = plan.rungs.iter().filter(known).collect();
    let Some(largest) = rungs.iter().max_by_key(|rung| u64::from(rung.width) * u64::from(rung.height)) else {
        return Ok(());
    };
    let width = rungs.iter().map(|rung| rung.width).max().unwrap_or(0).to_string();
    let height = rungs.iter().map(|rung| rung.height).max().unwrap_or(0).to_string();
    let frame_rate = frame_rate(plan.timeline.fps);
    let aspect = Rational::new(largest.width, largest.height);
    let par = format!("{}:{}", aspect.num, aspect.den);
    let attributes = [
        ("id", VIDEO_ID),
        ("contentType", "video"),
        ("mimeType", "video/mp4"),
        ("segmentAlignment", "true"),
        ("startWithSAP", "1"),
        ("par", &par),
        ("maxWidth", &width),
        ("maxHeight", &height),
        ("maxFrameRate", &frame_rate),
    ];
    xml.open("AdaptationSet", &attributes)?;
    xml.descriptor("Role", ROLE, "main")?;
    timeline::write(xml, presentation, largest.track)?;
    for rung in rungs {
        picture(xml, presentation, rung, &frame_rate)?;
    }
    xml.close("AdaptationSet")
}

/// The audio, which never ends before the video and overhangs it by less than one audio frame.
pub(super) fn audio(xml: &mut Xml, presentation: &Presentation) -> io::Result<()> {
    let audio = presentation.plan.audio.as_ref();
    let config = presentation.configs.get(&Track::Audio);
    let bandwidth = bandwidth::under_buffer(presentation, Track::Audio);
    let (Some(audio), Some(config), Some(bandwidth)) = (audio, config, bandwidth) else {
        return Ok(());
    };
    let attributes = [
        ("id", AUDIO_ID),
        ("contentType", "audio"),
        ("mimeType", "audio/mp4"),
        ("lang", audio.language_tag()),
        ("segmentAlignment", "true"),
        ("startWithSAP", "1"),
    ];
    xml.open("AdaptationSet", &attributes)?;
    xml.descriptor("Role", ROLE, "main")?;
    timeline::write(xml, presentation, Track::Audio)?;
    let attributes = [
        ("id", Track::Audio.to_string()),
        ("bandwidth", bits(bandwidth)),
        ("codecs", config.codec_string()),
        ("audioSamplingRate", audio.grid.sample_rate.to_string()),
    ];
    xml.open("Representation", &attributes)?;
    xml.descriptor("AudioChannelConfiguration", CHANNELS, &audio.channels.to_string())?;
    xml.close("Representation")?;
    xml.close("AdaptationSet")
}

/// The trick track. Players never choose it for normal play, and skip it if they do not know the descriptor.
pub(super) fn trick(xml: &mut Xml, presentation: &Presentation) -> io::Result<()> {
    let plan = &presentation.plan;
    let known = |trick: &&VideoTrack| presentation.configs.contains_key(&trick.track);
    let Some(trick) = plan.trick.as_ref().filter(known) else { return Ok(()) };
    let timeline = &plan.timeline;
    let fps = timeline.fps;
    let slow = Rational::new(fps.num, fps.den.saturating_mul(timeline.trick_frames));
    // So many times as fast, a decoder gets as many pictures a second as in normal play.
    let rate = timeline.trick_frames.to_string();
    let attributes = [
        ("id", TRICK_ID),
        ("contentType", "video"),
        ("mimeType", "video/mp4"),
        ("segmentAlignment", "true"),
        ("startWithSAP", "1"),
        ("maxPlayoutRate", &rate),
        ("codingDependency", "false"),
    ];
    xml.open("AdaptationSet", &attributes)?;
    xml.descriptor("EssentialProperty", TRICK_MODE, VIDEO_ID)?;
    timeline::write(xml, presentation, Track::Trick)?;
    picture(xml, presentation, trick, &frame_rate(slow))?;
    xml.close("AdaptationSet")
}

/// The tile sheets, by number and constant duration as their guideline asks. A sheet that is not
/// made yet answers 404, and players show no preview.
pub(super) fn thumbnails(xml: &mut Xml, presentation: &Presentation) -> io::Result<()> {
    let plan = &presentation.plan;
    let (Some(layout), Some(rates)) = (plan.storyboard, image_rates(presentation)) else {
        return Ok(());
    };
    let set = [("id", THUMBNAILS_ID), ("contentType", "image"), ("mimeType", "image/jpeg")];
    xml.open("AdaptationSet", &set)?;
    let template = [
        ("timescale", plan.timeline.timescale.to_string()),
        ("duration", storyboard::sheet_ticks(layout, &plan.timeline).to_string()),
        ("media", format!("{}/thumbnails/$Number$.jpg", presentation.generation)),
        ("startNumber", String::from("1")),
    ];
    xml.empty("SegmentTemplate", &template)?;
    let attributes = [
        ("id", String::from("thumbnails")),
        ("bandwidth", bits(rates.peak_bps)),
        ("width", layout.tile_width.saturating_mul(layout.columns).to_string()),
        ("height", layout.tile_height.saturating_mul(layout.rows).to_string()),
    ];
    xml.open("Representation", &attributes)?;
    // On the Representation, where players look for it; on the set they would skip the set.
    let grid = format!("{}x{}", layout.columns, layout.rows);
    xml.descriptor("EssentialProperty", THUMBNAIL_TILE, &grid)?;
    xml.close("Representation")?;
    xml.close("AdaptationSet")
}

fn picture(xml: &mut Xml, presentation: &Presentation, video: &VideoTrack, frame_rate: &str) -> io::Result<()> {
    let config = presentation.configs.get(&video.track);
    let bandwidth = bandwidth::under_buffer(presentation, video.track);
    let (Some(config), Some(bandwidth)) = (config, bandwidth) else { return Ok(()) };
    let attributes = [
        ("id", video.track.to_string()),
        ("bandwidth", bits(bandwidth)),
        ("codecs", config.codec_string()),
        ("width", video.width.to_string()),
        ("height", video.height.to_string()),
        ("sar", String::from("1:1")),
        ("frameRate", String::from(frame_rate)),
        ("scanType", String::from("progressive")),
    ];
    xml.empty("Representation", &attributes)
}

/// `@bandwidth` is an unsigned 32-bit integer.
fn bits(bps: u64) -> String {
    bps.clamp(1, u64::from(u32::MAX)).to_string()
}

/// A frame rate as `@frameRate` spells it.
fn frame_rate(fps: Rational) -> String {
    if fps.den == 1 { fps.num.to_string() } else { format!("{}/{}", fps.num, fps.den) }
}
