//! What the store has of a video, and what of it rows name.

use std::{
    collections::{BTreeMap, BTreeSet},
    io::ErrorKind,
};

use vidstream_catalog::{ArtifactState, Catalog, Snapshot, State};
use vidstream_media::{Presentation, VideoId};
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
    /// The film that its rows make, where `named` knows what should be there of it.
    pub(crate) presentation: Option<Presentation>,
    /// The digest of its source, where `named` knows what should be there and it was made with the upload.
    pub(crate) sha256: Option<String>,
}

/// What should be there of a video.
#[derive(Debug)]
pub(crate) struct Named {
    /// By path, all objects that rows name.
    all: BTreeSet<String>,
    /// Those that must be there, with their bytes where they are known.
    needed: Vec<(Key, Option<u64>)>,
    /// A folder in which objects may be on their way.
    unsettled: Option<String>,
}

// === impl Inventory ===

impl Inventory {
    /// Lists objects before it reads rows, so that a video which is not in work by then has none on their way.
    pub(crate) async fn take(catalog: &Catalog, store: &Store, id: VideoId) -> anyhow::Result<Self> {
        Self::taken(catalog, store, id, |state| matches!(state, State::Ready | State::Failed)).await
    }

    /// As [`Self::take`] where nobody is at work: what a video in work names is there then, too.
    pub(crate) async fn of_copy(catalog: &Catalog, store: &Store, id: VideoId) -> anyhow::Result<Self> {
        Self::taken(catalog, store, id, |_| true).await
    }

    async fn taken(
        catalog: &Catalog,
        store: &Store,
        id: VideoId,
        is_settled: impl Fn(State) -> bool,
    ) -> anyhow::Result<Self> {
        let listed = store.list_video(id).await.map_err(|error| of_store(&error))?.into_iter().collect();
        let snapshot = catalog.snapshot(id).await?;
        let named = match &snapshot {
            None => Some(Named::nothing()),
            Some(snapshot) => is_settled(snapshot.video.state).then(|| Named::of(snapshot)),
        };
        let is_known = snapshot.is_some();
        let settled = snapshot.filter(|_| named.is_some());
        let sha256 = settled.as_ref().and_then(|snapshot| snapshot.video.sha256.clone());
        let presentation = settled.and_then(|snapshot| snapshot.presentation);
        Ok(Self { listed, is_known, named, presentation, sha256 })
    }

    /// What must be there, with its bytes, and is not, or has others; and a sentence's end that says so.
    pub(crate) fn faults(&self) -> impl Iterator<Item = (&Key, Option<u64>, String)> {
        let needed = self.named.iter().flat_map(|named| &named.needed);
        needed.filter_map(move |(key, bytes)| {
            let stored = self.listed.get(&key.path()).copied();
            Some((key, *bytes, fault(*bytes, stored)?))
        })
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

    /// What a video names: once it has failed, its source alone, if it ever had one.
    fn of(snapshot: &Snapshot) -> Self {
        let video = &snapshot.video;
        let (id, generation) = (video.id, video.generation);
        if matches!(video.state, State::Uploading | State::Failed | State::Deleting) {
            return Self::source(id);
        }
        let mut needed = vec![(Key::Source { id }, video.bytes)];
        needed.extend(snapshot.presentation.iter().flat_map(Key::named_by));
        let other = [Key::Packets { id, generation }, Key::Remux { id, generation }];
        let all = needed.iter().map(|(key, _)| key).chain(&other).map(Key::path).collect();
        if video.state == State::Processing {
            // Chunks that are still to be made are made with them.
            needed.push((Key::Packets { id, generation }, None));
        }
        // Sheets may be made after all else, and where one was given up others may be coming.
        let storyboard = video.artifacts.get("storyboard");
        let storyboard = storyboard.filter(|storyboard| storyboard.state != ArtifactState::Ready);
        Self { all, needed, unsettled: storyboard.map(|_| format!("{id}/{generation}/thumbnails/")) }
    }

    pub(crate) fn allows(&self, path: &str) -> bool {
        self.all.contains(path) || self.unsettled.as_ref().is_some_and(|folder| path.starts_with(folder))
    }
}

/// What is wrong with an object that should have so many bytes, as far as that is known.
pub(crate) fn fault(bytes: Option<u64>, stored: Option<u64>) -> Option<String> {
    match (bytes, stored) {
        (_, None) => Some("is missing".to_owned()),
        (Some(bytes), Some(stored)) if bytes != stored => Some(format!("has {stored} bytes, and its row says {bytes}")),
        _ => None,
    }
}

/// A failure of the store ends a command; a server that is away may come back.
pub(crate) fn of_store(error: &StoreError) -> Failure {
    let code = match error {
        StoreError::Io { source, .. } if source.kind() == ErrorKind::NotConnected => Code::Unavailable,
        _ => Code::Io,
    };
    Failure::new(code, parts::sentence(error))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_server_that_is_away_is_no_matter_of_the_disk() {
        let failed = |kind: ErrorKind| of_store(&StoreError::Io { path: "a".to_owned(), source: kind.into() });
        assert!(format!("{:?}", failed(ErrorKind::NotConnected)).contains("Unavailable"));
        assert!(format!("{:?}", failed(ErrorKind::PermissionDenied)).contains("Io"));
    }

    #[test]
    fn an_object_is_as_its_row_says() {
        let wrong = |bytes, stored| fault(bytes, stored).unwrap_or_default();
        assert_eq!(wrong(Some(3), Some(3)) + &wrong(None, Some(3)), "");
        assert_eq!(wrong(None, None), "is missing");
        assert_eq!(wrong(Some(3), Some(2)), "has 2 bytes, and its row says 3");
    }
}
