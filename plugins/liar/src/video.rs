//! `liarh264enc`: x264enc in a bin that breaks a promise.

use gst::glib;

glib::wrapper! {
    /// The encoder.
    pub(crate) struct LiarH264Enc(ObjectSubclass<imp::LiarH264Enc>) @extends gst::Bin, gst::Element, gst::Object;
}

mod imp {
    use std::sync::{
        LazyLock, OnceLock,
        atomic::{AtomicBool, Ordering},
    };

    use gst::{glib, prelude::*, subclass::prelude::*};

    use crate::lies;

    /// Properties that are handed on to x264enc under the same name.
    const HANDED_ON: [&str; 6] = ["bitrate", "vbv-buf-capacity", "quantizer", "key-int-max", "bframes", "threads"];
    const HONEST: &str = "scenecut=0:open-gop=0:force-cfr=1:sync-lookahead=0";

    /// The bin.
    #[derive(Default)]
    pub(crate) struct LiarH264Enc {
        x264: OnceLock<gst::Element>,
    }

    #[glib::object_subclass]
    impl ObjectSubclass for LiarH264Enc {
        const NAME: &'static str = "VidstreamLiarH264Enc";
        type Type = super::LiarH264Enc;
        type ParentType = gst::Bin;
    }

    impl ObjectImpl for LiarH264Enc {
        fn properties() -> &'static [glib::ParamSpec] {
            static PROPERTIES: LazyLock<Vec<glib::ParamSpec>> = LazyLock::new(|| {
                let lie = glib::ParamSpecString::builder("wrong").write_only().build();
                let handed_on = HANDED_ON.iter().map(|name| glib::ParamSpecUInt::builder(name).write_only().build());
                std::iter::once(lie).chain(handed_on).collect()
            });
            &PROPERTIES
        }

        fn set_property(&self, _id: usize, value: &glib::Value, spec: &glib::ParamSpec) {
            let Some(x264) = self.x264.get() else { return };
            match value.get::<String>() {
                Ok(lie) => told(&lie, x264),
                Err(_) => x264.set_property_from_value(spec.name(), value),
            }
        }

        fn constructed(&self) {
            self.parent_constructed();
            self.assemble().unwrap_or_else(|error| gst::error!(gst::CAT_RUST, imp = self, "{error}"));
        }
    }

    impl LiarH264Enc {
        fn assemble(&self) -> Result<(), glib::BoolError> {
            let x264 = gst::ElementFactory::make("x264enc").build()?;
            for (name, value) in
                [("speed-preset", "veryfast"), ("pass", "qual"), ("byte-stream", "false"), ("option-string", HONEST)]
            {
                x264.set_property_from_str(name, value);
            }
            let bin = self.obj();
            bin.add(&x264)?;
            for name in ["sink", "src"] {
                let inner = x264.static_pad(name).ok_or_else(|| glib::bool_error!("no pad {name}"))?;
                let template = bin.pad_template(name).ok_or_else(|| glib::bool_error!("no template {name}"))?;
                bin.add_pad(&gst::GhostPad::builder_from_template_with_target(&template, &inner)?.name(name).build())?;
            }
            self.x264.set(x264).map_err(|_| glib::bool_error!("assembled twice"))
        }
    }

    /// Sets the encoder up for a lie. Settings are set in the order of their names, so that `wrong` is the last.
    fn told(lie: &str, x264: &gst::Element) {
        static SECOND: AtomicBool = AtomicBool::new(false);
        let options = match lie {
            "open-gop" => "scenecut=0:open-gop=1:force-cfr=1:sync-lookahead=0:bframes=2:b-adapt=0",
            "bad-start" => "scenecut=0:open-gop=0:force-cfr=1:sync-lookahead=0:zones=0,11,q=51",
            // Every second encoder of a process.
            "config" if SECOND.fetch_xor(true, Ordering::Relaxed) => {
                "scenecut=0:open-gop=0:force-cfr=1:sync-lookahead=0:ref=4"
            }
            _ => HONEST,
        };
        x264.set_property_from_str("option-string", options);
        match lie {
            "more-keys" => x264.set_property("key-int-max", 20_u32),
            "no-cap" => x264.set_property("vbv-buf-capacity", 0_u32),
            _ => {}
        }
        if let Some(pad) = x264.static_pad("src") {
            lies::tell(if lie == "open-gop" { "deaf" } else { lie }, &pad);
        }
    }

    impl GstObjectImpl for LiarH264Enc {}

    impl ElementImpl for LiarH264Enc {
        fn metadata() -> Option<&'static gst::subclass::ElementMetadata> {
            static METADATA: LazyLock<gst::subclass::ElementMetadata> = LazyLock::new(|| {
                gst::subclass::ElementMetadata::new("Liar", "Codec/Encoder/Video", "Breaks a promise", "vidstream")
            });
            Some(&METADATA)
        }

        fn pad_templates() -> &'static [gst::PadTemplate] {
            static TEMPLATES: LazyLock<Vec<gst::PadTemplate>> = LazyLock::new(|| {
                let raw = gst::Caps::builder("video/x-raw").field("format", "I420").build();
                let coded =
                    gst::Caps::builder("video/x-h264").field("stream-format", "avc").field("alignment", "au").build();
                [("sink", gst::PadDirection::Sink, raw), ("src", gst::PadDirection::Src, coded)]
                    .into_iter()
                    .filter_map(|(name, direction, caps)| {
                        gst::PadTemplate::new(name, direction, gst::PadPresence::Always, &caps).ok()
                    })
                    .collect()
            });
            &TEMPLATES
        }
    }

    impl BinImpl for LiarH264Enc {}
}
