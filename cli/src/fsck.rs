//! `fsck`: what the catalog names against what the store has, both ways.
//!
//! It may run beside servers; what is missing is looked for once more.

use std::collections::{BTreeMap, BTreeSet};

use vidstream_catalog::{Catalog, ListQuery, State};
use vidstream_media::VideoId;
use vidstream_store::{Error as StoreError, Key, Store};

use crate::{
    args::Fsck,
    exit::{Code, Failure},
    inventory::{Inventory, Named, of_store},
    parts, settings,
};

/// What is compared.
struct Pair {
    catalog: Catalog,
    store: Store,
    repair: bool,
}

/// What was seen.
#[derive(Debug, Default)]
struct Seen {
    videos: u64,
    in_work: u64,
    objects: u64,
    found: u64,
    repaired: u64,
}

/// Compares, prints and, if that is wished, repairs.
pub(crate) fn run(args: &Fsck) -> anyhow::Result<Code> {
    let config = settings::of_place(&args.place)?;
    parts::runtime()?.block_on(async {
        let pair =
            Pair { store: parts::store(&config).await?, catalog: parts::catalog(&config).await?, repair: args.repair };
        let mut seen = Seen::default();
        pair.compare(&mut seen).await?;
        say(&seen.sentence());
        Ok(if seen.found == seen.repaired { Code::Done } else { Code::Verdict })
    })
}

// === impl Pair ===

impl Pair {
    async fn compare(&self, seen: &mut Seen) -> anyhow::Result<()> {
        let stored: BTreeSet<VideoId> =
            self.store.list_videos().await.map_err(|error| of_store(&error))?.into_iter().collect();
        let known = self.known().await?;
        if self.repair && !stored.is_empty() && stored.is_disjoint(&known) {
            // All of it would be deleted.
            let sentence =
                "no video of the store is in this catalog: they do not belong together, and nothing is repaired";
            return Err(Failure::new(Code::Usage, sentence).into());
        }
        for &id in stored.union(&known) {
            self.video(id, seen).await?;
        }
        Ok(())
    }

    /// All videos of the catalog.
    async fn known(&self) -> anyhow::Result<BTreeSet<VideoId>> {
        let mut found = BTreeSet::new();
        // Without a state, those that are being deleted are left out.
        for state in [None, Some(State::Deleting)] {
            let mut query = ListQuery { state, ..ListQuery::default() };
            loop {
                let page = self.catalog.list(query.clone()).await?;
                found.extend(page.videos.iter().map(|video| video.id));
                query.cursor = page.next_cursor;
                if query.cursor.is_none() {
                    break;
                }
            }
        }
        Ok(found)
    }

    async fn video(&self, id: VideoId, seen: &mut Seen) -> anyhow::Result<()> {
        let inventory = Inventory::take(&self.catalog, &self.store, id).await?;
        seen.objects += inventory.listed.len() as u64;
        seen.videos += u64::from(inventory.is_known);
        seen.in_work += u64::from(inventory.named.is_none());
        let Some(named) = &inventory.named else { return Ok(()) };
        let (mut is_source_missing, mut missing) = (false, 0);
        for (key, bytes) in &named.needed {
            if inventory.listed.get(&key.path()).is_some_and(|&stored| bytes.is_none_or(|bytes| bytes == stored)) {
                continue;
            }
            if let Some(text) = self.look_again(key, *bytes).await? {
                say(&format!("{}: {text}", key.path()));
                is_source_missing |= matches!(key, Key::Source { .. });
                missing += 1;
            }
        }
        seen.found += missing;
        self.orphans(id, &inventory, seen).await?;
        if self.repair && is_source_missing {
            say(&format!("{id}: cannot be made again without its source; upload it anew, and delete this one"));
        } else if self.repair && missing > 0 {
            self.make_again(id, &inventory.listed, named).await?;
            seen.repaired += missing;
        }
        Ok(())
    }

    /// Queues a video as a new generation, and removes what the rows named before.
    async fn make_again(&self, id: VideoId, listed: &BTreeMap<String, u64>, named: &Named) -> anyhow::Result<()> {
        self.catalog.retry(id).await?;
        say(&format!("{id}: will be made again, by a server"));
        let source = Key::Source { id }.path();
        for path in listed.keys().filter(|&path| named.allows(path) && *path != source) {
            self.store.delete_listed(id, path).await.map_err(|error| of_store(&error))?;
        }
        Ok(())
    }

    /// What is wrong with an object; nothing if it has come meanwhile.
    async fn look_again(&self, key: &Key, bytes: Option<u64>) -> anyhow::Result<Option<String>> {
        match self.store.size(key).await {
            Ok(stored) => Ok(bytes
                .filter(|&bytes| bytes != stored)
                .map(|bytes| format!("has {stored} bytes, and its row says {bytes}"))),
            Err(StoreError::NotFound { .. }) => Ok(Some("is missing".to_owned())),
            Err(error) => Err(of_store(&error).into()),
        }
    }

    async fn orphans(&self, id: VideoId, inventory: &Inventory, seen: &mut Seen) -> anyhow::Result<()> {
        for (path, bytes) in inventory.orphans() {
            seen.found += 1;
            if self.repair {
                self.store.delete_listed(id, path).await.map_err(|error| of_store(&error))?;
                seen.repaired += 1;
            }
            let end = if self.repair { ": removed" } else { "" };
            say(&format!("{path}: {bytes} bytes that no row names{end}"));
        }
        Ok(())
    }
}

// === impl Seen ===

impl Seen {
    fn sentence(&self) -> String {
        let Self { videos, in_work, objects, found, repaired } = self;
        let verdict = match (found, repaired) {
            (0, _) => "nothing is wrong".to_owned(),
            (found, 0) => format!("{found} wrong"),
            (found, repaired) => format!("{found} wrong, {repaired} repaired"),
        };
        format!("{videos} videos, {in_work} of them in work and passed over, {objects} objects: {verdict}")
    }
}

fn say(line: &str) {
    crate::add::print(&format!("{line}\n"));
}
