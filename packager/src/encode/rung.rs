//! The encoder of a rung or of the trick track: one picture in for each sample out.

use gst::prelude::*;
use vidstream_media::{
    Rational, Track,
    plan::{Plan, VideoTrack},
    rational::mul_div_round,
};

use super::{
    coder::{Coder, Setup},
    delivery::Delivery,
    element,
    events::Events,
    fault,
    pipe::{Feed, Pipes},
};
use crate::protocol::{EncodeJob, Failure};

/// Raw pictures that wait for an encoder. Small, since each may be 3 MB; enough to keep it busy.
const PICTURES_MAX: u64 = 4;
const SECOND_NS: u64 = 1_000_000_000;

/// A running video encoder.
pub(super) struct Rung {
    coder: Coder,
    clock: Clock,
    pub(super) track: Track,
}

/// Encoder time: from zero at the job's first picture, one step a picture.
#[derive(Clone, Copy, Debug)]
struct Clock {
    /// Pictures per second.
    fps: Rational,
    /// Grid frame of the first picture.
    first: u64,
    /// Grid frames from one picture to the next.
    step: u64,
}

// === impl Rung ===

impl Rung {
    /// Starts the encoder of `video`, whose first picture will be grid frame `first`.
    ///
    /// # Errors
    /// `element_unavailable` when the worker lacks it or the plan's settings do not fit.
    pub(super) fn start(
        job: &EncodeJob,
        video: &VideoTrack,
        first: u64,
        delivery: Delivery,
        pipes: &Pipes,
        events: &Events,
    ) -> Result<Self, Failure> {
        let clock = Clock::new(&job.plan, video.track, first);
        let plugin = &video.encoder.plugin;
        let name =
            job.elements.get(plugin).ok_or_else(|| fault::element(plugin, "the job does not name its element"))?;
        let encoder = element::encoder(name, &video.encoder.settings, job.threads)?;
        let coded_caps =
            gst::Caps::builder("video/x-h264").field("stream-format", "avc").field("alignment", "au").build();
        let mut middle = vec![encoder.clone()];
        if !makes(&encoder, &coded_caps) {
            middle.push(element::make("h264parse")?);
        }
        let raw_caps = raw_caps(video, clock.fps)?;
        let setup = Setup {
            feed: Feed { caps: &raw_caps, buffers_max: PICTURES_MAX, bytes_max: 0 },
            middle,
            coded_caps,
            frame_of: Box::new(move |time, _| Some(clock.frame(time))),
            delivery,
        };
        Ok(Self { coder: Coder::start(setup, pipes, events)?, clock, track: video.track })
    }

    /// Pushes the picture of grid frame `frame`; `key` starts a GOP with it. `false` when the encoder
    /// takes no more.
    pub(super) fn push(&self, frame: u64, key: bool, picture: &gst::Buffer) -> bool {
        let time = self.clock.time(frame);
        // The first picture is a key frame anyway, and GStreamer 1.22 refuses all further requests after
        // one at time zero, where x264enc moves its times by 1000 hours.
        if key && frame > self.clock.first {
            self.coder.request_key_frame(time);
        }
        // A new buffer around the same memory: times and flags differ, pixels do not.
        let flags = gst::BufferCopyFlags::MEMORY | gst::BufferCopyFlags::META;
        let Ok(mut buffer) = picture.copy_region(flags, ..) else { return false };
        if let Some(buffer) = buffer.get_mut() {
            buffer.set_pts(time);
            buffer.set_duration(self.clock.time(frame + self.clock.step).saturating_sub(time));
        }
        self.coder.push(buffer)
    }

    /// Says that nothing more comes.
    pub(super) fn end(&self) {
        self.coder.end();
    }

    /// Waits until the last sample is written.
    ///
    /// # Errors
    /// `stalled` when the encoder does not end.
    pub(super) fn wait(self) -> Result<(), Failure> {
        self.coder.wait()
    }
}

// === impl Clock ===

impl Clock {
    fn new(plan: &Plan, track: Track, first: u64) -> Self {
        let fps = plan.timeline.fps;
        let step = if track == Track::Trick { plan.timeline.trick_frames.max(1) } else { 1 };
        // The rate control of the trick track must see its true rate.
        let fps = Rational::new(fps.num, fps.den.saturating_mul(step));
        Self { fps, first, step: u64::from(step) }
    }

    fn time(self, frame: u64) -> gst::ClockTime {
        let picture = frame.saturating_sub(self.first) / self.step;
        gst::ClockTime::from_nseconds(mul_div_round(
            picture,
            u64::from(self.fps.den) * SECOND_NS,
            u64::from(self.fps.num),
        ))
    }

    fn frame(self, time: gst::ClockTime) -> u64 {
        let picture = mul_div_round(time.nseconds(), u64::from(self.fps.num), u64::from(self.fps.den) * SECOND_NS);
        self.first + picture * self.step
    }
}

/// Whether an element's source pad can give `caps` itself.
fn makes(element: &gst::Element, caps: &gst::Caps) -> bool {
    element.static_pad("src").is_some_and(|pad| pad.pad_template_caps().can_intersect(caps))
}

fn raw_caps(video: &VideoTrack, fps: Rational) -> Result<gst::Caps, Failure> {
    let rate = |value: u32| i32::try_from(value).map_err(|_| fault::index("its frame rate has no room in caps"));
    let colorimetry = gst_video::VideoColorimetry::new(
        gst_video::VideoColorRange::Range16_235,
        gst_video::VideoColorMatrix::Bt709,
        gst_video::VideoTransferFunction::Bt709,
        gst_video::VideoColorPrimaries::Bt709,
    );
    let info = gst_video::VideoInfo::builder(gst_video::VideoFormat::I420, video.width, video.height)
        .fps(gst::Fraction::new(rate(fps.num)?, rate(fps.den)?))
        .par(gst::Fraction::new(1, 1))
        .colorimetry(&colorimetry)
        .chroma_site(gst_video::VideoChromaSite::MPEG2)
        .build();
    info.and_then(|info| info.to_caps()).map_err(|error| fault::element("raw caps", error))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_frame_comes_back_from_its_time() {
        let rates = [(24_000, 1001, 1), (30_000, 1001, 30), (60, 1, 1), (25, 2, 13), (1, 10, 1), (60_000, 1001, 60)];
        for (num, den, step) in rates {
            let fps = Rational::new(num, den * step);
            let clock = Clock { fps, first: 480, step: u64::from(step) };
            for picture in (0..5000).chain(1_000_000..1_000_100) {
                let frame = 480 + picture * u64::from(step);
                assert_eq!(clock.frame(clock.time(frame)), frame, "{num}/{den} {frame}");
            }
        }
    }
}
