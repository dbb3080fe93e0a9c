//! The decoder configuration: one for all chunks, whatever they show and however many threads made them.

use std::collections::BTreeMap;

use vidstream_media::{Track, codec::DecoderConfig};
use vidstream_plugins::verdict::Finding;

use super::{Judged, name, seen, whole_trial};
use crate::{check::evidence::Evidence, encode::nal};

/// Sequence and picture parameter sets (ITU-T H.264 table 7-1).
const PARAMETER_SETS: [u8; 2] = [7, 8];

/// The same bytes in every chunk and in every content, and no others inside of samples.
pub(super) fn same(evidence: &Evidence) -> Judged {
    let mut known: BTreeMap<Track, Vec<u8>> = BTreeMap::new();
    let seen = seen(evidence)?;
    for seen in &seen {
        let Some(config) = seen.record.configs.first() else {
            return Err(Finding::broken("it tells no decoder configuration", seen.place("start")));
        };
        if seen.record.configs.len() > 1 {
            return Err(Finding::broken("its decoder configuration changes on the way", seen.place("start")));
        }
        let first = known.entry(seen.track).or_insert_with(|| config.clone());
        if first != config {
            return Err(Finding::broken(differs(first, config), seen.place("start")));
        }
        for sample in seen.record.samples.iter().filter(|_| seen.track.is_video()) {
            let sets = nal::units(&sample.data).unwrap_or_default();
            let sets = sets.into_iter().filter(|unit| PARAMETER_SETS.contains(&nal::unit_type(unit)));
            if sets.into_iter().any(|set| !holds(config, set)) {
                let text = "a parameter set inside of a sample is not one of the decoder configuration";
                return Err(Finding::broken(text, seen.place(format_args!("frame {}", sample.frame.unwrap_or(0)))));
            }
        }
    }
    for part in evidence.chunks.iter().chain(evidence.through.as_ref().ok()) {
        for (track, DecoderConfig::Avc(config) | DecoderConfig::Aac(config)) in &part.configs {
            if let Some(first) = known.get(track).filter(|first| *first != config) {
                let place = format!("chunk job, {}, segment {}", name(*track), part.segments.first);
                return Err(Finding::broken(differs(first, config), place));
            }
        }
    }
    whole_trial(evidence)?;
    let bytes: Vec<String> =
        known.iter().map(|(track, config)| format!("{} bytes for {}", config.len(), name(*track))).collect();
    let times = seen.len() / known.len().max(1) + evidence.chunks.len();
    Ok(format!("the same in {times} chunks: {}", bytes.join(", ")))
}

fn holds(config: &[u8], set: &[u8]) -> bool {
    !set.is_empty() && config.windows(set.len()).any(|window| window == set)
}

fn differs(first: &[u8], other: &[u8]) -> String {
    let at = first.iter().zip(other).take_while(|(a, b)| a == b).count();
    format!("its decoder configuration differs from that of the first chunk, from byte {at} on")
}
