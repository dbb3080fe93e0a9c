//! `calmx264enc`: the filter and x264enc in a bin, with the few properties that vidstream sets.

use gst::glib;

glib::wrapper! {
    /// The encoder.
    pub(crate) struct CalmX264Enc(ObjectSubclass<imp::CalmX264Enc>) @extends gst::Bin, gst::Element, gst::Object;
}

mod imp {
    use std::sync::{LazyLock, OnceLock};

    use gst::{glib, prelude::*, subclass::prelude::*};

    use crate::filter::GrainFilter;

    /// Properties that are handed on to x264enc under the same name.
    const HANDED_ON: [&str; 6] = ["bitrate", "vbv-buf-capacity", "quantizer", "key-int-max", "bframes", "threads"];
    /// The filter's property.
    const CALM: &str = "calm";
    /// x264 may start a GOP at a scene cut or leave it open unless it is told not to: vidstream's grid
    /// is published before it is encoded.
    const X264_OPTIONS: &str = "scenecut=0:open-gop=0:force-cfr=1:sync-lookahead=0";

    /// The bin and what it was made of.
    #[derive(Default)]
    pub(crate) struct CalmX264Enc {
        parts: OnceLock<(GrainFilter, gst::Element)>,
    }

    #[glib::object_subclass]
    impl ObjectSubclass for CalmX264Enc {
        const NAME: &'static str = "VidstreamCalmX264Enc";
        type Type = super::CalmX264Enc;
        type ParentType = gst::Bin;
    }

    impl ObjectImpl for CalmX264Enc {
        fn properties() -> &'static [glib::ParamSpec] {
            static PROPERTIES: LazyLock<Vec<glib::ParamSpec>> = LazyLock::new(|| {
                let calm = glib::ParamSpecUInt::builder(CALM)
                    .blurb("Differences up to this many levels are taken for grain; 0 leaves pictures as they are")
                    .maximum(64)
                    .default_value(6)
                    .build();
                let handed_on =
                    HANDED_ON.iter().map(|name| glib::ParamSpecUInt::builder(name).blurb("As of x264enc").build());
                std::iter::once(calm).chain(handed_on).collect()
            });
            &PROPERTIES
        }

        fn set_property(&self, _id: usize, value: &glib::Value, spec: &glib::ParamSpec) {
            let Some((filter, x264)) = self.parts.get() else { return };
            if spec.name() == CALM {
                filter.set_calm(value.get().unwrap_or_default());
            } else {
                x264.set_property_from_value(spec.name(), value);
            }
        }

        fn property(&self, _id: usize, spec: &glib::ParamSpec) -> glib::Value {
            match self.parts.get() {
                Some((filter, _)) if spec.name() == CALM => filter.calm().to_value(),
                Some((_, x264)) => x264.property_value(spec.name()),
                None => spec.default_value().clone(),
            }
        }

        fn constructed(&self) {
            self.parent_constructed();
            if let Err(error) = self.assemble() {
                // The element stays without pads, and whoever links it hears why in the log.
                gst::error!(gst::CAT_RUST, imp = self, "{error}");
            }
        }
    }

    impl CalmX264Enc {
        fn assemble(&self) -> Result<(), glib::BoolError> {
            let filter: GrainFilter = glib::Object::new();
            let x264 = gst::ElementFactory::make("x264enc").build()?;
            for (name, value) in [
                ("speed-preset", "veryfast"),
                ("pass", "qual"),
                ("byte-stream", "false"),
                ("option-string", X264_OPTIONS),
            ] {
                x264.set_property_from_str(name, value);
            }
            let bin = self.obj();
            bin.add_many([filter.upcast_ref(), &x264])?;
            filter.link(&x264)?;
            for (name, inner) in [("sink", filter.static_pad("sink")), ("src", x264.static_pad("src"))] {
                let inner = inner.ok_or_else(|| glib::bool_error!("a part has no pad {name}"))?;
                // With the bin's own template, so that it can be asked for its caps before it runs.
                let template = bin.pad_template(name).ok_or_else(|| glib::bool_error!("no template {name}"))?;
                bin.add_pad(&gst::GhostPad::builder_from_template_with_target(&template, &inner)?.name(name).build())?;
            }
            self.parts.set((filter, x264)).map_err(|_| glib::bool_error!("assembled twice"))
        }
    }

    impl GstObjectImpl for CalmX264Enc {}

    impl ElementImpl for CalmX264Enc {
        fn metadata() -> Option<&'static gst::subclass::ElementMetadata> {
            static METADATA: LazyLock<gst::subclass::ElementMetadata> = LazyLock::new(|| {
                gst::subclass::ElementMetadata::new(
                    "H.264 encoder that calms grain",
                    "Codec/Encoder/Video",
                    "Smooths what differs little from its surroundings, then encodes with x264",
                    "vidstream",
                )
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

    impl BinImpl for CalmX264Enc {}
}
