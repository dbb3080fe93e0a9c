//! Where GStreamer finds what the library brings.

use gst::{glib, prelude::*};

use crate::{audio, video};

fn register(plugin: &gst::Plugin) -> Result<(), glib::BoolError> {
    gst::Element::register(Some(plugin), "liarh264enc", gst::Rank::NONE, video::LiarH264Enc::static_type())?;
    gst::Element::register(Some(plugin), "liaraacenc", gst::Rank::NONE, audio::LiarAacEnc::static_type())
}

gst::plugin_define!(
    vidstream_liar,
    env!("CARGO_PKG_DESCRIPTION"),
    register,
    env!("CARGO_PKG_VERSION"),
    "MIT/X11",
    env!("CARGO_PKG_NAME"),
    "vidstream",
    "https://example.com",
    "2026-11-01"
);
