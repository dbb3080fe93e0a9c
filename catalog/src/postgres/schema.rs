//! The schema and its versions: numbered files that are applied in order, by one process at a time. A
//! version, once released, is never edited: a change is a new file.

use std::time::Duration;

use tokio_postgres::Client;

use super::{
    error::{self, from_driver},
    target::Target,
};
use crate::{Error, Result, limits};

mod files {
    refinery::embed_migrations!("src/postgres/schema");
}

/// The version that this program makes and knows.
const VERSION: u64 = crate::sqlite::VERSION;
/// Where applied versions are noted.
const TABLE: &str = "vidstream_schema";
/// The key of the lock that whoever migrates has.
const LOCK: i64 = 0x7669_6443_0002;

/// Brings the database up to date, and gives its version. One that is up to date is only looked at, so that
/// servers need no right to change it.
pub(super) async fn migrate(target: &Target) -> Result<u64> {
    migrate_within(target, limits::MIGRATE_WAIT_MS).await
}

/// Whether the database has the schema of this version, without changing anything.
pub(super) async fn check(target: &Target) -> Result<()> {
    let (client, connection) = target.connect().await?;
    let connection = tokio::spawn(connection);
    let found = version(&client).await;
    drop(client);
    drop(tokio::time::timeout(Duration::from_millis(limits::CONNECT_MS), connection).await);
    match found? {
        VERSION => Ok(()),
        0 => Err(Error::Absent),
        found if found > VERSION => Err(Error::Newer { found }),
        found => Err(Error::Older { found }),
    }
}

async fn migrate_within(target: &Target, wait_ms: u64) -> Result<u64> {
    let (mut client, connection) = target.connect().await?;
    // Ends with the client.
    let connection = tokio::spawn(connection);
    let migrated = match version(&client).await {
        Ok(VERSION) => Ok(VERSION),
        Ok(found) if found > VERSION => Err(Error::Newer { found }),
        Ok(found) => update(&mut client, found, wait_ms).await,
        Err(error) => Err(error),
    };
    drop(client);
    // So is the lock when this one comes back.
    drop(tokio::time::timeout(Duration::from_millis(limits::CONNECT_MS), connection).await);
    migrated
}

async fn update(client: &mut Client, found: u64, wait_ms: u64) -> Result<u64> {
    let behind = |error: String| {
        let reason = format!("its schema {found} could not be brought to {VERSION} (see `vidstream migrate`): {error}");
        Error::Unavailable(reason)
    };
    // Others may migrate right now; changing a large table takes the time that it takes.
    let patience = format!("SET statement_timeout = 0; SET lock_timeout = {wait_ms}");
    client.batch_execute(&patience).await.map_err(|error| from_driver(&error))?;
    client
        .batch_execute(&format!("SELECT pg_advisory_lock({LOCK})"))
        .await
        .map_err(|_| behind("another process has been migrating it for too long".to_owned()))?;
    let found = version(client).await?;
    if found > VERSION {
        return Err(Error::Newer { found });
    }
    let mut runner = files::migrations::runner().set_abort_divergent(true).set_abort_missing(true);
    runner.set_migration_table_name(TABLE);
    runner.run_async(client).await.map_err(|error| {
        let what_to_do = if error::is_forbidden(&error) { "; say it as a user who may change tables" } else { "" };
        behind(format!("{}{what_to_do}", error::sentence(&error)))
    })?;
    Ok(VERSION)
}

/// The version of the database; 0 when it has none of ours.
async fn version(client: &Client) -> Result<u64> {
    let sql = "SELECT to_regclass($1) IS NOT NULL";
    let row = client.query_one(sql, &[&TABLE]).await.map_err(|error| from_driver(&error))?;
    if !row.try_get::<_, bool>(0).map_err(|error| from_driver(&error))? {
        return Ok(0);
    }
    let sql = format!("SELECT CAST(coalesce(max(version), 0) AS BIGINT) FROM {TABLE}");
    let row = client.query_one(&sql, &[]).await.map_err(|error| from_driver(&error))?;
    let version: i64 = row.try_get(0).map_err(|error| from_driver(&error))?;
    u64::try_from(version).map_err(|_| Error::Corrupt(format!("its schema is {version}")))
}

#[cfg(test)]
mod tests {
    use std::time::Instant;

    use tokio_postgres::NoTls;
    use vidstream_testkit::postgres;

    use super::*;

    #[tokio::test]
    async fn another_process_that_migrates_is_waited_for_and_not_for_ever() {
        const SHORT_MS: u64 = 300;
        let url = postgres::shared().database().unwrap();
        let target = Target::parse(&url).unwrap();
        let (other, connection) = tokio_postgres::connect(&url, NoTls).await.unwrap();
        tokio::spawn(connection);
        other.batch_execute(&format!("SELECT pg_advisory_lock({LOCK})")).await.unwrap();
        let began = Instant::now();
        let refused = migrate_within(&target, SHORT_MS).await.unwrap_err();
        assert!(refused.to_string().contains("has been migrating it for too long"), "{refused}");
        assert!(began.elapsed() >= Duration::from_millis(SHORT_MS), "{:?}", began.elapsed());
        let waiting = tokio::spawn(async move { migrate(&target).await });
        let waits = "SELECT 1 FROM pg_locks JOIN pg_database ON pg_database.oid = database
             WHERE datname = current_database() AND locktype = 'advisory' AND NOT granted";
        while other.query(waits, &[]).await.unwrap().is_empty() {}
        other.batch_execute(&format!("SELECT pg_advisory_unlock({LOCK})")).await.unwrap();
        assert_eq!(waiting.await.unwrap().unwrap(), VERSION);
    }

    #[test]
    fn the_newest_file_is_the_version() {
        let runner = files::migrations::runner();
        let mut versions: Vec<u64> =
            runner.get_migrations().iter().map(|file| u64::try_from(file.version()).unwrap()).collect();
        versions.sort_unstable();
        assert_eq!(versions, (1..=VERSION).collect::<Vec<_>>());
    }
}
