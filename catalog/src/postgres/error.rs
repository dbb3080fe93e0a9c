//! From the driver's errors to ours: the one place that knows its codes.

use deadpool_postgres::{PoolError, TimeoutType};
use tokio_postgres::error::SqlState;

use crate::Error;

/// What a driver's error means for a caller.
pub(super) fn from_driver(error: &tokio_postgres::Error) -> Error {
    let Some(code) = error.code() else { return Error::Unavailable(sentence(error)) };
    let busy = [
        &SqlState::QUERY_CANCELED,
        &SqlState::LOCK_NOT_AVAILABLE,
        &SqlState::T_R_DEADLOCK_DETECTED,
        &SqlState::T_R_SERIALIZATION_FAILURE,
        &SqlState::TOO_MANY_CONNECTIONS,
    ];
    if busy.contains(&code) {
        tracing::warn!(code = code.code(), error = sentence(error), "the database is busy");
        return Error::Busy;
    }
    // The pure modules check before; data or a constraint that is refused all the same is a bug, and so is
    // a statement that does not fit the schema.
    if ["22", "23", "42"].iter().any(|class| code.code().starts_with(class))
        && *code != SqlState::INSUFFICIENT_PRIVILEGE
    {
        return Error::Corrupt(sentence(error));
    }
    Error::Unavailable(sentence(error))
}

/// What it means that the pool has no connection.
pub(super) fn from_pool(error: PoolError) -> Error {
    match error {
        PoolError::Timeout(TimeoutType::Wait) => Error::Busy,
        PoolError::Backend(error) => from_driver(&error),
        other => Error::Unavailable(other.to_string()),
    }
}

/// Whether a connection is of no more use after this, though it may still be open: a prepared statement no longer fits, since
/// a newer version has changed the schema meanwhile; or its server only reads by now, or ends, and a new connection may find
/// one that writes.
pub(super) fn is_final(error: &tokio_postgres::Error) -> bool {
    let is_final = |code: &SqlState| *code == SqlState::FEATURE_NOT_SUPPORTED || code.code().starts_with("08");
    is_of_server(error) || error.code().is_some_and(is_final)
}

/// Whether the server is not the one that it was: it only reads, or its operator ended a session, by shutdown, crash or
/// failover. Other connections to it are of no more use than this one.
pub(super) fn is_of_server(error: &tokio_postgres::Error) -> bool {
    let is_of_server = |code: &SqlState| *code == SqlState::READ_ONLY_SQL_TRANSACTION || code.code().starts_with("57P");
    error.code().is_some_and(is_of_server)
}

/// Whether the server refused what this user may not do.
pub(super) fn is_forbidden(error: &(dyn std::error::Error + 'static)) -> bool {
    let mut causes = std::iter::successors(Some(error), |&error| error.source());
    causes.any(|cause| {
        let error = cause.downcast_ref::<tokio_postgres::Error>();
        error.and_then(tokio_postgres::Error::code) == Some(&SqlState::INSUFFICIENT_PRIVILEGE)
    })
}

/// An error and its causes in one sentence.
pub(super) fn sentence(error: &(dyn std::error::Error + 'static)) -> String {
    if let Some(server) = error.downcast_ref::<tokio_postgres::Error>().and_then(tokio_postgres::Error::as_db_error) {
        return server.message().to_owned();
    }
    let causes = std::iter::successors(Some(error), |&error| error.source());
    causes.map(ToString::to_string).collect::<Vec<_>>().join(": ")
}
