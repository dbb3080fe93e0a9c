//! Tells which elements exist, and leaves the registry file that later children start from.

use crate::protocol::{InspectJob, InspectReport};

/// GStreamer has been initialised, which has scanned its plugins and written the registry.
pub(super) fn run(job: &InspectJob) -> InspectReport {
    let exists = |name: &&String| gst::ElementFactory::find(name).is_some();
    InspectReport { available: job.elements.iter().filter(exists).cloned().collect() }
}
