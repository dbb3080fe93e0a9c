//! Files that are costly to make, kept between test runs by what they are made from.

use std::{
    fs,
    hash::{DefaultHasher, Hash, Hasher as _},
    path::{Path, PathBuf},
};

use anyhow::{Context as _, Result};

/// Counts up when the same settings give other files than before.
const RECIPE: u32 = 1;

/// The cache's folder: `TESTKIT_CACHE`, else `target/testkit` of this workspace.
///
/// Nothing is ever removed from it but by removing the folder, as `cargo clean` does.
pub fn folder() -> PathBuf {
    std::env::var_os("TESTKIT_CACHE")
        .map_or_else(|| Path::new(env!("CARGO_MANIFEST_DIR")).join("../target/testkit"), PathBuf::from)
}

/// The file made from `key`, made by `make` if it is not there yet.
///
/// Made beside its place and renamed, so that nobody sees half a file; two processes at once both make it.
///
/// # Errors
/// Those of `make`, and if the folder cannot be written.
pub fn file<K: Hash>(key: &K, extension: &str, make: impl FnOnce(&Path) -> Result<()>) -> Result<PathBuf> {
    let mut hasher = DefaultHasher::new();
    (RECIPE, key).hash(&mut hasher);
    let folder = folder();
    let path = folder.join(format!("{:016x}.{extension}", hasher.finish()));
    if path.exists() {
        return Ok(path);
    }
    fs::create_dir_all(&folder).with_context(|| format!("cannot make {}", folder.display()))?;
    let staging = tempfile::Builder::new().prefix("making").tempdir_in(&folder)?;
    let staged = staging.path().join(format!("made.{extension}"));
    make(&staged)?;
    fs::rename(&staged, &path)?;
    Ok(path)
}
