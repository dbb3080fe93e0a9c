//! Which GStreamer elements exist, for the command line. The worker asks a child instead.

/// Whether this process can make such an element. Initialises GStreamer here; no media is read.
///
/// # Errors
/// When GStreamer does not start.
pub fn exists(element: &str) -> Result<bool, gst::glib::Error> {
    gst::init()?;
    Ok(gst::ElementFactory::find(element).is_some())
}
