//! Makes a tile sheet, in a child process: stored trick pictures, scaled, side by side in one JPEG.

use vidstream_media::Crc32;

use crate::{
    child::ChildIo,
    encode::{canvas, fault, jpeg, scale::Cascade, stills},
    protocol::{Failure, ImageReport, Output, Progress, SheetJob},
};

/// JPEG quality of sheets: previews are small and many.
const QUALITY: u32 = 75;
/// Tiles of a sheet; more are refused.
const TILES_MAX: u32 = 400;

/// Makes the tile sheet. Pictures that cannot be decoded are black.
///
/// # Errors
/// What the worker reports as the reason of a failed attempt.
pub fn run(io: &ChildIo, job: &SheetJob) -> Result<ImageReport, Failure> {
    let layout = job.plan.storyboard.ok_or_else(|| fault::index("the plan has no storyboard"))?;
    if layout.columns.saturating_mul(layout.rows) > TILES_MAX || layout.columns == 0 {
        return Err(fault::index("the plan's tile sheet has an impossible size"));
    }
    let mut sheet = canvas::black(layout.columns * layout.tile_width, layout.rows * layout.tile_height)?;
    let mut cascade = Cascade::new(&[(layout.tile_width, layout.tile_height)])?;
    let total = job.pictures.len() as u64;
    stills::decode_each(io, &job.config, &job.pictures, |place, picture| {
        let place = u32::try_from(place).unwrap_or(u32::MAX);
        let (column, row) = (place % layout.columns, place / layout.columns);
        if row < layout.rows
            && let Some(tile) = cascade.scale(picture, 1)?.first()
        {
            canvas::lay(&mut sheet, tile, (column * layout.tile_width, row * layout.tile_height))?;
        }
        io.progress(Progress { done: u64::from(place) + 1, total })?;
        Ok(())
    })?;
    let image = jpeg::encode(&sheet, QUALITY)?;
    let output = io.open_output(Output::Sheet { n: job.n })?;
    io.write(output, &image)?;
    Ok(ImageReport { bytes: io.finish(output)?, crc32: Crc32::of(&image) })
}
