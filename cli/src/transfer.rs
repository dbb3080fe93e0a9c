//! `export` and `import`: everything that a server stores, into a folder and out of one.
//!
//! The folder is a store of files with the catalog's rows beside it. Rows are taken before objects are copied
//! and put in after, so that what they name is always there.

mod objects;
mod rows;

use std::path::{Path, PathBuf};

use vidstream_catalog::{Catalog, Error, ListQuery, Options};
use vidstream_config::Config;
use vidstream_store::Store;

use crate::{
    add::print,
    args::{Export, Import},
    exit::{Code, Failure},
    parts, settings,
};

/// The rows of an export.
const ROWS_FILE: &str = "catalog.jsonl";
/// The same while objects are still missing.
const ROWS_PART: &str = "catalog.jsonl.part";
/// The catalog of a data folder.
const EMBEDDED_FILE: &str = "catalog.sqlite";

/// Writes catalog and store of a configuration into a folder.
pub(crate) fn export(args: &Export) -> anyhow::Result<Code> {
    let config = settings::of_place(&args.place)?;
    parts::runtime()?.block_on(async {
        let folder = absolute(&args.folder)?;
        if folder.join(ROWS_FILE).exists() {
            let sentence = format!("{} has an export already: name another folder", folder.display());
            return Err(Failure::new(Code::Usage, sentence).into());
        }
        let (catalog, from) = (parts::catalog(&config).await?, parts::store(&config).await?);
        let to = folder_store(&folder).await?;
        let part = folder.join(ROWS_PART);
        let count = rows::write(&catalog, &part, |error| parts::catalog_failure(&config, error)).await?;
        let copied = objects::copy(&from, &to, &rows::videos(&part)?).await?;
        std::fs::rename(&part, folder.join(ROWS_FILE)).map_err(|error| io(&folder, &error))?;
        print(&format!("{count} rows and {copied} are in {}\n", folder.display()));
        Ok(Code::Done)
    })
}

/// Fills catalog and store of a configuration from a folder.
pub(crate) fn import(args: &Import) -> anyhow::Result<Code> {
    let config = settings::of_place(&args.place)?;
    parts::runtime()?.block_on(async {
        let folder = absolute(&args.folder)?;
        let scratch = tempfile::tempdir().map_err(|error| io(&std::env::temp_dir(), &error))?;
        let source = rows_of(&folder, scratch.path()).await?;
        let (catalog, to) = (parts::catalog(&config).await?, parts::store(&config).await?);
        refuse_filled(&catalog, &config).await?;
        let from = folder_store(&folder).await?;
        let copied = objects::copy(&from, &to, &rows::videos(&source)?).await?;
        let count = rows::read(&catalog, &source, |error| refused(&config, error)).await?;
        print(&format!("{count} rows and {copied} came from {}\n", folder.display()));
        Ok(Code::Done)
    })
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
    let unread = |error: &Error| Failure::new(Code::NoInput, parts::sentence(error));
    let opened = Catalog::open(&format!("sqlite://{}", embedded.display()), Options::default()).await;
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

async fn folder_store(folder: &Path) -> Result<Store, Failure> {
    let opened = Store::open(&format!("file://{}", folder.display())).await;
    opened.map_err(|error| Failure::new(Code::Io, parts::sentence(&error)))
}

fn absolute(folder: &Path) -> Result<PathBuf, Failure> {
    std::path::absolute(folder).map_err(|error| io(folder, &error))
}

fn io(path: &Path, error: &std::io::Error) -> Failure {
    Failure::new(Code::Io, format!("{}: {error}", path.display()))
}
