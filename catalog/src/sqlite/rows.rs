//! From columns to values: numbers, ids and JSON, each checked.

use std::str::FromStr;

use rusqlite::{Row, types::Type};
use serde::{Serialize, de::DeserializeOwned};
use vidstream_media::VideoId;

use crate::{Error, Result};

/// An unsigned number as SQLite stores it. Ours stay far below 2^63.
pub(super) fn int(value: u64) -> i64 {
    i64::try_from(value).unwrap_or(i64::MAX)
}

/// A column that is never negative.
pub(super) fn unsigned(row: &Row<'_>, column: &str) -> rusqlite::Result<u64> {
    let value: i64 = row.get(column)?;
    u64::try_from(value).map_err(|_| damaged(&format!("{column} is {value}")))
}

/// A column that is never negative, if it is set.
pub(super) fn optional(row: &Row<'_>, column: &str) -> rusqlite::Result<Option<u64>> {
    let value: Option<i64> = row.get(column)?;
    value.map(|value| u64::try_from(value).map_err(|_| damaged(&format!("{column} is {value}")))).transpose()
}

/// A text column that is the text form of a type.
pub(super) fn parsed<T: FromStr>(row: &Row<'_>, column: &str) -> rusqlite::Result<T> {
    let text: String = row.get(column)?;
    text.parse().map_err(|_| damaged(&format!("{column} is {text:?}")))
}

/// A JSON column.
pub(super) fn json<T: DeserializeOwned>(row: &Row<'_>, column: &str) -> rusqlite::Result<T> {
    let text: String = row.get(column)?;
    serde_json::from_str(&text).map_err(|error| damaged(&format!("{column}: {error}")))
}

/// A JSON column, if it is set.
pub(super) fn optional_json<T: DeserializeOwned>(row: &Row<'_>, column: &str) -> rusqlite::Result<Option<T>> {
    let text: Option<String> = row.get(column)?;
    let parse = |text: String| serde_json::from_str(&text).map_err(|error| damaged(&format!("{column}: {error}")));
    text.map(parse).transpose()
}

/// The JSON text of a value of ours.
pub(super) fn to_json<T: Serialize>(value: &T) -> Result<String> {
    serde_json::to_string(value).map_err(|error| Error::Corrupt(format!("cannot be written as JSON: {error}")))
}

/// The video that a row belongs to.
pub(super) fn video_id(row: &Row<'_>, column: &str) -> rusqlite::Result<VideoId> {
    parsed(row, column)
}

fn damaged(what: &str) -> rusqlite::Error {
    rusqlite::Error::FromSqlConversionFailure(0, Type::Text, what.to_owned().into())
}
