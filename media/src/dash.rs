//! The DASH MPD (ISO 23009-1), rendered from one [`Presentation`].
//!
//! Static, one Period, `SegmentTemplate` with `$Number$` and a `SegmentTimeline` in exact ticks: the
//! same segments, names and times as the HLS playlists. The document is at `/v/{id}/`. The profile is
//! live only: `isoff-live` asks for nothing that the grid does not promise.

mod sets;
mod timeline;
mod xml;

use std::{fmt, io};

use xml::Xml;

use crate::{bandwidth, presentation::Presentation, rational::mul_div_ceil};

const NAMESPACE: &str = "urn:mpeg:dash:schema:mpd:2011";
const PROFILES: &str = "urn:mpeg:dash:profile:isoff-live:2011";

/// Microseconds as an XML duration, exactly.
struct Duration(u64);

/// `manifest.mpd`.
///
/// A Representation is listed once its decoder configuration is known, since `@codecs` must name
/// what the samples are: from `playable` on all are.
pub fn mpd(presentation: &Presentation) -> String {
    // Writing into memory cannot fail, and only text was written.
    let bytes = render(presentation).unwrap_or_default();
    String::from_utf8(bytes).unwrap_or_default()
}

fn render(presentation: &Presentation) -> io::Result<Vec<u8>> {
    let timeline = &presentation.plan.timeline;
    // Rounded up: a player cuts at this time, and drops a last frame that ends a microsecond later.
    let scale = u64::from(timeline.timescale);
    let duration_us = mul_div_ceil(timeline.duration_ticks(), 1_000_000, scale);
    let duration = Duration(duration_us).to_string();
    let min_buffer = Duration(bandwidth::min_buffer_us(timeline)).to_string();
    let mut xml = Xml::new()?;
    let attributes = [
        ("xmlns", NAMESPACE),
        ("profiles", PROFILES),
        ("type", "static"),
        ("mediaPresentationDuration", &duration),
        ("minBufferTime", &min_buffer),
    ];
    xml.open("MPD", &attributes)?;
    xml.open("Period", &[("id", "0"), ("start", "PT0S")])?;
    sets::video(&mut xml, presentation)?;
    sets::audio(&mut xml, presentation)?;
    sets::trick(&mut xml, presentation)?;
    sets::thumbnails(&mut xml, presentation)?;
    xml.close("Period")?;
    xml.close("MPD")?;
    Ok(xml.finish())
}

// === impl Duration ===

impl fmt::Display for Duration {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "PT{}.{:06}S", self.0 / 1_000_000, self.0 % 1_000_000)
    }
}
