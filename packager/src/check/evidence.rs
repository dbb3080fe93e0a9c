//! What a plugin does, gathered by children: on trial, in chunk jobs, when it is broken off, and replayed.

use std::{sync::Arc, time::Duration};

use tokio_util::sync::CancellationToken;
use vidstream_media::{Plan, Track, chunks::Segments, codec::DecoderConfig};
use vidstream_plugins::{Plugin, Promise, Registry};

use super::{
    ending,
    film::Film,
    planned,
    studio::{Objects, Round, SourceEnd, Studio},
};
use crate::{
    elements::Site,
    protocol::{EncodeJob, Failure, Input, Job, Part, Pass, ReplayJob, Replayed, Report, TrialJob, TrialReport},
    worker::{
        process::{Ended, Launcher, Start},
        watch::Watch,
    },
};

/// How often the whole film is encoded in one process, if its memory is to be bounded; else once.
pub(super) const CYCLES: usize = 4;
/// What is killed has this long to be gone.
pub(super) const GONE_WAIT: Duration = Duration::from_secs(5);
/// A plugin gets no more of a machine than this: small pictures, and a film of 20 s.
const WATCH: Watch = Watch { busy: Duration::from_mins(2), silence: Duration::from_secs(10), resident_bytes: 1 << 30 };
/// Tokens of objects, by how they were made.
const CHUNKED: u64 = 1;
const THROUGH: u64 = 2;
const TRIAL: u64 = 3;

/// All that is known of a plugin.
pub(super) struct Evidence {
    /// What was to be made.
    pub(super) plan: Plan,
    /// How often the trial encodes the whole film.
    pub(super) cycles: usize,
    /// Rounds of the trial, and why it ended early.
    pub(super) rounds: Vec<Round>,
    pub(super) trial: Result<TrialReport, Failure>,
    /// One part a chunk, and why there are no more.
    pub(super) chunks: Vec<Part>,
    pub(super) refused: Option<(Segments, Failure)>,
    /// The whole film in one job.
    pub(super) through: Result<Part, Failure>,
    /// Tracks decoded again.
    pub(super) replays: Vec<(Track, Result<Replay, Failure>)>,
    /// What was left of a run that was broken off.
    pub(super) broken_off: Result<TrialReport, Failure>,
    /// What was left of a process that was killed.
    pub(super) killed: Killed,
}

/// One track decoded in three ways.
pub(super) struct Replay {
    /// All chunks behind one another.
    pub(super) chunked: Replayed,
    /// Every fragment with a decoder of its own.
    pub(super) alone: Replayed,
    /// The film that was made in one job.
    pub(super) through: Replayed,
}

/// The end of a killed child.
#[derive(Clone, Debug)]
pub(super) struct Killed {
    /// How long its end took, in milliseconds, `None` if it was still there after [`GONE_WAIT`]; else why it ended
    /// before it could be killed. Nothing can be left of it: a child cannot start processes.
    pub(super) end_ms: Result<Option<u64>, Failure>,
}

/// What all steps need.
struct Desk<'a> {
    site: &'a Site,
    plugin: &'a Plugin,
    plan: Plan,
    film: Arc<Film>,
    objects: Objects,
    tell: &'a (dyn Fn(&str) + Sync),
}

// === impl Evidence ===

impl Evidence {
    /// Runs everything.
    ///
    /// # Errors
    /// When the children that decode do not start.
    pub(super) async fn gather(
        site: &Site,
        plugins: &Registry,
        plugin: &Plugin,
        tell: &(dyn Fn(&str) + Sync),
    ) -> Result<Self, Failure> {
        let plan = planned::plan(plugins, plugin)?;
        let film = Arc::new(Film::of(&plan)?);
        let decoders = site.plain(plugins).await?;
        let desk = Desk { site, plugin, plan, film, objects: Objects::default(), tell };
        let cycles = if plugin.promises.makes(Promise::BoundedMemory) { CYCLES } else { 1 };
        let ((rounds, trial), (chunks, refused, through)) = tokio::join!(desk.trial(cycles), desk.jobs());
        tell("breaking off in the middle of a chunk");
        let (broken_off, killed) = (desk.broken_off().await, desk.killed().await);
        tell("decoding what was made");
        let mut replays = Vec::new();
        for track in desk.plan.tracks() {
            replays.push((track, desk.replay(&decoders, track, &chunks, &through).await));
        }
        Ok(Self { plan: desk.plan, cycles, rounds, trial, chunks, refused, through, replays, broken_off, killed })
    }
}

// === impl Desk ===

impl Desk<'_> {
    /// The film over and over in one process, written down as it comes.
    async fn trial(&self, cycles: usize) -> (Vec<Round>, Result<TrialReport, Failure>) {
        let chunks = &self.plan.chunks;
        (self.tell)(&format!("encoding {} chunks in one process", chunks.len() * cycles));
        let rounds = chunks.iter().copied().cycle().take(chunks.len() * cycles).collect();
        let job = TrialJob { encode: self.encode_job(self.whole(), 2), rounds, broken_off: None };
        let studio = Studio::new(&self.film, &self.objects, TRIAL);
        let ended = run(&self.site.launcher, Job::Trial(job), &studio, &CancellationToken::new()).await;
        (studio.rounds(), ended.and_then(report))
    }

    /// Chunk jobs as a worker starts them, a process each; then the film in a single one.
    async fn jobs(&self) -> (Vec<Part>, Option<(Segments, Failure)>, Result<Part, Failure>) {
        let mut made = Vec::new();
        for (threads, &segments) in [1, 2].into_iter().cycle().zip(&self.plan.chunks) {
            match self.encode(segments, threads, CHUNKED).await {
                Ok(part) => made.push(part),
                Err(failure) => {
                    let through = Err(failure.clone());
                    return (made, Some((segments, failure)), through);
                }
            }
            (self.tell)(&format!("{} of {} chunk jobs are done", made.len(), self.plan.chunks.len()));
        }
        let through = self.encode(self.whole(), 1, THROUGH).await;
        (made, None, through)
    }

    async fn encode(&self, segments: Segments, threads: u32, token: u64) -> Result<Part, Failure> {
        let studio = Studio::new(&self.film, &self.objects, token);
        let job = Job::Encode(self.encode_job(segments, threads));
        run(&self.site.launcher, job, &studio, &CancellationToken::new()).await?;
        let ended_early = || Failure::permanent("worker_protocol", "the job published nothing", "");
        studio.parts().pop().ok_or_else(ended_early)
    }

    /// A chunk as usual, and then one that the source breaks off.
    async fn broken_off(&self) -> Result<TrialReport, Failure> {
        let Some(&first) = self.plan.chunks.first() else { return Ok(TrialReport::default()) };
        let (segments, at) = self.break_off();
        let job = TrialJob { encode: self.encode_job(first, 2), rounds: vec![first], broken_off: Some(segments) };
        let studio = Studio::cut_short(&self.film, &self.objects, TRIAL, Some((at, SourceEnd::Breaks)));
        report(run(&self.site.launcher, Job::Trial(job), &studio, &CancellationToken::new()).await?)
    }

    /// A chunk job whose process is killed in the middle.
    async fn killed(&self) -> Killed {
        let (segments, at) = self.break_off();
        let studio = Studio::cut_short(&self.film, &self.objects, TRIAL, Some((at, SourceEnd::Hangs)));
        let cancel = studio.ended();
        let spare = match self.site.launcher.launch(Start::Cold).await {
            Ok(spare) => spare,
            Err(failure) => return Killed { end_ms: Err(failure) },
        };
        let pid = spare.pid();
        let job = Job::Encode(self.encode_job(segments, 2));
        let ended = spare.run(job, 0, WATCH, studio.clone(), &cancel).await;
        let end_ms = match (ended, studio.ended_at()) {
            (Ended::Cancelled, Some(since)) => {
                // A worker leaves one that does not end to the kernel, long before this. One without a number was
                // reaped before it got its job.
                let is_gone = match pid {
                    Some(pid) => ending::is_gone(pid, GONE_WAIT.saturating_sub(since.elapsed())).await,
                    None => true,
                };
                Ok(is_gone.then(|| u64::try_from(since.elapsed().as_millis()).unwrap_or(u64::MAX)))
            }
            (Ended::Reported(Err(failure)), _) => Err(failure),
            (other, _) => Err(Failure::permanent("worker_protocol", "unexpected end", format!("{other:?}"))),
        };
        Killed { end_ms }
    }

    /// Decodes a track with the decoders of the system.
    async fn replay(
        &self,
        decoders: &Launcher,
        track: Track,
        chunks: &[Part],
        through: &Result<Part, Failure>,
    ) -> Result<Replay, Failure> {
        let through = through.as_ref().map_err(Clone::clone)?;
        let object = |part: &Part, token| Input::Media { track, first: part.segments.first, token };
        let chunked: Vec<Input> = chunks.iter().map(|part| object(part, CHUNKED)).collect();
        let passes = vec![
            Pass { objects: chunked.clone(), alone: false },
            Pass { objects: if track == Track::Audio { Vec::new() } else { chunked }, alone: true },
            Pass { objects: vec![object(through, THROUGH)], alone: false },
        ];
        let config = through.configs.iter().find(|(of, _)| *of == track).map(|(_, config)| config.clone());
        let job = ReplayJob {
            plan: self.plan.clone(),
            track,
            config: config.unwrap_or(DecoderConfig::Avc(Vec::new())),
            unit_bytes: self.film.unit_bytes,
            passes,
        };
        let studio = Studio::new(&self.film, &self.objects, 0);
        match run(decoders, Job::Replay(job), &studio, &CancellationToken::new()).await? {
            Report::Replay(replayed) => match <[Replayed; 3]>::try_from(replayed) {
                Ok([chunked, alone, through]) => Ok(Replay { chunked, alone, through }),
                Err(other) => Err(unexpected(&Report::Replay(other))),
            },
            other => Err(unexpected(&other)),
        }
    }

    fn encode_job(&self, segments: Segments, threads: u32) -> EncodeJob {
        planned::job(&self.plan, self.plugin, segments, threads)
    }

    fn whole(&self) -> Segments {
        Segments { first: 1, last: self.plan.timeline.segments() }
    }

    /// A chunk, and the byte in its middle where the source breaks off.
    fn break_off(&self) -> (Segments, u64) {
        let n = self.plan.timeline.segments().min(3);
        let frames = self.plan.timeline.segment_frames(n);
        let middle = u128::from(frames.start + frames.end) / 2;
        let all = u128::from(self.plan.timeline.frames.max(1));
        let byte = u128::from(self.film.bytes()) * middle / all;
        (Segments { first: n, last: n }, u64::try_from(byte).unwrap_or(u64::MAX))
    }
}

/// Starts a child and gives it a job.
async fn run(launcher: &Launcher, job: Job, studio: &Studio, cancel: &CancellationToken) -> Result<Report, Failure> {
    let spare = launcher.launch(Start::Cold).await?;
    match spare.run(job, 0, WATCH, studio.clone(), cancel).await {
        Ended::Reported(result) => result,
        Ended::Cancelled => Err(Failure::retryable("cancelled", "the job was cancelled", "")),
    }
}

fn report(report: Report) -> Result<TrialReport, Failure> {
    match report {
        Report::Trial(report) => Ok(report),
        other => Err(unexpected(&other)),
    }
}

fn unexpected(report: &Report) -> Failure {
    let kind = format!("{report:?}").chars().take(100).collect::<String>();
    Failure::retryable("worker_protocol", "the child process reported something else", kind)
}
