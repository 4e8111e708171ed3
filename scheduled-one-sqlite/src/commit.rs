//! Statements of a job, in the transaction that records the outcome of its run.

use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use rusqlite::hooks::{AuthAction, AuthContext, Authorization};
use rusqlite::limits::Limit;
use rusqlite::types::{ToSqlOutput, Value};
use rusqlite::{Connection, Error, ErrorCode, ToSql, ffi, params_from_iter};
use scheduled_one_protocol::clock::{Clock, SystemClock};
use scheduled_one_protocol::{SqlValue, Statement, StoreError};

use crate::classify::Stage;
use crate::schema::TABLES;
use crate::statements::Failure;
use crate::step::Abort;

/// Time for all statements of an outcome: the write lock is held meanwhile, and other calls of the handle wait, for a
/// second at most.
const LIMIT: Duration = Duration::from_millis(500);
/// So many instructions of SQLite take less than a millisecond.
const INSTRUCTIONS: i32 = 10_000;
/// The longest text or blob: a function that makes a longer one is one instruction, which nothing interrupts.
const MAX_LENGTH: i32 = 16 << 20;

/// Executes the statements, in their order.
pub(crate) fn execute(connection: &Connection, statements: &[Statement]) -> Result<(), Failure> {
    if statements.is_empty() {
        return Ok(());
    }
    let until = SystemClock.boottime() + LIMIT;
    let is_late = move || SystemClock.boottime() > until;
    let denied = Arc::new(Mutex::new(None));
    let length = connection.limit(Limit::SQLITE_LIMIT_LENGTH)?;
    connection.set_limit(Limit::SQLITE_LIMIT_LENGTH, MAX_LENGTH)?;
    connection.progress_handler(INSTRUCTIONS, Some(is_late))?;
    let note = Arc::clone(&denied);
    connection.authorizer(Some(move |context: AuthContext<'_>| {
        let why = refused(&context.action);
        let is_refused = why.is_some();
        let mut note = note.lock().unwrap_or_else(PoisonError::into_inner);
        *note = note.take().or(why);
        match is_refused {
            true => Authorization::Deny,
            false => Authorization::Allow,
        }
    }))?;
    let mut numbered = (1..).zip(statements);
    let executed = numbered.try_for_each(|(number, statement)| {
        let executed = execute_one(connection, statement).and_then(|()| match is_late() {
            true => Err(Cause::Statement(too_long())),
            false => Ok(()),
        });
        executed.map_err(|cause| match cause {
            Cause::File(error) => Failure::Sqlite(error),
            Cause::Statement(text) => {
                let denied = denied.lock().unwrap_or_else(PoisonError::into_inner);
                let text = denied.clone().unwrap_or(text);
                blame(format!(
                    "statement {number}: {}",
                    statement.without_values(&text)
                ))
            }
        })
    });
    connection.authorizer(None::<fn(AuthContext<'_>) -> Authorization>)?;
    connection.progress_handler(0, None::<fn() -> bool>)?;
    connection.set_limit(Limit::SQLITE_LIMIT_LENGTH, length)?;
    executed
}

/// What is to blame for an error.
enum Cause {
    File(Error),
    Statement(String),
}

impl From<Error> for Cause {
    fn from(error: Error) -> Self {
        let extended = error.sqlite_error().map_or(0, |error| error.extended_code);
        match error.sqlite_error_code() {
            // Of a table with a module, as one for full-text search.
            Some(ErrorCode::DatabaseCorrupt) if extended == ffi::SQLITE_CORRUPT_VTAB => {
                Cause::Statement(text_of(&error))
            }
            Some(
                ErrorCode::DatabaseBusy
                | ErrorCode::DatabaseLocked
                | ErrorCode::DiskFull
                | ErrorCode::SystemIoFailure
                | ErrorCode::ReadOnly
                | ErrorCode::CannotOpen
                | ErrorCode::DatabaseCorrupt
                | ErrorCode::NotADatabase,
            ) => Cause::File(error),
            Some(ErrorCode::OperationInterrupted) => Cause::Statement(too_long()),
            _ => Cause::Statement(text_of(&error)),
        }
    }
}

fn execute_one(connection: &Connection, statement: &Statement) -> Result<(), Cause> {
    let mut prepared = connection.prepare(&statement.text)?;
    let values = params_from_iter(statement.values.iter().map(Bound));
    let before = connection.total_changes();
    let changed = if prepared.column_count() == 0 {
        let changed = prepared.execute(values)? as u64;
        // A statement that changes no rows leaves the count of the one before it.
        if connection.total_changes() == before {
            0
        } else {
            changed
        }
    } else {
        // A statement that returns rows is carried out as they are read.
        let mut rows = prepared.query(values)?;
        let mut count = 0;
        while rows.next()?.is_some() {
            count += 1;
        }
        count
    };
    statement.judge_rows(changed).map_err(Cause::Statement)
}

/// The error of a commit with statements. Foreign keys that are deferred fail there.
pub(crate) fn failed(error: Error) -> Abort {
    match error.sqlite_error_code() {
        Some(ErrorCode::ConstraintViolation) => Abort::Damaged(StoreError::Statement(format!(
            "the commit: {}",
            text_of(&error)
        ))),
        _ => Abort::Sqlite(error, Stage::Commit),
    }
}

fn blame(text: String) -> Failure {
    Failure::Damaged(StoreError::Statement(text))
}

fn too_long() -> String {
    format!("all statements of an outcome have {LIMIT:?}")
}

/// Why a statement may not do this: the transaction and the connection are the store's, and so are its tables. A
/// temporary table would be taken for one of them by all that comes later.
fn refused(action: &AuthAction<'_>) -> Option<String> {
    let of_store = |table: &str| {
        let is_of_store = TABLES.iter().any(|own| own.eq_ignore_ascii_case(table));
        is_of_store.then(|| format!("it changes the table {table}, which is the store's"))
    };
    match action {
        AuthAction::Transaction { .. } | AuthAction::Savepoint { .. } => {
            Some("it ends or divides the transaction, which is the store's".to_owned())
        }
        // A full-text search reads that itself.
        AuthAction::Pragma { pragma_name, .. } if *pragma_name == "data_version" => None,
        AuthAction::Pragma { .. } | AuthAction::Attach { .. } | AuthAction::Detach { .. } => {
            Some("it is about the connection, which is the store's".to_owned())
        }
        AuthAction::CreateTempIndex { .. }
        | AuthAction::CreateTempTable { .. }
        | AuthAction::CreateTempTrigger { .. }
        | AuthAction::CreateTempView { .. }
        | AuthAction::DropTempIndex { .. }
        | AuthAction::DropTempTable { .. }
        | AuthAction::DropTempTrigger { .. }
        | AuthAction::DropTempView { .. } => {
            Some("it is about something temporary: the connection is the store's".to_owned())
        }
        AuthAction::Insert { table_name }
        | AuthAction::Delete { table_name }
        | AuthAction::Update { table_name, .. }
        | AuthAction::CreateIndex { table_name, .. }
        | AuthAction::CreateTrigger { table_name, .. }
        | AuthAction::DropIndex { table_name, .. }
        | AuthAction::DropTable { table_name }
        | AuthAction::DropTrigger { table_name, .. }
        | AuthAction::AlterTable { table_name, .. } => of_store(table_name),
        _ => None,
    }
}

/// Without the text of the statement, which may have values in it.
fn text_of(error: &Error) -> String {
    match error {
        Error::SqlInputError { msg, .. } => msg.clone(),
        other => other.to_string(),
    }
}

struct Bound<'a>(&'a SqlValue);

impl ToSql for Bound<'_> {
    fn to_sql(&self) -> rusqlite::Result<ToSqlOutput<'_>> {
        Ok(match self.0 {
            SqlValue::Null => ToSqlOutput::Owned(Value::Null),
            SqlValue::Bool(value) => ToSqlOutput::from(*value),
            SqlValue::Integer(value) => ToSqlOutput::from(*value),
            SqlValue::Real(value) => ToSqlOutput::from(*value),
            SqlValue::Text(value) => ToSqlOutput::from(value.as_str()),
            SqlValue::Blob(value) => ToSqlOutput::from(value.as_slice()),
        })
    }
}
