//! The filter: a pixel becomes the mean of those around it that differ little from it.
//!
//! It looks at one picture at a time. A filter that remembered earlier pictures would make chunks differ
//! at their joins, since each starts with a new instance.

use gst::{glib, subclass::prelude::*};

glib::wrapper! {
    /// The filter.
    pub(crate) struct GrainFilter(ObjectSubclass<imp::GrainFilter>)
        @extends gst_video::VideoFilter, gst_base::BaseTransform, gst::Element, gst::Object;
}

// === impl GrainFilter ===

impl GrainFilter {
    /// Differences up to this many levels are grain.
    pub(crate) fn calm(&self) -> u32 {
        self.imp().calm()
    }

    /// Sets what [`Self::calm`] tells.
    pub(crate) fn set_calm(&self, levels: u32) {
        self.imp().set_calm(levels);
    }
}

/// Smooths one row of luma, given the rows above and below it.
fn smooth(rows: [&[u8]; 3], out: &mut [u8], levels: u32) {
    let [_, middle, _] = rows;
    for (x, (pixel, &centre)) in out.iter_mut().zip(middle).enumerate() {
        let (mut sum, mut count) = (0_u32, 0_u32);
        for row in rows {
            let around = row.get(x.saturating_sub(1)..(x + 2).min(row.len())).unwrap_or_default();
            for &other in around.iter().filter(|&&other| u32::from(centre.abs_diff(other)) <= levels) {
                sum += u32::from(other);
                count += 1;
            }
        }
        // The pixel itself always counts, so there is a mean, and it is a level.
        *pixel = u8::try_from((sum + count / 2) / count.max(1)).unwrap_or(centre);
    }
}

mod imp {
    use std::sync::{
        LazyLock,
        atomic::{AtomicU32, Ordering},
    };

    use gst::{glib, subclass::prelude::*};
    use gst_base::subclass::{BaseTransformMode, prelude::*};
    use gst_video::{prelude::*, subclass::prelude::*};

    /// The filter's one setting.
    #[derive(Default)]
    pub(crate) struct GrainFilter {
        calm: AtomicU32,
    }

    // === impl GrainFilter ===

    impl GrainFilter {
        pub(super) fn calm(&self) -> u32 {
            self.calm.load(Ordering::Relaxed)
        }

        pub(super) fn set_calm(&self, levels: u32) {
            self.calm.store(levels, Ordering::Relaxed);
        }
    }

    #[glib::object_subclass]
    impl ObjectSubclass for GrainFilter {
        const NAME: &'static str = "VidstreamGrainFilter";
        type Type = super::GrainFilter;
        type ParentType = gst_video::VideoFilter;
    }

    impl ObjectImpl for GrainFilter {}
    impl GstObjectImpl for GrainFilter {}

    impl ElementImpl for GrainFilter {
        fn pad_templates() -> &'static [gst::PadTemplate] {
            static TEMPLATES: LazyLock<Vec<gst::PadTemplate>> = LazyLock::new(|| {
                let raw = gst_video::VideoCapsBuilder::new().format(gst_video::VideoFormat::I420).build();
                [("sink", gst::PadDirection::Sink), ("src", gst::PadDirection::Src)]
                    .into_iter()
                    .filter_map(|(name, direction)| {
                        gst::PadTemplate::new(name, direction, gst::PadPresence::Always, &raw).ok()
                    })
                    .collect()
            });
            &TEMPLATES
        }
    }

    impl BaseTransformImpl for GrainFilter {
        const MODE: BaseTransformMode = BaseTransformMode::NeverInPlace;
        const PASSTHROUGH_ON_SAME_CAPS: bool = false;
        const TRANSFORM_IP_ON_PASSTHROUGH: bool = false;
    }

    impl VideoFilterImpl for GrainFilter {
        fn transform_frame(
            &self,
            from: &gst_video::VideoFrameRef<&gst::BufferRef>,
            to: &mut gst_video::VideoFrameRef<&mut gst::BufferRef>,
        ) -> Result<gst::FlowSuccess, gst::FlowError> {
            let levels = self.calm();
            for plane in 0..from.n_planes() {
                let (width, height) = (from.comp_width(plane) as usize, from.comp_height(plane) as usize);
                let stride = |strides: &[i32]| {
                    strides
                        .get(plane as usize)
                        .and_then(|&stride| usize::try_from(stride).ok())
                        .filter(|&stride| stride > 0)
                };
                let from_stride = stride(from.plane_stride()).ok_or(gst::FlowError::NotNegotiated)?;
                let to_stride = stride(to.plane_stride()).ok_or(gst::FlowError::NotNegotiated)?;
                let source = from.plane_data(plane).map_err(|_| gst::FlowError::Error)?;
                let target = to.plane_data_mut(plane).map_err(|_| gst::FlowError::Error)?;
                let row = |y: usize| source.get(y * from_stride..y * from_stride + width).unwrap_or_default();
                for (y, line) in target.chunks_mut(to_stride).take(height).enumerate() {
                    let Some(out) = line.get_mut(..width) else { return Err(gst::FlowError::Error) };
                    if plane == 0 && levels > 0 {
                        super::smooth([row(y.saturating_sub(1)), row(y), row((y + 1).min(height - 1))], out, levels);
                    } else {
                        out.copy_from_slice(row(y));
                    }
                }
            }
            Ok(gst::FlowSuccess::Ok)
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn grain_is_calmed_and_edges_stay() {
        let (above, middle, below) = ([50, 52, 50, 200, 200], [50, 50, 53, 200, 200], [50, 50, 50, 200, 203]);
        let mut out = [0; 5];
        smooth([&above, &middle, &below], &mut out, 6);
        assert_eq!(out, [50, 51, 51, 201, 201]);
        smooth([&above, &middle, &below], &mut out, 0);
        assert_eq!(out, middle);
    }
}
