//! Statements of a job, in the transaction that records the outcome of its run.

use std::time::Duration;

use rusqlite::hooks::{AuthAction, AuthContext, Authorization};
use rusqlite::types::{ToSqlOutput, Value};
use rusqlite::{Connection, Error, ErrorCode, ToSql, params_from_iter};
use scheduled_one_protocol::clock::{Clock, SystemClock};
use scheduled_one_protocol::{SqlValue, Statement, StoreError};

use crate::classify::Stage;
use crate::statements::Failure;
use crate::step::Abort;

/// Time for all statements of an outcome: the write lock is held meanwhile, and other calls of the handle wait, for a
/// second at most.
const LIMIT: Duration = Duration::from_millis(500);
/// So many instructions of SQLite take less than a millisecond.
const INSTRUCTIONS: i32 = 10_000;

/// Executes the statements, in their order.
pub(crate) fn execute(connection: &Connection, statements: &[Statement]) -> Result<(), Failure> {
    if statements.is_empty() {
        return Ok(());
    }
    let until = SystemClock.boottime() + LIMIT;
    connection.progress_handler(INSTRUCTIONS, Some(move || SystemClock.boottime() > until))?;
    connection.authorizer(Some(allowed))?;
    let executed = statements
        .iter()
        .try_for_each(|statement| execute_one(connection, statement));
    connection.authorizer(None::<fn(AuthContext<'_>) -> Authorization>)?;
    connection.progress_handler(0, None::<fn() -> bool>)?;
    executed
}

fn execute_one(connection: &Connection, statement: &Statement) -> Result<(), Failure> {
    let blame = |text: String| Failure::Damaged(StoreError::Statement(text));
    let failed = |error: Error| match error.sqlite_error_code() {
        // Of the file, not of the statement.
        Some(
            ErrorCode::DatabaseBusy
            | ErrorCode::DatabaseLocked
            | ErrorCode::DiskFull
            | ErrorCode::SystemIoFailure
            | ErrorCode::ReadOnly
            | ErrorCode::CannotOpen
            | ErrorCode::DatabaseCorrupt
            | ErrorCode::NotADatabase,
        ) => Failure::Sqlite(error),
        Some(ErrorCode::OperationInterrupted) => {
            blame(format!("all statements of an outcome have {LIMIT:?}"))
        }
        _ => blame(text_of(&error)),
    };
    let mut prepared = connection.prepare(&statement.text).map_err(failed)?;
    let values = params_from_iter(statement.values.iter().map(Bound));
    if prepared.column_count() == 0 {
        let changed = prepared.execute(values).map_err(failed)?;
        statement.judge_rows(changed as u64).map_err(blame)?;
    } else {
        // A statement that returns rows is carried out as they are read.
        let mut rows = prepared.query(values).map_err(failed)?;
        let mut count = 0;
        while rows.next().map_err(failed)?.is_some() {
            count += 1;
        }
        statement.judge_rows(count).map_err(blame)?;
    }
    Ok(())
}

/// The error of a commit with statements. Foreign keys that are deferred fail there.
pub(crate) fn failed(error: Error) -> Abort {
    match error.sqlite_error_code() {
        Some(ErrorCode::ConstraintViolation) => {
            Abort::Damaged(StoreError::Statement(text_of(&error)))
        }
        _ => Abort::Sqlite(error, Stage::Commit),
    }
}

/// The transaction is the store's to end.
fn allowed(context: AuthContext<'_>) -> Authorization {
    match context.action {
        AuthAction::Transaction { .. }
        | AuthAction::Savepoint { .. }
        | AuthAction::Attach { .. }
        | AuthAction::Detach { .. }
        | AuthAction::Pragma { .. } => Authorization::Deny,
        _ => Authorization::Allow,
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
