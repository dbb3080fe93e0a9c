//! Removes every object of a video, then its row.

use super::{Shop, Stop};
use crate::worker::patience::patiently;

pub(super) async fn run(shop: &Shop<'_>) -> Result<(), Stop> {
    shop.or_cancelled(async {
        shop.context.store.delete_video(shop.claim.video).await?;
        patiently(|| shop.context.catalog.finish_delete(shop.claim)).await?;
        Ok(())
    })
    .await?
}
