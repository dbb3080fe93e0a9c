//! What becomes of a film: probed, planned and made in chunks, as a worker's children do it.

use std::{collections::BTreeMap, fs, path::Path};

use vidstream_media::{
    Plan, Track,
    chunks::{self, Segments},
    cmaf, ladder,
};
use vidstream_packager::{
    child::ChildIo,
    encode, probe,
    protocol::{EncodeJob, EncoderChoice, Encoders, Part, ProbeJob, Rolls, Warning},
};
use vidstream_plugins::{Knobs, Registry};
use vidstream_testkit::films::{Film, Row};

/// Heights of the rungs: the film's own and a smaller one on which a counter can still be read.
const HEIGHTS: [u16; 2] = [108, 90];
/// A chunk is split where somebody waits into pieces of at most this many segments.
const PIECE_SEGMENTS_MAX: u64 = 4;
/// Length of a segment, as usual.
const SEGMENT_S: f64 = 4.0;
/// Of longer films the first chunks, some in the middle and the last ones are made. No longer run of segments is looked
/// at in one go, since its sound has to fit into memory.
const RUN_S_MAX: f64 = 600.0;
/// Longer films of which all is made in every run: a container without an index, and a recording with a hole.
const WHOLE: [&str; 2] = ["ts closed none 23.976 stereo 48000 long 7200", "mov open some hole stereo 48000 whole 7200"];

/// A made film.
pub(crate) struct Made {
    pub(crate) plan: Plan,
    pub(crate) parts: Vec<Part>,
    /// What the probe warned of.
    pub(crate) warnings: Vec<Warning>,
    /// Runs of segments that were made without a hole between them.
    pub(crate) runs: Vec<Segments>,
    folder: std::path::PathBuf,
}

/// Makes a film in `folder`.
pub(crate) fn make(row: &Row, film: &Film, folder: &Path) -> Made {
    let (plan, warnings) = plan(&film.path, folder, SEGMENT_S);
    let is_whole = plan.timeline.duration_s() <= RUN_S_MAX || wants_whole(row);
    let runs = if is_whole { all(&plan) } else { some(&plan) };
    let mut made = Made { plan, parts: Vec::new(), warnings, runs, folder: folder.to_owned() };
    for run in made.runs.clone() {
        for &chunk in made.plan.chunks.iter().filter(|chunk| run.contains(chunk.first)) {
            // As if somebody had asked for a segment in the midst of it.
            let (pieces, _) = chunks::split(chunk, chunk.first + chunk.count() / 2, PIECE_SEGMENTS_MAX);
            for piece in pieces {
                made.parts.extend(encode(&made.plan, &film.path, folder, piece, Rolls::default()));
            }
        }
    }
    made
}

/// Whether all of a film is made, however long it is.
fn wants_whole(row: &Row) -> bool {
    std::env::var("TEST_WHOLE").is_ok_and(|wanted| wanted == "all") || WHOLE.contains(&row.to_string().as_str())
}

/// Scans and plans a source, with segments of two GOPs; its packets are then in `folder`.
pub(crate) fn plan(source: &Path, folder: &Path, segment_s: f64) -> (Plan, Vec<Warning>) {
    let choice =
        |plugin: &str, codec: &str| EncoderChoice { plugin: plugin.into(), version: "1".into(), codec: codec.into() };
    let job = ProbeJob {
        gop_s: segment_s / 2.0,
        segment_s,
        ladder: ladder::Config { heights: HEIGHTS.to_vec() },
        encoders: Encoders { video: choice("x264", "h264"), audio: choice("avenc-aac", "aac"), overrides: Vec::new() },
    };
    let (io, _local) = ChildIo::local(folder, source).unwrap();
    let report = probe::run(&io, &job).unwrap();
    let mut plan = report.plan;
    pin(&mut plan);
    (plan, report.warnings)
}

/// Makes some segments; their objects are then in `folder`.
pub(crate) fn encode(plan: &Plan, source: &Path, folder: &Path, segments: Segments, audio_rolls: Rolls) -> Vec<Part> {
    let registry = Registry::load(&[]).unwrap();
    let elements: BTreeMap<String, String> =
        registry.iter().map(|plugin| (plugin.name.clone(), plugin.element.clone())).collect();
    let plan = plan.clone();
    let job = EncodeJob { plan, segments, filler: None, threads: 1, audio_rolls, publish_every: None, elements };
    let (io, local) = ChildIo::local(folder, source).unwrap();
    encode::run(&io, &job).unwrap();
    local.parts()
}

/// Fills in the settings of the encoders, as a worker does.
fn pin(plan: &mut Plan) {
    let registry = Registry::load(&[]).unwrap();
    let gop_frames = plan.timeline.gop_frames;
    for (video, intra) in
        plan.rungs.iter_mut().map(|rung| (rung, false)).chain(plan.trick.iter_mut().map(|t| (t, true)))
    {
        let (cap_bps, target_bps, buffer_ms) = (video.cap_bps, video.target_bps, video.buffer_ms);
        let knobs = Knobs { cap_bps, target_bps, buffer_ms, gop_frames, intra, ..Knobs::default() };
        video.encoder.settings = registry.get("x264").unwrap().settings(&knobs);
    }
    if let Some(audio) = &mut plan.audio {
        let knobs = Knobs { cap_bps: audio.bitrate_bps, target_bps: audio.bitrate_bps, gop_frames, ..Knobs::default() };
        audio.encoder.settings = registry.get("avenc-aac").unwrap().settings(&knobs);
    }
}

/// All chunks of a film, in runs that follow one another.
fn all(plan: &Plan) -> Vec<Segments> {
    let timeline = &plan.timeline;
    let seconds = |first: u64, last: u64| {
        timeline.seconds(timeline.ticks(timeline.segment_frames(last).end - timeline.segment_frames(first).start))
    };
    let mut runs: Vec<Segments> = Vec::new();
    for &chunk in &plan.chunks {
        match runs.last_mut() {
            Some(run) if seconds(run.first, chunk.last) <= RUN_S_MAX => run.last = chunk.last,
            _ => runs.push(chunk),
        }
    }
    runs
}

/// Three chunks at the head of a film, two in its middle, and the last two.
fn some(plan: &Plan) -> Vec<Segments> {
    let chunks = &plan.chunks;
    let run = |from: usize, to: usize| Segments { first: chunks[from].first, last: chunks[to].last };
    let last = chunks.len() - 1;
    vec![run(0, 2), run(last / 2, last / 2 + 1), run(last - 1, last)]
}

// === impl Made ===

impl Made {
    /// Init segment and objects of a track behind one another, for a run.
    pub(crate) fn track(&self, track: Track, run: Segments) -> Vec<u8> {
        let parts: Vec<&Part> = self.parts.iter().filter(|part| run.contains(part.segments.first)).collect();
        track_of(&self.plan, &parts, track, &self.folder)
    }
    /// The same as a file.
    pub(crate) fn file(&self, track: Track, run: Segments) -> String {
        let path = self.folder.join(format!("{track}.mp4"));
        fs::write(&path, self.track(track, run)).unwrap();
        path.into_os_string().into_string().unwrap()
    }
}

/// Init segment and objects of a track behind one another.
pub(crate) fn track_of(plan: &Plan, parts: &[&Part], track: Track, folder: &Path) -> Vec<u8> {
    let configs = parts.iter().flat_map(|part| &part.configs).filter(|(of, _)| *of == track);
    let mut configs: Vec<_> = configs.map(|(_, config)| config).collect();
    configs.dedup();
    let [config] = configs[..] else { panic!("{track} has {} decoder configurations", configs.len()) };
    let mut bytes = cmaf::init(plan, track, config).unwrap();
    for part in parts {
        bytes.extend(fs::read(folder.join(format!("{track}-{}", part.segments.first))).unwrap());
    }
    bytes
}

#[test]
fn films_that_are_made_whole_are_in_the_table() {
    let films: Vec<String> = vidstream_testkit::films::rows().iter().map(Row::to_string).collect();
    assert!(WHOLE.iter().all(|line| films.iter().any(|film| film == line)), "{WHOLE:?}");
}
