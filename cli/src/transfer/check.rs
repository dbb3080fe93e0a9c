//! The rows of an export in a catalog that is thrown away: this shows that they can be read, and says what they name.

use std::path::Path;

use tempfile::TempDir;
use vidstream_catalog::{Catalog, Error, Options};
use vidstream_media::{Presentation, VideoId};
use vidstream_store::Store;

use super::{io, rows};
use crate::{
    exit::{Code, Failure},
    inventory::Inventory,
    parts,
};

/// Rows that were read.
pub(super) struct Rows {
    catalog: Catalog,
    videos: Vec<VideoId>,
    /// The folder of the catalog, which goes with it.
    _scratch: TempDir,
}

// === impl Rows ===

impl Rows {
    /// Those of a file.
    pub(super) async fn of(file: &Path) -> Result<Self, Failure> {
        let scratch = tempfile::tempdir().map_err(|error| io(&std::env::temp_dir(), &error))?;
        let url = format!("sqlite://{}", scratch.path().join("rows.sqlite").display());
        let unread = |error: &Error| Failure::new(Code::NoInput, parts::sentence(error));
        let catalog = Catalog::open(&url, Options::default()).await;
        let catalog = catalog.map_err(|error| Failure::new(Code::Io, parts::sentence(&error)))?;
        rows::read(&catalog, file, unread).await?;
        Ok(Self { catalog, videos: rows::videos(file)?, _scratch: scratch })
    }

    /// The videos that may have objects worth copying.
    pub(super) fn videos(&self) -> &[VideoId] {
        &self.videos
    }

    /// What can be played of a video, with the checksums of its media.
    pub(super) async fn presentation(&self, id: VideoId) -> Result<Option<Presentation>, Failure> {
        let snapshot = self.catalog.snapshot(id).await;
        let snapshot = snapshot.map_err(|error| Failure::new(Code::Io, parts::sentence(&error)))?;
        Ok(snapshot.and_then(|snapshot| snapshot.presentation))
    }

    /// A line for each object that rows name and a store has not: a backup without it is none.
    pub(super) async fn missing(&self, store: &Store) -> anyhow::Result<Vec<String>> {
        let mut missing = Vec::new();
        for &id in &self.videos {
            let inventory = Inventory::of_copy(&self.catalog, store, id).await?;
            missing.extend(inventory.faults().map(|(key, _, text)| format!("{}: {text}", key.path())));
        }
        Ok(missing)
    }
}
