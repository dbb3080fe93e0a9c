//! Values that go to a database and rows that come back: numbers, texts and JSON, each checked.

use std::{str::FromStr, sync::Arc};

use serde::{Serialize, de::DeserializeOwned};
use vidstream_media::VideoId;

use crate::{Error, Result};

/// A value as both databases have it. A flag is 0 or 1.
#[derive(Clone, Debug, PartialEq)]
pub(crate) enum Value {
    Null,
    Int(i64),
    Text(String),
}

/// What a statement can be given.
pub(crate) trait ToValue {
    fn to_value(&self) -> Value;
}

/// What a column can be read as; `None` when it holds something else.
pub(crate) trait FromValue: Sized {
    fn from_value(value: &Value) -> Option<Self>;
}

/// A row of an answer.
#[derive(Clone, Debug)]
pub(crate) struct Row {
    names: Arc<[String]>,
    values: Vec<Value>,
}

/// The values of a statement's parameters, in the order of their numbers.
macro_rules! params {
    ($($value:expr),* $(,)?) => {
        &[$(crate::sql::rows::ToValue::to_value(&$value)),*] as &[crate::sql::rows::Value]
    };
}
pub(crate) use params;

// === impl Row ===

impl Row {
    pub(crate) fn new(names: Arc<[String]>, values: Vec<Value>) -> Self {
        Self { names, values }
    }

    /// A column by its name.
    pub(crate) fn get<T: FromValue>(&self, column: &str) -> Result<T> {
        let place = self.names.iter().position(|name| name == column);
        let value = place.and_then(|place| self.values.get(place));
        let value = value.ok_or_else(|| damaged(&format!("there is no column {column}")))?;
        T::from_value(value).ok_or_else(|| damaged(&format!("{column} is {value:?}")))
    }

    /// Names and values of all columns.
    pub(super) fn columns(&self) -> impl Iterator<Item = (&str, &Value)> {
        self.names.iter().map(String::as_str).zip(&self.values)
    }

    /// The first column.
    pub(crate) fn scalar<T: FromValue>(&self) -> Result<T> {
        let value = self.values.first().ok_or_else(|| damaged("a row has no column"))?;
        T::from_value(value).ok_or_else(|| damaged(&format!("a value is {value:?}")))
    }
}

// === impl ToValue ===

impl<T: ToValue + ?Sized> ToValue for &T {
    fn to_value(&self) -> Value {
        (**self).to_value()
    }
}

impl<T: ToValue> ToValue for Option<T> {
    fn to_value(&self) -> Value {
        self.as_ref().map_or(Value::Null, ToValue::to_value)
    }
}

impl ToValue for i64 {
    fn to_value(&self) -> Value {
        Value::Int(*self)
    }
}

impl ToValue for u32 {
    fn to_value(&self) -> Value {
        Value::Int(i64::from(*self))
    }
}

impl ToValue for bool {
    fn to_value(&self) -> Value {
        Value::Int(i64::from(*self))
    }
}

impl ToValue for str {
    fn to_value(&self) -> Value {
        Value::Text(self.to_owned())
    }
}

impl ToValue for String {
    fn to_value(&self) -> Value {
        Value::Text(self.clone())
    }
}

// === impl FromValue ===

impl<T: FromValue> FromValue for Option<T> {
    fn from_value(value: &Value) -> Option<Self> {
        if *value == Value::Null { Some(None) } else { T::from_value(value).map(Some) }
    }
}

impl FromValue for Value {
    fn from_value(value: &Value) -> Option<Self> {
        Some(value.clone())
    }
}

impl FromValue for i64 {
    fn from_value(value: &Value) -> Option<Self> {
        if let Value::Int(number) = value { Some(*number) } else { None }
    }
}

impl FromValue for u32 {
    fn from_value(value: &Value) -> Option<Self> {
        i64::from_value(value).and_then(|number| number.try_into().ok())
    }
}

impl FromValue for u64 {
    fn from_value(value: &Value) -> Option<Self> {
        i64::from_value(value).and_then(|number| number.try_into().ok())
    }
}

impl FromValue for bool {
    fn from_value(value: &Value) -> Option<Self> {
        i64::from_value(value).map(|number| number != 0)
    }
}

impl FromValue for String {
    fn from_value(value: &Value) -> Option<Self> {
        if let Value::Text(text) = value { Some(text.clone()) } else { None }
    }
}

/// An unsigned number as the databases store it. Ours stay far below 2^63.
pub(super) fn int(value: u64) -> i64 {
    i64::try_from(value).unwrap_or(i64::MAX)
}

/// A text column that is the text form of a type.
pub(super) fn parsed<T: FromStr>(row: &Row, column: &str) -> Result<T> {
    let text: String = row.get(column)?;
    text.parse().map_err(|_| damaged(&format!("{column} is {text:?}")))
}

/// A JSON column.
pub(super) fn json<T: DeserializeOwned>(row: &Row, column: &str) -> Result<T> {
    let text: String = row.get(column)?;
    serde_json::from_str(&text).map_err(|error| damaged(&format!("{column}: {error}")))
}

/// A JSON column, if it is set.
pub(super) fn optional_json<T: DeserializeOwned>(row: &Row, column: &str) -> Result<Option<T>> {
    let text: Option<String> = row.get(column)?;
    let parse = |text: String| serde_json::from_str(&text).map_err(|error| damaged(&format!("{column}: {error}")));
    text.map(parse).transpose()
}

/// The JSON text of a value of ours.
pub(super) fn to_json<T: Serialize>(value: &T) -> Result<String> {
    serde_json::to_string(value).map_err(|error| Error::Corrupt(format!("cannot be written as JSON: {error}")))
}

/// The video that a row belongs to.
pub(super) fn video_id(row: &Row, column: &str) -> Result<VideoId> {
    parsed(row, column)
}

fn damaged(what: &str) -> Error {
    Error::Corrupt(what.to_owned())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn columns_are_read_as_what_they_are_or_refused() {
        let names: Vec<String> = ["n", "t", "z"].map(str::to_owned).into();
        let row = Row::new(names.into(), vec![Value::Int(-1), Value::Text("x".into()), Value::Null]);
        assert_eq!(row.get::<i64>("n").unwrap(), -1);
        assert_eq!(row.scalar::<i64>().unwrap(), -1);
        assert!(row.get::<bool>("n").unwrap());
        assert_eq!(row.get::<Option<String>>("z").unwrap(), None);
        for wrong in [row.get::<u64>("n").map(drop), row.get::<i64>("t").map(drop), row.get::<String>("z").map(drop)] {
            assert!(matches!(wrong, Err(Error::Corrupt(_))));
        }
        assert!(matches!(row.get::<i64>("nowhere"), Err(Error::Corrupt(_))));
        assert_eq!(params![1_u32, true, "a", None::<i64>][1..], [Value::Int(1), Value::Text("a".into()), Value::Null]);
    }
}
