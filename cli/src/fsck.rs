//! `fsck`: what the catalog names against what the store has, both ways.
//!
//! It may run beside servers; what is missing is looked for once more.

use std::collections::BTreeSet;

use vidstream_catalog::{Catalog, Error as CatalogError, ListQuery, Lookup, State};
use vidstream_config::Config;
use vidstream_media::VideoId;
use vidstream_store::{Access, Error as StoreError, Key, Store};

use crate::{
    args::Fsck,
    exit::{Code, Failure},
    inventory::{Inventory, fault, of_store},
    parts, settings,
    sums::{self, Damage},
};

/// What is compared.
struct Pair {
    catalog: Catalog,
    store: Store,
    repair: bool,
    /// Whether media is read and held against its checksums.
    bytes: bool,
    /// Whether films go of which the catalog knows nothing at all.
    delete_unknown: bool,
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
    let config = settings::load(&args.place)?;
    parts::runtime()?.block_on(async {
        let pair = Pair {
            catalog: parts::catalog_alone(&config, true).await?,
            // What it repairs it deletes; nothing is written.
            store: parts::store_for(&config, Access::Read).await?,
            repair: args.repair,
            bytes: args.bytes,
            delete_unknown: args.delete_unknown,
        };
        let mut seen = Seen::default();
        pair.compare(&mut seen).await.map_err(|error| failure(&config, error))?;
        say(&seen.sentence());
        Ok(if seen.found == seen.repaired { Code::Done } else { Code::Verdict })
    })
}

/// Gives what ended the comparison its exit code.
fn failure(config: &Config, error: anyhow::Error) -> anyhow::Error {
    if let Some(error) = error.downcast_ref::<CatalogError>() {
        return parts::catalog_failure(config, error).into();
    }
    match error.downcast_ref::<StoreError>() {
        Some(StoreError::NotFound { .. }) => {
            Failure::new(Code::NoInput, format!("there is no store {}", config.store_url)).into()
        }
        Some(error) => of_store(error).into(),
        None => error,
    }
}

// === impl Pair ===

impl Pair {
    async fn compare(&self, seen: &mut Seen) -> anyhow::Result<()> {
        let stored: BTreeSet<VideoId> = self.store.list_videos().await?.into_iter().collect();
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
        let mut wrong: Vec<Key> = Vec::new();
        for (key, bytes, _) in inventory.faults() {
            if let Some(text) = self.look_again(key, bytes).await? {
                say(&format!("{}: {text}", key.path()));
                wrong.push(*key);
            }
        }
        let mut is_source_lost = wrong.iter().any(|key| matches!(key, Key::Source { .. }));
        for (key, text) in self.damaged(&inventory).await? {
            if !wrong.contains(&key) {
                say(&format!("{}: {text}", key.path()));
                wrong.push(key);
            }
        }
        let source = if is_source_lost { None } else { self.source_damage(id, &inventory).await? };
        if let Some(damage) = &source {
            say(&format!("{}: {}", Key::Source { id }.path(), damage.told()));
            wrong.push(Key::Source { id });
            is_source_lost = matches!(damage, Damage::Unreadable(_));
        }
        let missing = wrong.len() as u64;
        let incomplete = wrong.iter().find_map(|key| match key {
            Key::Media { generation, .. } => Some(*generation),
            _ => None,
        });
        seen.found += missing;
        self.orphans(id, &inventory, seen).await?;
        if !self.repair || missing == 0 {
            return Ok(());
        }
        if is_source_lost {
            say(&format!("{id}: cannot be made again without its source; upload it anew, and delete this one"));
        } else if source.is_some() {
            // What there is of it may be better than what would be made now.
            say(&format!("{id}: is left as it is, since its source is not what was uploaded; upload it anew"));
        } else if let Some(generation) = incomplete {
            self.make_again(id, generation, missing, seen).await?;
        } else {
            // A new generation is hours of work, and breaks links.
            say(&format!("{id}: plays without these pictures, and is not made again for them"));
        }
        Ok(())
    }

    /// What is damaged, if that is asked for.
    async fn damaged(&self, inventory: &Inventory) -> Result<Vec<(Key, String)>, StoreError> {
        match &inventory.presentation {
            Some(presentation) if self.bytes => sums::damaged(&self.store, presentation).await,
            _ => Ok(Vec::new()),
        }
    }

    /// What is wrong with the bytes of the source, if that is asked for and its digest is known.
    async fn source_damage(&self, id: VideoId, inventory: &Inventory) -> Result<Option<Damage<()>>, StoreError> {
        match &inventory.sha256 {
            Some(sha256) if self.bytes => sums::source::damage(&self.store, &Key::Source { id }, sha256).await,
            _ => Ok(None),
        }
    }

    /// Queues a video as a new generation, if this is still the one: reading all of it may have taken hours. What is left
    /// of it is what no row names once that is ready.
    async fn make_again(&self, id: VideoId, generation: u32, missing: u64, seen: &mut Seen) -> anyhow::Result<()> {
        match self.catalog.retry(id, generation).await {
            Ok(_) => {
                say(&format!("{id}: will be made again, by a server"));
                seen.repaired += missing;
            }
            // Somebody else has done so meanwhile, or has deleted it.
            Err(CatalogError::Conflict(_) | CatalogError::NotFound) => {
                seen.in_work += 1;
                seen.found -= missing;
            }
            Err(error) => return Err(error.into()),
        }
        Ok(())
    }

    /// What is wrong with an object; nothing if it has come meanwhile.
    async fn look_again(&self, key: &Key, bytes: Option<u64>) -> anyhow::Result<Option<String>> {
        match self.store.size(key).await {
            Ok(stored) => Ok(fault(bytes, Some(stored))),
            Err(StoreError::NotFound { .. }) => Ok(fault(bytes, None)),
            Err(error) => Err(error.into()),
        }
    }

    async fn orphans(&self, id: VideoId, inventory: &Inventory, seen: &mut Seen) -> anyhow::Result<()> {
        let keeps = self.repair && !self.delete_unknown && self.is_unknown_film(id, inventory).await?;
        let end = match (self.repair, keeps) {
            (false, _) => "",
            (true, true) => ": kept, since the catalog knows nothing of this film (--delete-unknown)",
            (true, false) => ": removed",
        };
        for (path, bytes) in inventory.orphans() {
            seen.found += 1;
            if self.repair && !keeps {
                self.store.delete_listed(id, path).await?;
                seen.repaired += 1;
            }
            say(&format!("{path}: {bytes} bytes that no row names{end}"));
        }
        Ok(())
    }

    /// Whether this is a film with its source that the catalog has neither as a video nor as a deleted one: with the
    /// catalog of a backup, one that came after it.
    async fn is_unknown_film(&self, id: VideoId, inventory: &Inventory) -> anyhow::Result<bool> {
        let has_source = inventory.listed.contains_key(&Key::Source { id }.path());
        Ok(!inventory.is_known && has_source && self.catalog.lookup(id).await? == Lookup::Unknown)
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

#[cfg(test)]
mod tests {
    use vidstream_catalog::{NewUpload, Options};

    use super::*;

    #[tokio::test]
    async fn a_video_that_went_to_work_meanwhile_ends_nothing() {
        let folder = tempfile::tempdir().unwrap();
        let url = format!("sqlite://{}", folder.path().join("catalog.sqlite").display());
        let catalog = Catalog::open(&url, Options::default()).await.unwrap();
        let id = VideoId::from_bits(7);
        let new = NewUpload { id, title: String::new(), bytes_expected: None, expires_at_ms: None };
        catalog.create_upload(new).await.unwrap();
        let store = Store::open("memory://").await.unwrap();
        let pair = Pair { catalog, store, repair: true, bytes: false, delete_unknown: false };
        for id in [id, VideoId::from_bits(8)] {
            let mut seen = Seen { found: 2, ..Seen::default() };
            pair.make_again(id, 1, 2, &mut seen).await.unwrap();
            assert_eq!((seen.in_work, seen.found, seen.repaired), (1, 0, 0));
        }
    }
}
