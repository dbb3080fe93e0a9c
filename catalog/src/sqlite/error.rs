//! From the driver's errors to ours: the one place that knows its codes.

use rusqlite::ErrorCode;

use crate::Error;

/// What a driver's error means for a caller.
#[expect(clippy::needless_pass_by_value, reason = "the shape of map_err")]
pub(super) fn from_driver(error: rusqlite::Error) -> Error {
    match &error {
        rusqlite::Error::SqliteFailure(cause, _) => match cause.code {
            ErrorCode::DatabaseBusy | ErrorCode::DatabaseLocked => Error::Busy,
            // The pure modules check before; a constraint that still fires is a bug.
            ErrorCode::DatabaseCorrupt | ErrorCode::NotADatabase | ErrorCode::ConstraintViolation => {
                Error::Corrupt(error.to_string())
            }
            _ => Error::Unavailable(error.to_string()),
        },
        rusqlite::Error::FromSqlConversionFailure(..)
        | rusqlite::Error::IntegralValueOutOfRange(..)
        | rusqlite::Error::InvalidColumnType(..)
        | rusqlite::Error::InvalidColumnIndex(_)
        | rusqlite::Error::InvalidColumnName(_)
        | rusqlite::Error::QueryReturnedNoRows => Error::Corrupt(error.to_string()),
        _ => Error::Unavailable(error.to_string()),
    }
}
