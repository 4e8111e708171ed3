//! Statements of a job, in the transaction that records the outcome of its run.

use std::time::Duration;

use scheduled_one_protocol::{SqlValue, Statement, StoreError};
use tokio::time::Instant;
use tokio_postgres::error::SqlState;
use tokio_postgres::types::{ToSql, Type};
use tokio_postgres::{Client, Error};

use crate::classify::{Failure, Stage, describe, failure};

/// Time for all statements of an outcome: rows of the store are locked meanwhile.
const LIMIT: Duration = Duration::from_millis(1_200);

/// The number of the transaction, once it has changed something.
const NUMBER: &str = "SELECT pg_current_xact_id_if_assigned()::text";

/// Constraints that are deferred fail here, where it is known whose they are, and not in the commit.
const CHECK: &str = "SET CONSTRAINTS ALL IMMEDIATE";

/// What became of that transaction.
const STATUS: &str = "SELECT pg_xact_status($1::xid8)";

/// Executes the statements, in their order. The transaction has changed something before.
///
/// One of them may end the transaction, from behind a comment or in a function. That is found out before the commit: if
/// it was rolled back, nothing was saved; if it was committed, the repetition of the request finds the outcome.
pub(crate) async fn execute(client: &Client, statements: &[Statement]) -> Result<(), Failure> {
    let failed = |error: Error| failure(&error, Stage::Load);
    let number = number(client).await.map_err(failed)?;
    let until = Instant::now() + LIMIT;
    for statement in statements {
        let left = until.saturating_duration_since(Instant::now());
        let limit = format!("SET LOCAL statement_timeout = {}", left.as_millis().max(1));
        client.batch_execute(&limit).await.map_err(failed)?;
        execute_one(client, statement).await?;
    }
    let checked = client.batch_execute(CHECK).await;
    checked.map_err(|error| failure_of(&error))?;
    if number == self::number(client).await.map_err(failed)? {
        return Ok(());
    }
    let text = "a statement ended the transaction, which is the store's to end".to_owned();
    let status = client
        .query_typed(STATUS, &[(&number, Type::TEXT)])
        .await
        .map_err(failed)?;
    let status: Option<String> = match status.first() {
        Some(row) => row.try_get(0).map_err(failed)?,
        None => None,
    };
    Err(Failure::Fatal(match status.as_deref() {
        Some("committed") => StoreError::Unknown(text),
        _ => StoreError::Statement(text),
    }))
}

async fn execute_one(client: &Client, statement: &Statement) -> Result<(), Failure> {
    let parameters = statement.values.iter().map(parameter);
    let parameters: Vec<(&(dyn ToSql + Sync), Type)> = parameters.collect();
    let changed = client.execute_typed(&statement.text, &parameters).await;
    let changed = changed.map_err(|error| failure_of(&error))?;
    let judged = statement.judge_rows(changed);
    judged.map_err(|why| Failure::Fatal(StoreError::Statement(why)))
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

/// What an error of a job's statement means. What the statement is to blame for fails the attempt; what came of the
/// server, of its connection, or of other transactions, is as in a statement of the store.
fn failure_of(error: &Error) -> Failure {
    let Some(code) = error.code() else {
        let of_values = error.to_string().contains("error serializing parameter");
        return match of_values {
            true => Failure::Fatal(StoreError::Statement(describe(error))),
            false => failure(error, Stage::Load),
        };
    };
    let is_of_server = match code.code() {
        "57014" | "55P03" => false,
        other => ["08", "40", "53", "57", "58", "XX"].contains(&&other[..2]),
    };
    if is_of_server || *code == SqlState::READ_ONLY_SQL_TRANSACTION {
        return failure(error, Stage::Load);
    }
    let text = match code.code() {
        "57014" => format!(
            "{}; all statements of an outcome have {LIMIT:?}",
            describe(error)
        ),
        _ => describe(error),
    };
    Failure::Fatal(StoreError::Statement(text))
}
