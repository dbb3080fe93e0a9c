//! Why a file cannot be played, in codes for programs and sentences for whoever published it.

use std::fmt::Display;

use crate::protocol::Failure;

/// Pictures larger than this are refused, in pixels a side.
pub(crate) const SIDE_MAX: u32 = 8192;
/// Longer films are refused, in hours.
pub(crate) const HOURS_MAX: u32 = 24;

/// A file of no bytes.
pub(crate) fn empty() -> Failure {
    Failure::permanent(
        "empty",
        "the file is empty",
        "The file has no bytes. Check that it was written before it was uploaded.",
    )
}

/// Bytes that are no video or audio at all.
pub(crate) fn not_media(what: impl Display) -> Failure {
    let detail = format!(
        "The file is not a video or audio file that is known here: {what}. Upload a video file such as MP4, MOV, MKV, WebM or MPEG-TS."
    );
    Failure::permanent("not_media", "this is not a video or audio file", detail)
}

/// Media whose structure is damaged beyond use.
pub(crate) fn malformed(what: impl Display) -> Failure {
    let detail = format!("The file is damaged: {what}. Export or copy it again from the original.");
    Failure::permanent("malformed", "the file is damaged", detail)
}

/// An MP4 without its `moov`.
pub(crate) fn missing_index() -> Failure {
    let detail = "The file has no index (moov box), so that nothing in it can be found: it was not finished by the recorder, or it was cut off while it was copied. Repair it with the recording software or upload the complete file.";
    Failure::permanent("missing_index", "the file was not finished by its recorder", detail)
}

/// A container without pictures and sound.
pub(crate) fn no_streams() -> Failure {
    let detail =
        "The file contains neither pictures nor sound that can be used. Export it again with a video or audio track.";
    Failure::permanent("no_streams", "there is nothing to play in the file", detail)
}

/// No decoder for it.
pub(crate) fn unsupported_codec(codec: impl Display) -> Failure {
    let detail = format!(
        "The pictures are coded as {codec}, for which no decoder is installed. Export the video as H.264, H.265, VP9 or AV1."
    );
    Failure::permanent("unsupported_codec", "the video codec is not supported", detail)
}

/// Digital rights management.
pub(crate) fn encrypted() -> Failure {
    let detail = "The file is encrypted (DRM) and cannot be decoded. Upload a copy without encryption.";
    Failure::permanent("unsupported_codec", "the file is encrypted", detail)
}

/// A decoder that takes the stream and gives no picture.
pub(crate) fn undecodable(codec: impl Display, what: impl Display) -> Failure {
    let detail = format!(
        "No picture could be decoded from the {codec} stream: {what}. Export or copy the file again from the original."
    );
    Failure::permanent("malformed", "no picture can be decoded", detail)
}

/// Pictures that no encoder here takes.
pub(crate) fn dimensions(width: u32, height: u32) -> Failure {
    let detail = format!(
        "The pictures are {width}x{height} pixels; at most {SIDE_MAX} a side and at least 2 are supported. Export the video in another size."
    );
    Failure::permanent("unsupported_dimensions", "the size of the pictures is not supported", detail)
}

/// Nothing to show.
pub(crate) fn too_short() -> Failure {
    let detail = "The file lasts no time at all: it has no complete picture or sound. Export it again.";
    Failure::permanent("too_short", "the file has no duration", detail)
}

/// More than can be planned.
pub(crate) fn too_long(seconds: f64) -> Failure {
    let hours = seconds / 3600.0;
    let detail = format!("The file lasts {hours:.1} hours; at most {HOURS_MAX} are supported. Cut it into parts.");
    Failure::permanent("too_long", "the file is too long", detail)
}

/// A demuxer that does not move.
pub(crate) fn stalled() -> Failure {
    Failure::retryable("stalled", "the scan made no progress", "The demuxer neither took nor gave data.")
}

/// A GStreamer element is missing.
pub(crate) fn element(what: impl Display) -> Failure {
    Failure::retryable("element_unavailable", "an element of the scan cannot be used here", what)
}
