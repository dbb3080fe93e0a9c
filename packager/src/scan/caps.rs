//! What caps say about a stream, in the words of the facts.

use vidstream_media::source::Hdr;

/// The short name of a codec, `h264` say.
pub(super) fn codec_name(caps: &gst::CapsRef) -> String {
    let Some(structure) = caps.structure(0) else { return "unknown".to_owned() };
    let version = structure.get::<i32>("mpegversion").unwrap_or(0);
    let layer = structure.get::<i32>("layer").unwrap_or(3);
    let name = match structure.name().as_str() {
        "video/x-h264" => "h264",
        "video/x-h265" => "h265",
        "video/x-av1" => "av1",
        "video/x-vp8" => "vp8",
        "video/x-vp9" => "vp9",
        "video/mpeg" if version == 4 => "mpeg4",
        "video/mpeg" if version == 1 => "mpeg1",
        "video/mpeg" => "mpeg2",
        "image/jpeg" => "mjpeg",
        "audio/mpeg" if version == 1 && layer == 3 => "mp3",
        "audio/mpeg" if version == 1 => "mp2",
        "audio/mpeg" => "aac",
        "audio/x-opus" => "opus",
        "audio/x-vorbis" => "vorbis",
        "audio/x-ac3" | "audio/ac3" => "ac3",
        "audio/x-eac3" => "eac3",
        "audio/x-dts" => "dts",
        "audio/x-flac" => "flac",
        "audio/x-alac" => "alac",
        "audio/x-raw" => "pcm",
        other => {
            let (_, short) = other.rsplit_once('/').unwrap_or(("", other));
            return short.strip_prefix("x-").unwrap_or(short).to_owned();
        }
    };
    name.to_owned()
}

/// The short name of a container.
pub(super) fn container_name(caps: &gst::CapsRef) -> String {
    let Some(structure) = caps.structure(0) else { return "unknown".to_owned() };
    let system = structure.get::<bool>("systemstream").unwrap_or(false);
    let name = match structure.name().as_str() {
        "video/x-matroska" | "audio/x-matroska" | "video/x-matroska-3d" => "matroska",
        "video/webm" | "audio/webm" => "webm",
        "video/mpegts" => "mpegts",
        "video/mpeg" if system => "mpegps",
        "video/x-flv" => "flv",
        "video/x-msvideo" => "avi",
        "video/x-ms-asf" => "asf",
        "application/ogg" | "video/ogg" | "audio/ogg" => "ogg",
        "application/mxf" => "mxf",
        "audio/x-wav" => "wav",
        _ => return codec_name(caps),
    };
    name.to_owned()
}

/// High dynamic range of pictures. The field is read by itself: where a decoder says nothing of the matrix, GStreamer
/// takes the defaults for all of it.
pub(super) fn hdr(caps: &gst::CapsRef) -> Option<Hdr> {
    let colorimetry = caps.structure(0)?.get::<&str>("colorimetry").ok()?;
    let colorimetry: gst_video::VideoColorimetry = colorimetry.parse().ok()?;
    Hdr::of_transfer(u16::try_from(colorimetry.transfer().to_iso()).ok()?)
}

/// Channels and samples per second of sound; 0 if unknown.
pub(super) fn sound(caps: &gst::CapsRef) -> (u32, u32) {
    let number = |field: &str| {
        let value = caps.structure(0).and_then(|structure| structure.get::<i32>(field).ok());
        value.and_then(|value| u32::try_from(value).ok()).unwrap_or(0)
    };
    (number("channels"), number("rate"))
}
