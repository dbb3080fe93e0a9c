//! Runs jobs over local files and puts their objects together as players would.

use std::{
    fs,
    path::{Path, PathBuf},
};

use vidstream_media::{Plan, Track, cmaf, codec::DecoderConfig};
use vidstream_packager::{
    child::ChildIo,
    encode,
    protocol::{EncodeJob, Failure, Part, Warning},
};

use crate::scan::{self, Scanned};

/// A scanned source in a folder of its own, and the plan for it.
pub(crate) struct Bench {
    pub(crate) dir: tempfile::TempDir,
    pub(crate) plan: Plan,
    pub(crate) parts: Vec<Part>,
}

impl Bench {
    /// A folder for sources and outputs.
    pub(crate) fn folder() -> tempfile::TempDir {
        tempfile::tempdir().unwrap()
    }

    /// Scans `source`, which lies in `dir`.
    pub(crate) fn new(dir: tempfile::TempDir, source: &Path, plan: Plan) -> Self {
        let scanned = scan::scan(source);
        Self::with(dir, &scanned, plan, 0, false)
    }

    pub(crate) fn with(dir: tempfile::TempDir, scanned: &Scanned, plan: Plan, rotation: u16, interlaced: bool) -> Self {
        fs::write(dir.path().join("remux"), &scanned.remux).unwrap();
        let packets = scanned.packet_file(&plan.timeline, plan.audio_grid(), rotation, interlaced);
        fs::write(dir.path().join("packets"), packets).unwrap();
        Self { dir, plan, parts: Vec::new() }
    }

    /// Runs a job; its parts are added to those of the jobs before.
    pub(crate) fn run(&mut self, job: &EncodeJob) -> Result<(), Failure> {
        gst::init().unwrap();
        let (io, local) = ChildIo::local(self.dir.path(), &self.dir.path().join("source")).unwrap();
        let outcome = encode::run(&io, job);
        self.parts.extend(local.parts());
        outcome
    }

    /// Runs a job for each of these runs of segments.
    pub(crate) fn run_all(&mut self, runs: &[(u64, u64)]) {
        for &(first, last) in runs {
            let job = crate::planned::job(&self.plan, first, last);
            self.run(&job).unwrap();
        }
    }

    /// The only decoder configuration of a track.
    pub(crate) fn config(&self, track: Track) -> DecoderConfig {
        let mut found =
            self.parts.iter().flat_map(|part| &part.configs).filter(|(of, _)| *of == track).map(|(_, config)| config);
        let first = found.next().unwrap();
        assert!(found.all(|config| config == first), "configurations of {track} differ");
        first.clone()
    }

    /// Init segment and all objects of a track behind one another.
    pub(crate) fn track(&self, track: Track) -> Vec<u8> {
        let mut bytes = cmaf::init(&self.plan, track, &self.config(track)).unwrap();
        for part in &self.parts {
            bytes.extend(self.object(track, part));
        }
        bytes
    }

    /// The stored bytes of one run.
    pub(crate) fn object(&self, track: Track, part: &Part) -> Vec<u8> {
        fs::read(self.dir.path().join(format!("{track}-{}", part.segments.first))).unwrap()
    }

    /// A file with init segment and all objects of a track.
    pub(crate) fn file(&self, track: Track) -> PathBuf {
        let path = self.dir.path().join(format!("{track}.mp4"));
        fs::write(&path, self.track(track)).unwrap();
        path
    }

    /// The counters of a rung, or of the trick track.
    pub(crate) fn counters(&self, track: Track) -> Vec<Option<u32>> {
        let video = self.plan.video(track).unwrap();
        crate::film::counters(&self.file(track), (video.width, video.height))
    }

    pub(crate) fn warnings(&self) -> Vec<&Warning> {
        self.parts.iter().flat_map(|part| &part.warnings).collect()
    }

    /// Holds every object against the plan.
    pub(crate) fn verify(&self) {
        for part in &self.parts {
            for chunk in &part.tracks {
                let bytes = self.object(chunk.track, part);
                assert_eq!(chunk.bytes(), bytes.len() as u64);
                let findings = cmaf::verify(&self.plan, chunk, &bytes);
                assert!(findings.is_empty(), "{}: {findings:?}", chunk.track);
            }
        }
    }
}
