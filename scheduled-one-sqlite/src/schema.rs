//! The tables, and their version. The columns are the lists of [`fields`].

use std::path::Path;

use rusqlite::{Connection, OptionalExtension, TransactionBehavior};
use scheduled_one_protocol::fields::{self, Field, Kind};

use crate::open_error::OpenError;

/// Changes with the meaning of what is stored. A column more needs no other version: it is added, and a program without
/// it leaves it as it is.
pub(crate) const VERSION: i64 = 1;

/// Marks the file as one of this crate: `sch1`, as a number.
const APPLICATION: i64 = 0x7363_6831;

/// Makes the tables, or adds the columns that they lack. Processes that start at the same time do this one after the
/// other.
pub(crate) fn prepare(connection: &mut Connection, path: &Path) -> Result<(), Error> {
    if is_complete(connection, path)? {
        return Ok(());
    }
    let transaction = connection.transaction_with_behavior(TransactionBehavior::Immediate)?;
    // Another process may have made them in between.
    if !is_complete(&transaction, path)? {
        for statement in statements() {
            transaction.execute_batch(&statement)?;
        }
        for table in tables() {
            add_columns(&transaction, &table)?;
        }
        for index in indexes() {
            transaction.execute_batch(&index)?;
        }
        transaction.pragma_update(None, "application_id", APPLICATION)?;
        transaction.pragma_update(None, "user_version", VERSION)?;
    }
    transaction.commit()?;
    Ok(())
}

/// Gives the file another identity: it lacks something that it had.
pub(crate) fn begin_history(connection: &Connection) -> rusqlite::Result<()> {
    let update = "UPDATE history SET id = lower(hex(randomblob(8)))";
    connection.execute(update, []).map(drop)
}

/// Why there are no tables.
#[derive(Debug)]
pub(crate) enum Error {
    Sqlite(rusqlite::Error),
    Refused(OpenError),
    /// Somebody has the file open with another log.
    InUse,
}

impl From<rusqlite::Error> for Error {
    fn from(error: rusqlite::Error) -> Self {
        Error::Sqlite(error)
    }
}

/// Refuses a file of another program, or of a newer version. Otherwise, whether the file is one of this crate: an empty
/// file is not yet. Changes nothing.
pub(crate) fn refuse_foreign(connection: &Connection, path: &Path) -> Result<bool, Error> {
    let application: i64 =
        connection.pragma_query_value(None, "application_id", |row| row.get(0))?;
    let version: i64 = connection.pragma_query_value(None, "user_version", |row| row.get(0))?;
    let foreign = |why: String| {
        let path = path.to_owned();
        Error::Refused(OpenError::Foreign { path, why })
    };
    match application {
        APPLICATION => refuse_newer(version, path)
            .map(|()| true)
            .map_err(Error::Refused),
        0 => {
            let table = "SELECT name FROM sqlite_schema WHERE type = 'table' LIMIT 1";
            let table: Option<String> = connection
                .query_row(table, [], |row| row.get(0))
                .optional()?;
            match table {
                Some(table) => Err(foreign(format!("it has the table {table}"))),
                None => Ok(false),
            }
        }
        other => Err(foreign(format!("its application id is {other}"))),
    }
}

/// Refuses tables of a newer version.
pub(crate) fn refuse_newer(version: i64, path: &Path) -> Result<(), OpenError> {
    match version > VERSION {
        false => Ok(()),
        true => Err(OpenError::NewerSchema {
            path: path.to_owned(),
            found: version,
            ours: VERSION,
        }),
    }
}

/// Whether the tables are there, with all columns.
fn is_complete(connection: &Connection, path: &Path) -> Result<bool, Error> {
    if !refuse_foreign(connection, path)? {
        return Ok(false);
    }
    for table in tables() {
        if !table.missing(connection)?.is_empty() {
            return Ok(false);
        }
    }
    Ok(true)
}

fn columns(connection: &Connection, table: &str) -> rusqlite::Result<Vec<String>> {
    let mut statement = connection.prepare("SELECT name FROM pragma_table_info(?1)")?;
    let names = statement.query_map([table], |row| row.get(0))?;
    names.collect()
}

fn add_columns(connection: &Connection, table: &Table) -> rusqlite::Result<()> {
    let Table { name, .. } = table;
    for column in table.missing(connection)? {
        let definition = &column.definition;
        connection.execute_batch(&format!("ALTER TABLE {name} ADD COLUMN {definition}"))?;
    }
    Ok(())
}

/// A table with the columns of a list.
struct Table {
    name: &'static str,
    /// The columns before those of the list.
    key: &'static str,
    primary_key: &'static str,
    columns: Vec<Column>,
}

struct Column {
    name: &'static str,
    definition: String,
}

impl Table {
    fn new<T>(
        name: &'static str,
        key: &'static str,
        primary_key: &'static str,
        fields: &[Field<T>],
    ) -> Self {
        Table {
            name,
            key,
            primary_key,
            columns: fields.iter().map(Column::new).collect(),
        }
    }

    /// The columns of the list that the table lacks; all of them if there is no table.
    fn missing(&self, connection: &Connection) -> rusqlite::Result<Vec<&Column>> {
        let known = columns(connection, self.name)?;
        let is_missing = |column: &&Column| known.iter().all(|known| known != column.name);
        Ok(self.columns.iter().filter(is_missing).collect())
    }

    fn create(&self) -> String {
        let Table {
            name,
            key,
            primary_key,
            columns,
        } = self;
        let columns: Vec<&str> = columns
            .iter()
            .map(|column| column.definition.as_str())
            .collect();
        format!(
            "CREATE TABLE IF NOT EXISTS {name} (\n  {key},\n  {},\n  PRIMARY KEY ({primary_key})\n) STRICT, WITHOUT \
             ROWID",
            columns.join(",\n  ")
        )
    }
}

impl Column {
    /// A column with the value that its field has in an empty record.
    fn new<T>(field: &Field<T>) -> Self {
        let Field { name, .. } = field;
        let (kind, default) = match field.kind {
            Kind::Int => ("INTEGER", "0"),
            Kind::Flag => ("INTEGER", "FALSE"),
            Kind::Text => ("TEXT", "''"),
        };
        let definition = match field.nullable {
            true => format!("{name} {kind}"),
            false => format!("{name} {kind} NOT NULL DEFAULT {default}"),
        };
        Column { name, definition }
    }
}

/// The names of all tables.
pub(crate) const TABLES: [&str; 11] = [
    "asked",
    "checkpoint",
    "history",
    "job",
    "job_list",
    "ledger",
    "meta",
    "node",
    "request",
    "trail",
    "unit",
];

/// Each table whose columns are a list of [`fields`].
fn tables() -> [Table; 9] {
    const BUCKET: &str = "bucket TEXT NOT NULL";
    const NAMED: &str = "bucket TEXT NOT NULL,\n  name TEXT NOT NULL";
    [
        Table::new("meta", BUCKET, "bucket", fields::META),
        Table::new(
            "node",
            "bucket TEXT NOT NULL,\n  node TEXT NOT NULL",
            "bucket, node",
            fields::NODE,
        ),
        Table::new("job_list", BUCKET, "bucket, digest", fields::JOB_LIST),
        Table::new("job", NAMED, "bucket, name", fields::CATALOG),
        Table::new("unit", NAMED, "bucket, name", fields::RECORD),
        Table::new(
            "checkpoint",
            "bucket TEXT NOT NULL,\n  unit TEXT NOT NULL",
            "bucket, unit",
            fields::CHECKPOINT,
        ),
        Table::new(
            "ledger",
            "bucket TEXT NOT NULL,\n  job TEXT NOT NULL,\n  line INTEGER NOT NULL",
            "bucket, job, line",
            fields::LINE,
        ),
        Table::new(
            "request",
            "bucket TEXT NOT NULL,\n  lane TEXT NOT NULL,\n  tick_ms INTEGER NOT NULL",
            "bucket, lane, tick_ms",
            fields::REQUEST,
        ),
        Table::new(
            "trail",
            "bucket TEXT NOT NULL,\n  entry INTEGER NOT NULL",
            "bucket, entry",
            fields::TRAIL,
        ),
    ]
}

/// What makes the tables.
fn statements() -> Vec<String> {
    let mut statements = vec![
        // Which file this is. A file that was made anew has forgotten everything, although it has the same name.
        "CREATE TABLE IF NOT EXISTS history (id TEXT NOT NULL) STRICT;
         INSERT INTO history SELECT lower(hex(randomblob(8))) WHERE NOT EXISTS (SELECT 1 FROM history)"
            .to_owned(),
        "CREATE TABLE IF NOT EXISTS asked (\n  bucket TEXT NOT NULL,\n  unit TEXT NOT NULL,\n  id TEXT NOT NULL,\n  \
         tick_ms INTEGER NOT NULL,\n  PRIMARY KEY (bucket, unit, id)\n) STRICT, WITHOUT ROWID"
            .to_owned(),
        "CREATE INDEX IF NOT EXISTS asked_by_tick ON asked (bucket, tick_ms)".to_owned(),
    ];
    statements.extend(tables().iter().map(Table::create));
    statements
}

/// What makes the indexes, when the columns are there: for the survey of each heartbeat. Of many units, few are active.
fn indexes() -> [String; 2] {
    [
        format!("CREATE INDEX IF NOT EXISTS unit_active ON unit (bucket) WHERE {ACTIVE}"),
        "CREATE INDEX IF NOT EXISTS unit_due ON unit (bucket, next_due_ms)".to_owned(),
    ]
}

/// The units that a survey looks at: something runs, or waits.
pub(crate) const ACTIVE: &str = "running OR waiting <> ''";

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_names_of_all_tables_are_known() {
        let connection = Connection::open_in_memory().unwrap();
        for statement in statements() {
            connection.execute_batch(&statement).unwrap();
        }
        let names = "SELECT name FROM sqlite_schema WHERE type = 'table' ORDER BY name";
        let mut names = connection.prepare(names).unwrap();
        let names = names.query_map([], |row| row.get(0)).unwrap();
        let names: Vec<String> = names.map(Result::unwrap).collect();
        assert_eq!(names, TABLES);
    }
}
