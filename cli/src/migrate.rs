//! `migrate`: the catalog's tables, brought up to date.

use crate::{args::Migrate, exit::Code, parts, settings};

/// Brings the catalog up to date and says which version it has.
pub(crate) fn run(args: &Migrate) -> anyhow::Result<Code> {
    let config = settings::load(&args.place)?;
    let migrated = parts::runtime()?.block_on(vidstream_catalog::migrate(&config.catalog_url));
    let version = migrated.map_err(|error| parts::catalog_failure(&config, &error))?;
    crate::add::print(&format!("the catalog has schema {version}\n"));
    Ok(Code::Done)
}
