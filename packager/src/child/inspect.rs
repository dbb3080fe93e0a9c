//! Tells which elements exist, and leaves the registry file that later children start from.

use crate::{
    encode::autoplug,
    protocol::{InspectJob, InspectReport},
};

/// GStreamer has been initialised, which has scanned its plugins and written the registry.
pub(super) fn run(job: &InspectJob) -> InspectReport {
    let exists = |name: &&String| gst::ElementFactory::find(name).is_some();
    let is_decoded = |caps: &&String| caps.parse().is_ok_and(|caps| autoplug::decoder_chain(&caps).is_ok());
    let decoded = job.decoded.iter().filter(is_decoded);
    InspectReport { available: job.elements.iter().filter(exists).chain(decoded).cloned().collect() }
}
