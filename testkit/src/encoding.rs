//! How a clip is coded: codecs, GOPs and container, as ffmpeg's options.

/// Codec and container settings; change single fields over `..Encoding::default()`.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct Encoding {
    /// ffmpeg's video encoder, such as `libx264` or `libvpx-vp9`.
    pub video: String,
    /// The encoder's preset; `None` for encoders that have none.
    pub preset: Option<String>,
    /// Constant quality; `None` leaves the rate to `extra`.
    pub crf: Option<u32>,
    /// Frames from one key frame to the next; only there are key frames.
    pub gop: u32,
    /// B-frames in a row.
    pub bframes: u32,
    /// Whether GOPs are open (`libx264` and `libx265` only).
    pub open_gop: bool,
    /// ffmpeg's audio encoder.
    pub audio: String,
    /// Bits per second of the sound.
    pub audio_bps: u32,
    /// Where an MP4 has its index; ignored by other containers, which the file's extension chooses.
    pub index: Index,
    /// More output options, last, so that they win.
    pub extra: Vec<String>,
}

/// Where the index of an MP4 is.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
pub enum Index {
    /// `moov` after the media: what cameras and ffmpeg write.
    #[default]
    Last,
    /// `moov` before the media.
    First,
    /// Fragments, each with its own index.
    Fragmented,
}

// === impl Encoding ===

impl Default for Encoding {
    /// H.264 (ultrafast, closed GOPs of 60 frames, no B-frames) and AAC at 128 kb/s.
    fn default() -> Self {
        Self {
            video: "libx264".into(),
            preset: Some("ultrafast".into()),
            crf: Some(28),
            gop: 60,
            bframes: 0,
            open_gop: false,
            audio: "aac".into(),
            audio_bps: 128_000,
            index: Index::default(),
            extra: Vec::new(),
        }
    }
}

impl Encoding {
    /// The video options as ffmpeg takes them.
    pub(crate) fn video_args(&self) -> Vec<String> {
        let mut args: Vec<String> = vec!["-c:v".into(), self.video.clone(), "-pix_fmt".into(), "yuv420p".into()];
        let mut option = |name: &str, value: String| args.extend([name.into(), value]);
        option("-g", self.gop.to_string());
        option("-bf", self.bframes.to_string());
        if let Some(preset) = &self.preset {
            option("-preset", preset.clone());
        }
        if let Some(crf) = self.crf {
            option("-crf", crf.to_string());
        }
        let open = u8::from(self.open_gop);
        match self.video.as_str() {
            "libx264" => option("-x264-params", format!("open-gop={open}:scenecut=0:keyint_min=1")),
            "libx265" => option("-x265-params", format!("open-gop={open}:scenecut=0:log-level=error")),
            _ => {}
        }
        args
    }

    /// The audio options as ffmpeg takes them.
    pub(crate) fn audio_args(&self) -> Vec<String> {
        vec!["-c:a".into(), self.audio.clone(), "-b:a".into(), self.audio_bps.to_string()]
    }

    /// Container options for a file of this extension, and the caller's own.
    pub(crate) fn container_args(&self, extension: &str) -> Vec<String> {
        let flags = match self.index {
            Index::Last => None,
            Index::First => Some("+faststart"),
            Index::Fragmented => Some("+frag_keyframe+empty_moov+default_base_moof"),
        };
        let mut args = Vec::new();
        if let (Some(flags), "mp4" | "m4a" | "mov") = (flags, extension) {
            args.extend(["-movflags".into(), flags.into()]);
        }
        args.extend(self.extra.iter().cloned());
        args
    }
}
