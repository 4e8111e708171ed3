//! Statements of a job, in the transaction that records the outcome of its run.

use std::time::Duration;

use scheduled_one_protocol::{SqlValue, Statement, StoreError};
use tokio::time::{Instant, timeout_at};
use tokio_postgres::error::{Severity, SqlState};
use tokio_postgres::types::{ToSql, Type};
use tokio_postgres::{Client, Error};

use crate::classify::{Failure, Stage, describe, failure};
use crate::statements::{CLEAN, UNDO};
use crate::units::AS_CONFIGURED;

/// Time for all statements of an outcome, with their round trips: rows of the store are locked meanwhile.
const LIMIT: Duration = Duration::from_millis(1_200);
/// What is left for the commit of the time of a request.
const FOR_COMMIT: Duration = Duration::from_millis(200);

/// The number of the transaction, once it has changed something.
const NUMBER: &str = "SELECT pg_current_xact_id_if_assigned()::text";

/// Constraints that are deferred fail here, where it is known whose they are, and not in the commit.
const CHECK: &str = "SET CONSTRAINTS ALL IMMEDIATE";

/// Executes the statements, in their order, by `deadline`. The transaction has changed something before, and no commit
/// was sent: whatever fails here, nothing is committed.
pub(crate) async fn execute(
    client: &Client,
    statements: &[Statement],
    deadline: Instant,
) -> Result<(), Failure> {
    let now = Instant::now();
    let until = (now + LIMIT).min(deadline - FOR_COMMIT);
    if until < now + LIMIT / 2 {
        // The server was slow before: the next request may have more time.
        let text = "PostgreSQL replied late; no statement was sent".to_owned();
        return Err(Failure::Fatal(StoreError::Unavailable(text)));
    }
    let executed = timeout_at(until, execute_by(client, statements, until)).await;
    let executed = executed.unwrap_or_else(|_| Err(blame(too_long())));
    if executed.is_err() {
        // A connection that does not reply in time is closed.
        let _ = timeout_at(deadline, client.batch_execute(UNDO)).await;
    }
    executed
}

async fn execute_by(
    client: &Client,
    statements: &[Statement],
    until: Instant,
) -> Result<(), Failure> {
    let failed = |error: Error| failure(&error, Stage::Load);
    let (configured, before) = tokio::join!(
        biased;
        client.batch_execute(AS_CONFIGURED),
        number(client),
    );
    configured.map_err(failed)?;
    let before = before.map_err(failed)?;
    for (number, statement) in (1..).zip(statements) {
        let of = |error| failure_of(client, &error, number, statement);
        let (limited, changed) = tokio::join!(
            biased;
            limit(client, until),
            execute_one(client, statement),
        );
        limited.map_err(failed)?;
        let judged = statement.judge_rows(changed.map_err(of)?);
        judged.map_err(|why| blame(format!("statement {number}: {why}")))?;
    }
    limit(client, until).await.map_err(failed)?;
    let last = Statement::new("");
    let checked = client.batch_execute(CHECK).await;
    checked.map_err(|error| failure_of(client, &error, statements.len(), &last))?;
    // What begins with another word is no statement that could end it; if one does all the same, that is found.
    let (after, cleaned) = tokio::join!(
        biased;
        self::number(client),
        client.batch_execute(CLEAN),
    );
    let is_open = before == after.map_err(failed)?;
    cleaned.map_err(failed)?;
    match is_open {
        true => Ok(()),
        false => Err(blame("a statement ended the transaction".to_owned())),
    }
}

/// The server ends the next statement at that time.
async fn limit(client: &Client, until: Instant) -> Result<(), Error> {
    let left = until.saturating_duration_since(Instant::now());
    let limit = format!("SET LOCAL statement_timeout = {}", left.as_millis().max(1));
    client.batch_execute(&limit).await
}

async fn execute_one(client: &Client, statement: &Statement) -> Result<u64, Error> {
    let parameters = statement.values.iter().map(parameter);
    let parameters: Vec<(&(dyn ToSql + Sync), Type)> = parameters.collect();
    client.execute_typed(&statement.text, &parameters).await
}

async fn number(client: &Client) -> Result<Option<String>, Error> {
    let rows = client.query_typed(NUMBER, &[]).await?;
    rows.first().map_or(Ok(None), |row| row.try_get(0))
}

fn parameter(value: &SqlValue) -> (&(dyn ToSql + Sync), Type) {
    match value {
        // The server finds the type.
        SqlValue::Null => (&None::<String>, Type::UNKNOWN),
        SqlValue::Bool(value) => (value, Type::BOOL),
        SqlValue::Integer(value) => (value, Type::INT8),
        SqlValue::Real(value) => (value, Type::FLOAT8),
        SqlValue::Text(value) => (value, Type::TEXT),
        SqlValue::Blob(value) => (value, Type::BYTEA),
    }
}

fn too_long() -> String {
    format!("all statements of an outcome, with their round trips, have {LIMIT:?}")
}

fn blame(text: String) -> Failure {
    Failure::Fatal(StoreError::Statement(text))
}

/// What an error of a job's statement means. An error that leaves the connection open is the statement's, whatever its
/// code: functions and triggers may raise any. Of a conflict with other transactions, the step is repeated first.
fn failure_of(client: &Client, error: &Error, number: usize, statement: &Statement) -> Failure {
    let is_of_statement = match error.as_db_error() {
        Some(of_server) => of_server.parsed_severity() == Some(Severity::Error),
        None => !client.is_closed(),
    };
    let code = error.code();
    if !is_of_statement || code == Some(&SqlState::READ_ONLY_SQL_TRANSACTION) {
        return failure(error, Stage::Load);
    }
    let text = statement.without_values(&describe(error));
    let text = format!("statement {number}: {text}");
    match code.map_or("", SqlState::code) {
        "57014" => blame(format!("{text}; {}", too_long())),
        "40001" | "40P01" => Failure::Repeat(StoreError::Statement(text)),
        _ => blame(text),
    }
}

/// What an error of the commit means. The server rolls back what it refuses to commit.
pub(crate) fn failure_of_commit(error: &Error) -> Failure {
    let of_server = error.as_db_error();
    let is_refused = of_server.is_some_and(|it| it.parsed_severity() == Some(Severity::Error));
    let is_stopped = error
        .code()
        .is_some_and(|code| code.code().starts_with("57P"));
    match is_refused && !is_stopped {
        true => blame(format!("the commit: {}", describe(error))),
        false => failure(error, Stage::Commit),
    }
}
