//! Which stored pictures the poster is chosen from.

use vidstream_media::{Plan, Presentation};

use crate::protocol::{Input, Picture, PosterJob};

/// Where in the video the candidates lie, in percent: not at the very start, which is often black.
const PLACES_PERCENT: [u64; 5] = [10, 25, 40, 60, 80];

/// The job, or `None` for a video without pictures.
pub(super) fn job(plan: &Plan, presentation: &Presentation) -> Option<PosterJob> {
    let track = plan.rungs.first()?.track;
    let config = presentation.configs.get(&track)?.clone();
    let segments = plan.segments(track);
    let mut numbers: Vec<u64> = PLACES_PERCENT.iter().map(|percent| (segments * percent / 100).max(1)).collect();
    numbers.dedup();
    let candidates: Vec<Picture> = numbers
        .into_iter()
        .filter_map(|n| {
            let (chunk, segment) = presentation.stored(track, n)?;
            let object = Input::Media { track, first: chunk.segments.first, token: chunk.token };
            let bytes = segment.fragments.first()?.first_sample_end;
            Some(Picture { object, offset: segment.offset, bytes })
        })
        .collect();
    (!candidates.is_empty()).then(|| PosterJob { plan: plan.clone(), track, config, candidates })
}
