//! What the operations ask of a connection, done by `SQLite`.

use std::sync::Arc;

use rusqlite::{
    ToSql, params_from_iter,
    types::{ToSqlOutput, ValueRef},
};

use super::error::from_driver;
use crate::{
    Error, Hint, Result,
    catalog::system_clock_ms,
    sql::{
        Access, Connection, Engine, Statement,
        rows::{Row, Value},
    },
};

impl Connection for rusqlite::Connection {
    fn engine(&self) -> Engine {
        Engine::Sqlite
    }

    fn begin(&self, access: Access) -> Result<i64> {
        let begin = match access {
            Access::Read => "BEGIN",
            Access::Write => "BEGIN IMMEDIATE",
        };
        self.execute_batch(begin).map_err(from_driver)?;
        Ok(system_clock_ms())
    }

    /// No other process is told: none serves from the same file, and who only looks at it asks by itself.
    fn commit(&self, last: &[Statement], _: &[Hint]) -> Result<()> {
        for Statement { sql, values } in last {
            Connection::execute(self, sql, values)?;
        }
        self.execute_batch("COMMIT").map_err(from_driver)
    }

    fn rollback(&self) {
        // Some errors have rolled back already, and then there is nothing to undo.
        if !self.is_autocommit()
            && let Err(error) = self.execute_batch("ROLLBACK")
        {
            tracing::error!(%error, "a transaction of the catalog was not undone");
        }
    }

    fn query(&self, sql: &str, values: &[Value]) -> Result<Vec<Row>> {
        let mut statement = self.prepare_cached(sql).map_err(from_driver)?;
        read(&mut statement, values).map_err(from_driver)
    }

    fn execute(&self, sql: &str, values: &[Value]) -> Result<u64> {
        let mut statement = self.prepare_cached(sql).map_err(from_driver)?;
        let changed = statement.execute(params_from_iter(values)).map_err(from_driver)?;
        u64::try_from(changed).map_err(|_| Error::Corrupt("more rows than numbers".to_owned()))
    }
}

impl ToSql for Value {
    fn to_sql(&self) -> rusqlite::Result<ToSqlOutput<'_>> {
        Ok(ToSqlOutput::Borrowed(match self {
            Self::Null => ValueRef::Null,
            Self::Int(number) => ValueRef::Integer(*number),
            Self::Text(text) => ValueRef::Text(text.as_bytes()),
        }))
    }
}

fn read(statement: &mut rusqlite::Statement<'_>, values: &[Value]) -> rusqlite::Result<Vec<Row>> {
    let names: Arc<[String]> = statement.column_names().into_iter().map(str::to_owned).collect();
    let mut found = statement.query(params_from_iter(values))?;
    let mut rows = Vec::new();
    while let Some(row) = found.next()? {
        let columns: rusqlite::Result<Vec<Value>> = (0..names.len()).map(|at| value(row, at)).collect();
        rows.push(Row::new(Arc::clone(&names), columns?));
    }
    Ok(rows)
}

fn value(row: &rusqlite::Row<'_>, at: usize) -> rusqlite::Result<Value> {
    Ok(match row.get_ref(at)? {
        ValueRef::Null => Value::Null,
        ValueRef::Integer(number) => Value::Int(number),
        text @ ValueRef::Text(_) => Value::Text(text.as_str()?.to_owned()),
        other => return Err(rusqlite::Error::InvalidColumnType(at, String::new(), other.data_type())),
    })
}
