//! A catalog of its own for each test, a clock that the test moves, and work in the shape that workers do.

use std::{
    collections::BTreeMap,
    sync::{
        Arc,
        atomic::{AtomicI64, AtomicU64, Ordering},
    },
};

use vidstream_catalog::{
    Catalog, Claim, Events, Failure, Finalized, NewUpload, Options, Probed, Published, Video, Wanted, Work, Worker,
};
use vidstream_media::{
    Plan, Presentation, Rational, Timeline, Track, VideoId,
    chunks::Segments,
    codec::DecoderConfig,
    index::{Chunk, Fragment, Segment, TrackChunk},
    plan::{AudioTrack, Encoder, Storyboard, VideoTrack},
    presentation::{Poster, Sheet},
    source::Facts,
    timeline::{AudioGrid, Config},
};
use vidstream_testkit::{postgres, redis};

/// Where a test's catalog is. Dropping it removes it.
pub trait Adapter: Send + Sync {
    fn new() -> Self
    where
        Self: Sized;
    /// The SQL of the number `n` in 26 digits.
    fn digits_26(&self) -> &'static str;
    /// The SQL after which numbers of events go on, as if so many had been.
    fn last_event_is(&self, seq: i64) -> String;
    fn url(&self) -> String;
    /// Where its processes meet.
    fn events_url(&self) -> String {
        "local:".to_owned()
    }
    fn clock(&self) -> &Arc<AtomicI64>;
    /// Runs statements behind the catalog's back.
    fn behind(&self, statements: &str);
    /// Counts the rows of a table.
    fn rows(&self, table: &str) -> u64;
}

pub struct Sqlite {
    folder: tempfile::TempDir,
    clock: Arc<AtomicI64>,
}

/// A database of its own on the server that all tests share; both end with the test program.
pub struct Postgres {
    url: String,
    clock: Arc<AtomicI64>,
}

/// The digest of what is uploaded to be [`queued`].
pub const SHA256: &str = "b94d27b9934d3e08a52e52d7da7dabfac484efe37a5380ee9088f7ace2efcde9";

/// A catalog whose processes meet at the Redis that all tests share, under names of their own.
pub struct WithRedis<P> {
    place: P,
    events_url: String,
}

impl Adapter for Sqlite {
    fn digits_26(&self) -> &'static str {
        "printf('%026d', n)"
    }

    fn last_event_is(&self, seq: i64) -> String {
        format!("UPDATE sqlite_sequence SET seq = {seq} WHERE name = 'events'")
    }

    fn new() -> Self {
        Self { folder: tempfile::tempdir().unwrap(), clock: clock() }
    }

    fn url(&self) -> String {
        format!("sqlite://{}", self.folder.path().join("catalog.db").display())
    }

    fn clock(&self) -> &Arc<AtomicI64> {
        &self.clock
    }

    fn behind(&self, statements: &str) {
        let conn = rusqlite::Connection::open(self.folder.path().join("catalog.db")).unwrap();
        conn.execute_batch(statements).unwrap();
    }

    fn rows(&self, table: &str) -> u64 {
        let conn = rusqlite::Connection::open(self.folder.path().join("catalog.db")).unwrap();
        let rows: u32 = conn.query_row(&format!("SELECT count(*) FROM {table}"), [], |row| row.get(0)).unwrap();
        rows.into()
    }
}

impl Adapter for Postgres {
    fn digits_26(&self) -> &'static str {
        "lpad(CAST(n AS TEXT), 26, '0')"
    }

    fn last_event_is(&self, seq: i64) -> String {
        format!("UPDATE counters SET value = {seq} WHERE name = 'event'")
    }

    fn new() -> Self {
        Self::on(postgres::shared())
    }

    fn url(&self) -> String {
        self.url.clone()
    }

    fn clock(&self) -> &Arc<AtomicI64> {
        &self.clock
    }

    fn behind(&self, statements: &str) {
        postgres::shared().execute(&self.url, statements).unwrap();
        // What autovacuum does within a minute: the planner knows how much there is.
        postgres::shared().execute(&self.url, "ANALYZE").unwrap();
    }

    fn rows(&self, table: &str) -> u64 {
        let text = postgres::shared().execute(&self.url, &format!("SELECT count(*) FROM {table}")).unwrap();
        text.trim().parse().unwrap()
    }
}

impl Postgres {
    /// A database on a server of the test's own.
    pub fn on(server: &postgres::Server) -> Self {
        Self { url: server.database().unwrap(), clock: clock() }
    }
}

impl<P: Adapter> WithRedis<P> {
    /// Over a server of the test's own.
    pub fn on(server: &redis::Server) -> Self {
        Self { place: P::new(), events_url: server.url() }
    }
}

impl<P: Adapter> Adapter for WithRedis<P> {
    fn new() -> Self {
        Self::on(redis::shared())
    }

    fn digits_26(&self) -> &'static str {
        self.place.digits_26()
    }

    fn last_event_is(&self, seq: i64) -> String {
        self.place.last_event_is(seq)
    }

    fn url(&self) -> String {
        self.place.url()
    }

    fn events_url(&self) -> String {
        self.events_url.clone()
    }

    fn clock(&self) -> &Arc<AtomicI64> {
        self.place.clock()
    }

    fn behind(&self, statements: &str) {
        self.place.behind(statements);
    }

    fn rows(&self, table: &str) -> u64 {
        self.place.rows(table)
    }
}

fn clock() -> Arc<AtomicI64> {
    Arc::new(AtomicI64::new(1_700_000_000_000))
}

/// Another handle on the catalog of a place, as another process would have.
pub async fn open(place: &dyn Adapter) -> Catalog {
    let events = Events::open(&place.events_url()).await.unwrap();
    Catalog::open(&place.url(), Options { events, ..options(place) }).await.unwrap()
}

/// The test's clock.
pub fn options(place: &dyn Adapter) -> Options {
    let clock = Arc::clone(place.clock());
    Options { clock: Some(Arc::new(move || clock.load(Ordering::SeqCst))), ..Options::default() }
}

pub fn advance(place: &dyn Adapter, ms: i64) {
    place.clock().fetch_add(ms, Ordering::SeqCst);
}

pub fn now(place: &dyn Adapter) -> i64 {
    place.clock().load(Ordering::SeqCst)
}

pub fn new_id() -> VideoId {
    static NEXT: AtomicU64 = AtomicU64::new(1);
    VideoId::from_bits(u128::from(NEXT.fetch_add(1, Ordering::SeqCst)) << 64)
}

/// A worker that has all encoders.
pub fn worker(id: &str) -> Worker {
    let encoders = [("x264".to_owned(), "1".to_owned()), ("avenc-aac".to_owned(), "1".to_owned())];
    Worker { id: id.to_owned(), encoders: encoders.into() }
}

pub fn encoder(plugin: &str) -> Encoder {
    Encoder { plugin: plugin.to_owned(), version: "1".to_owned(), codec: "any".to_owned(), settings: BTreeMap::new() }
}

/// A plan of `seconds` at 30 fps with these chunks, given by their lengths in segments; the last takes the rest.
pub fn plan(seconds: u64, lengths: &[u64]) -> Plan {
    let timeline = Timeline::new(Rational::new(30, 1), seconds * 30, Config::default());
    let video = |track| VideoTrack {
        track,
        width: 640,
        height: 360,
        cap_bps: 1_000_000,
        target_bps: 500_000,
        buffer_ms: 500,
        encoder: encoder("x264"),
    };
    let mut chunks = Vec::new();
    let mut first = 1;
    for &length in lengths {
        chunks.push(Segments { first, last: first + length - 1 });
        first += length;
    }
    chunks.push(Segments { first, last: timeline.segments() });
    chunks.retain(|chunk| chunk.first <= chunk.last);
    Plan {
        target_duration_s: 4,
        rungs: vec![video(Track::Rung(360))],
        trick: Some(video(Track::Trick)),
        audio: Some(AudioTrack {
            grid: AudioGrid { sample_rate: 48_000, frame_samples: 1_024 },
            channels: 2,
            bitrate_bps: 128_000,
            language: "und".to_owned(),
            encoder: encoder("avenc-aac"),
        }),
        storyboard: Some(Storyboard { tricks_per_tile: 2, columns: 5, rows: 2, tile_width: 160, tile_height: 90 }),
        timeline,
        chunks,
    }
}

pub async fn upload(catalog: &Catalog) -> VideoId {
    let id = new_id();
    let new = NewUpload { id, title: "a talk".to_owned(), bytes_expected: None, expires_at_ms: None };
    catalog.create_upload(new).await.unwrap();
    id
}

pub async fn queued(catalog: &Catalog) -> VideoId {
    let id = upload(catalog).await;
    catalog.finish_upload(id, 1_000, Some(SHA256.to_owned())).await.unwrap();
    id
}

/// A video whose plan is stored.
pub async fn planned(catalog: &Catalog, plan: Plan) -> VideoId {
    let id = queued(catalog).await;
    let claim = claim(catalog, Wanted { probe: true, ..Wanted::default() }).await.unwrap();
    assert_eq!((claim.video, &claim.work), (id, &Work::Probe), "the test's other videos are probed");
    catalog.finish_probe(&claim, probed(plan)).await.unwrap();
    id
}

pub fn probed(plan: Plan) -> Probed {
    let facts = Facts { bytes: 1_000, container: "mp4".to_owned(), ..Facts::default() };
    Probed { facts, plan, warnings: Vec::new() }
}

pub async fn claim(catalog: &Catalog, wanted: Wanted) -> Option<Claim> {
    catalog.claim(&worker("w"), wanted).await.unwrap()
}

pub async fn claim_any(catalog: &Catalog) -> Option<Claim> {
    claim(catalog, Wanted::ALL).await
}

pub const URGENT: Wanted = Wanted { probe: false, urgent: true, background: false };
pub const NO_PROBE: Wanted = Wanted { probe: false, urgent: true, background: true };
pub const BACKGROUND: Wanted = Wanted { probe: false, urgent: false, background: true };

/// The segments of a claimed chunk.
pub fn segments(claim: &Claim) -> Segments {
    match &claim.work {
        Work::Encode { segments, .. } => *segments,
        other => panic!("not a chunk: {other:?}"),
    }
}

pub fn is_filler(claim: &Claim) -> bool {
    matches!(claim.work, Work::Encode { filler: true, .. })
}

pub fn config(track: Track) -> DecoderConfig {
    if track == Track::Audio { DecoderConfig::Aac(vec![17, 144]) } else { DecoderConfig::Avc(vec![1, 100, 0, 31]) }
}

/// What a worker would publish of a run of the claim's chunk.
pub fn made(claim: &Claim, run: Segments) -> Published {
    let Work::Encode { plan, segments, .. } = &claim.work else { panic!("not a chunk") };
    let tracks: Vec<TrackChunk> = plan.tracks().into_iter().map(|track| track_chunk(plan, track, run)).collect();
    let configs = plan.tracks().into_iter().map(|track| (track, config(track))).collect();
    let chunk = Chunk { segments: run, token: claim.token, tracks };
    Published { chunk, configs, warnings: Vec::new(), last: run.last == segments.last }
}

fn track_chunk(plan: &Plan, track: Track, run: Segments) -> TrackChunk {
    let numbers = match track {
        Track::Trick => plan.timeline.tricks_of_segments(run.first, run.last),
        _ => run.first..run.last + 1,
    };
    let mut offset = 0;
    let first = numbers.start;
    let segments = numbers.map(|n| {
        let fragment = Fragment { bytes: 100 + u32::try_from(n % 50).unwrap(), first_sample_end: 60 };
        let segment = Segment { offset, fragments: vec![fragment], crc32: Some(u32::MAX.into()) };
        offset += u64::from(fragment.bytes);
        segment
    });
    TrackChunk { track, first, segments: segments.collect() }
}

/// Does a claimed job as a good worker would.
pub async fn work(catalog: &Catalog, claim: &Claim) -> vidstream_catalog::Result<()> {
    match &claim.work {
        Work::Probe => catalog.finish_probe(claim, probed(plan(60, &[1, 2, 4]))).await,
        Work::Encode { segments, .. } => catalog.publish(claim, made(claim, *segments)).await,
        Work::Sheet { .. } => {
            let sheet = Sheet { token: claim.token, bytes: 9, crc32: Some(u32::MAX.into()) };
            catalog.finish_sheet(claim, sheet).await
        }
        Work::Finalize { .. } => {
            let poster = Poster { token: claim.token, crc32: Some(0_u32.into()) };
            let finalized = Finalized { poster: Some(poster), ..Finalized::default() };
            catalog.finish_finalize(claim, finalized).await
        }
        Work::Delete => catalog.finish_delete(claim).await,
    }
}

/// Does everything there is to do.
pub async fn work_all(catalog: &Catalog) {
    while let Some(claim) = claim_any(catalog).await {
        work(catalog, &claim).await.unwrap();
    }
}

/// What the rows make of a video.
pub async fn presentation(catalog: &Catalog, id: VideoId) -> Presentation {
    catalog.snapshot(id).await.unwrap().unwrap().presentation.unwrap()
}

/// A film as its rows would make it if they were from before there were checksums.
pub fn without_sums(mut film: Presentation) -> Presentation {
    for chunk in film.chunks.values_mut() {
        for part in &mut Arc::make_mut(chunk).tracks {
            for segment in &mut part.segments {
                segment.crc32 = None;
            }
        }
    }
    for sheet in film.sheets.values_mut() {
        sheet.crc32 = None;
    }
    film.poster = film.poster.map(|poster| Poster { crc32: None, ..poster });
    film
}

pub async fn video(catalog: &Catalog, id: VideoId) -> Video {
    catalog.video(id).await.unwrap().unwrap()
}

pub fn crash() -> Failure {
    Failure { code: "crash".to_owned(), title: "crashed".to_owned(), detail: "signal 11".to_owned(), retryable: true }
}

pub fn hopeless() -> Failure {
    Failure { code: "not_media".to_owned(), retryable: false, ..crash() }
}

/// Fails a job three times in a row, moving the clock past its rests.
pub async fn fail_three_times(place: &dyn Adapter, catalog: &Catalog, first: Claim) {
    let (job, mut claim) = (first.job, first);
    for attempt in 1..=3 {
        assert_eq!((claim.job, claim.attempt), (job, attempt));
        catalog.fail(&claim, crash()).await.unwrap();
        if attempt < 3 {
            advance(place, 1_000);
            claim = claim_job(catalog, job).await;
        }
    }
}

/// Claims until a certain job comes; the others are given back.
pub async fn claim_job(catalog: &Catalog, job: i64) -> Claim {
    let mut others = Vec::new();
    loop {
        let claim = claim_any(catalog).await.unwrap();
        if claim.job == job {
            for other in &others {
                catalog.release(other).await.unwrap();
            }
            return claim;
        }
        others.push(claim);
    }
}

/// Claims a chunk of one kind of segments, the others are given back.
pub async fn claim_segment(catalog: &Catalog, first: u64) -> Claim {
    let mut others = Vec::new();
    loop {
        let claim = claim_any(catalog).await.unwrap();
        if matches!(claim.work, Work::Encode { segments, .. } if segments.first == first) {
            for other in &others {
                catalog.release(other).await.unwrap();
            }
            return claim;
        }
        others.push(claim);
    }
}

pub async fn assert_sound(catalog: &Catalog) {
    assert_eq!(catalog.audit().await.unwrap(), []);
}
