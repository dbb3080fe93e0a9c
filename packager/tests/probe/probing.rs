//! A probe of a file in a folder of its own, and the packet file that it leaves.

use std::{fs, path::Path};

use vidstream_media::{
    ladder,
    rational::mul_div_round,
    source::{
        Packet,
        packets::{PacketFile, SourceTrack, decode_records},
    },
};
use vidstream_packager::{
    child::ChildIo,
    probe,
    protocol::{EncoderChoice, Encoders, Failure, Output, ProbeJob, ProbeReport},
};

/// What a probe left.
pub(crate) struct Probed {
    pub(crate) report: ProbeReport,
    pub(crate) index: PacketFile,
    pub(crate) video: Vec<Packet>,
    pub(crate) audio: Vec<Packet>,
    /// The object that packets point into.
    pub(crate) object: Vec<u8>,
}

/// The job that workers give by default.
pub(crate) fn job() -> ProbeJob {
    let choice =
        |plugin: &str, codec: &str| EncoderChoice { plugin: plugin.into(), version: "1".into(), codec: codec.into() };
    ProbeJob {
        gop_s: 2.0,
        segment_s: 4.0,
        ladder: ladder::Config::default(),
        encoders: Encoders { video: choice("x264", "h264"), audio: choice("avenc-aac", "aac"), overrides: Vec::new() },
    }
}

/// Probes a complete file.
pub(crate) fn probe(path: &Path) -> Result<Probed, Failure> {
    let dir = tempfile::tempdir().unwrap();
    let (io, local) = ChildIo::local(dir.path(), path).unwrap();
    let report = probe::run(&io, &job())?;
    Ok(read(report, &local, path))
}

/// What a probe left in the folder of `local`.
pub(crate) fn read(report: ProbeReport, local: &vidstream_packager::child::local::Local, source: &Path) -> Probed {
    let packets = fs::read(local.path(Output::Packets)).unwrap();
    let index = PacketFile::read_header(&packets).unwrap();
    let records = |track: &Option<SourceTrack>| {
        let Some(track) = track else { return Vec::new() };
        let bytes = index.record_bytes(&track.records);
        let range = usize::try_from(bytes.start).unwrap()..usize::try_from(bytes.end).unwrap();
        decode_records(&packets[range])
    };
    let (video, audio) = (records(&index.video), records(&index.audio));
    let object = fs::read(if index.remuxed { local.path(Output::Remux) } else { source.to_owned() }).unwrap();
    let probed = Probed { report, index, video, audio, object };
    probed.check();
    probed
}

impl Probed {
    /// What holds for every source.
    fn check(&self) {
        let timeline = &self.report.plan.timeline;
        assert_eq!(self.index.segments.len() as u64, timeline.segments());
        for packet in self.video.iter().chain(&self.audio) {
            assert!(packet.bytes > 0);
            assert!(packet.offset + u64::from(packet.bytes) <= self.object.len() as u64);
        }
        for span in &self.index.segments {
            if !self.video.is_empty() {
                let start = usize::try_from(span.video.start).unwrap();
                assert!(self.video[start].sync, "segments are decoded from sync packets");
                assert!(!span.video.is_empty());
            }
        }
        let length_ns = self.index.t1_ns.abs_diff(self.index.t0_ns);
        let fps = timeline.fps;
        let frames = mul_div_round(length_ns, fps.num.into(), u64::from(fps.den) * 1_000_000_000);
        assert_eq!(frames, timeline.frames);
        assert_eq!(self.report.plan.chunks.last().unwrap().last, timeline.segments());
    }

    /// Codes of the warnings.
    pub(crate) fn warnings(&self) -> Vec<&str> {
        self.report.warnings.iter().map(|warning| warning.code.as_str()).collect()
    }

    /// Presentation times of the pictures from t0, ascending, in nanoseconds.
    pub(crate) fn picture_times(&self) -> Vec<i64> {
        let mut times: Vec<i64> = self.video.iter().map(|packet| packet.pts_ns - self.index.t0_ns).collect();
        times.sort_unstable();
        times
    }
}
