//! Values as the driver has them.

use std::{error::Error as StdError, result, sync::Arc};

use bytes::BytesMut;
use tokio_postgres::types::{IsNull, ToSql, Type, to_sql_checked};

use crate::{
    Error, Result,
    sql::rows::{Row, Value},
};

impl ToSql for Value {
    fn to_sql(&self, kind: &Type, out: &mut BytesMut) -> result::Result<IsNull, Box<dyn StdError + Sync + Send>> {
        match self {
            Self::Null => Ok(IsNull::Yes),
            Self::Text(text) => text.to_sql(kind, out),
            Self::Int(number) if *kind == Type::INT2 => i16::try_from(*number)?.to_sql(kind, out),
            Self::Int(number) if *kind == Type::INT4 => i32::try_from(*number)?.to_sql(kind, out),
            Self::Int(number) => number.to_sql(kind, out),
        }
    }

    fn accepts(kind: &Type) -> bool {
        [Type::INT2, Type::INT4, Type::INT8, Type::TEXT].contains(kind)
    }

    to_sql_checked!();
}

/// A row of the driver as ours.
pub(super) fn row(names: &Arc<[String]>, row: &tokio_postgres::Row) -> Result<Row> {
    let values: Result<Vec<Value>> = (0..row.len()).map(|at| value(row, at)).collect();
    Ok(Row::new(Arc::clone(names), values?))
}

fn value(row: &tokio_postgres::Row, at: usize) -> Result<Value> {
    let kind = row.columns().get(at).map_or(Type::UNKNOWN, |column| column.type_().clone());
    let number = |value: Option<i64>| value.map_or(Value::Null, Value::Int);
    let value = match kind {
        Type::BOOL => row.try_get::<_, Option<bool>>(at).map(|value| number(value.map(i64::from))),
        Type::INT2 => row.try_get::<_, Option<i16>>(at).map(|value| number(value.map(i64::from))),
        Type::INT4 => row.try_get::<_, Option<i32>>(at).map(|value| number(value.map(i64::from))),
        Type::INT8 => row.try_get::<_, Option<i64>>(at).map(number),
        Type::TEXT => row.try_get::<_, Option<String>>(at).map(|value| value.map_or(Value::Null, Value::Text)),
        other => return Err(Error::Corrupt(format!("a column of type {other}"))),
    };
    value.map_err(|error| Error::Corrupt(error.to_string()))
}
