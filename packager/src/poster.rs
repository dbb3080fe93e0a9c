//! Makes the poster, in a child process: the stored picture with the most to see, as JPEG.

use vidstream_media::Crc32;

use crate::{
    child::ChildIo,
    encode::{canvas, decode::Picture, fault, jpeg, stills},
    protocol::{Failure, ImageReport, Output, PosterJob},
};

/// JPEG quality of the poster.
const QUALITY: u32 = 85;

/// Makes the poster from the candidate with the greatest contrast.
///
/// # Errors
/// What the worker reports as the reason of a failed attempt; `decode_error` when no candidate can be decoded.
pub fn run(io: &ChildIo, job: &PosterJob) -> Result<ImageReport, Failure> {
    let mut best: Option<(f64, Picture)> = None;
    stills::decode_each(io, &job.config, &job.candidates, |_, picture| {
        let contrast = canvas::contrast(picture)?;
        if best.as_ref().is_none_or(|(most, _)| contrast > *most) {
            best = Some((contrast, picture.clone()));
        }
        Ok(())
    })?;
    let (_, picture) = best.ok_or_else(|| fault::decode("no stored picture could be decoded"))?;
    let image = jpeg::encode(&picture, QUALITY)?;
    let output = io.open_output(Output::Poster)?;
    io.write(output, &image)?;
    Ok(ImageReport { bytes: io.finish(output)?, crc32: Crc32::of(&image) })
}
