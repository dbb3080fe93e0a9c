//! How long a request waits, to the millisecond, by a clock that stands still until it is moved; and what is kept of viewers.

use std::{collections::BTreeMap, sync::mpsc};

use http::Uri;
use tokio::{
    task::{JoinHandle, spawn_blocking, yield_now},
    time::advance,
};
use vidstream_catalog::{Claim, NewUpload, Probed, Published, Wanted, Work, Worker};
use vidstream_media::{
    Plan, Rational, Timeline,
    chunks::Segments as Run,
    codec::DecoderConfig,
    index::{Chunk, Fragment, Segment, TrackChunk},
    plan::{AudioTrack, Encoder},
    source::Facts,
    timeline::{AudioGrid, Config},
};

use super::*;
use crate::{Patience, scratch};

/// A video of which nothing is made, and a request for its second segment.
struct Waiting {
    _folder: tempfile::TempDir,
    /// While this is open a thread waits, and tokio moves a clock by itself only while none does.
    _still: mpsc::Sender<()>,
    catalog: Catalog,
    views: Arc<Views>,
    id: VideoId,
    claim: Claim,
    answer: JoinHandle<(Result<Place, Problem>, Duration)>,
}

impl Waiting {
    async fn begin() -> Self {
        let (still, end) = mpsc::channel();
        spawn_blocking(move || end.recv());
        let (folder, catalog) = scratch::catalog().await.unwrap();
        let id = planned(&catalog).await;
        let views = Arc::new(Views::new(catalog.clone()));
        let view = views.get(id).await.unwrap();
        let wait_max = Patience::default().segment_wait;
        let segments = Segments::new(catalog.clone(), Arc::clone(&views), wait_max, CancellationToken::new());
        let answer = tokio::spawn(async move {
            let context = Context::new(([127, 0, 0, 1], 1).into(), [127, 0, 0, 1].into(), Uri::from_static("/v/x"));
            let asked = Asked { id, generation: 1, track: Track::Audio, n: 2 };
            let began = Instant::now();
            (segments.place(&context, asked, &view).await, began.elapsed())
        });
        let claim = raised(&catalog).await;
        Self { _folder: folder, _still: still, catalog, views, id, claim, answer }
    }

    /// Stores the chunk that is waited for; nobody is told.
    async fn publish(&self) {
        let fragment = Fragment { bytes: 100, first_sample_end: 60 };
        let segment = Segment { offset: 0, fragments: vec![fragment], crc32: None };
        let chunk = Chunk {
            segments: Run { first: 2, last: 2 },
            token: self.claim.token,
            tracks: vec![TrackChunk { track: Track::Audio, first: 2, segments: vec![segment] }],
        };
        let configs = vec![(Track::Audio, DecoderConfig::Aac(vec![17, 144]))];
        let published = Published { chunk, configs, warnings: Vec::new(), last: true };
        self.catalog.publish(&self.claim, published).await.unwrap();
    }

    /// Moves the clock, and lets the request look as often as it wants to.
    async fn advance(&self, ms: u64) {
        advance(Duration::from_millis(ms)).await;
        for _ in 0..100 {
            self.catalog.version(self.id).await.unwrap();
        }
    }
}

fn worker() -> Worker {
    Worker { id: "w".to_owned(), encoders: [("aac".to_owned(), "1".to_owned())].into() }
}

async fn planned(catalog: &Catalog) -> VideoId {
    let id = VideoId::from_bits(1);
    catalog
        .create_upload(NewUpload { id, title: "A song".to_owned(), bytes_expected: None, expires_at_ms: None })
        .await
        .unwrap();
    catalog.finish_upload(id, 1_000, None).await.unwrap();
    let timeline = Timeline::new(Rational::new(25, 1), 500, Config::default());
    let encoder = Encoder {
        plugin: "aac".to_owned(),
        version: "1".to_owned(),
        codec: "any".to_owned(),
        settings: BTreeMap::new(),
    };
    let audio = AudioTrack {
        grid: AudioGrid { sample_rate: 48_000, frame_samples: 1_024 },
        channels: 2,
        bitrate_bps: 128_000,
        language: "und".to_owned(),
        encoder,
    };
    let plan = Plan {
        target_duration_s: 4,
        rungs: Vec::new(),
        trick: None,
        audio: Some(audio),
        storyboard: None,
        chunks: (1..=timeline.segments()).map(|n| Run { first: n, last: n }).collect(),
        timeline,
    };
    let probe = catalog.claim(&worker(), Wanted { probe: true, ..Wanted::default() }).await.unwrap().unwrap();
    let probed = Probed { facts: Facts::default(), plan, warnings: Vec::new() };
    catalog.finish_probe(&probe, probed).await.unwrap();
    id
}

/// The chunk of the second segment, once the queue knows that somebody waits for it.
async fn raised(catalog: &Catalog) -> Claim {
    loop {
        if let Some(claim) = catalog.claim(&worker(), Wanted { urgent: true, ..Wanted::default() }).await.unwrap() {
            if matches!(claim.work, Work::Encode { deadline_ms: Some(_), .. }) {
                return claim;
            }
            catalog.release(&claim).await.unwrap();
        }
        yield_now().await;
    }
}

#[tokio::test(start_paused = true)]
async fn a_wait_ends_after_eight_seconds_and_not_a_millisecond_before() {
    let waiting = Waiting::begin().await;
    waiting.advance(7_999).await;
    assert!(!waiting.answer.is_finished());
    waiting.advance(1).await;
    let (found, waited) = waiting.answer.await.unwrap();
    assert_eq!((found.unwrap_err().kind, waited), (Kind::SegmentPending, Duration::from_secs(8)));
}

#[tokio::test(start_paused = true)]
async fn what_is_made_in_the_last_millisecond_is_served() {
    let waiting = Waiting::begin().await;
    waiting.advance(7_999).await;
    waiting.publish().await;
    waiting.views.changed(Some(waiting.id));
    let (found, waited) = waiting.answer.await.unwrap();
    assert_eq!((found.unwrap().chunk_first, waited), (2, Duration::from_millis(7_999)));
}

#[tokio::test(start_paused = true)]
async fn what_nobody_told_of_is_seen_after_a_fifth_of_a_second_and_not_a_millisecond_before() {
    let waiting = Waiting::begin().await;
    waiting.publish().await;
    waiting.advance(199).await;
    assert!(!waiting.answer.is_finished());
    waiting.advance(1).await;
    let (found, waited) = waiting.answer.await.unwrap();
    assert_eq!((found.unwrap().chunk_first, waited), (2, Duration::from_millis(200)));
}

/// Of a catalog of its own, in a folder that lasts as long as the first of these.
async fn segments() -> (tempfile::TempDir, Segments) {
    let (folder, catalog) = scratch::catalog().await.unwrap();
    let views = Arc::new(Views::new(catalog.clone()));
    (folder, Segments::new(catalog, views, Duration::ZERO, CancellationToken::new()))
}

#[tokio::test]
async fn so_many_places_of_viewers_are_remembered_and_not_one_more() {
    let (_folder, segments) = segments().await;
    let ahead = segments.ahead;
    for n in 0..AHEAD_REMEMBERED_MAX {
        ahead.insert((VideoId::from_bits(1), 1, n), ()).await;
    }
    ahead.run_pending_tasks().await;
    assert_eq!(ahead.entry_count(), AHEAD_REMEMBERED_MAX);
    ahead.insert((VideoId::from_bits(2), 1, 1), ()).await;
    ahead.run_pending_tasks().await;
    assert_eq!(ahead.entry_count(), AHEAD_REMEMBERED_MAX);
}

#[tokio::test]
async fn so_many_places_of_viewers_are_told_at_once_and_not_one_more() {
    let (_folder, segments) = segments().await;
    let id = planned(&segments.catalog).await;
    let view = segments.views.get(id).await.unwrap();
    let asked = Asked { id, generation: 1, track: Track::Audio, n: 1 };
    let place = Place { chunk_first: 1, token: 1, offset: 0, bytes: 1, crc32: None };
    // All but one are on their way.
    let others = u32::try_from(AHEAD_NOTICES_MAX - 1).unwrap();
    let _held = Arc::clone(&segments.notices).try_acquire_many_owned(others).unwrap();
    let last = Arc::clone(&segments.notices).try_acquire_owned().unwrap();
    segments.tell_place(&view, asked, place).await;
    assert!(!segments.ahead.contains_key(&(id, 1, 1)));
    drop(last);
    segments.tell_place(&view, asked, place).await;
    assert!(segments.ahead.contains_key(&(id, 1, 1)));
}
