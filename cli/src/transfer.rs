//! `export` and `import`: everything that a server stores, into a folder and out of one.
//!
//! The folder is a store of files with the catalog's rows beside it. Rows are taken before objects are copied
//! and put in after, so that what they name is always there.

mod check;
mod objects;
mod rows;

use std::path::{Path, PathBuf};

use vidstream_catalog::{Catalog, Error, ListQuery, Options};
use vidstream_config::Config;
use vidstream_store::{Access, Store};

use self::{check::Rows, objects::Copied};
use crate::{
    add::print,
    args::Transfer,
    exit::{Code, Failure},
    parts, settings,
};

/// The rows of an export.
const ROWS_FILE: &str = "catalog.jsonl";
/// The same while objects are still missing.
const ROWS_PART: &str = "catalog.jsonl.part";
/// So often rows are taken anew when objects went away that they name: a video was deleted while it was copied.
const PASSES_MAX: usize = 3;
/// The catalog of a data folder.
const EMBEDDED_FILE: &str = "catalog.sqlite";

/// Writes catalog and store of a configuration into a folder.
pub(crate) fn export(args: &Transfer) -> anyhow::Result<Code> {
    let config = settings::load(&args.place)?;
    parts::runtime()?.block_on(async {
        let folder = absolute(&args.folder)?;
        let catalog = parts::catalog_alone(&config, true).await?;
        let from = parts::store_for(&config, Access::Read).await?;
        let to = folder_store(&folder, Access::Write).await?;
        let part = folder.join(ROWS_PART);
        let mut pass = 1;
        let (count, copied, missing) = loop {
            let count = rows::write(&catalog, &part, |error| parts::catalog_failure(&config, error)).await?;
            let rows = Rows::of(&part).await?;
            let copied = objects::copy(&from, &to, &rows).await?;
            let missing = rows.missing(&to).await?;
            if missing.is_empty() || pass == PASSES_MAX {
                break (count, copied, missing);
            }
            pass += 1;
        };
        tell(&copied, &missing, args.allow_missing)?;
        std::fs::rename(&part, folder.join(ROWS_FILE)).map_err(|error| io(&folder, &error))?;
        print(&format!("{count} rows and {copied} are in {}\n", folder.display()));
        Ok(Code::Done)
    })
}

/// Fills catalog and store of a configuration from a folder.
pub(crate) fn import(args: &Transfer) -> anyhow::Result<Code> {
    let config = settings::load(&args.place)?;
    parts::runtime()?.block_on(async {
        let folder = absolute(&args.folder)?;
        let scratch = tempfile::tempdir().map_err(|error| io(&std::env::temp_dir(), &error))?;
        let source = rows_of(&folder, scratch.path()).await?;
        let (catalog, to) = (parts::catalog_alone(&config, false).await?, parts::store(&config).await?);
        refuse_filled(&catalog, &config).await?;
        let from = folder_store(&folder, Access::Read).await?;
        let rows = Rows::of(&source).await?;
        let copied = objects::copy(&from, &to, &rows).await?;
        let missing = rows.missing(&to).await?;
        tell(&copied, &missing, args.allow_missing)?;
        let count = rows::read(&catalog, &source, |error| refused(&config, error)).await?;
        print(&format!("{count} rows and {copied} came from {}\n", folder.display()));
        Ok(Code::Done)
    })
}

/// Says what was damaged and what is missing, and ends the command unless that is allowed.
fn tell(copied: &Copied, missing: &[String], is_allowed: bool) -> Result<(), Failure> {
    for line in copied.damaged().iter().chain(missing) {
        print(&format!("{line}\n"));
    }
    if missing.is_empty() || is_allowed {
        return Ok(());
    }
    let sentence =
        format!("{} objects are missing that rows name (--allow-missing goes on without them)", missing.len());
    Err(Failure::new(Code::Verdict, sentence))
}

/// The file with the rows of an export, or of a data folder, whose rows are written into `scratch`.
async fn rows_of(folder: &Path, scratch: &Path) -> anyhow::Result<PathBuf> {
    let (exported, embedded) = (folder.join(ROWS_FILE), folder.join(EMBEDDED_FILE));
    if exported.exists() {
        return Ok(exported);
    }
    if !embedded.exists() {
        let what = if folder.join(ROWS_PART).exists() {
            "an export that was interrupted: say the same export again".to_owned()
        } else {
            format!("neither {ROWS_FILE} of an export nor {EMBEDDED_FILE} of a server")
        };
        return Err(Failure::new(Code::NoInput, format!("in {} is {what}", folder.display())).into());
    }
    let unread = |error: &Error| {
        let is_other_schema = matches!(error, Error::Older { .. } | Error::Newer { .. });
        Failure::new(if is_other_schema { Code::Usage } else { Code::NoInput }, parts::sentence(error))
    };
    let options = Options { existing: true, ..Options::default() };
    let opened = Catalog::open(&format!("sqlite://{}", embedded.display()), options).await;
    let file = scratch.join(ROWS_FILE);
    rows::write(&opened.map_err(|error| unread(&error))?, &file, unread).await?;
    Ok(file)
}

/// Why rows were not taken: what is no export is wrong input.
fn refused(config: &Config, error: &Error) -> Failure {
    match error {
        Error::Invalid(_) => Failure::new(Code::NoInput, parts::sentence(error)),
        other => parts::catalog_failure(config, other),
    }
}

/// Before hours of copying: rows are refused by a catalog that has any.
async fn refuse_filled(catalog: &Catalog, config: &Config) -> Result<(), Failure> {
    let failed = |error| parts::catalog_failure(config, &error);
    let page = catalog.list(ListQuery { limit: 1, ..ListQuery::default() }).await.map_err(failed)?;
    if !page.videos.is_empty() || catalog.last_seq().await.map_err(failed)? > 0 {
        return Err(Failure::new(Code::Usage, "the catalog to import into is not empty: name another one"));
    }
    Ok(())
}

async fn folder_store(folder: &Path, access: Access) -> Result<Store, Failure> {
    let opened = Store::open_with(&format!("file://{}", folder.display()), std::iter::empty(), access).await;
    opened.map_err(|error| Failure::new(Code::Io, parts::sentence(&error)))
}

fn absolute(folder: &Path) -> Result<PathBuf, Failure> {
    std::path::absolute(folder).map_err(|error| io(folder, &error))
}

fn io(path: &Path, error: &std::io::Error) -> Failure {
    Failure::new(Code::Io, format!("{}: {error}", path.display()))
}
