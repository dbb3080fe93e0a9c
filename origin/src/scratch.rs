//! An empty catalog for unit tests.
#![cfg(test)]

use tempfile::TempDir;
use vidstream_catalog::{Catalog, Options};

/// One in a folder that lasts as long as the first of these.
pub(crate) async fn catalog() -> (TempDir, Catalog) {
    let folder = tempfile::tempdir().unwrap();
    let url = format!("sqlite://{}/catalog.sqlite", folder.path().display());
    let catalog = Catalog::open(&url, Options::default()).await.unwrap();
    (folder, catalog)
}
