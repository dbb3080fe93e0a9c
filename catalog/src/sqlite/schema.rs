//! The schema and its versions. A version, once released, is never edited: a change is a new file.

use rusqlite::{Connection, TransactionBehavior};

use super::error::from_driver;
use crate::{Error, Result};

/// What brings a file from version n to n + 1, in order.
const VERSIONS: [&str; 5] = [
    include_str!("schema/0001_initial.sql"),
    include_str!("schema/0002_retention.sql"),
    include_str!("schema/0003_checksums.sql"),
    include_str!("schema/0004_digest.sql"),
    include_str!("schema/0005_meta.sql"),
];

/// The version that this program makes and knows.
pub(crate) const VERSION: u64 = VERSIONS.len() as u64;

/// Marks the file as a catalog: "vidC".
const APPLICATION_ID: i32 = 0x7669_6443;

/// Brings the file up to date, in one transaction; two processes that start at once take turns.
pub(super) fn migrate(conn: &mut Connection) -> Result<()> {
    let tx = conn.transaction_with_behavior(TransactionBehavior::Immediate).map_err(from_driver)?;
    let version = version(&tx)?;
    if version == VERSIONS.len() {
        return Ok(());
    }
    for statements in VERSIONS.iter().skip(version) {
        tx.execute_batch(statements).map_err(from_driver)?;
    }
    tx.pragma_update(None, "application_id", APPLICATION_ID).map_err(from_driver)?;
    tx.pragma_update(None, "user_version", u32::try_from(VERSIONS.len()).unwrap_or(0)).map_err(from_driver)?;
    tx.commit().map_err(from_driver)
}

/// Whether the file has the schema of this version, without changing anything.
pub(super) fn check(conn: &Connection) -> Result<()> {
    match version(conn)? {
        0 => Err(Error::Absent),
        version if version == VERSIONS.len() => Ok(()),
        version => Err(Error::Older { found: u64::try_from(version).unwrap_or(0) }),
    }
}

/// The version of the file, which this program knows; 0 when it has none of ours.
fn version(conn: &Connection) -> Result<usize> {
    let application: i32 = conn.query_row("PRAGMA application_id", [], |row| row.get(0)).map_err(from_driver)?;
    let version: usize = conn
        .query_row("PRAGMA user_version", [], |row| row.get::<_, u32>(0))
        .map_err(from_driver)?
        .try_into()
        .unwrap_or(0);
    if application != APPLICATION_ID && (application != 0 || version != 0) {
        return Err(Error::Corrupt("the file is a database of something else".to_owned()));
    }
    if version > VERSIONS.len() {
        return Err(Error::Newer { found: u64::try_from(version).unwrap_or(u64::MAX) });
    }
    Ok(version)
}

#[cfg(test)]
mod tests {
    use super::*;

    /// An export knows all tables but those about processes: what it forgot would be lost in silence.
    #[test]
    fn every_table_is_exported_or_known_not_to_be() {
        let mut conn = Connection::open_in_memory().unwrap();
        migrate(&mut conn).unwrap();
        let sql = "SELECT name FROM sqlite_master WHERE type = 'table' AND name NOT LIKE 'sqlite_%'";
        let mut statement = conn.prepare(sql).unwrap();
        let tables = statement.query_map([], |row| row.get::<_, String>(0)).unwrap();
        let tables: std::collections::BTreeSet<String> = tables.map(std::result::Result::unwrap).collect();
        let known = crate::sql::archive::tables().map(str::to_owned).chain(["counters".to_owned()]);
        assert_eq!(tables, known.collect());
    }

    #[test]
    fn a_file_of_the_first_version_keeps_its_rows() {
        let mut conn = Connection::open_in_memory().unwrap();
        conn.execute_batch(VERSIONS[0]).unwrap();
        conn.execute_batch(
            "INSERT INTO videos (id, title, state, created_at_ms, updated_at_ms) VALUES ('v', 'T', 'ready', 1, 1)",
        )
        .unwrap();
        conn.pragma_update(None, "application_id", APPLICATION_ID).unwrap();
        conn.pragma_update(None, "user_version", 1).unwrap();
        assert!(matches!(check(&conn), Err(Error::Older { found: 1 })));
        migrate(&mut conn).unwrap();
        let read = |row: &rusqlite::Row<'_>| Ok((row.get::<_, String>(0)?, row.get::<_, Option<i64>>(1)?));
        let row = conn.query_row("SELECT title, expires_at_ms FROM videos", [], read).unwrap();
        assert_eq!(row, ("T".to_owned(), None));
    }

    #[test]
    fn migrates_once_and_refuses_what_it_does_not_know() {
        let mut conn = Connection::open_in_memory().unwrap();
        assert!(matches!(check(&conn), Err(Error::Absent)));
        migrate(&mut conn).unwrap();
        migrate(&mut conn).unwrap();
        check(&conn).unwrap();
        let version: usize = conn.query_row("PRAGMA user_version", [], |row| row.get::<_, u32>(0)).unwrap() as usize;
        assert_eq!(version, VERSIONS.len());
        conn.pragma_update(None, "user_version", 999).unwrap();
        assert!(matches!(migrate(&mut conn), Err(Error::Newer { found: 999 })));
        assert!(matches!(check(&conn), Err(Error::Newer { found: 999 })));
        conn.pragma_update(None, "application_id", 7).unwrap();
        assert!(matches!(migrate(&mut conn), Err(Error::Corrupt(_))));
    }
}
