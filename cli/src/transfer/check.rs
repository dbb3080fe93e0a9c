//! Whether all that rows name has been copied: a backup without it is none.

use std::path::Path;

use vidstream_catalog::{Catalog, Error, Options};
use vidstream_store::Store;

use super::{io, rows};
use crate::{
    exit::{Code, Failure},
    inventory::Inventory,
    parts,
};

/// Puts the rows of a file into a catalog that is thrown away, which shows that they can be read, and notes a line for
/// each object that they name and a store has not.
pub(super) async fn missing(file: &Path, store: &Store, missing: &mut Vec<String>) -> anyhow::Result<()> {
    let scratch = tempfile::tempdir().map_err(|error| io(&std::env::temp_dir(), &error))?;
    let url = format!("sqlite://{}", scratch.path().join("rows.sqlite").display());
    let unread = |error: &Error| Failure::new(Code::NoInput, parts::sentence(error));
    let catalog = Catalog::open(&url, Options::default()).await;
    let catalog = catalog.map_err(|error| Failure::new(Code::Io, parts::sentence(&error)))?;
    rows::read(&catalog, file, unread).await?;
    missing.clear();
    for id in rows::videos(file)? {
        let inventory = Inventory::of_copy(&catalog, store, id).await?;
        missing.extend(inventory.faults().map(|(key, _, text)| format!("{}: {text}", key.path())));
    }
    Ok(())
}
