//! Records from rows, and rows from records. The columns of a record are the lists of [`fields`], in their order; no
//! other file knows them.
//!
//! Rows go to the server as one array a column, and a statement unnests them: a batch of any size is one statement.

use scheduled_one_protocol::fields::{Field, Kind, Value};
use scheduled_one_protocol::machine::damage::Damage;
use tokio_postgres::Row;
use tokio_postgres::types::{ToSql, Type};

use crate::tid::Tid;

/// The type of a column, and of an array of its values.
pub(crate) fn sql_type(kind: Kind) -> &'static str {
    match kind {
        Kind::Int => "bigint",
        Kind::Flag => "boolean",
        // In the order of bytes, as names are compared everywhere else.
        Kind::Text => "text COLLATE \"C\"",
    }
}

/// All fields of a `T`, or some of them.
pub(crate) trait Fields<T: 'static>: IntoIterator<Item = &'static Field<T>> {}

impl<T: 'static, I: IntoIterator<Item = &'static Field<T>>> Fields<T> for I {}

/// The names of all columns, with commas between them, and something in front of each.
pub(crate) fn names<T: 'static>(fields: impl Fields<T>, front: &str) -> String {
    let names: Vec<String> = fields
        .into_iter()
        .map(|field| format!("{front}{}", field.name))
        .collect();
    names.join(", ")
}

/// `name = v.name, …` for all columns.
pub(crate) fn assignments<T: 'static>(fields: impl Fields<T>) -> String {
    let assignments: Vec<String> = fields
        .into_iter()
        .map(|field| format!("{0} = v.{0}", field.name))
        .collect();
    assignments.join(", ")
}

/// `$3::bigint[], $4::text[], …` for all columns, behind so many parameters.
pub(crate) fn arrays<T: 'static>(fields: impl Fields<T>, behind: usize) -> String {
    let array = |(field, number): (&Field<T>, usize)| {
        format!("${number}::{}[]", parameter_type(field.kind))
    };
    let arrays: Vec<String> = fields.into_iter().zip(behind + 1..).map(array).collect();
    arrays.join(", ")
}

/// The type of a value of a column, as a parameter.
pub(crate) fn parameter_type(kind: Kind) -> &'static str {
    match kind {
        Kind::Int => "bigint",
        Kind::Flag => "boolean",
        Kind::Text => "text",
    }
}

/// The values of one column in all rows.
#[derive(Debug)]
pub(crate) enum Column {
    Int(Vec<Option<i64>>),
    Flag(Vec<Option<bool>>),
    Text(Vec<Option<String>>),
    Tids(Vec<Tid>),
    /// The value that all rows have.
    OneInt(Option<i64>),
    OneFlag(Option<bool>),
    OneText(Option<String>),
}

impl Column {
    /// The values of one field.
    fn of<T>(field: &Field<T>, rows: &[&T]) -> Self {
        let values = rows.iter().map(|row| (field.get)(row));
        match field.kind {
            Kind::Int => Column::Int(values.map(int).collect()),
            Kind::Flag => Column::Flag(values.map(flag).collect()),
            Kind::Text => Column::Text(values.map(text).collect()),
        }
    }

    pub(crate) fn texts<'a>(texts: impl IntoIterator<Item = &'a str>) -> Self {
        let texts = texts.into_iter();
        let texts = texts.map(|text| Some(without_zero(text.to_owned())));
        Column::Text(texts.collect())
    }

    /// The same, as one value if all rows have the same: the server goes through each array on its own, which takes it
    /// longer than to write the rows.
    fn shortened(self) -> Self {
        fn same<V: PartialEq>(values: &mut Vec<V>) -> Option<V> {
            let all = values.windows(2).all(|pair| pair[0] == pair[1]);
            values.pop_if(|_| all)
        }
        match self {
            Column::Int(mut values) => match same(&mut values) {
                Some(value) => Column::OneInt(value),
                None => Column::Int(values),
            },
            Column::Flag(mut values) => match same(&mut values) {
                Some(value) => Column::OneFlag(value),
                None => Column::Flag(values),
            },
            Column::Text(mut values) => match same(&mut values) {
                Some(value) => Column::OneText(value),
                None => Column::Text(values),
            },
            other => other,
        }
    }

    /// As a parameter of a statement.
    pub(crate) fn parameter(&self) -> (&(dyn ToSql + Sync), Type) {
        match self {
            Column::Int(values) => (values, Type::INT8_ARRAY),
            Column::Flag(values) => (values, Type::BOOL_ARRAY),
            Column::Text(values) => (values, Type::TEXT_ARRAY),
            Column::Tids(values) => (values, Type::TID_ARRAY),
            Column::OneInt(value) => (value, Type::INT8),
            Column::OneFlag(value) => (value, Type::BOOL),
            Column::OneText(value) => (value, Type::TEXT),
        }
    }

    /// Whether the parameter is an array.
    fn is_array(&self) -> bool {
        !matches!(
            self,
            Column::OneInt(_) | Column::OneFlag(_) | Column::OneText(_)
        )
    }
}

fn int(value: Value) -> Option<i64> {
    match value {
        Value::Int(number) => Some(number),
        _ => None,
    }
}

fn flag(value: Value) -> Option<bool> {
    match value {
        Value::Flag(flag) => Some(flag),
        _ => None,
    }
}

fn text(value: Value) -> Option<String> {
    match value {
        Value::Text(text) => Some(without_zero(text)),
        _ => None,
    }
}

/// PostgreSQL keeps every character but one. The zero character can only be in an error text of a job.
fn without_zero(text: String) -> String {
    match text.contains('\0') {
        true => text.replace('\0', "\u{fffd}"),
        false => text,
    }
}

/// The values of all columns of these rows.
pub(crate) fn columns<T: 'static>(fields: impl Fields<T>, rows: &[&T]) -> Vec<Column> {
    let fields = fields.into_iter();
    fields.map(|field| Column::of(field, rows)).collect()
}

/// The same for a statement that is made for them, which has the [`Sources`] of their values.
pub(crate) fn shortened<T: 'static>(fields: impl Fields<T>, rows: &[&T]) -> Vec<Column> {
    let columns = columns(fields, rows).into_iter();
    columns.map(Column::shortened).collect()
}

/// Where a statement finds the values of [`shortened`] columns: parts of its text.
pub(crate) struct Sources {
    /// `, $4::text[], …`: the parameters that are arrays.
    pub(crate) arrays: String,
    /// `, name, …`: their names, as `v` has them.
    pub(crate) names: String,
    /// `v.name`, or `$5::bigint`, for each column.
    pub(crate) values: Vec<String>,
}

impl Sources {
    /// Behind so many parameters.
    pub(crate) fn new<T: 'static>(
        fields: impl Fields<T>,
        columns: &[Column],
        behind: usize,
    ) -> Self {
        let mut sources = Sources {
            arrays: String::new(),
            names: String::new(),
            values: Vec::new(),
        };
        let fields = fields.into_iter().zip(columns).zip(behind + 1..);
        for ((field, column), number) in fields {
            let (name, kind) = (field.name, parameter_type(field.kind));
            if column.is_array() {
                sources.arrays += &format!(", ${number}::{kind}[]");
                sources.names += &format!(", {name}");
                sources.values.push(format!("v.{name}"));
            } else {
                sources.values.push(format!("${number}::{kind}"));
            }
        }
        sources
    }
}

/// Reads all columns, which are the last of the row, behind so many others. The inner error is a value that somebody
/// wrote by hand.
pub(crate) fn read<T>(
    fields: &[Field<T>],
    row: &Row,
    behind: usize,
    mut into: T,
) -> Result<Result<T, Damage>, tokio_postgres::Error> {
    for (field, index) in fields.iter().zip(behind..) {
        let value = match field.kind {
            Kind::Int => row.try_get::<_, Option<i64>>(index)?.map(Value::Int),
            Kind::Flag => row.try_get::<_, Option<bool>>(index)?.map(Value::Flag),
            Kind::Text => row.try_get::<_, Option<String>>(index)?.map(Value::Text),
        };
        if let Err(damage) = field.put(&mut into, value.unwrap_or(Value::Null)) {
            return Ok(Err(damage));
        }
    }
    Ok(Ok(into))
}
