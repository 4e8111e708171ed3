//! Records from rows, and rows from records. The columns of a record are the lists of [`fields`], in their order; no
//! other file knows them.

use rusqlite::types::{Type, Value as SqlValue, ValueRef};
use rusqlite::{Error, Row};
use scheduled_one_protocol::fields::{Field, Kind, Value};
use scheduled_one_protocol::machine::damage::Damage;

/// The names of all columns, with commas between them.
pub(crate) fn names<T>(fields: &[Field<T>]) -> String {
    let names: Vec<&str> = fields.iter().map(|field| field.name).collect();
    names.join(", ")
}

/// `?3, ?4, …` for all columns, behind so many parameters.
pub(crate) fn parameters<T>(fields: &[Field<T>], behind: usize) -> String {
    let numbers = (behind + 1)..=(behind + fields.len());
    let numbers: Vec<String> = numbers.map(|number| format!("?{number}")).collect();
    numbers.join(", ")
}

/// `name = excluded.name, …` for all columns: what an upsert does with a row that is there.
pub(crate) fn replaced<T>(fields: &[Field<T>]) -> String {
    let replaced = fields.iter().map(|field| field.name);
    let replaced: Vec<String> = replaced
        .map(|name| format!("{name} = excluded.{name}"))
        .collect();
    replaced.join(", ")
}

/// The values of all columns.
pub(crate) fn values<T>(fields: &[Field<T>], from: &T) -> Vec<SqlValue> {
    let to_sql = |value| match value {
        Value::Null => SqlValue::Null,
        Value::Int(number) => SqlValue::Integer(number),
        Value::Flag(flag) => SqlValue::Integer(flag.into()),
        Value::Text(text) => SqlValue::Text(text),
    };
    fields
        .iter()
        .map(|field| to_sql((field.get)(from)))
        .collect()
}

/// Reads all columns, which are the last of the row, behind so many others. The inner error is a value that somebody
/// wrote by hand.
pub(crate) fn read<T>(
    fields: &[Field<T>],
    row: &Row<'_>,
    behind: usize,
    mut into: T,
) -> rusqlite::Result<Result<T, Damage>> {
    for (index, field) in fields.iter().enumerate() {
        let value = match row.get_ref(behind + index)? {
            ValueRef::Null => Value::Null,
            ValueRef::Integer(flag @ (0 | 1)) if field.kind == Kind::Flag => Value::Flag(flag == 1),
            ValueRef::Integer(number) => Value::Int(number),
            ValueRef::Text(bytes) => Value::Text(String::from_utf8_lossy(bytes).into_owned()),
            // The tables are strict.
            ValueRef::Real(_) | ValueRef::Blob(_) => {
                let name = field.name.to_owned();
                return Err(Error::InvalidColumnType(behind + index, name, Type::Blob));
            }
        };
        if let Err(damage) = field.put(&mut into, value) {
            return Ok(Err(damage));
        }
    }
    Ok(Ok(into))
}
