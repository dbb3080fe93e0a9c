//! Pictures in every size of the ladder, each from the smallest larger one that was already made.
//!
//! The cascade costs less than half of scaling each size from the source.

use fast_image_resize::{
    FilterType, ResizeAlg, ResizeOptions, Resizer,
    images::{TypedCroppedImage, TypedCroppedImageMut, TypedImage, TypedImageRef},
    pixels::U8,
};
use gst::prelude::*;
use gst_video::prelude::*;

use super::{decode::Picture, fault};
use crate::protocol::Failure;

/// Luma and two chroma planes.
const PLANES: u32 = 3;

/// Scales pictures to a fixed set of sizes.
pub(crate) struct Cascade {
    steps: Vec<Step>,
    resizer: Resizer,
    options: ResizeOptions,
}

struct Step {
    info: gst_video::VideoInfo,
    pool: gst_video::VideoBufferPool,
}

// === impl Cascade ===

impl Cascade {
    /// Prepares for these sizes, largest first.
    ///
    /// # Errors
    /// `element_unavailable` when GStreamer refuses a size.
    pub(crate) fn new(sizes: &[(u32, u32)]) -> Result<Self, Failure> {
        let steps = sizes.iter().map(|&(width, height)| Step::new(width, height)).collect::<Result<_, _>>()?;
        let options = ResizeOptions::new().resize_alg(ResizeAlg::Convolution(FilterType::Bilinear));
        Ok(Self { steps, resizer: Resizer::new(), options })
    }

    /// The picture in the first `count` sizes. A size that the source already has shares its memory.
    ///
    /// # Errors
    /// `decode_error` when the picture's memory is not what its format says.
    pub(crate) fn scale(&mut self, source: &Picture, count: usize) -> Result<Vec<Picture>, Failure> {
        let mut made: Vec<Picture> = Vec::with_capacity(count);
        for step in self.steps.iter().take(count) {
            let (width, height) = (step.info.width(), step.info.height());
            let fits = |picture: &&Picture| picture.info.width() >= width && picture.info.height() >= height;
            let from = made.iter().rev().find(fits).unwrap_or(source);
            let same = from.info.width() == width && from.info.height() == height;
            let picture = if same { from.clone() } else { step.scale(from, &mut self.resizer, &self.options)? };
            made.push(picture);
        }
        Ok(made)
    }
}

// === impl Step ===

impl Step {
    fn new(width: u32, height: u32) -> Result<Self, Failure> {
        let refused = |error: gst::glib::BoolError| fault::element("buffer pool", error);
        let info =
            gst_video::VideoInfo::builder(gst_video::VideoFormat::I420, width, height).build().map_err(refused)?;
        let pool = gst_video::VideoBufferPool::new();
        let mut config = pool.config();
        let caps = info.to_caps().map_err(refused)?;
        let bytes = u32::try_from(info.size()).unwrap_or(u32::MAX);
        // Encoders hold pictures for their lookahead, so the number is theirs to bound.
        config.set_params(Some(&caps), bytes, 0, 0);
        config.add_option(gst_video::BUFFER_POOL_OPTION_VIDEO_META);
        pool.set_config(config).map_err(refused)?;
        pool.set_active(true).map_err(refused)?;
        Ok(Self { info, pool })
    }

    fn scale(&self, from: &Picture, resizer: &mut Resizer, options: &ResizeOptions) -> Result<Picture, Failure> {
        let mut buffer = self.pool.acquire_buffer(None).map_err(|error| fault::element("buffer pool", error))?;
        let unmapped = || fault::decode("a picture cannot be mapped");
        {
            let source =
                gst_video::VideoFrameRef::from_buffer_ref_readable(&from.buffer, &from.info).map_err(|_| unmapped())?;
            let target = buffer.get_mut().ok_or_else(unmapped)?;
            let mut target =
                gst_video::VideoFrameRef::from_buffer_ref_writable(target, &self.info).map_err(|_| unmapped())?;
            for plane in 0..PLANES {
                let from_plane = Plane::of(&source, plane)?;
                let (stride, width, height) = geometry(&target, plane)?;
                let pixels = target.plane_data_mut(plane).map_err(fault::decode)?;
                resize(&from_plane, pixels, (stride, width, height), resizer, options).map_err(fault::decode)?;
            }
        }
        Ok(Picture { buffer, info: self.info.clone() })
    }
}

impl Drop for Step {
    fn drop(&mut self) {
        drop(self.pool.set_active(false));
    }
}

struct Plane<'a> {
    pixels: &'a [u8],
    stride: u32,
    width: u32,
    height: u32,
}

// === impl Plane ===

impl<'a> Plane<'a> {
    fn of(frame: &'a gst_video::VideoFrameRef<&gst::BufferRef>, plane: u32) -> Result<Self, Failure> {
        let (stride, width, height) = geometry(frame, plane)?;
        let pixels = frame.plane_data(plane).map_err(fault::decode)?;
        Ok(Self { pixels, stride, width, height })
    }
}

/// Stride, width and height of a plane.
fn geometry<T>(frame: &gst_video::VideoFrameRef<T>, plane: u32) -> Result<(u32, u32, u32), Failure>
where
    gst_video::VideoFrameRef<T>: VideoFrameExt,
{
    let index = usize::try_from(plane).unwrap_or(usize::MAX);
    let stride = frame.plane_stride().get(index).and_then(|&stride| u32::try_from(stride).ok());
    let stride = stride.ok_or_else(|| fault::decode("a picture lies upside down in memory"))?;
    Ok((stride, frame.comp_width(plane), frame.comp_height(plane)))
}

fn resize(
    from: &Plane<'_>,
    to: &mut [u8],
    to_geometry: (u32, u32, u32),
    resizer: &mut Resizer,
    options: &ResizeOptions,
) -> Result<(), String> {
    let text = |error: &dyn std::fmt::Display| error.to_string();
    let (stride, width, height) = to_geometry;
    let source =
        TypedImageRef::<U8>::from_buffer(from.stride, from.height, from.pixels).map_err(|error| text(&error))?;
    let source = TypedCroppedImage::from_ref(&source, 0, 0, from.width, from.height).map_err(|error| text(&error))?;
    let mut target = TypedImage::<U8>::from_buffer(stride, height, to).map_err(|error| text(&error))?;
    let mut target = TypedCroppedImageMut::from_ref(&mut target, 0, 0, width, height).map_err(|error| text(&error))?;
    resizer.resize_typed(&source, &mut target, options).map_err(|error| text(&error))
}
