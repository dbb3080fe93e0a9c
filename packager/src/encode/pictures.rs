//! Where the pictures of a job come from: the source, or nowhere for filler.

use vidstream_media::Rational;

use super::{
    Context,
    decode::{Decoder, Picture},
    fault,
    input::{Stream, VideoSpan},
    picker::{Picker, Timed, target_ns},
    repeats::Repeats,
};
use crate::protocol::{Failure, Warning};

/// What frames show.
pub(super) enum Pictures {
    /// The source's pictures.
    Source(Box<Source>),
    /// One picture for all frames, where there is nothing else.
    Still(Picture),
}

/// Decoded pictures, picked on the grid.
pub(super) struct Source {
    context: Context,
    span: VideoSpan,
    decoder: Decoder,
    picker: Picker<Picture>,
    repeats: Repeats,
    fps: Rational,
    /// Whether no frame was shown yet, so that decoding may still start over.
    is_first: bool,
}

// === impl Pictures ===

impl Pictures {
    /// The picture of frame `n` of the grid; frames are asked for in order.
    ///
    /// # Errors
    /// `decode_error` when the source gives no picture at all, `stalled` when its decoder hangs.
    pub(super) fn show(&mut self, n: u64) -> Result<Picture, Failure> {
        match self {
            Self::Source(source) => source.show(n),
            Self::Still(picture) => Ok(picture.clone()),
        }
    }

    /// What people should know about the frames since the last call.
    pub(super) fn take_warning(&mut self) -> Option<Warning> {
        match self {
            Self::Source(source) => source.repeats.take_warning(source.fps),
            Self::Still(_) => None,
        }
    }
}

// === impl Source ===

impl Source {
    pub(super) fn start(context: &Context, span: VideoSpan) -> Result<Self, Failure> {
        let fps = context.job.plan.timeline.fps;
        let repeats = Repeats::new(&span.stream.packets, fps, span.treatment.interlaced);
        let decoder = decoder(context, &span, span.lead)?;
        Ok(Self { context: context.clone(), span, decoder, picker: Picker::new(), repeats, fps, is_first: true })
    }

    fn show(&mut self, n: u64) -> Result<Picture, Failure> {
        let target = target_ns(self.span.t0_ns, self.fps, n);
        let mut picked = self.pick(target)?;
        if std::mem::take(&mut self.is_first) && self.repeats.promised_ns(target).is_some() {
            if picked.as_ref().is_none_or(|picked| picked.pts_ns > target) && self.span.lead > 0 {
                picked = self.start_over(target)?;
            }
            if picked.is_none() {
                self.span.treatment.show_corrupt = true;
                picked = self.start_over(target)?;
            }
        }
        self.repeats.note(n, target, picked.as_ref().map(|picked| picked.pts_ns));
        let nothing = || fault::decode(self.decoder.broken().unwrap_or("no picture came out of the decoder"));
        picked.map(|picked| picked.picture).ok_or_else(nothing)
    }

    /// Decodes again, from the earlier sync packet.
    fn start_over(&mut self, target_ns: i64) -> Result<Option<Timed<Picture>>, Failure> {
        self.decoder = decoder(&self.context, &self.span, 0)?;
        self.picker = Picker::new();
        self.pick(target_ns)
    }

    fn pick(&mut self, target_ns: i64) -> Result<Option<Timed<Picture>>, Failure> {
        let picked = self.picker.pick(target_ns, || self.decoder.next())?;
        Ok(picked.cloned())
    }
}

/// Decodes from packet `from` of the span.
fn decoder(context: &Context, span: &VideoSpan, from: usize) -> Result<Decoder, Failure> {
    let packets = span.stream.packets.get(from..).unwrap_or_default().to_vec();
    let stream = Stream { packets, ..span.stream.clone() };
    Decoder::start(context, stream, span.treatment)
}
