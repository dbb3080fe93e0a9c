//! What the operations ask of a connection, done by Postgres.

use std::{cell::Cell, pin::pin, result, sync::Arc, time::Duration};

use deadpool_postgres::Object;
use futures_util::{
    FutureExt,
    future::{join, try_join, try_join_all},
};
use tokio::{runtime::Handle, time::timeout};
use tokio_postgres::types::ToSql;

use super::{dialect, error, listen, values};
use crate::{
    Error, Hint, Result, hints, limits,
    sql::{
        Access, Connection, Engine, Statement,
        rows::{Row, Value},
    },
};

type Answer<T> = result::Result<T, tokio_postgres::Error>;

const NOW_MS: &str = "SELECT CAST(floor(extract(epoch FROM clock_timestamp()) * 1000) AS BIGINT)";
/// Statements that are on their way together with the commit. Of a few [`try_join_all`] polls one after the other, so that
/// they are sent in their order.
const TOGETHER_MAX: usize = 16;

/// A connection of the pool while a transaction has it. Used by one thread, which may block.
pub(super) struct Client<'a> {
    connection: &'a Object,
    runtime: Handle,
    /// This process, if others are to hear of its commits by way of the database.
    instance: Option<&'a str>,
    /// A statement failed: what Postgres would now commit is nothing, and without an error.
    failed: Cell<bool>,
    /// Nobody knows what the server still does: the connection is not used again.
    lost: Cell<bool>,
}

// === impl Client ===

impl<'a> Client<'a> {
    pub(super) fn new(connection: &'a Object, instance: Option<&'a str>) -> Self {
        let runtime = Handle::current();
        Self { connection, runtime, instance, failed: Cell::new(false), lost: Cell::new(false) }
    }

    /// Whether the connection must not be used again.
    pub(super) fn is_lost(&self) -> bool {
        self.lost.get()
    }

    /// Waits for the server, for a bounded time.
    fn wait<T>(&self, work: impl Future<Output = Answer<T>>) -> Result<T> {
        if self.lost.get() {
            return Err(Error::Unavailable("the connection to the database was lost".to_owned()));
        }
        let limit = Duration::from_millis(limits::ANSWER_MS);
        let outcome = match self.runtime.block_on(async { timeout(limit, work).await }) {
            Ok(Ok(value)) => return Ok(value),
            Ok(Err(error)) => {
                self.lost.set(self.connection.is_closed() || error::is_final(&error));
                // Before anybody is told: who tries again at once would be given one of those that wait.
                if error::is_of_server(&error)
                    && let Some(pool) = Object::pool(self.connection)
                {
                    drop(pool.retain(|_, _| false));
                }
                error::from_driver(&error)
            }
            Err(_) => {
                self.lost.set(true);
                Error::Unavailable("the database server did not answer in time".to_owned())
            }
        };
        self.failed.set(true);
        Err(outcome)
    }

    async fn run(&self, statement: &tokio_postgres::Statement, values: &[Value]) -> Answer<()> {
        self.connection.execute(statement, &parameters(values)).await.map(drop)
    }

    /// What tells other processes of the hints at the commit.
    fn telling(&self, hints: &[Hint]) -> Option<Statement> {
        let instance = self.instance.filter(|_| !hints.is_empty())?;
        // What does not fit is lost, as any hint may be.
        let (text, _) = hints::write(instance, hints);
        let values = vec![Value::Text(listen::CHANNEL.to_owned()), Value::Text(text)];
        Some(Statement { sql: "SELECT 1 FROM pg_notify(?1, ?2)", values })
    }
}

impl Connection for Client<'_> {
    fn engine(&self) -> Engine {
        Engine::Postgres
    }

    fn begin(&self, access: Access) -> Result<i64> {
        self.failed.set(false);
        // A reader sees one state. A writer sees, at each statement, what was committed before it: that of
        // others after it has waited for their locks. Whether it may write is the server's to say: READ WRITE would overrule
        // `default_transaction_read_only`, by which operators keep writers away from a full disk or a former primary.
        let begin = match access {
            Access::Read => "BEGIN ISOLATION LEVEL REPEATABLE READ READ ONLY",
            Access::Write => "BEGIN ISOLATION LEVEL READ COMMITTED",
        };
        // Both are on their way before the first is answered: a transaction costs its trips more than its work.
        let now_ms = self.wait(async {
            let now = self.connection.prepare_cached(NOW_MS).await?;
            let ((), row) =
                try_join(self.connection.batch_execute(begin), self.connection.query_one(&now, &[])).await?;
            row.try_get(0)
        });
        // Whether it has begun nobody knows then, so nobody would end it.
        self.lost.set(self.lost.get() || now_ms.is_err());
        now_ms
    }

    fn commit(&self, last: &[Statement], hints: &[Hint]) -> Result<()> {
        if self.failed.get() {
            return Err(Error::Unavailable("a statement failed and its transaction was undone".to_owned()));
        }
        // Claims wait for the disk, too, although one that a crash takes back is only made again. What else it had would be
        // given again as well: its token, to a worker whose results could then not be told from those of the first, and the
        // place of its event, to one that a reader of the first event misses.
        let telling = self.telling(hints);
        let last: Vec<&Statement> = telling.iter().chain(last).collect();
        let (early, last) = last.split_at(last.len().saturating_sub(TOGETHER_MAX));
        for Statement { sql, values } in early {
            self.execute(sql, values)?;
        }
        // All are on their way before the first is answered: the counter of events, which all writers wait for, is locked
        // for no trip. If one fails at the server that undoes the transaction, whatever follows.
        self.wait(async {
            let mut prepared = Vec::new();
            for Statement { sql, values } in last {
                prepared.push((self.connection.prepare_cached(&dialect::render(sql)).await?, values));
            }
            let running = try_join_all(prepared.iter().map(|(statement, values)| self.run(statement, values)));
            let mut running = pin!(running.map(|answers| answers.map(drop)));
            let commit = self.connection.batch_execute("COMMIT");
            // This sends them. What fails here was never sent, and the server would commit the rest.
            if let Some(answers) = running.as_mut().now_or_never() {
                answers?;
                return commit.await;
            }
            let (answers, committed) = join(running, commit).await;
            answers.and(committed)
        })
    }

    fn rollback(&self) {
        if !self.lost.get() && self.wait(self.connection.batch_execute("ROLLBACK")).is_err() {
            self.lost.set(true);
        }
    }

    fn query(&self, sql: &str, values: &[Value]) -> Result<Vec<Row>> {
        let sql = dialect::render(sql);
        let values = parameters(values);
        let (names, found) = self.wait(async {
            let statement = self.connection.prepare_cached(&sql).await?;
            let names: Arc<[String]> = statement.columns().iter().map(|column| column.name().to_owned()).collect();
            Ok((names, self.connection.query(&statement, &values).await?))
        })?;
        found.iter().map(|row| values::row(&names, row)).collect()
    }

    fn execute(&self, sql: &str, values: &[Value]) -> Result<u64> {
        let sql = dialect::render(sql);
        let values = parameters(values);
        self.wait(async {
            let statement = self.connection.prepare_cached(&sql).await?;
            self.connection.execute(&statement, &values).await
        })
    }
}

fn parameters(values: &[Value]) -> Vec<&(dyn ToSql + Sync)> {
    values.iter().map(|value| value as _).collect()
}
