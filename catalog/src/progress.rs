//! Percent, remaining time and artifacts, from counts that the adapter keeps.

use std::collections::BTreeMap;

use vidstream_media::Track;

use crate::video::{Artifact, ArtifactState, Progress, State, Step, VideoError};

/// What the adapter counts of the current generation.
#[derive(Clone, Debug, Default)]
pub(crate) struct Counts {
    /// Frames of the generation; 0 before its plan is stored.
    pub(crate) frames: u64,
    /// The most frames that were ever committed at once.
    pub(crate) frames_best: u64,
    /// The planned tracks.
    pub(crate) tracks: Vec<Track>,
    /// Stored chunks.
    pub(crate) chunks_done: u64,
    /// Chunks in all, at the present division.
    pub(crate) chunks: u64,
    /// Planned tile sheets.
    pub(crate) sheets: u64,
    /// Stored sheets.
    pub(crate) sheets_done: u64,
    /// Sheets that were given up.
    pub(crate) sheets_failed: u64,
    /// When the plan was stored.
    pub(crate) since_ms: i64,
    /// When a chunk was committed last.
    pub(crate) committed_at_ms: i64,
}

/// How far a video is.
pub(crate) fn progress(state: State, error: Option<&VideoError>, counts: &Counts) -> Progress {
    let complete = counts.chunks > 0 && counts.chunks_done == counts.chunks;
    let step = match state {
        State::Uploading => Step::Upload,
        State::Queued | State::Probing => Step::Probe,
        State::Processing if complete => Step::Finalize,
        State::Processing => Step::Transcode,
        State::Failed => error.map_or(Step::Done, |error| error.step),
        State::Ready | State::Deleting => Step::Done,
    };
    let eta_s = if step == Step::Transcode && state == State::Processing { eta_s(counts) } else { None };
    Progress { percent: percent(counts.frames_best, counts.frames), step, eta_s }
}

/// Percent with two decimals, rounded down: 100 means all of it.
fn percent(done: u64, all: u64) -> f64 {
    if all == 0 {
        return 0.0;
    }
    let hundredths = u128::from(done.min(all)) * 10_000 / u128::from(all);
    f64::from(u32::try_from(hundredths).unwrap_or(10_000)) / 100.0
}

fn eta_s(counts: &Counts) -> Option<u64> {
    let elapsed_ms = u64::try_from(counts.committed_at_ms.saturating_sub(counts.since_ms)).ok()?;
    if counts.frames_best == 0 || elapsed_ms == 0 {
        return None;
    }
    let left = counts.frames.saturating_sub(counts.frames_best);
    let left_ms = u128::from(elapsed_ms) * u128::from(left) / u128::from(counts.frames_best);
    u64::try_from(left_ms.div_ceil(1000)).ok()
}

/// The parts of a video by name.
pub(crate) fn artifacts(state: State, counts: &Counts) -> BTreeMap<String, Artifact> {
    let mut artifacts = BTreeMap::new();
    for track in &counts.tracks {
        let name = match track {
            Track::Rung(height) => format!("rendition.{height}p"),
            Track::Audio | Track::Trick => track.to_string(),
        };
        let (chunks_done, chunks) = (counts.chunks_done, counts.chunks);
        let given_up = state == State::Failed;
        artifacts.insert(name, Artifact { state: artifact_state(chunks_done, chunks, given_up), chunks_done, chunks });
    }
    if counts.sheets > 0 {
        let (chunks_done, chunks) = (counts.sheets_done, counts.sheets);
        let given_up = state == State::Failed || counts.sheets_failed > 0;
        let storyboard = Artifact { state: artifact_state(chunks_done, chunks, given_up), chunks_done, chunks };
        artifacts.insert("storyboard".to_owned(), storyboard);
    }
    artifacts
}

fn artifact_state(done: u64, all: u64, given_up: bool) -> ArtifactState {
    match done {
        _ if done == all && all > 0 => ArtifactState::Ready,
        _ if given_up => ArtifactState::Failed,
        0 => ArtifactState::Pending,
        _ => ArtifactState::Running,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn percent_reaches_100_only_at_the_end() {
        assert!(percent(0, 0).abs() < f64::EPSILON);
        assert!((percent(1, 3) - 33.33).abs() < 1e-9);
        assert!(percent(u64::MAX - 1, u64::MAX) < 100.0);
        assert!((percent(7, 7) - 100.0).abs() < f64::EPSILON);
    }

    #[test]
    fn the_rest_takes_as_long_as_its_share_did() {
        let mut counts = Counts {
            frames: 100,
            frames_best: 25,
            since_ms: 1_000,
            committed_at_ms: 11_000,
            chunks: 4,
            chunks_done: 1,
            ..Counts::default()
        };
        assert_eq!(progress(State::Processing, None, &counts).eta_s, Some(30));
        assert_eq!(progress(State::Ready, None, &counts).eta_s, None);
        counts.frames_best = 0;
        assert_eq!(progress(State::Processing, None, &counts).eta_s, None);
    }

    #[test]
    fn every_track_and_the_storyboard_are_artifacts() {
        let counts = Counts {
            tracks: vec![Track::Rung(720), Track::Trick, Track::Audio],
            chunks: 2,
            chunks_done: 2,
            sheets: 3,
            sheets_done: 2,
            sheets_failed: 1,
            ..Counts::default()
        };
        let artifacts = artifacts(State::Processing, &counts);
        let names: Vec<&str> = artifacts.keys().map(String::as_str).collect();
        assert_eq!(names, ["audio", "rendition.720p", "storyboard", "trick"]);
        assert_eq!(artifacts["audio"].state, ArtifactState::Ready);
        assert_eq!(artifacts["storyboard"].state, ArtifactState::Failed);
    }
}
