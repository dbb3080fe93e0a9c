//! An empty catalog for unit tests.
#![cfg(test)]

use std::error::Error;

use tempfile::TempDir;
use vidstream_catalog::{Catalog, Options};

/// One in a folder that lasts as long as the first of these.
pub(crate) async fn catalog() -> Result<(TempDir, Catalog), Box<dyn Error>> {
    let folder = tempfile::tempdir()?;
    let url = format!("sqlite://{}/catalog.sqlite", folder.path().display());
    let catalog = Catalog::open(&url, Options::default()).await?;
    Ok((folder, catalog))
}
