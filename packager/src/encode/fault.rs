//! The failures of encode, sheet and poster jobs, one constructor each.

use std::fmt::Display;

use crate::protocol::Failure;

/// A GStreamer element is missing or cannot be set up as the plan says.
pub(crate) fn element(name: &str, detail: impl Display) -> Failure {
    let title = format!("the element {name} cannot be used here");
    Failure::retryable("element_unavailable", &title, detail)
}

/// An encoder failed or did not keep the promises of its manifest.
pub(crate) fn encoder(track: impl Display, detail: impl Display) -> Failure {
    let title = format!("the encoder of track {track} failed");
    Failure::retryable("encoder_error", &title, detail)
}

/// Nothing of the source could be decoded here.
pub(crate) fn decode(detail: impl Display) -> Failure {
    Failure::retryable("decode_error", "the source cannot be decoded here", detail)
}

/// Nothing moved for too long.
pub(crate) fn stalled(detail: impl Display) -> Failure {
    Failure::retryable("stalled", "the job made no progress", detail)
}

/// The stored packet index does not fit the plan.
pub(crate) fn index(detail: impl Display) -> Failure {
    Failure::permanent("packet_index", "the packet index of the source cannot be used", detail)
}
