//! `fsck`: what the catalog names against what the store has, both ways.
//!
//! It may run beside servers. Objects are listed before rows are read, so that a video which is not in work
//! by then has none on their way; what is missing is looked for once more.

use std::collections::{BTreeMap, BTreeSet};

use vidstream_catalog::{ArtifactState, Catalog, ListQuery, Snapshot, State};
use vidstream_media::VideoId;
use vidstream_store::{Error as StoreError, Key, Store};

use crate::{
    args::{Common, Fsck},
    exit::{Code, Failure},
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

/// What should be there of a video.
#[derive(Debug)]
struct Named {
    /// By path, all objects that rows name.
    all: BTreeSet<String>,
    /// Those that must be there, with their bytes where they are known.
    needed: Vec<(Key, Option<u64>)>,
    /// A folder in which objects may be on their way.
    unsettled: Option<String>,
}

/// Compares, prints and, if that is wished, repairs.
pub(crate) fn run(args: Fsck) -> anyhow::Result<Code> {
    let common = Common { config: args.config, data: args.data, set: args.set, ..Common::default() };
    let config = settings::load(&common)?;
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
        let listed: BTreeMap<String, u64> =
            self.store.list_video(id).await.map_err(|error| of_store(&error))?.into_iter().collect();
        seen.objects += listed.len() as u64;
        let Some(snapshot) = self.catalog.snapshot(id).await? else {
            return self.extra(id, &listed, &Named::nothing(), seen).await;
        };
        seen.videos += 1;
        if !matches!(snapshot.video.state, State::Ready | State::Failed) {
            seen.in_work += 1;
            return Ok(());
        }
        let named = Named::of(&snapshot);
        let (mut is_source_missing, mut missing) = (false, 0);
        for (key, bytes) in &named.needed {
            if listed.get(&key.path()).is_some_and(|&stored| bytes.is_none_or(|bytes| bytes == stored)) {
                continue;
            }
            if let Some(text) = self.look_again(key, *bytes).await? {
                say(&format!("{}: {text}", key.path()));
                is_source_missing |= matches!(key, Key::Source { .. });
                missing += 1;
            }
        }
        seen.found += missing;
        self.extra(id, &listed, &named, seen).await?;
        if self.repair && is_source_missing {
            say(&format!("{id}: cannot be made again without its source; upload it anew, and delete this one"));
        } else if self.repair && missing > 0 {
            self.make_again(id, &listed, &named).await?;
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

    /// Objects that no row names.
    async fn extra(
        &self,
        id: VideoId,
        listed: &BTreeMap<String, u64>,
        named: &Named,
        seen: &mut Seen,
    ) -> anyhow::Result<()> {
        for (path, bytes) in listed.iter().filter(|(path, _)| !named.allows(path)) {
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

// === impl Named ===

impl Named {
    fn nothing() -> Self {
        Self { all: BTreeSet::new(), needed: Vec::new(), unsettled: None }
    }

    fn source(id: VideoId) -> Self {
        Self { all: BTreeSet::from([Key::Source { id }.path()]), ..Self::nothing() }
    }

    /// What a video that is not in work names: once it has failed, its source alone, if it ever had one.
    fn of(snapshot: &Snapshot) -> Self {
        let video = &snapshot.video;
        let id = video.id;
        let (State::Ready, Some(presentation)) = (video.state, &snapshot.presentation) else { return Self::source(id) };
        let generation = presentation.generation;
        let mut needed = vec![(Key::Source { id }, video.bytes)];
        needed.extend(Key::named_by(presentation));
        let other = [Key::Packets { id, generation }, Key::Remux { id, generation }];
        let all = needed.iter().map(|(key, _)| key).chain(&other).map(Key::path).collect();
        // Sheets may be made after all else.
        let is_settled = |state| matches!(state, ArtifactState::Ready | ArtifactState::Failed);
        let storyboard = video.artifacts.get("storyboard").filter(|storyboard| !is_settled(storyboard.state));
        Self { all, needed, unsettled: storyboard.map(|_| format!("{id}/{generation}/thumbnails/")) }
    }

    fn allows(&self, path: &str) -> bool {
        self.all.contains(path) || self.unsettled.as_ref().is_some_and(|folder| path.starts_with(folder))
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

fn of_store(error: &StoreError) -> Failure {
    Failure::new(Code::Io, parts::sentence(error))
}
