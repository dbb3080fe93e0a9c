//! Which elements turn coded packets into raw pictures or sound: a decoder, and a parser where it needs one.

use gst::prelude::*;

use super::{element, fault};
use crate::protocol::Failure;

/// Decoder threads at most: each holds pictures, and a child has company.
const DECODER_THREADS_MAX: usize = 4;

/// The elements for packets of these caps, in the order of the flow; none for raw ones.
///
/// # Errors
/// `element_unavailable` when no installed decoder takes them.
pub(crate) fn decoder_chain(caps: &gst::Caps) -> Result<Vec<gst::Element>, Failure> {
    let media = caps.structure(0).map_or("", |structure| structure.name().as_str());
    if matches!(media, "video/x-raw" | "audio/x-raw") {
        return Ok(Vec::new());
    }
    let kind = if media.starts_with("audio/") {
        gst::ElementFactoryType::MEDIA_AUDIO
    } else {
        gst::ElementFactoryType::MEDIA_VIDEO | gst::ElementFactoryType::MEDIA_IMAGE
    };
    let decoders = by_rank(gst::ElementFactoryType::DECODER | kind);
    let direct = decoders.iter().find(|factory| factory.can_sink_all_caps(caps));
    if let Some(decoder) = direct.filter(|_| !has_parameters_in_band(caps)) {
        return Ok(vec![build(decoder)?]);
    }
    // The decoder wants what only a parser tells: alignment, profile, whole frames or a change of size.
    let parsers = by_rank(gst::ElementFactoryType::PARSER);
    for parser in parsers.iter().filter(|factory| factory.can_sink_all_caps(caps)) {
        let sources = source_caps(parser);
        if let Some(decoder) =
            decoders.iter().find(|factory| factory.can_sink_any_caps(&sources) && factory.can_sink_any_caps(caps))
        {
            return Ok(vec![build(parser)?, build(decoder)?]);
        }
    }
    let decoder = decoders.iter().find(|factory| factory.can_sink_any_caps(caps));
    let decoder = decoder.ok_or_else(|| fault::element("decoder", format!("no installed decoder takes {caps}")))?;
    Ok(vec![build(decoder)?])
}

/// Whether the size may change without new caps.
fn has_parameters_in_band(caps: &gst::Caps) -> bool {
    caps.structure(0).and_then(|caps| caps.get::<&str>("stream-format").ok()) == Some("byte-stream")
}

fn by_rank(kind: gst::ElementFactoryType) -> Vec<gst::ElementFactory> {
    let found = gst::ElementFactory::factories_with_type(kind, gst::Rank::MARGINAL);
    let mut factories: Vec<gst::ElementFactory> = found.into_iter().collect();
    factories.sort_by_key(|factory| std::cmp::Reverse(factory.rank()));
    factories
}

fn source_caps(factory: &gst::ElementFactory) -> gst::Caps {
    let mut all = gst::Caps::new_empty();
    for template in factory.static_pad_templates() {
        if template.direction() == gst::PadDirection::Src {
            all.merge(template.caps());
        }
    }
    all
}

fn build(factory: &gst::ElementFactory) -> Result<gst::Element, Failure> {
    let made = factory.create().build().map_err(|error| fault::element(&factory.name(), error))?;
    let threads = std::thread::available_parallelism().map_or(1, std::num::NonZero::get).min(DECODER_THREADS_MAX);
    for property in ["max-threads", "n-threads"] {
        element::set_if_there(&made, property, &threads.to_string());
    }
    Ok(made)
}
