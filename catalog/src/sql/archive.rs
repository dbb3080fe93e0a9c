//! All rows as lines of text and back, for another database: an export is one consistent state, an import
//! fills an empty catalog or changes nothing.
//!
//! The first line says what follows, each further one is a row, the last one holds the counters and how many rows
//! there were, so that a file which was cut is noticed.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};
use serde_json::Value as Json;
use tokio::sync::mpsc::{Receiver, Sender};

use super::{
    Db, Engine, Tx, events,
    rows::{Row, Value, params},
};
use crate::{Error, Result, State, sqlite};

/// The version of the lines: that of the tables whose rows they are. A column that an older one lacks has its default.
const VERSION: u64 = sqlite::VERSION;
/// Tokens that an import leaves out: names of objects carry them, and a store may have objects of claims that were given
/// after the export was made.
const TOKENS_LEFT_OUT: i64 = 1 << 32;
/// Rows that one statement reads.
const ROWS_READ_MAX: u32 = 500;

/// A table whose rows are kept. Waits of viewers, the presence of workers and turns are not: they are about processes.
struct Table {
    name: &'static str,
    /// What makes a row unique, in the order of reading.
    key: &'static [&'static str],
    /// Whether the database numbers new rows.
    is_numbered: bool,
}

const fn table(name: &'static str, key: &'static [&'static str]) -> Table {
    Table { name, key, is_numbered: false }
}

const TABLES: [Table; 10] = [
    table("videos", &["id"]),
    table("tombstones", &["id"]),
    table("generations", &["video", "generation"]),
    table("configs", &["video", "generation", "track"]),
    table("chunks", &["video", "generation", "first"]),
    table("sheets", &["video", "generation", "n"]),
    Table { is_numbered: true, ..table("encoder_sets", &["id"]) },
    Table { is_numbered: true, ..table("jobs", &["id"]) },
    table("view_sessions", &["video", "session"]),
    table("events", &["seq"]),
];

/// Tables that an import empties beside those that it fills.
const TRANSIENT: [&str; 3] = ["waits", "workers", "turns"];

/// One line.
#[derive(Debug, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
enum Line {
    /// The first.
    Catalog {
        version: u64,
    },
    Row {
        table: String,
        columns: BTreeMap<String, Json>,
    },
    /// The last: the greatest numbers that were given out.
    End {
        rows: u64,
        token: i64,
        event: i64,
    },
}

/// Sends all rows as lines, without their ends. Gives how many rows there were.
pub(crate) fn export(db: &Db<'_>, lines: &Sender<String>) -> Result<u64> {
    let send = |line: &Line| {
        let text = super::rows::to_json(line)?;
        lines.blocking_send(text).map_err(|_| Error::Unavailable("nobody takes the export any more".to_owned()))
    };
    send(&Line::Catalog { version: VERSION })?;
    let mut rows = 0;
    for table in &TABLES {
        let mut after = None;
        loop {
            let found = page(db, table, after.as_deref())?;
            for row in &found {
                send(&Line::Row { table: table.name.to_owned(), columns: columns(row) })?;
                rows += 1;
            }
            let Some(last) = found.last() else { break };
            after = Some(key(table, last)?);
        }
    }
    let token = db.engine().pick(
        "SELECT value FROM counters WHERE name = 'token'",
        // Not yet used, it gives its start: one number is left out.
        "SELECT last_value FROM tokens",
    );
    send(&Line::End { rows, token: db.one(token, params![], Row::scalar)?, event: events::last_seq(db)? })?;
    Ok(rows)
}

/// The next rows of a table, in the order of its key.
fn page(db: &Db<'_>, table: &Table, after: Option<&[Value]>) -> Result<Vec<Row>> {
    let (name, key) = (table.name, table.key.join(", "));
    let count = table.key.len();
    let Some(after) = after else {
        return db.query(&format!("SELECT * FROM {name} ORDER BY {key} LIMIT ?1"), params![ROWS_READ_MAX]);
    };
    let places = numbers(2..count + 2);
    let sql = format!("SELECT * FROM {name} WHERE ({key}) > ({places}) ORDER BY {key} LIMIT ?1");
    let values = [params![ROWS_READ_MAX], after].concat();
    db.query(&sql, &values)
}

fn key(table: &Table, row: &Row) -> Result<Vec<Value>> {
    table.key.iter().map(|column| row.get::<Value>(column)).collect()
}

/// `?1, ?2, …`
fn numbers(places: std::ops::Range<usize>) -> String {
    places.map(|place| format!("?{place}")).collect::<Vec<_>>().join(", ")
}

fn columns(row: &Row) -> BTreeMap<String, Json> {
    let json = |value: &Value| match value {
        Value::Null => Json::Null,
        Value::Int(number) => (*number).into(),
        Value::Text(text) => text.as_str().into(),
    };
    row.columns().map(|(name, value)| (name.to_owned(), json(value))).collect()
}

/// The names of all tables that an export or an import has to do with.
#[cfg(test)]
pub(crate) fn tables() -> impl Iterator<Item = &'static str> {
    TABLES.iter().map(|table| table.name).chain(TRANSIENT)
}

/// Fills an empty catalog with the lines of an export, but for uploads that were not at their end. Gives how many rows
/// there were.
pub(crate) fn import(tx: &Tx<'_>, lines: &mut Receiver<String>) -> Result<u64> {
    let mut next = || -> Result<Line> {
        let text = lines.blocking_recv().ok_or_else(|| invalid("it ends too early"))?;
        serde_json::from_str(&text).map_err(|error| invalid(&error.to_string()))
    };
    match next()? {
        Line::Catalog { version: 1..=VERSION } => {}
        Line::Catalog { version } => return Err(invalid(&format!("it is of version {version}, not 1 to {VERSION}"))),
        _ => return Err(invalid("it has another beginning")),
    }
    empty(tx)?;
    let mut rows = 0;
    loop {
        match next()? {
            Line::Row { table, columns } => insert(tx, &table, &columns)?,
            Line::End { token, event, .. } if token < 0 || event < 0 => return Err(invalid("it counts below zero")),
            Line::End { rows: told, token, event } if told == rows => {
                finish(tx, token, event)?;
                return Ok(rows);
            }
            Line::End { rows: told, .. } => return Err(invalid(&format!("it has {rows} rows and not {told}"))),
            Line::Catalog { .. } => return Err(invalid("it begins twice")),
        }
        rows += 1;
    }
}

/// Refuses a catalog that anything was ever stored in.
fn empty(tx: &Tx<'_>) -> Result<()> {
    // With Postgres others wait, so that nobody adds a first video meanwhile.
    if tx.engine() == Engine::Postgres {
        tx.execute("LOCK TABLE videos IN ACCESS EXCLUSIVE MODE", params![])?;
    }
    if events::last_seq(tx)? > 0 || tx.exists("SELECT 1 FROM videos LIMIT 1", params![])? {
        return Err(Error::Conflict("the catalog to import into is not empty".to_owned()));
    }
    for table in TABLES.iter().map(|table| table.name).chain(TRANSIENT) {
        tx.execute(&format!("DELETE FROM {table}"), params![])?;
    }
    Ok(())
}

fn insert(tx: &Tx<'_>, table: &str, columns: &BTreeMap<String, Json>) -> Result<()> {
    let is_known = TABLES.iter().any(|known| known.name == table);
    // Names become part of a statement.
    let is_plain = columns.keys().all(|name| name.bytes().all(|byte| byte.is_ascii_lowercase() || byte == b'_'));
    if !is_known || !is_plain || columns.is_empty() {
        return Err(invalid(&format!("there is no such table or column in {table:?}")));
    }
    let values: Option<Vec<Value>> = columns.values().map(value).collect();
    let values = values.ok_or_else(|| invalid(&format!("a row of {table} has a value of another type")))?;
    let names = columns.keys().map(String::as_str).collect::<Vec<_>>().join(", ");
    let places = numbers(1..values.len() + 1);
    tx.execute(&format!("INSERT INTO {table} ({names}) VALUES ({places})"), &values)?;
    Ok(())
}

fn value(json: &Json) -> Option<Value> {
    match json {
        Json::Null => Some(Value::Null),
        Json::String(text) => Some(Value::Text(text.clone())),
        Json::Number(number) => number.as_i64().map(Value::Int),
        _ => None,
    }
}

/// Goes on counting behind what was given out, takes jobs from workers that are not here, and forgets uploads.
fn finish(tx: &Tx<'_>, token: i64, event: i64) -> Result<()> {
    // Nobody goes on with them. A sweep would end them by deleting all that the store has of them, and it may be that of
    // a server which went on after the export: there they may be finished films.
    let uploading = State::Uploading.as_str();
    for sql in [
        "DELETE FROM jobs WHERE video IN (SELECT id FROM videos WHERE state = ?1)",
        "DELETE FROM videos WHERE state = ?1",
    ] {
        tx.execute(sql, params![uploading])?;
    }
    let token = token.saturating_add(TOKENS_LEFT_OUT);
    tx.execute(
        "UPDATE jobs SET state = 'pending', worker = NULL, token = NULL, lease_until_ms = NULL WHERE state = 'running'",
        params![],
    )?;
    match tx.engine() {
        Engine::Sqlite => {
            tx.execute("UPDATE counters SET value = ?1 WHERE name = 'token'", params![token])?;
            tx.execute("DELETE FROM sqlite_sequence WHERE name = 'events'", params![])?;
            tx.execute("INSERT INTO sqlite_sequence (name, seq) VALUES ('events', ?1)", params![event])?;
        }
        Engine::Postgres => {
            tx.execute("UPDATE counters SET value = ?1 WHERE name = 'event'", params![event])?;
            tx.query("SELECT setval('tokens', ?1)", params![token])?;
            for name in TABLES.iter().filter(|table| table.is_numbered).map(|table| table.name) {
                let sql = format!(
                    "SELECT setval(pg_get_serial_sequence('{name}', 'id'), (SELECT coalesce(max(id), 0) + 1 FROM {name}), false)"
                );
                tx.query(&sql, params![])?;
            }
        }
    }
    Ok(())
}

fn invalid(why: &str) -> Error {
    Error::Invalid(format!("this is no export of a catalog: {why}"))
}
