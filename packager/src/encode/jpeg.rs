//! A picture as JPEG.

use gst::prelude::*;

use super::{
    decode::Picture,
    element, fault,
    pipe::{Feed, Pipe, Pulled},
};
use crate::protocol::Failure;

/// JFIF wants full range and the matrix of BT.601; primaries and transfer stay those of BT.709.
const JFIF_COLORIMETRY: &str = "1:4:5:1";

/// Codes a picture of limited range BT.709; `quality` is from 1 to 100.
///
/// # Errors
/// `element_unavailable` when GStreamer lacks what this needs, `stalled` when it hangs.
pub(crate) fn encode(picture: &Picture, quality: u32) -> Result<Vec<u8>, Failure> {
    let caps = picture.info.to_caps().map_err(|error| fault::element("jpegenc", error))?;
    let convert = element::make("videoconvert")?;
    let filter = element::make("capsfilter")?;
    let wanted =
        gst_video::VideoCapsBuilder::new().format(gst_video::VideoFormat::I420).field("colorimetry", JFIF_COLORIMETRY);
    filter.set_property("caps", wanted.build());
    let encoder = element::make("jpegenc")?;
    element::set_if_there(&encoder, "quality", &quality.to_string());
    let sink = gst_app::AppSink::builder().sync(false).async_(false).build();
    let pipe =
        Pipe::start(&Feed { caps: &caps, buffers_max: 1, bytes_max: 0 }, &[convert, filter, encoder], sink, |_| {})?;
    let mut buffer = picture.buffer.copy();
    if let Some(buffer) = buffer.get_mut() {
        buffer.set_pts(gst::ClockTime::ZERO);
    }
    pipe.push(buffer);
    pipe.end();
    let unmade = |detail: String| fault::element("jpegenc", detail);
    match pipe.pull()? {
        Pulled::Sample(sample) => {
            let bytes = sample.buffer().and_then(|buffer| buffer.map_readable().ok()).map(|map| map.to_vec());
            bytes.ok_or_else(|| unmade("it gave no bytes".to_owned()))
        }
        Pulled::End => Err(unmade("it gave no picture".to_owned())),
        Pulled::Broken(text) => Err(unmade(text)),
    }
}
