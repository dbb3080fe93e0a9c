//! What servers do about objects that no row names: now and then one of them deletes those that are old.
//!
//! Attempts that were lost leave them, and what was on its way when a process died. They are told as `fsck` tells
//! them, so that a video in work is passed over; and only old ones are deleted, so that there is time to notice that
//! the catalog is that of a backup. Where catalog and store have nothing in common, nothing is deleted: then they do not
//! belong together, or an import is on its way, whose rows come at the end.

use std::time::{Duration, SystemTime};

use tokio::time::{MissedTickBehavior, interval};
use tokio_util::sync::CancellationToken;
use vidstream_catalog::{Catalog, ListQuery};
use vidstream_media::VideoId;
use vidstream_store::{Error, Store};

use crate::inventory::{Inventory, of_store};

/// How often a process looks whether it is its turn.
const LOOK_EVERY: Duration = Duration::from_mins(1);
/// Videos that are looked at in one turn; the next one goes on after them.
const VIDEOS_MAX: usize = 1_000;
/// Objects after whose deletion a turn looks at no further video.
const REMOVED_MAX: u64 = 1_000;

/// What is looked at.
pub(crate) struct Sweeper {
    pub(crate) catalog: Catalog,
    pub(crate) store: Store,
    /// How old an object must be.
    pub(crate) age: Duration,
}

// === impl Sweeper ===

impl Sweeper {
    /// Takes turns until it is stopped, which it may be at any moment.
    pub(crate) async fn run(&self, stop: CancellationToken) {
        stop.run_until_cancelled(self.turns()).await;
    }

    async fn turns(&self) {
        let mut ticks = interval(LOOK_EVERY);
        ticks.set_missed_tick_behavior(MissedTickBehavior::Delay);
        loop {
            ticks.tick().await;
            match self.turn().await {
                Ok(0) => {}
                Ok(removed) => tracing::info!(removed, "objects that no row names were removed"),
                Err(error) => tracing::warn!("objects that no row names could not be looked for: {error:#}"),
            }
        }
    }

    /// Has a turn, if it is time for one. Gives how many objects were deleted.
    async fn turn(&self) -> anyhow::Result<u64> {
        let Some(place) = self.catalog.begin_orphans().await? else { return Ok(0) };
        let mut stored = self.store.list_videos().await.map_err(|error| of_store(&error))?;
        stored.sort_unstable();
        if !self.belongs(&stored).await? {
            return Ok(0);
        }
        let after: Option<VideoId> = place.parse().ok();
        let rest = stored.partition_point(|id| Some(*id) <= after);
        let (mut outcome, mut last) = (Ok(0), None);
        for &id in stored.iter().skip(rest).take(VIDEOS_MAX) {
            let Ok(removed) = &mut outcome else { break };
            if *removed >= REMOVED_MAX {
                break;
            }
            match self.video(id).await {
                Ok(more) => *removed += more,
                // The next turn goes on after it all the same.
                Err(error) => outcome = Err(error),
            }
            last = Some(id);
        }
        // After the last one it begins again.
        let next = last.filter(|last| stored.last() != Some(last));
        self.catalog.end_orphans(next.map(|id| id.to_string()).unwrap_or_default()).await?;
        outcome
    }

    /// Whether the store has anything of the newest videos of the catalog.
    async fn belongs(&self, stored: &[VideoId]) -> anyhow::Result<bool> {
        let newest = self.catalog.list(ListQuery::default()).await?.videos;
        Ok(newest.iter().any(|video| stored.binary_search(&video.id).is_ok()))
    }

    async fn video(&self, id: VideoId) -> anyhow::Result<u64> {
        let inventory = Inventory::take(&self.catalog, &self.store, id).await?;
        let mut removed = 0;
        for (path, _) in inventory.orphans() {
            if self.is_old(id, path).await.map_err(|error| of_store(&error))? {
                self.store.delete_listed(id, path).await.map_err(|error| of_store(&error))?;
                removed += 1;
            }
        }
        Ok(removed)
    }

    async fn is_old(&self, id: VideoId, path: &str) -> Result<bool, Error> {
        match self.store.modified_listed(id, path).await {
            // A time to come is no age.
            Ok(modified) => Ok(SystemTime::now().duration_since(modified).is_ok_and(|age| age >= self.age)),
            Err(Error::NotFound { .. }) => Ok(false),
            Err(error) => Err(error),
        }
    }
}

#[cfg(test)]
mod tests {
    use std::{
        collections::BTreeSet,
        fs,
        sync::{
            Arc,
            atomic::{AtomicI64, Ordering},
        },
    };

    use vidstream_catalog::{Failure, NewUpload, Options, Wanted, Worker, limits::ORPHANS_MS};
    use vidstream_media::Track;
    use vidstream_store::Key;

    use super::*;

    const AGE: Duration = Duration::from_hours(24 * 7);

    struct Site {
        folder: tempfile::TempDir,
        clock: Arc<AtomicI64>,
        sweeper: Sweeper,
    }

    impl Site {
        async fn new() -> Self {
            let folder = tempfile::tempdir().unwrap();
            let clock = Arc::new(AtomicI64::new(1_000_000_000_000));
            let now = Arc::clone(&clock);
            let options = Options { clock: Some(Arc::new(move || now.load(Ordering::SeqCst))), ..Options::default() };
            let url = format!("sqlite://{}/catalog.db", folder.path().display());
            let catalog = Catalog::open(&url, options).await.unwrap();
            let store = Store::open(&format!("file://{}", folder.path().display())).await.unwrap();
            Self { folder, clock, sweeper: Sweeper { catalog, store, age: AGE } }
        }

        /// An object that was written so long ago.
        fn object(&self, path: &str, age: Duration) {
            let place = self.folder.path().join("objects").join(path);
            fs::create_dir_all(place.parent().unwrap()).unwrap();
            let file = fs::File::create(place).unwrap();
            file.set_modified(SystemTime::now() - age).unwrap();
        }

        fn has(&self, path: &str) -> bool {
            self.folder.path().join("objects").join(path).exists()
        }

        async fn uploading(&self) -> VideoId {
            let id = VideoId::from_bits(uuid::Uuid::now_v7().as_u128());
            let new = NewUpload { id, title: String::new(), bytes_expected: None, expires_at_ms: None };
            self.sweeper.catalog.create_upload(new).await.unwrap();
            id
        }

        /// A video that has a source and will never have more.
        async fn failed(&self) -> VideoId {
            let (id, catalog) = (self.uploading().await, &self.sweeper.catalog);
            catalog.finish_upload(id, 0, None).await.unwrap();
            let worker = Worker { id: "w".to_owned(), encoders: BTreeSet::new() };
            let claim = catalog.claim(&worker, Wanted::ALL).await.unwrap().unwrap();
            let failure =
                Failure { code: "not_media".to_owned(), title: String::new(), detail: String::new(), retryable: false };
            catalog.fail(&claim, failure).await.unwrap();
            id
        }

        /// How many objects a turn deletes, an hour after the last one.
        async fn turn(&self) -> u64 {
            self.clock.fetch_add(ORPHANS_MS, Ordering::SeqCst);
            self.sweeper.turn().await.unwrap()
        }
    }

    fn source(id: VideoId) -> String {
        Key::Source { id }.path()
    }

    fn media(id: VideoId, token: u64) -> String {
        Key::Media { id, generation: 1, track: Track::Rung(720), first: 1, token }.path()
    }

    #[tokio::test]
    async fn old_objects_that_no_row_names_go_and_nothing_else_does() {
        let site = Site::new().await;
        let (failed, uploading) = (site.failed().await, site.uploading().await);
        let [unknown, young] = [1, 2].map(VideoId::from_bits);
        let minute = Duration::from_mins(1);
        let rows = [
            (source(failed), AGE * 2, true),
            (media(failed, 1), AGE, false),
            (media(failed, 2), AGE.saturating_sub(minute), true),
            (source(uploading), AGE * 2, true),
            (media(uploading, 1), AGE * 2, true),
            (source(unknown), AGE, false),
            (source(young), AGE.saturating_sub(minute), true),
        ];
        for (path, age, _) in &rows {
            site.object(path, *age);
        }
        assert_eq!(site.turn().await, 2);
        for (path, _, stays) in &rows {
            assert_eq!(site.has(path), *stays, "{path}");
        }
        // Nobody looks again within the hour.
        site.object(&source(unknown), AGE);
        assert_eq!(site.sweeper.turn().await.unwrap(), 0);
        assert_eq!(site.turn().await, 1);
    }

    #[tokio::test]
    async fn where_nothing_is_of_the_catalog_nothing_goes() {
        let site = Site::new().await;
        let unknown = VideoId::from_bits(1);
        site.object(&source(unknown), AGE);
        assert_eq!(site.turn().await, 0);
        let failed = site.failed().await;
        assert_eq!(site.turn().await, 0);
        site.object(&source(failed), AGE);
        assert_eq!(site.turn().await, 1);
        assert!(site.has(&source(failed)) && !site.has(&source(unknown)));
    }

    #[tokio::test]
    async fn a_turn_looks_at_so_many_videos_and_the_next_one_goes_on() {
        let site = Site::new().await;
        let known = site.failed().await;
        site.object(&source(known), AGE);
        let [first, next] = [0, VIDEOS_MAX].map(|n| media(VideoId::from_bits(n as u128), 1));
        for n in 0..VIDEOS_MAX {
            site.object(&media(VideoId::from_bits(n as u128), 1), Duration::ZERO);
        }
        site.object(&first, AGE);
        site.object(&next, AGE);
        assert_eq!(site.turn().await, 1);
        assert!(!site.has(&first) && site.has(&next));
        site.object(&first, AGE);
        assert_eq!(site.turn().await, 1);
        assert!(site.has(&first) && !site.has(&next));
        // After the last one it begins again.
        assert_eq!(site.turn().await, 1);
    }

    #[tokio::test]
    async fn a_turn_that_deleted_so_much_leaves_the_rest_to_the_next() {
        let site = Site::new().await;
        let known = site.failed().await;
        site.object(&source(known), AGE);
        for (count, turns) in [(REMOVED_MAX - 1, [REMOVED_MAX, 0]), (REMOVED_MAX, [REMOVED_MAX, 1])] {
            for token in 0..count {
                site.object(&media(VideoId::from_bits(1), token), AGE);
            }
            site.object(&media(VideoId::from_bits(2), 1), AGE);
            assert_eq!([site.turn().await, site.turn().await], turns);
        }
    }
}
