//! What the store has of a video, and what of it rows name.

use std::collections::{BTreeMap, BTreeSet};

use vidstream_catalog::{ArtifactState, Catalog, Snapshot, State};
use vidstream_media::VideoId;
use vidstream_store::{Error as StoreError, Key, Store};

use crate::{
    exit::{Code, Failure},
    parts,
};

/// Objects and rows of one video.
pub(crate) struct Inventory {
    /// All objects by their paths, with their bytes.
    pub(crate) listed: BTreeMap<String, u64>,
    /// Whether the video has a row.
    pub(crate) is_known: bool,
    /// What rows name; absent while the video is in work and objects may be on their way.
    pub(crate) named: Option<Named>,
}

/// What should be there of a video.
#[derive(Debug)]
pub(crate) struct Named {
    /// By path, all objects that rows name.
    all: BTreeSet<String>,
    /// Those that must be there, with their bytes where they are known.
    pub(crate) needed: Vec<(Key, Option<u64>)>,
    /// A folder in which objects may be on their way.
    unsettled: Option<String>,
}

// === impl Inventory ===

impl Inventory {
    /// Lists objects before it reads rows, so that a video which is not in work by then has none on their way.
    pub(crate) async fn take(catalog: &Catalog, store: &Store, id: VideoId) -> anyhow::Result<Self> {
        let listed = store.list_video(id).await.map_err(|error| of_store(&error))?.into_iter().collect();
        let snapshot = catalog.snapshot(id).await?;
        let named = match &snapshot {
            None => Some(Named::nothing()),
            Some(snapshot) if matches!(snapshot.video.state, State::Ready | State::Failed) => Some(Named::of(snapshot)),
            Some(_) => None,
        };
        Ok(Self { listed, is_known: snapshot.is_some(), named })
    }

    /// Objects that no row names and none will, with their bytes.
    pub(crate) fn orphans(&self) -> impl Iterator<Item = (&str, u64)> {
        let of = move |named| self.listed.iter().filter(move |(path, _)| !Named::allows(named, path));
        self.named.iter().flat_map(of).map(|(path, &bytes)| (path.as_str(), bytes))
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

    pub(crate) fn allows(&self, path: &str) -> bool {
        self.all.contains(path) || self.unsettled.as_ref().is_some_and(|folder| path.starts_with(folder))
    }
}

/// A failure of the store ends a command.
pub(crate) fn of_store(error: &StoreError) -> Failure {
    Failure::new(Code::Io, parts::sentence(error))
}
