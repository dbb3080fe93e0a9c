//! Random operations in random order: whatever happens, nothing is stuck, nothing is made twice, and
//! everything comes to an end.

use std::collections::HashMap;

use proptest::prelude::*;
use vidstream_catalog::{Catalog, Claim, Error, Lookup, State, Wanted, Work, limits::LEASE_MS};
use vidstream_media::{VideoId, chunks::Segments};

use crate::fixture::{self, Adapter, Postgres, Sqlite};

/// One random step. Numbers choose among what there is.
#[derive(Clone, Debug)]
enum Step {
    Upload,
    FinishUpload(usize),
    Abandon(usize),
    Claim(Wanted),
    Work(usize),
    Part(usize),
    Fail(usize, bool),
    Release(usize),
    Renew(usize),
    Requeue(usize, u64),
    Raise(usize, u64, i64),
    Delete(usize),
    Retry(usize),
    Advance(i64),
    Sweep,
    Restart,
}

fn step() -> impl Strategy<Value = Step> {
    let wanted = (any::<bool>(), any::<bool>(), any::<bool>()).prop_map(|(probe, urgent, background)| Wanted {
        probe,
        urgent,
        background,
    });
    prop_oneof![
        2 => Just(Step::Upload),
        3 => any::<usize>().prop_map(Step::FinishUpload),
        1 => any::<usize>().prop_map(Step::Abandon),
        10 => wanted.prop_map(Step::Claim),
        6 => Just(Step::Claim(Wanted::ALL)),
        12 => any::<usize>().prop_map(Step::Work),
        3 => any::<usize>().prop_map(Step::Part),
        4 => (any::<usize>(), any::<bool>()).prop_map(|(at, retryable)| Step::Fail(at, retryable)),
        2 => any::<usize>().prop_map(Step::Release),
        2 => any::<usize>().prop_map(Step::Renew),
        1 => (any::<usize>(), 1..20_u64).prop_map(|(at, first)| Step::Requeue(at, first)),
        6 => (any::<usize>(), 1..20_u64, 0..9_000_i64).prop_map(|(at, segment, ms)| Step::Raise(at, segment, ms)),
        1 => any::<usize>().prop_map(Step::Delete),
        1 => any::<usize>().prop_map(Step::Retry),
        3 => prop_oneof![1..2_000_i64, Just(LEASE_MS)].prop_map(Step::Advance),
        2 => Just(Step::Sweep),
        1 => Just(Step::Restart),
    ]
}

struct World<A> {
    place: A,
    catalog: Catalog,
    videos: Vec<VideoId>,
    claims: Vec<Claim>,
    /// The highest percent seen of each generation.
    percents: HashMap<(VideoId, u32), f64>,
    states: HashMap<VideoId, (State, i64)>,
}

fn config(cases: u32) -> ProptestConfig {
    ProptestConfig { cases, max_shrink_iters: 200, ..ProptestConfig::default() }
}

proptest! {
    #![proptest_config(config(48))]

    #[test]
    fn whatever_happens_nothing_is_stuck_on_sqlite(steps in prop::collection::vec(step(), 1..120)) {
        run::<Sqlite>(&steps);
    }
}

proptest! {
    #![proptest_config(config(8))]

    #[test]
    fn whatever_happens_nothing_is_stuck_on_postgres(steps in prop::collection::vec(step(), 1..120)) {
        run::<Postgres>(&steps);
    }
}

fn run<A: Adapter>(steps: &[Step]) {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
    runtime.block_on(async {
        let place = A::new();
        let catalog = fixture::open(&place).await;
        let (videos, claims) = (Vec::new(), Vec::new());
        let mut world = World { place, catalog, videos, claims, percents: HashMap::new(), states: HashMap::new() };
        for step in steps {
            world.take(step).await;
            world.check(step).await;
        }
        world.finish().await;
    });
}

fn choose<T: Clone>(all: &[T], at: usize) -> Option<T> {
    (!all.is_empty()).then(|| all[at % all.len()].clone())
}

/// What may be refused: the holder lost the claim, or the video is in another state.
fn expected(outcome: &Result<(), Error>) {
    assert!(matches!(outcome, Ok(()) | Err(Error::Stale | Error::Conflict(_) | Error::NotFound)), "{outcome:?}");
}

impl<A: Adapter> World<A> {
    async fn take(&mut self, step: &Step) {
        let catalog = self.catalog.clone();
        match *step {
            Step::Upload => self.videos.push(fixture::upload(&catalog).await),
            Step::Claim(wanted) => self.claims.extend(fixture::claim(&catalog, wanted).await),
            Step::Advance(ms) => fixture::advance(&self.place, ms),
            Step::Sweep => {
                let swept = catalog.sweep().await.unwrap();
                assert!(swept.repaired.is_empty() && swept.failed.is_empty(), "there is nothing to repair: {swept:?}");
            }
            Step::Restart => self.catalog = fixture::open(&self.place).await,
            Step::FinishUpload(at) | Step::Abandon(at) | Step::Raise(at, ..) | Step::Delete(at) | Step::Retry(at) => {
                let Some(id) = choose(&self.videos, at) else { return };
                self.take_with_video(step, id).await;
            }
            Step::Work(at)
            | Step::Part(at)
            | Step::Fail(at, _)
            | Step::Release(at)
            | Step::Renew(at)
            | Step::Requeue(at, _) => {
                let count = self.claims.len().max(1);
                let Some(claim) = self.claims.get_mut(at % count) else { return };
                take_with_claim(&catalog, step, claim).await;
            }
        }
    }

    async fn take_with_video(&self, step: &Step, id: VideoId) {
        let catalog = &self.catalog;
        match *step {
            Step::FinishUpload(_) => expected(&catalog.finish_upload(id, 1_000, None).await.map(drop)),
            Step::Abandon(_) => expected(&catalog.abandon_upload(id).await),
            Step::Raise(_, segment, ms) => {
                expected(&catalog.raise(id, 1, segment, fixture::now(&self.place) + ms).await);
            }
            Step::Delete(_) => drop(catalog.delete(id).await.unwrap()),
            _ => {
                let generation = catalog.video(id).await.unwrap().map_or(1, |video| video.generation);
                expected(&catalog.retry(id, generation).await.map(drop));
            }
        }
    }

    /// What must hold after every step.
    async fn check(&mut self, step: &Step) {
        assert_eq!(self.catalog.audit().await.unwrap(), [], "after {step:?}");
        for &id in &self.videos {
            let Some(video) = self.catalog.video(id).await.unwrap() else { continue };
            let best = self.percents.entry((id, video.generation)).or_default();
            assert!(video.progress.percent >= *best, "percent fell after {step:?}");
            *best = video.progress.percent;
            assert_eq!(video.error.is_some(), video.state == State::Failed);
            let presentation = self.catalog.snapshot(id).await.unwrap().unwrap().presentation;
            if let Some(presentation) = presentation {
                assert_eq!(presentation.playable(), video.playable, "after {step:?}");
                assert!(video.state != State::Ready || presentation.complete());
            }
            let before = self.states.insert(id, (video.state, i64::from(video.generation)));
            if let Some((State::Deleting, _)) = before {
                assert_eq!(video.state, State::Deleting);
            }
        }
    }

    /// From wherever it is, good workers bring everything to an end, and the log has no gap.
    async fn finish(&mut self) {
        for _ in 0..10 {
            fixture::advance(&self.place, LEASE_MS);
            self.catalog.sweep().await.unwrap();
            fixture::advance(&self.place, 300_000);
            fixture::work_all(&self.catalog).await;
        }
        let mut numbers = Vec::new();
        for &id in &self.videos {
            match self.catalog.lookup(id).await.unwrap() {
                Lookup::Live(video) => {
                    assert!(matches!(video.state, State::Ready | State::Failed), "{:?}", video.state);
                }
                Lookup::Deleted | Lookup::Unknown => {}
            }
            let mut after = 0;
            loop {
                let events = self.catalog.video_events(id, after, 1_000).await.unwrap();
                let Some(last) = events.last() else { break };
                after = last.seq;
                numbers.extend(events.iter().map(|event| event.seq));
            }
        }
        numbers.sort_unstable();
        let all: Vec<i64> = (1..=self.catalog.last_seq().await.unwrap()).collect();
        assert_eq!(numbers, all);
    }
}

async fn take_with_claim(catalog: &Catalog, step: &Step, claim: &mut Claim) {
    match *step {
        Step::Work(_) => expected(&fixture::work(catalog, claim).await),
        Step::Part(_) => {
            let Work::Encode { segments, .. } = claim.work else { return };
            if segments.count() > 1 {
                let half = Segments { first: segments.first, last: segments.first + segments.count() / 2 - 1 };
                let outcome = catalog.publish(claim, fixture::made(claim, half)).await;
                if let (Ok(()), Work::Encode { segments, .. }) = (&outcome, &mut claim.work) {
                    segments.first = half.last + 1;
                }
                expected(&outcome);
            }
        }
        Step::Fail(_, retryable) => {
            expected(&catalog.fail(claim, vidstream_catalog::Failure { retryable, ..fixture::crash() }).await);
        }
        Step::Release(_) => catalog.release(claim).await.unwrap(),
        Step::Renew(_) => expected(&catalog.renew(claim).await),
        Step::Requeue(_, first) => {
            if matches!(claim.work, Work::Finalize { .. }) {
                expected(&catalog.requeue_chunks(claim, vec![first]).await.map(drop));
            }
        }
        _ => unreachable!("not a step with a claim"),
    }
}
