//! `liaraacenc`: `avenc_aac` in a bin that breaks a promise.

use gst::glib;

glib::wrapper! {
    /// The encoder.
    pub(crate) struct LiarAacEnc(ObjectSubclass<imp::LiarAacEnc>) @extends gst::Bin, gst::Element, gst::Object;
}

mod imp {
    use std::sync::{
        LazyLock, OnceLock,
        atomic::{AtomicBool, Ordering},
    };

    use gst::{glib, prelude::*, subclass::prelude::*};

    use crate::lies;

    /// The bin.
    #[derive(Default)]
    pub(crate) struct LiarAacEnc {
        aac: OnceLock<gst::Element>,
    }

    #[glib::object_subclass]
    impl ObjectSubclass for LiarAacEnc {
        const NAME: &'static str = "VidstreamLiarAacEnc";
        type Type = super::LiarAacEnc;
        type ParentType = gst::Bin;
    }

    impl ObjectImpl for LiarAacEnc {
        fn properties() -> &'static [glib::ParamSpec] {
            static PROPERTIES: LazyLock<Vec<glib::ParamSpec>> = LazyLock::new(|| {
                let lie = glib::ParamSpecString::builder("wrong").write_only().build();
                vec![lie, glib::ParamSpecInt::builder("bitrate").write_only().build()]
            });
            &PROPERTIES
        }

        fn set_property(&self, _id: usize, value: &glib::Value, spec: &glib::ParamSpec) {
            let Some(aac) = self.aac.get() else { return };
            match value.get::<String>() {
                Ok(lie) => told(&lie, aac),
                Err(_) => aac.set_property_from_value(spec.name(), value),
            }
        }

        fn constructed(&self) {
            self.parent_constructed();
            self.assemble().unwrap_or_else(|error| gst::error!(gst::CAT_RUST, imp = self, "{error}"));
        }
    }

    impl LiarAacEnc {
        fn assemble(&self) -> Result<(), glib::BoolError> {
            let aac = gst::ElementFactory::make("avenc_aac").build()?;
            let bin = self.obj();
            bin.add(&aac)?;
            for name in ["sink", "src"] {
                let inner = aac.static_pad(name).ok_or_else(|| glib::bool_error!("no pad {name}"))?;
                let template = bin.pad_template(name).ok_or_else(|| glib::bool_error!("no template {name}"))?;
                bin.add_pad(&gst::GhostPad::builder_from_template_with_target(&template, &inner)?.name(name).build())?;
            }
            self.aac.set(aac).map_err(|_| glib::bool_error!("assembled twice"))
        }
    }

    /// Sets the encoder up for a lie.
    fn told(lie: &str, aac: &gst::Element) {
        static SECOND: AtomicBool = AtomicBool::new(false);
        let (Some(sink), Some(src)) = (aac.static_pad("sink"), aac.static_pad("src")) else { return };
        match lie {
            "bad-start" => lies::start_silent(&sink),
            "no-pre-roll" => lies::start_anew(&sink, &src),
            "no-post-roll" => lies::end_silent(&sink),
            // Every second encoder of a process.
            "config" if SECOND.fetch_xor(true, Ordering::Relaxed) => lies::tell_config_without_extensions(&src),
            _ => lies::tell(lie, &src),
        }
    }

    impl GstObjectImpl for LiarAacEnc {}

    impl ElementImpl for LiarAacEnc {
        fn metadata() -> Option<&'static gst::subclass::ElementMetadata> {
            static METADATA: LazyLock<gst::subclass::ElementMetadata> = LazyLock::new(|| {
                gst::subclass::ElementMetadata::new("Liar", "Codec/Encoder/Audio", "Breaks a promise", "vidstream")
            });
            Some(&METADATA)
        }

        fn pad_templates() -> &'static [gst::PadTemplate] {
            static TEMPLATES: LazyLock<Vec<gst::PadTemplate>> = LazyLock::new(|| {
                let raw = gst::Caps::builder("audio/x-raw").field("format", "F32LE").build();
                let coded = gst::Caps::builder("audio/mpeg").field("mpegversion", 4).build();
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

    impl BinImpl for LiarAacEnc {}
}
