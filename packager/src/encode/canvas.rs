//! A large I420 picture that smaller ones are laid on.

use gst_video::prelude::*;

use super::{decode::Picture, fault};
use crate::protocol::Failure;

/// Luma of black in limited range (ITU-R BT.709 §3.5).
const BLACK_LUMA: u8 = 16;
/// Chroma without colour.
const GREY_CHROMA: u8 = 128;
const PLANES: u32 = 3;

/// A black picture of limited range BT.709.
///
/// # Errors
/// `element_unavailable` when GStreamer refuses the size.
pub(crate) fn black(width: u32, height: u32) -> Result<Picture, Failure> {
    let colorimetry = gst_video::VideoColorimetry::new(
        gst_video::VideoColorRange::Range16_235,
        gst_video::VideoColorMatrix::Bt709,
        gst_video::VideoTransferFunction::Bt709,
        gst_video::VideoColorPrimaries::Bt709,
    );
    let info =
        gst_video::VideoInfo::builder(gst_video::VideoFormat::I420, width, height).colorimetry(&colorimetry).build();
    let info = info.map_err(|error| fault::element("black picture", error))?;
    let mut bytes = vec![GREY_CHROMA; info.size()];
    let luma_bytes = info.offset().get(1).copied().unwrap_or(0);
    if let Some(luma) = bytes.get_mut(..luma_bytes) {
        luma.fill(BLACK_LUMA);
    }
    Ok(Picture { buffer: gst::Buffer::from_mut_slice(bytes), info })
}

/// Lays `tile` on `canvas` with its upper left corner at even `x` and `y`; what does not fit is cut.
///
/// # Errors
/// `decode_error` when one of them cannot be mapped.
pub(crate) fn lay(canvas: &mut Picture, tile: &Picture, (x, y): (u32, u32)) -> Result<(), Failure> {
    let unmapped = || fault::decode("a picture cannot be mapped");
    let from = gst_video::VideoFrameRef::from_buffer_ref_readable(&tile.buffer, &tile.info).map_err(|_| unmapped())?;
    let buffer = canvas.buffer.make_mut();
    let mut to = gst_video::VideoFrameRef::from_buffer_ref_writable(buffer, &canvas.info).map_err(|_| unmapped())?;
    for plane in 0..PLANES {
        let halved = |value: u32| if plane == 0 { value } else { value / 2 };
        let from_stride = stride(from.plane_stride(), plane)?;
        let to_stride = stride(to.plane_stride(), plane)?;
        let columns = usize_of(from.comp_width(plane).min(to.comp_width(plane).saturating_sub(halved(x))));
        let rows = usize_of(from.comp_height(plane).min(to.comp_height(plane).saturating_sub(halved(y))));
        let (left, top) = (usize_of(halved(x)), usize_of(halved(y)));
        let source = from.plane_data(plane).map_err(fault::decode)?;
        let target = to.plane_data_mut(plane).map_err(fault::decode)?;
        for row in 0..rows {
            let at = (top + row) * to_stride + left;
            let line = source.get(row * from_stride..row * from_stride + columns).ok_or_else(unmapped)?;
            target.get_mut(at..at + columns).ok_or_else(unmapped)?.copy_from_slice(line);
        }
    }
    Ok(())
}

/// How much there is to see: the variance of the luma, 0 for one colour.
///
/// # Errors
/// `decode_error` when the picture cannot be mapped.
pub(crate) fn contrast(picture: &Picture) -> Result<f64, Failure> {
    let unmapped = || fault::decode("a picture cannot be mapped");
    let frame =
        gst_video::VideoFrameRef::from_buffer_ref_readable(&picture.buffer, &picture.info).map_err(|_| unmapped())?;
    let stride = stride(frame.plane_stride(), 0)?;
    let width = usize_of(frame.width());
    let luma = frame.plane_data(0).map_err(fault::decode)?;
    let (mut count, mut sum, mut squares) = (0_u64, 0_u64, 0_u64);
    for line in luma.chunks(stride.max(1)) {
        for &value in line.iter().take(width) {
            count += 1;
            sum += u64::from(value);
            squares += u64::from(value) * u64::from(value);
        }
    }
    #[expect(clippy::cast_precision_loss, reason = "a picture has far fewer than 2^53 / 255^2 pixels")]
    let mean = |total: u64| total as f64 / count.max(1) as f64;
    Ok(mean(squares) - mean(sum) * mean(sum))
}

fn stride(strides: &[i32], plane: u32) -> Result<usize, Failure> {
    let stride = strides.get(usize_of(plane)).and_then(|&stride| usize::try_from(stride).ok());
    stride.ok_or_else(|| fault::decode("a picture lies upside down in memory"))
}

fn usize_of(value: u32) -> usize {
    usize::try_from(value).unwrap_or(usize::MAX)
}
