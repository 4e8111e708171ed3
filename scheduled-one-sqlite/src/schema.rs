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
        for statement in tables() {
            transaction.execute_batch(&statement)?;
        }
        add_columns(&transaction, "meta", fields::META)?;
        add_columns(&transaction, "unit", fields::RECORD)?;
        add_columns(&transaction, "node", fields::NODE)?;
        add_columns(&transaction, "ledger", fields::LINE)?;
        add_columns(&transaction, "request", fields::REQUEST)?;
        add_columns(&transaction, "job", fields::CATALOG)?;
        add_columns(&transaction, "trail", fields::TRAIL)?;
        transaction.pragma_update(None, "application_id", APPLICATION)?;
        transaction.pragma_update(None, "user_version", VERSION)?;
    }
    transaction.commit()?;
    Ok(())
}

/// Why there are no tables.
#[derive(Debug)]
pub(crate) enum Error {
    Sqlite(rusqlite::Error),
    Refused(OpenError),
}

impl From<rusqlite::Error> for Error {
    fn from(error: rusqlite::Error) -> Self {
        Error::Sqlite(error)
    }
}

/// Whether the tables have all columns. A file of another program, or of a newer version, is refused.
fn is_complete(connection: &Connection, path: &Path) -> Result<bool, Error> {
    let application: i64 =
        connection.pragma_query_value(None, "application_id", |row| row.get(0))?;
    let version: i64 = connection.pragma_query_value(None, "user_version", |row| row.get(0))?;
    let foreign = |why: String| {
        let path = path.to_owned();
        Error::Refused(OpenError::Foreign { path, why })
    };
    match application {
        APPLICATION if version > VERSION => Err(Error::Refused(OpenError::NewerSchema {
            path: path.to_owned(),
            found: version,
            ours: VERSION,
        })),
        APPLICATION => Ok(has_columns(connection, "meta", fields::META)?
            && has_columns(connection, "unit", fields::RECORD)?
            && has_columns(connection, "node", fields::NODE)?
            && has_columns(connection, "job_list", fields::JOB_LIST)?
            && has_columns(connection, "ledger", fields::LINE)?
            && has_columns(connection, "request", fields::REQUEST)?
            && has_columns(connection, "job", fields::CATALOG)?
            && has_columns(connection, "trail", fields::TRAIL)?),
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

fn has_columns<T>(
    connection: &Connection,
    table: &str,
    fields: &[Field<T>],
) -> rusqlite::Result<bool> {
    let columns = columns(connection, table)?;
    Ok(fields
        .iter()
        .all(|field| columns.iter().any(|column| column == field.name)))
}

fn columns(connection: &Connection, table: &str) -> rusqlite::Result<Vec<String>> {
    let mut statement = connection.prepare("SELECT name FROM pragma_table_info(?1)")?;
    let names = statement.query_map([table], |row| row.get(0))?;
    names.collect()
}

fn add_columns<T>(
    connection: &Connection,
    table: &str,
    fields: &[Field<T>],
) -> rusqlite::Result<()> {
    let known = columns(connection, table)?;
    let missing = fields
        .iter()
        .filter(|field| known.iter().all(|column| column != field.name));
    for field in missing {
        let column = column(field);
        connection.execute_batch(&format!("ALTER TABLE {table} ADD COLUMN {column}"))?;
    }
    Ok(())
}

/// A column with the value that its field has in an empty record.
fn column<T>(field: &Field<T>) -> String {
    let Field { name, .. } = field;
    let (kind, default) = match field.kind {
        Kind::Int => ("INTEGER", "0"),
        Kind::Flag => ("INTEGER", "FALSE"),
        Kind::Text => ("TEXT", "''"),
    };
    match field.nullable {
        true => format!("{name} {kind}"),
        false => format!("{name} {kind} NOT NULL DEFAULT {default}"),
    }
}

fn tables() -> [String; 13] {
    let list = |columns: Vec<String>| columns.join(",\n  ");
    let meta = list(fields::META.iter().map(column).collect());
    let record = list(fields::RECORD.iter().map(column).collect());
    let line = list(fields::LINE.iter().map(column).collect());
    let node = list(fields::NODE.iter().map(column).collect());
    let request = list(fields::REQUEST.iter().map(column).collect());
    let job = list(fields::CATALOG.iter().map(column).collect());
    let trail = list(fields::TRAIL.iter().map(column).collect());
    let job_list = list(fields::JOB_LIST.iter().map(column).collect());
    [
        // Which file this is. A file that was made anew has forgotten everything, although it has the same name.
        "CREATE TABLE IF NOT EXISTS history (id TEXT NOT NULL) STRICT;
         INSERT INTO history SELECT lower(hex(randomblob(8))) WHERE NOT EXISTS (SELECT 1 FROM history)"
            .to_owned(),
        format!("CREATE TABLE IF NOT EXISTS meta (\n  bucket TEXT NOT NULL PRIMARY KEY,\n  {meta}\n) STRICT, WITHOUT ROWID"),
        format!(
            "CREATE TABLE IF NOT EXISTS node (\n  bucket TEXT NOT NULL,\n  node TEXT NOT NULL,\n  {node},\n  \
             PRIMARY KEY (bucket, node)\n) STRICT, WITHOUT ROWID"
        ),
        format!(
            "CREATE TABLE IF NOT EXISTS job_list (\n  bucket TEXT NOT NULL,\n  {job_list},\n  \
             PRIMARY KEY (bucket, digest)\n) STRICT, WITHOUT ROWID"
        ),
        format!(
            "CREATE TABLE IF NOT EXISTS job (\n  bucket TEXT NOT NULL,\n  name TEXT NOT NULL,\n  {job},\n  \
             PRIMARY KEY (bucket, name)\n) STRICT, WITHOUT ROWID"
        ),
        format!(
            "CREATE TABLE IF NOT EXISTS unit (\n  bucket TEXT NOT NULL,\n  name TEXT NOT NULL,\n  {record},\n  \
             PRIMARY KEY (bucket, name)\n) STRICT, WITHOUT ROWID"
        ),
        // For the survey of each heartbeat: of many units, few are active.
        format!("CREATE INDEX IF NOT EXISTS unit_active ON unit (bucket) WHERE {ACTIVE}"),
        "CREATE INDEX IF NOT EXISTS unit_due ON unit (bucket, next_due_ms)".to_owned(),
        format!(
            "CREATE TABLE IF NOT EXISTS ledger (\n  bucket TEXT NOT NULL,\n  job TEXT NOT NULL,\n  line INTEGER NOT \
             NULL,\n  {line},\n  PRIMARY KEY (bucket, job, line)\n) STRICT, WITHOUT ROWID"
        ),
        format!(
            "CREATE TABLE IF NOT EXISTS request (\n  bucket TEXT NOT NULL,\n  lane TEXT NOT NULL,\n  tick_ms INTEGER \
             NOT NULL,\n  {request},\n  PRIMARY KEY (bucket, lane, tick_ms)\n) STRICT, WITHOUT ROWID"
        ),
        "CREATE TABLE IF NOT EXISTS asked (\n  bucket TEXT NOT NULL,\n  unit TEXT NOT NULL,\n  id TEXT NOT NULL,\n  \
         tick_ms INTEGER NOT NULL,\n  PRIMARY KEY (bucket, unit, id)\n) STRICT, WITHOUT ROWID"
            .to_owned(),
        format!(
            "CREATE TABLE IF NOT EXISTS trail (\n  bucket TEXT NOT NULL,\n  entry INTEGER NOT NULL,\n  {trail},\n  \
             PRIMARY KEY (bucket, entry)\n) STRICT, WITHOUT ROWID"
        ),
        "CREATE INDEX IF NOT EXISTS asked_by_tick ON asked (bucket, tick_ms)".to_owned(),
    ]
}

/// The units that a survey looks at: something runs, or waits.
pub(crate) const ACTIVE: &str = "running OR waiting <> ''";
