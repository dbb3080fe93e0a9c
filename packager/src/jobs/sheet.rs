//! Makes one tile sheet from the stored trick pictures.

use vidstream_catalog::Error as CatalogError;
use vidstream_media::{
    Plan, Presentation, Track,
    presentation::{Located, Sheet},
};

use super::{NICE_BACKGROUND, Shop, Stop, unexpected};
use crate::{
    protocol::{Failure, Input, Job, Output, Picture, Report, SheetJob},
    worker::patience::{is_certain, patiently},
};

pub(super) async fn run(shop: &Shop<'_>, n: u64, plan: &Plan) -> Result<(), Stop> {
    let snapshot = shop.or_cancelled(shop.context.catalog.snapshot(shop.claim.video)).await??;
    let Some(presentation) = snapshot.and_then(|snapshot| snapshot.presentation) else {
        return Err(CatalogError::NotFound.into());
    };
    let job = Job::Sheet(job(&presentation, n, plan)?);
    let backend = shop.backend();
    let result = shop.child(job, NICE_BACKGROUND, backend.clone(), shop.cancel).await;
    let finished = match result {
        Ok(Report::Sheet(report)) => {
            let sheet = Sheet { token: shop.claim.token, bytes: report.bytes, crc32: Some(report.crc32) };
            let finished = patiently(|| shop.context.catalog.finish_sheet(shop.claim, sheet)).await;
            if finished.as_ref().err().is_none_or(|error| !is_certain(error)) {
                backend.keep(Output::Sheet { n });
            }
            finished.map_err(Stop::from)
        }
        Ok(report) => Err(unexpected(&report)),
        Err(reason) => Err(reason),
    };
    backend.delete_loose().await;
    finished
}

fn job(presentation: &Presentation, n: u64, plan: &Plan) -> Result<SheetJob, Failure> {
    let missing = |what: &str| Failure::retryable("object_missing", "the sheet's pictures are not there", what);
    let storyboard = plan.storyboard.as_ref().ok_or_else(|| missing("the plan has no storyboard"))?;
    let config = presentation.configs.get(&Track::Trick).ok_or_else(|| missing("no decoder configuration"))?;
    let tricks = storyboard.sheet_tricks(&plan.timeline, n);
    let pictures = tricks.into_iter().map(|trick| match presentation.locate(Track::Trick, trick) {
        Located::Stored(place) => Ok(Picture {
            object: Input::Media { track: Track::Trick, first: place.chunk_first, token: place.token },
            offset: place.offset,
            bytes: u32::try_from(place.bytes).map_err(|_| missing("a picture is too large"))?,
        }),
        Located::Pending { .. } | Located::Absent => Err(missing(&format!("trick picture {trick}"))),
    });
    let pictures = pictures.collect::<Result<Vec<_>, Failure>>()?;
    Ok(SheetJob { plan: plan.clone(), n, config: config.clone(), pictures })
}
