//! What is shown in place of a chunk that cannot be made: the last picture that is stored before it.

use vidstream_media::Presentation;

use super::{Shop, Stop};
use crate::protocol::{Filler, Input, StoredGop};

/// The filler of a run that begins with segment `first`.
pub(super) async fn before(shop: &Shop<'_>, first: u64) -> Result<Filler, Stop> {
    let snapshot = shop.or_cancelled(shop.context.catalog.snapshot(shop.claim.video)).await??;
    let presentation = snapshot.and_then(|snapshot| snapshot.presentation);
    Ok(Filler { before: presentation.and_then(|presentation| last_gop(&presentation, first)) })
}

/// The last stored GOP of the top rung before segment `first`.
fn last_gop(presentation: &Presentation, first: u64) -> Option<StoredGop> {
    let track = presentation.plan.rungs.first()?.track;
    let config = presentation.configs.get(&track)?.clone();
    let (_, chunk) = presentation.chunks.range(..first).next_back()?;
    let (last, earlier) = chunk.track(track)?.segments.last()?.fragments.split_last()?;
    let segment_offset = chunk.track(track)?.segments.last()?.offset;
    let skipped: u64 = earlier.iter().map(|fragment| u64::from(fragment.bytes)).sum();
    Some(StoredGop {
        config,
        object: Input::Media { track, first: chunk.segments.first, token: chunk.token },
        offset: segment_offset.checked_add(skipped)?,
        bytes: last.bytes,
    })
}
