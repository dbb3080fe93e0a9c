//! Where GStreamer finds what the library brings.

use gst::{glib, prelude::*};

use crate::encoder;

fn register(plugin: &gst::Plugin) -> Result<(), glib::BoolError> {
    // No rank: GStreamer itself never picks it, only a plan that names it does.
    gst::Element::register(Some(plugin), "calmx264enc", gst::Rank::NONE, encoder::CalmX264Enc::static_type())
}

// The name must be that of the file: libvidstream_example.so.
gst::plugin_define!(
    vidstream_example,
    env!("CARGO_PKG_DESCRIPTION"),
    register,
    env!("CARGO_PKG_VERSION"),
    "MIT/X11",
    env!("CARGO_PKG_NAME"),
    "vidstream",
    "https://example.com",
    "2026-11-01"
);
