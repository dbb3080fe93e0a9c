//! The cap: the peak of the published windows, held against the bandwidth that is published before the end.

use std::{collections::BTreeMap, sync::Arc};

use vidstream_media::{Presentation, Track, VideoId, bandwidth};
use vidstream_plugins::verdict::Finding;

use super::{Judged, name};
use crate::check::evidence::Evidence;

/// Measured over runs of segments as RFC 8216bis §4.1 has it (packaging rule 22). Every segment is a chunk
/// here, so that the buffer starts anew at each of them.
pub(super) fn cap_kept(evidence: &Evidence) -> Judged {
    if let Some((_, failure)) = &evidence.refused {
        return Err(Finding::unjudged(failure));
    }
    let plan = &evidence.plan;
    let promised = Presentation {
        id: VideoId::from_bits(0),
        generation: 1,
        plan: Arc::new(plan.clone()),
        configs: BTreeMap::new(),
        chunks: BTreeMap::new(),
        sheets: BTreeMap::new(),
        poster: None,
        ready: false,
        measured: BTreeMap::new(),
    };
    let mut found = Vec::new();
    for track in plan.tracks().into_iter().filter(|track| track.is_video()) {
        let sizes = sizes(evidence, track);
        let measured = bandwidth::measure(plan, track, &sizes);
        let bound = bandwidth::declared(&promised, track).map_or(0, |rates| rates.peak_bps);
        let text = format!("{} peaks at {} of {} kbit/s", name(track), kbps(measured.peak_bps), kbps(bound));
        if measured.peak_bps > bound {
            return Err(Finding::broken(text, name(track)));
        }
        found.push(text);
    }
    Ok(found.join(", "))
}

/// Bytes of every segment of a track.
fn sizes(evidence: &Evidence, track: Track) -> Vec<u64> {
    let chunks = evidence.chunks.iter().flat_map(|part| &part.tracks).filter(|chunk| chunk.track == track);
    chunks.flat_map(|chunk| &chunk.segments).map(vidstream_media::index::Segment::bytes).collect()
}

fn kbps(bps: u64) -> u64 {
    bps.div_ceil(1000)
}
