//! Full range made limited: the one colour conversion that GStreamer 1.22 leaves out when nothing else differs.

use gst_video::prelude::*;

use super::{decode::Picture, fault};
use crate::protocol::Failure;

/// Steps between black and white in limited range with eight bits (ITU-R BT.709-6 §3.5).
const LUMA_STEPS: u32 = 219;
const LUMA_BLACK: u32 = 16;
/// Steps of chroma, around its middle.
const CHROMA_STEPS: u32 = 224;
const CHROMA_MIDDLE: i32 = 128;
const FULL_STEPS: u32 = 255;
const PLANES: u32 = 3;

/// New values by old ones.
type Table = [u8; 256];

/// The picture in limited range; one that already is comes back as it is.
///
/// # Errors
/// `decode_error` when the picture cannot be mapped.
pub(super) fn limited(picture: Picture) -> Result<Picture, Failure> {
    if picture.info.colorimetry().range() != gst_video::VideoColorRange::Range0_255 {
        return Ok(picture);
    }
    let unmapped = || fault::decode("a picture cannot be mapped");
    let from =
        gst_video::VideoFrameRef::from_buffer_ref_readable(&picture.buffer, &picture.info).map_err(|_| unmapped())?;
    let info =
        gst_video::VideoInfo::builder(picture.info.format(), picture.info.width(), picture.info.height()).build();
    let info = info.map_err(|error| fault::element("limited range", error))?;
    let mut buffer = gst::Buffer::with_size(info.size()).map_err(|error| fault::element("limited range", error))?;
    {
        let target = buffer.get_mut().ok_or_else(unmapped)?;
        let mut to = gst_video::VideoFrameRef::from_buffer_ref_writable(target, &info).map_err(|_| unmapped())?;
        for plane in 0..PLANES {
            let table = if plane == 0 { luma() } else { chroma() };
            let stride = |strides: &[i32]| {
                let place = usize::try_from(plane).ok().and_then(|plane| strides.get(plane));
                place.and_then(|&stride| usize::try_from(stride).ok()).filter(|&stride| stride > 0).ok_or_else(unmapped)
            };
            let (from_stride, to_stride) = (stride(from.plane_stride())?, stride(to.plane_stride())?);
            let width = usize::try_from(from.comp_width(plane)).unwrap_or(0);
            let source = from.plane_data(plane).map_err(fault::decode)?;
            let target = to.plane_data_mut(plane).map_err(fault::decode)?;
            for (old, new) in source.chunks(from_stride).zip(target.chunks_mut(to_stride)) {
                for (old, new) in old.iter().zip(new).take(width) {
                    *new = table.get(usize::from(*old)).copied().unwrap_or(0);
                }
            }
        }
    }
    Ok(Picture { buffer, info })
}

fn luma() -> Table {
    table(|old| LUMA_BLACK + (old * LUMA_STEPS + FULL_STEPS / 2) / FULL_STEPS)
}

fn chroma() -> Table {
    table(|old| {
        let off = i32::try_from(old).unwrap_or(0) - CHROMA_MIDDLE;
        let scaled = f64::from(off) * f64::from(CHROMA_STEPS) / f64::from(FULL_STEPS);
        #[expect(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "from 16 to 240")]
        let new = (f64::from(CHROMA_MIDDLE) + scaled.round()) as u32;
        new
    })
}

fn table(of: impl Fn(u32) -> u32) -> Table {
    std::array::from_fn(|old| u8::try_from(of(u32::try_from(old).unwrap_or(0))).unwrap_or(u8::MAX))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ends_and_middle_fall_where_limited_range_has_them() {
        assert_eq!([luma()[0], luma()[255]], [16, 235]);
        assert_eq!([chroma()[0], chroma()[128], chroma()[255]], [16, 128, 240]);
    }
}
