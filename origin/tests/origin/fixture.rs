//! A site of its own for each test: folder, catalog, store and origin; and videos as a packager leaves them.

use std::{collections::BTreeMap, net::SocketAddr, sync::Arc};

use tokio::task::JoinHandle;
use tokio_util::sync::CancellationToken;
use vidstream_catalog::{
    Catalog, Claim, Events, Finalized, NewUpload, Options, Probed, Published, Wanted, Work, Worker,
};
use vidstream_media::{
    Crc32, Plan, Rational, Timeline, Track, VideoId,
    bandwidth::Rates,
    chunks::Segments,
    codec::DecoderConfig,
    index::{Chunk, Fragment, Segment, TrackChunk},
    plan::{AudioTrack, Encoder, Storyboard, VideoTrack},
    presentation::{Poster, Sheet},
    source::{AudioFacts, Facts, Hdr},
    timeline::{AudioGrid, Config as Grid},
};
use vidstream_origin::{Config, Origin, Patience};
use vidstream_store::{Key, Store};

/// What a decoder of 320x180 in High profile needs, as x264 writes it, in hexadecimal.
const AVC: &str = "0164000dffe100186764000dacd94141fa1000000300100000030320f142996001000668ebe3cb22c0fdf8f800";

/// More than fits into what a server and a client that does not read hold between them.
pub(crate) const POSTER_BYTES: usize = 300_000;

/// The digest that whoever stored the source of a [`planned`] video told.
pub(crate) const SHA256: &str = "b94d27b9934d3e08a52e52d7da7dabfac484efe37a5380ee9088f7ace2efcde9";

/// Where the parts of a site meet.
#[derive(Clone)]
pub(crate) struct Place {
    folder: Arc<tempfile::TempDir>,
    catalog_url: String,
    events_url: String,
}

pub(crate) struct Site {
    pub(crate) place: Place,
    pub(crate) catalog: Catalog,
    pub(crate) store: Store,
    pub(crate) addr: SocketAddr,
    pub(crate) admin: SocketAddr,
    stop: CancellationToken,
    task: JoinHandle<()>,
}

impl Site {
    pub(crate) async fn start() -> Self {
        Self::with(|_| {}).await
    }

    pub(crate) async fn with(tune: impl FnOnce(&mut Config)) -> Self {
        Self::at(Place::new(), tune).await
    }

    /// Another origin over the same catalog and store.
    pub(crate) async fn node(&self, tune: impl FnOnce(&mut Config)) -> Self {
        Self::at(self.place.clone(), tune).await
    }

    pub(crate) async fn at(place: Place, tune: impl FnOnce(&mut Config)) -> Self {
        let (catalog, store) = place.open().await;
        let any: SocketAddr = "127.0.0.1:0".parse().unwrap();
        let mut config = Config::new(any, any);
        tune(&mut config);
        let origin = Origin::bind(config, catalog.clone(), store.clone()).await.unwrap();
        let (addr, admin) = (origin.addr(), origin.admin_addr());
        let stop = CancellationToken::new();
        let task = tokio::spawn(origin.run(stop.clone()));
        Self { place, catalog, store, addr, admin, stop, task }
    }

    /// A second handle on the catalog, as another process has: what it commits gives no hint to the origin.
    pub(crate) async fn other_process(&self) -> Catalog {
        self.place.open().await.0
    }

    /// Stops the origin in order.
    pub(crate) async fn stop(self) {
        self.stop.cancel();
        self.task.await.unwrap();
    }

    pub(crate) fn begin_stop(&self) {
        self.stop.cancel();
    }

    /// Paths of all objects of a video.
    pub(crate) async fn objects(&self, id: VideoId) -> Vec<String> {
        self.store.list_video(id).await.unwrap().into_iter().map(|(path, _)| path).collect()
    }
}

// === impl Place ===

impl Place {
    /// A folder, with everything in it.
    fn new() -> Self {
        let folder = Arc::new(tempfile::tempdir().unwrap());
        let catalog_url = format!("sqlite://{}/catalog.db", folder.path().display());
        Self { folder, catalog_url, events_url: "local:".to_owned() }
    }

    /// A folder for objects, and servers for the rest.
    pub(crate) fn on(catalog_url: String, events_url: String) -> Self {
        Self { catalog_url, events_url, ..Self::new() }
    }

    /// A folder, and a Redis over which those who open it tell each other.
    pub(crate) fn meeting(events_url: String) -> Self {
        Self { events_url, ..Self::new() }
    }

    /// A process on the same catalog that tells nobody what it commits.
    pub(crate) async fn silent(&self) -> Catalog {
        Catalog::open(&self.catalog_url, Options::default()).await.unwrap()
    }

    async fn open(&self) -> (Catalog, Store) {
        let events = Events::open(&self.events_url).await.unwrap();
        let catalog = Catalog::open(&self.catalog_url, Options { events, ..Options::default() }).await.unwrap();
        let store = Store::open(&format!("file://{}", self.folder.path().display())).await.unwrap();
        (catalog, store)
    }
}

/// Short times, for tests that wait for them to end.
pub(crate) fn hasty() -> Patience {
    let ms = std::time::Duration::from_millis;
    Patience {
        segment_wait: ms(600),
        handshake: ms(400),
        tls_poll: Patience::default().tls_poll,
        header_read: ms(400),
        body_idle: ms(400),
        write_stall: ms(400),
        socket_send: ms(400),
        drain: ms(800),
        last_views: Patience::default().last_views,
    }
}

pub(crate) fn fresh_id() -> VideoId {
    VideoId::from_bits(uuid::Uuid::now_v7().as_u128())
}

/// 20 s at 30 fps, each segment a chunk.
pub(crate) fn plan() -> Plan {
    let timeline = Timeline::new(Rational::new(30, 1), 600, Grid::default());
    let encoder = |plugin: &str| Encoder {
        plugin: plugin.to_owned(),
        version: "1".to_owned(),
        codec: "any".to_owned(),
        settings: BTreeMap::new(),
    };
    let video = |track, width, height| VideoTrack {
        track,
        width,
        height,
        cap_bps: 1_000_000,
        target_bps: 500_000,
        buffer_ms: 500,
        encoder: encoder("x264"),
    };
    Plan {
        target_duration_s: 4,
        rungs: vec![video(Track::Rung(360), 640, 360), video(Track::Rung(240), 426, 240)],
        trick: Some(video(Track::Trick, 320, 180)),
        audio: Some(AudioTrack {
            grid: AudioGrid { sample_rate: 48_000, frame_samples: 1_024 },
            channels: 2,
            bitrate_bps: 128_000,
            language: "und".to_owned(),
            encoder: encoder("avenc-aac"),
        }),
        storyboard: Some(Storyboard { tricks_per_tile: 1, columns: 5, rows: 2, tile_width: 160, tile_height: 90 }),
        chunks: (1..=timeline.segments()).map(|n| Segments { first: n, last: n }).collect(),
        timeline,
    }
}

/// What the probe found of it.
fn facts() -> Facts {
    let audio =
        AudioFacts { codec: "aac".to_owned(), channels: 2, sample_rate: 48_000, language: Some("deu".to_owned()) };
    Facts {
        bytes: 1_000,
        container: "mp4".to_owned(),
        duration_s: 20.0,
        video_codec: Some("h264".to_owned()),
        width: Some(640),
        height: Some(360),
        fps: Some(30.0),
        hdr: Some(Hdr::Hlg),
        audio: vec![audio],
        ..Facts::default()
    }
}

/// A video whose plan is stored and of which nothing is made.
pub(crate) async fn planned(catalog: &Catalog) -> VideoId {
    let id = fresh_id();
    catalog
        .create_upload(NewUpload { id, title: "A film".to_owned(), bytes_expected: None, expires_at_ms: None })
        .await
        .unwrap();
    catalog.finish_upload(id, 1_000, Some(SHA256.to_owned())).await.unwrap();
    let wanted = Wanted { probe: true, ..Wanted::default() };
    let claim = catalog.claim(&worker(), wanted).await.unwrap().unwrap();
    assert_eq!((claim.video, &claim.work), (id, &Work::Probe));
    catalog.finish_probe(&claim, Probed { facts: facts(), plan: plan(), warnings: Vec::new() }).await.unwrap();
    id
}

/// A video whose first chunk is made.
pub(crate) async fn playable(site: &Site) -> VideoId {
    let id = planned(&site.catalog).await;
    work(site, &site.catalog, Wanted { urgent: true, ..Wanted::default() }).await.unwrap();
    id
}

/// A video of which everything is made.
pub(crate) async fn ready(site: &Site) -> VideoId {
    let id = planned(&site.catalog).await;
    work_all(site).await;
    id
}

pub(crate) async fn work_all(site: &Site) {
    while work(site, &site.catalog, Wanted::ALL).await.is_some() {}
}

/// Does the most wanted job as a packager would; gives what it was.
pub(crate) async fn work(site: &Site, catalog: &Catalog, wanted: Wanted) -> Option<Claim> {
    let claim = catalog.claim(&worker(), wanted).await.unwrap()?;
    finish(site, catalog, &claim).await;
    Some(claim)
}

/// Does a claimed job as a packager would.
pub(crate) async fn finish(site: &Site, catalog: &Catalog, claim: &Claim) {
    let (id, generation, token) = (claim.video, claim.generation, claim.token);
    match &claim.work {
        Work::Probe => panic!("the tests probe in planned()"),
        Work::Encode { plan, segments, .. } => {
            let published = make(site, claim, plan, *segments).await;
            catalog.publish(claim, published).await.unwrap();
        }
        Work::Sheet { n, .. } => {
            let bytes = vec![u8::try_from(*n).unwrap(); 500];
            let sheet = Sheet { token, bytes: 500, crc32: Some(Crc32::of(&bytes)) };
            site.store.put(&Key::Sheet { id, generation, n: *n, token }, bytes.into()).await.unwrap();
            catalog.finish_sheet(claim, sheet).await.unwrap();
        }
        Work::Finalize { plan } => {
            let bytes = vec![9_u8; POSTER_BYTES];
            let poster = Some(Poster { token, crc32: Some(Crc32::of(&bytes)) });
            site.store.put(&Key::Poster { id, generation, token }, bytes.into()).await.unwrap();
            let rates = Rates { peak_bps: 700_000, average_bps: 400_000 };
            let measured = plan.tracks().into_iter().map(|track| (track, rates)).collect();
            let finalized = Finalized { measured, poster, warnings: Vec::new() };
            catalog.finish_finalize(claim, finalized).await.unwrap();
        }
        Work::Delete => {
            site.store.delete_video(id).await.unwrap();
            catalog.finish_delete(claim).await.unwrap();
        }
    }
}

/// The bytes of a segment; each differs from every other.
pub(crate) fn segment_bytes(track: Track, n: u64) -> Vec<u8> {
    let length = 1_000 + usize::try_from(n % 50).unwrap();
    format!("{track}/{n};").into_bytes().into_iter().cycle().take(length).collect()
}

async fn make(site: &Site, claim: &Claim, plan: &Plan, run: Segments) -> Published {
    let mut tracks = Vec::new();
    for track in plan.tracks() {
        let numbers = match track {
            Track::Trick => plan.timeline.tricks_of_segments(run.first, run.last),
            _ => run.first..run.last + 1,
        };
        let first = numbers.start;
        let (mut object, mut segments) = (Vec::new(), Vec::new());
        for n in numbers {
            let bytes = segment_bytes(track, n);
            // One fragment a GOP, as an I-frame playlist needs.
            let gops = if matches!(track, Track::Rung(_)) { plan.timeline.segment_gops(n).len() } else { 1 };
            let (each, rest) = (bytes.len() / gops, bytes.len() % gops);
            let fragment = |nth: usize| Fragment {
                bytes: u32::try_from(each + if nth == 0 { rest } else { 0 }).unwrap(),
                first_sample_end: 100,
            };
            let (offset, fragments) = (object.len() as u64, (0..gops).map(fragment).collect());
            segments.push(Segment { offset, fragments, crc32: Some(Crc32::of(&bytes)) });
            object.extend(bytes);
        }
        let key =
            Key::Media { id: claim.video, generation: claim.generation, track, first: run.first, token: claim.token };
        site.store.put(&key, object.into()).await.unwrap();
        tracks.push(TrackChunk { track, first, segments });
    }
    let configs = plan.tracks().into_iter().map(|track| (track, config(track))).collect();
    Published { chunk: Chunk { segments: run, token: claim.token, tracks }, configs, warnings: Vec::new(), last: true }
}

fn config(track: Track) -> DecoderConfig {
    if track == Track::Audio {
        return DecoderConfig::Aac(vec![17, 144]);
    }
    let byte = |pair: &[u8]| u8::from_str_radix(std::str::from_utf8(pair).unwrap(), 16).unwrap();
    DecoderConfig::Avc(AVC.as_bytes().chunks(2).map(byte).collect())
}

pub(crate) fn worker() -> Worker {
    let encoders = [("x264".to_owned(), "1".to_owned()), ("avenc-aac".to_owned(), "1".to_owned())];
    Worker { id: "w".to_owned(), encoders: encoders.into() }
}
